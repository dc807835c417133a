"""The verb `bench`, on real models: what is measured is kept, nothing is overwritten."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from edge_recog_benchmarks.commands import app
from edge_recog_benchmarks.connections import DeviceError, LocalDevice
from edge_recog_benchmarks.device.events import Burst, Started
from edge_recog_benchmarks.device.fake_system import FakeSystem
from edge_recog_benchmarks.measuring import measure
from edge_recog_benchmarks.planning import Wish, prepare
from edge_recog_benchmarks.results import Result, read_result

from edge_recog import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_benchmarks.device.events import AnyEvent

    Bench = Callable[..., int]

SHORT = ("--seconds", "0.05", "--generations", "2", "--burst-seconds", "0.005")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return what runs `edge-recog bench …` in `tmp_path`, and returns its exit status."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        command = typer.main.get_command(app)
        try:
            return command.main([*map(str, arguments)], standalone_mode=False) or 0
        except SystemExit as end:
            return int(end.code or 0)
        except typer.Exit as end:
            return end.exit_code

    return run


@pytest.fixture
def small(shared_data: Path) -> Path:
    """Return a small classifier with a contract."""
    return shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"


@pytest.fixture
def broken(shared_data: Path) -> Path:
    """Return a model that loads nowhere: it needs a custom operator."""
    return shared_data / "coral" / "invalid_models" / "model_invoking_error.tflite"


def prepared_run(*models: Path, listen: Callable[[AnyEvent], None], **wish: Any) -> Result:
    limits = {"seconds": 0.2, "generations": 2, "burst_s": 0.005}
    prepared = prepare(Wish(models=models, **limits | wish))
    return measure(prepared.plan, LocalDevice(), models=prepared.models, listen=listen)


def test_a_run_is_kept_and_told(
    bench: Bench, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(small, small, *SHORT, "--out", "a.json") == 0
    said = capsys.readouterr().out
    result = read_result(tmp_path / "a.json")
    assert result.complete
    one, two = result.contestants
    assert one.stages == ("preprocess", "invoke", "postprocess", "end_to_end")
    assert two.name.endswith("#2")
    assert {burst.generation for burst in one.bursts} == {0, 1}
    assert len(one.starts) == len(one.ends) == 2
    assert all(sample > 0 for sample in one.samples("end_to_end"))
    assert "single-stream on" in said
    assert "first answer" in said
    assert f"{two.name} is" in said
    assert said.endswith("wrote     a.json\n")


def test_a_run_without_a_name_is_kept_under_the_time(
    bench: Bench, small: Path, tmp_path: Path
) -> None:
    assert bench(small, *SHORT) == 0
    (found,) = tmp_path.glob("bench-*.json")
    assert read_result(found).complete


def test_json_is_one_document(
    bench: Bench, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(small, *SHORT, "--out", "a.json", "--json", "--fail-if", "size>1000MB") == 0
    document = json.loads(capsys.readouterr().out)
    (contestant,) = document["contestants"]
    assert contestant["figures"]["stages"]["invoke"]["p50_ms"]["estimate"] > 0
    assert document["gates"]["passed"] is True
    assert document["file"] == "a.json"


def test_an_earlier_result_is_not_overwritten_and_nothing_is_measured(
    bench: Bench, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        bench(small, "--out", "a.json")
    assert (tmp_path / "a.json").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--fail-if", "p5>2x"], "did you mean p50"),
        (["--threads", "0"], "whole numbers from 1 up"),
        (["--device", "kitchen"], "no device 'kitchen'"),
        (["--data", "nowhere"], "nowhere"),
    ],
    ids=["gate", "threads", "device", "data"],
)
def test_a_wrong_argument_is_told_before_anything_runs(
    bench: Bench, small: Path, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        bench(small, *arguments)
    assert not list(tmp_path.iterdir())


def test_labelled_pictures_give_accuracy_on_the_same_run(
    bench: Bench,
    small: Path,
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    burger = (shared_data / "mobilenet_v1_025" / "burger.jpg").read_bytes()
    for path, data in (("cheeseburger/whole.jpg", burger), ("pizza/damaged.jpg", burger[:100])):
        (tmp_path / "data" / path).parent.mkdir(parents=True)
        (tmp_path / "data" / path).write_bytes(data)
    assert bench(small, "--data", "data", *SHORT, "--out", "a.json") == 0
    (contestant,) = read_result(tmp_path / "a.json").contestants
    assert contestant.stages[0] == "decode"
    assert [answer.picture for answer in contestant.answers] == [0]
    assert list(contestant.unreadable) == [1]
    said = capsys.readouterr()
    assert "accuracy on 2 pictures of data" in said.out
    assert "data/pizza/damaged.jpg" in said.err


def test_one_that_cannot_run_makes_the_run_invalid_and_strict_fails(
    bench: Bench, small: Path, broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(small, broken, *SHORT, "--out", "a.json") == 0
    assert bench(small, broken, *SHORT, "--out", "b.json", "--strict") == 1
    said = capsys.readouterr()
    assert "only invoke is measured, on random input" in said.err
    assert "the model needs the custom operation" in said.out
    result = read_result(tmp_path / "a.json")
    assert not result.valid
    good, bad = result.contestants
    assert good.bursts
    assert bad.failed is not None


def test_nobody_who_can_run_is_a_refusal(bench: Bench, broken: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"nothing was measured: .*custom operation"):
        bench(broken, *SHORT)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_keeps_what_was_measured_until_then(small: Path) -> None:
    bursts = 0

    def interrupt(event: AnyEvent) -> None:
        nonlocal bursts
        bursts += isinstance(event, Burst)
        if isinstance(event, Burst) and bursts == 3:
            signal.raise_signal(signal.SIGINT)

    result = prepared_run(small, listen=interrupt, seconds=60)
    assert not result.complete
    assert 3 <= len(result.contestants[0].bursts) < 60 / 0.005
    assert any(finding.kind == "incomplete" for finding in result.findings)


def test_a_device_that_is_lost_half_way_leaves_a_partial_result(small: Path) -> None:
    def kill(event: AnyEvent) -> None:
        if isinstance(event, Burst) and event.turn == 2:
            children = Path("/proc/self/task").glob("*/children")
            for child in {pid for file in children for pid in file.read_text().split()}:
                os.kill(int(child), signal.SIGKILL)

    result = prepared_run(small, listen=kill, seconds=60)
    assert not result.complete
    assert len(result.contestants[0].bursts) >= 3


def test_a_throttled_device_is_told_and_strict_fails(
    bench: Bench, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pi = FakeSystem(tmp_path / "pi")
    pi.throttled = 0x4
    arguments = (small, *SHORT, "--system-root", pi.root, "--strict")
    assert bench(*arguments, "--out", "a.json") == 1
    said = capsys.readouterr().out
    assert "single-stream on Raspberry Pi 5 Model B Rev 1.0" in said
    assert "throttled" in said
    assert "this run is not valid" in said
    result = read_result(tmp_path / "a.json")
    assert any(finding.kind == "throttled" for finding in result.findings)


def test_every_process_is_told_with_its_own_start(small: Path) -> None:
    starts = []
    prepared_run(
        small,
        listen=lambda event: starts.append(event) if isinstance(event, Started) else None,
        seconds=0.02,
    )
    assert [start.rehearsal for start in starts] == [True, False, False]


def test_two_results_are_compared(
    bench: Bench, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.json", "b.json"):
        assert bench(small, *SHORT, "--out", name) == 0
    capsys.readouterr()
    assert bench("compare", "a.json", "b.json", "--fail-if", "p50>1000x") == 0
    said = capsys.readouterr().out
    assert "measure both in one run" in said
    assert "gate p50>1000x passed" in said
    assert bench("compare", "a.json", "b.json", "--fail-if", "p50>0.001x") == 1
    capsys.readouterr()
    assert bench("compare", "a.json", "b.json", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["paired"] is False
