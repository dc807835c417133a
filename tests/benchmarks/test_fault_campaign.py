"""The fault campaign: what is drawn, what pictures tell, what is judged, and a short real one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
from edge_recog_benchmarks.studies.faults.__main__ import is_good, main, shared_out
from edge_recog_benchmarks.studies.faults.campaign import Campaign, leaks, shortened, spread
from edge_recog_benchmarks.studies.faults.drawing import Fault, draw
from edge_recog_benchmarks.studies.faults.judging import Heard, Timeline, Told, is_over, judge
from edge_recog_benchmarks.studies.faults.kinds import DETECT_S, KINDS, OLDEST_S, RECOVER_S
from edge_recog_benchmarks.studies.faults.pictures import (
    DAMAGES,
    NUMBERS,
    SIZES,
    black,
    damaged,
    labels,
    model,
    picture,
    read,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.cameras.images import decode_image
from edge_recog.classifier import Classifier
from edge_recog.errors import UsageError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge_recog_benchmarks.studies.faults.judging import Channel

SECOND = 1_000_000_000
START = 100 * SECOND
LONG_S = 60.0
TOLD = [name for name, kind in KINDS.items() if kind.expect == "told"]
CONTAINED = [name for name, kind in KINDS.items() if kind.expect == "contained"]


# What is drawn


@given(st.integers(0, 2**32), st.integers(0, 80))
def test_the_same_seed_draws_the_same_faults(seed: int, count: int) -> None:
    faults = draw(seed, count, sources=("http", "rtsp"))

    assert faults == draw(seed, count, sources=("http", "rtsp"))
    assert [fault.number for fault in faults] == list(range(count))
    for fault in faults:
        assert fault.source in fault.rules.sources
        assert fault.rules.shortest_s <= fault.lasts_s <= fault.rules.longest_s


@given(st.integers(0, 2**32), st.integers(0, 200))
def test_kinds_are_drawn_as_often_as_each_other(seed: int, count: int) -> None:
    faults = draw(seed, count, sources=("http", "rtsp"))
    pairs = [(name, source) for name, kind in KINDS.items() for source in kind.sources]
    drawn = Counter((fault.kind, fault.source) for fault in faults)

    assert max(drawn[pair] for pair in pairs) - min(drawn[pair] for pair in pairs) <= 1


def test_a_longer_campaign_begins_like_a_shorter_one() -> None:
    assert draw(3, 90, sources=("http", "rtsp"))[:17] == draw(3, 17, sources=("http", "rtsp"))


def test_what_is_to_be_told_lasts_longer_than_it_may_take() -> None:
    assert all(KINDS[name].shortest_s > DETECT_S for name in TOLD)


# What pictures tell


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], Any]]:
    """Return what a live classifier's answer to a JPEG says."""
    path = tmp_path_factory.mktemp("faults") / "picture.tflite"
    path.write_bytes(model())
    with Classifier.open(path) as classifier:

        def see(jpeg: bytes) -> tuple[int, bool] | None:
            frame = Frame.from_rgb(decode_image(jpeg, where="a test"))
            result = classifier.classify(frame, top_k=len(labels()))
            return read({one.label: round(one.score, 4) for one in result.predictions})

        yield see


@settings(max_examples=60)
@given(number=st.integers(0, 3 * NUMBERS), is_bad=st.booleans(), size=st.sampled_from(SIZES))
def test_an_answer_tells_which_picture_it_was_made_of(
    look: Callable[[bytes], Any], number: int, is_bad: bool, size: tuple[int, int]
) -> None:
    assert look(picture(number, is_bad=is_bad, size=size)) == (number % NUMBERS, is_bad)


def test_an_answer_of_nothing_is_known_as_such(look: Callable[[bytes], Any]) -> None:
    assert look(black()) is None
    assert read({}) is None
    for shade in (0, 100, 128, 200, 255):
        assert read(dict.fromkeys(labels(), shade / 255)) is None


@given(st.integers(0, 2**16 - 1))
def test_few_words_are_pictures(word: int) -> None:
    scores = {f"{bit}-g": float(word >> bit & 1) for bit in range(16)}
    found = read(scores)

    # Four of the sixteen bits follow from the others.
    assert found is None or found == (word >> 5, bool(word >> 4 & 1))
    flipped = scores | {"0-g": 1.0 - scores["0-g"]}
    assert found is None or read(flipped) is None


@given(st.integers(0, 2**32 - 1), st.integers(0, NUMBERS - 1))
def test_damage_is_the_same_again(variant: int, number: int) -> None:
    whole = picture(number)

    assert damaged(whole, variant) == damaged(whole, variant) != whole
    assert len(DAMAGES) > 1


# What is judged


def fault(kind: str = "hang", lasts_s: float = 4.0, source: Any = "http") -> Fault:
    return Fault(0, kind, source, settle_s=1.0, lasts_s=lasts_s, variant=0)


def answers(
    channel: Channel, times_s: Sequence[float], *, age_s: float = 0.05, **changes: Any
) -> list[Heard]:
    heard = []
    for at_s in times_s:
        at_ns = START + round(at_s * SECOND)
        values: dict[str, Any] = {"sent_ns": at_ns - round(age_s * SECOND)} | changes
        heard.append(Heard(at_ns, channel, **values))
    return heard


def timeline(
    *heard: list[Heard],
    told_s: float | None = 1.0,
    lasts_s: float = 4.0,
    until_s: float = 12.0,
    exit_code: int | None = None,
) -> Timeline:
    ended = START + round(lasts_s * SECOND)
    states = []
    if told_s is not None:
        states = [Told(START + round(told_s * SECOND), "degraded", "no frame came for 2 s")]
        states.append(Told(ended + SECOND, "running", None))
    merged = sorted((one for some in heard for one in some), key=lambda one: one.at_ns)
    until = START + round(until_s * SECOND)
    return Timeline(START, ended, until, merged, states, exit_code)


def both(*times_s: float, **changes: Any) -> list[Heard]:
    return answers("file", times_s, **changes) + answers("broker", times_s, **changes)


@settings(max_examples=200)
@given(
    kind=st.sampled_from(TOLD),
    told_s=st.none() | st.floats(0, 4).map(lambda value: round(value, 3)),
    back_s=st.none() | st.floats(0.1, 9).map(lambda value: round(value, 3)),
)
def test_what_is_told_and_over_in_time_is_good(
    kind: str, told_s: float | None, back_s: float | None
) -> None:
    heard = [] if back_s is None else both(4.0 + back_s)
    verdict = judge(fault(kind), timeline(heard, told_s=told_s, until_s=20))

    is_told = told_s is not None and told_s <= DETECT_S
    is_back = back_s is not None and back_s <= RECOVER_S
    assert (verdict.detected_s, verdict.recovered_s) == (told_s, back_s)
    assert verdict.is_good == (is_told and is_back)
    # It is waited for answers, and no longer.
    assert is_over(fault(kind), timeline(heard, told_s=told_s)) == (back_s is not None)


@pytest.mark.parametrize("kind", CONTAINED)
def test_what_is_contained_is_good_while_answers_go_on(kind: str) -> None:
    steady = both(*np.arange(0.1, 8.0, 0.2))
    verdict = judge(fault(kind), timeline(steady, told_s=None, until_s=8))
    assert verdict.failures == ()

    alarmed = judge(fault(kind), timeline(steady, told_s=1.0, until_s=8))
    assert any("unnoticed" in failure for failure in alarmed.failures)

    holed = both(0.1, 0.1 + DETECT_S + 0.1, 4.2, 7.0)
    paused = judge(fault(kind), timeline(holed, told_s=None, until_s=8))
    assert any("no answers for" in failure for failure in paused.failures)


def test_answers_from_before_the_end_are_no_recovery() -> None:
    late = answers("file", [4.5], age_s=1.0) + answers("broker", [4.5])
    verdict = judge(fault(), timeline(late))

    assert verdict.recovered_s is None
    assert "file: no answers any more" in verdict.failures


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (answers("file", [2.0], problem="marked as bad", sent_ns=None), "marked as bad"),
        (answers("file", [2.0], age_s=OLDEST_S + 0.1), "old"),
        (answers("file", [2.0, 2.1], sent_ns=START + SECOND), "answered before"),
    ],
    ids=["mark", "age", "twice"],
)
def test_answers_of_bad_pictures_are_counted(bad: list[Heard], problem: str) -> None:
    verdict = judge(fault(), timeline(bad, both(4.5)))

    assert verdict.bad_answers == {problem: 1}
    assert verdict.failures == ("1 answers of bad pictures",)


def test_behind_a_disk_that_hangs_answers_may_get_old() -> None:
    steady = answers("broker", list(np.arange(0.1, 8.0, 0.2)))
    held = answers("file", [4.3], age_s=3.0) + answers("file", [4.4])
    verdict = judge(fault("slow disk"), timeline(steady, held, told_s=None, until_s=8))

    assert verdict.failures == ()
    assert verdict.file_recovered_s == 0.4


@pytest.mark.parametrize(("back_s", "is_good"), [(5.9, True), (6.1, False)])
def test_a_broker_is_told_again_after_no_more_than_it_was_away(
    back_s: float, is_good: bool
) -> None:
    steady = answers("file", list(np.arange(0.1, 11.0, 0.2)))
    heard = answers("broker", [4.0 + back_s])
    verdict = judge(fault("broker"), timeline(steady, heard, told_s=None, until_s=11))

    assert verdict.is_good == is_good


def test_a_process_that_ends_is_a_failure() -> None:
    verdict = judge(fault(), timeline(both(4.5), exit_code=-11))

    assert verdict.failures == ("the process ended with -11",)


def test_holdings_that_grow_are_told() -> None:
    level = {"threads": 8, "sockets": 4, "descriptors": 9, "children": 0, "rss_kb": 100_000}
    isolated = level | {"sockets": 3, "descriptors": 10, "children": 1, "rss_kb": 150_000}

    assert leaks({"before": level, "after": isolated}) == {}
    assert leaks({"before": level, "after": level | {"threads": 19}}) == {"threads": 11}
    assert leaks({"before": level, "after": None}) == {}


def test_figures_are_those_of_the_values() -> None:
    assert spread(iter(())) is None
    assert spread([1.0, 2.0, 3.0]) == {"p50": 2.0, "p95": 2.9, "max": 3.0}
    assert shortened("http://a/b: no frame for 2 s") == "… no frame for … s"


# A real one


@pytest.fixture(scope="module")
def programs(missing: Callable[[str], NoReturn]) -> None:
    """See to it that brokers, cameras and the native part can be made."""
    for program in ("gcc", "mosquitto"):
        if shutil.which(program, path=f"{sys.prefix}/bin:/usr/bin:/bin:/usr/sbin") is None:
            missing(f"{program} is not installed")
    asked = "import gi; gi.require_version('GstRtspServer', '1.0')"
    python = Path("/usr/bin/python3")
    if not python.exists() or subprocess.run([python, "-c", asked], check=False).returncode:
        missing("GStreamer's RTSP server is not installed (python3-gi, gir1.2-gst-rtsp-server-1.0)")


@pytest.mark.usefixtures("programs")
def test_one_fault_of_each_kind_is_told_or_contained_and_over(tmp_path: Path) -> None:
    drawn = draw(5, 21, sources=("http", "rtsp"))
    first = {fault.kind: fault for fault in reversed(drawn)}
    assert first.keys() == KINDS.keys()
    campaign = Campaign(list(first.values()), {"http": 2, "rtsp": 2})
    campaign.run(tmp_path, tell=lambda verdict: None)
    document = json.loads(json.dumps(campaign.document(5)))

    assert document["complete"], document
    # How long it took is the machine's affair here.
    for verdict in campaign.verdicts:
        assert verdict.bad_answers == {}, verdict
        assert (verdict.detected_s is not None) == (verdict.kind in TOLD), verdict
        assert verdict.recovered_s is not None, verdict
    assert (document["crashes"], document["problems"]) == (0, [])
    assert document["level"], document["lanes"]
    for lane in document["lanes"]:
        assert (lane["exit_code"], lane["tracebacks"]) == (0, 0), lane


@pytest.mark.usefixtures("programs")
def test_a_process_that_dies_is_counted_and_replaced(tmp_path: Path) -> None:
    faults = draw(2, 3, sources=("http",), kinds=("clock",))
    campaign = Campaign(faults, {"http": 1})
    killed: list[int] = []

    def kill_once(verdict: object) -> None:
        if not killed:
            killed.append(campaign.lanes[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    campaign.run(tmp_path, tell=kill_once)
    document = campaign.document(2)

    assert (document["complete"], document["crashes"]) == (True, 1)
    assert campaign.lanes[0].pid == killed[0]
    assert len(campaign.lanes) == 2
    assert len(document["problems"]) == 1
    assert "ended with -9" in document["problems"][0]
    assert not is_good(document)


def program(*arguments: str | Path) -> list[str]:
    module = "edge_recog_benchmarks.studies.faults"
    return [sys.executable, "-m", module, *map(str, arguments)]


@pytest.mark.usefixtures("programs")
def test_an_interruption_keeps_what_was_measured(tmp_path: Path) -> None:
    out, folder = tmp_path / "faults.json", tmp_path / "lanes"
    arguments = ["--count", "50", "--sources", "http", "--lanes", "1", "--out", out]
    with subprocess.Popen(
        program(*arguments, "--keep", folder, "--kinds", "clock"), stdout=subprocess.PIPE, text=True
    ) as process:
        answers_file = folder / "http-0-0" / "answers.jsonl"
        ended = threading.Event()
        while not (answers_file.exists() and answers_file.stat().st_size):
            assert process.poll() is None
            ended.wait(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=LONG_S)

    assert process.returncode == 130
    document = json.loads(out.read_text())
    assert (document["complete"], document["drawn"], document["crashes"]) == (False, 50, 0)
    assert "50 drawn" in said
    log = (folder / "http-0-0" / "log.txt").read_text()
    assert "stopping" in log


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--kinds", "hnag"], "there is no 'hnag'"),
        (["--sources", "usb"], "there is no 'usb'"),
        (["--only", "500"], "no fault is left"),
        (["--kinds", "killed", "--sources", "http"], "no fault is left"),
    ],
    ids=["kind", "source", "number", "nothing"],
)
def test_what_cannot_be_done_is_said_in_one_line(
    measuring: Callable[..., Any], arguments: list[str], text: str
) -> None:
    ended = measuring(main, *arguments)

    assert ended.code == 2
    assert text in ended.err
    assert ended.err.count("\n") == 1


def test_lanes_are_shared_out_by_faults() -> None:
    faults = draw(1, 42, sources=("http", "rtsp"))
    assert shared_out(4, faults) == {"http": 2, "rtsp": 2}
    assert shared_out(1, faults) == {"http": 1, "rtsp": 1}
    assert shared_out(5, [one for one in faults if one.source == "rtsp"]) == {"rtsp": 5}


def test_a_missing_compiler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_recog_benchmarks.studies.faults.processes import build_native

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="gcc"):
        build_native(tmp_path)
