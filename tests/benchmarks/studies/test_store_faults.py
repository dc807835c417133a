"""The faults done to stores: what is drawn, what a power cut leaves, and a short real campaign."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from edge_recog_benchmarks.studies.store_faults.__main__ import is_good, main, summary
from edge_recog_benchmarks.studies.store_faults.campaign import Campaign
from edge_recog_benchmarks.studies.store_faults.drawing import KINDS, OPERATIONS, draw
from edge_recog_benchmarks.studies.store_faults.powercut import (
    after_power_cut,
    read_tree,
    write_tree,
)
from edge_recog_benchmarks.studies.store_faults.shim import Shim, build_native
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_benchmarks.studies.store_faults.drawing import Kind


# What is drawn


@given(st.integers(0, 2**32), st.integers(0, 300))
@settings(deadline=None)
def test_the_same_seed_draws_the_same_faults(seed: int, count: int) -> None:
    faults = draw(seed, count)

    assert faults == draw(seed, count)
    assert [fault.number for fault in faults] == list(range(count))
    assert faults == draw(seed, count + 10)[:count]


def test_a_thousand_faults_have_all_kinds_and_kill_each_operation_forty_times() -> None:
    faults = draw(1, 1000)
    kills = Counter(fault.operation for fault in faults if fault.kind == "kill")

    assert {fault.kind for fault in faults} == set(KINDS)
    assert set(kills) == set(OPERATIONS)
    assert min(kills.values()) >= 40


# What a power cut leaves


def outcomes(before: dict[str, bytes], trace: list[str], tmp_path: Path) -> set[Any]:
    """Return all that was seen to be left by many power cuts."""
    root = tmp_path / "before"
    root.mkdir()
    for name, data in before.items():
        (root / name).write_bytes(data)
    found = set()
    for seed in range(300):
        tree = after_power_cut(read_tree(root), trace, random.Random(seed))
        found.add(
            frozenset((name, None if f is None else bytes(f.data)) for name, f in tree.items())
        )
    return found


def test_what_was_synced_is_there_and_nothing_else_is_certain(tmp_path: Path) -> None:
    written = ["create\t/a", "write\t/a\t0\t6162"]
    assert frozenset() in outcomes({}, written, tmp_path)
    synced = [*written, "sync\t/a", "sync\t"]
    shutil.rmtree(tmp_path / "before")
    assert outcomes({}, synced, tmp_path) == {frozenset({("/a", b"ab")})}


def test_content_that_was_not_synced_may_be_anything_of_it(tmp_path: Path) -> None:
    trace = ["create\t/a", "write\t/a\t0\t6162", "sync\t"]
    found = outcomes({}, trace, tmp_path)

    assert found == {frozenset({("/a", data)}) for data in (b"", b"a", b"ab", b"\0\0")}


def test_a_file_that_is_replaced_without_being_synced_may_be_lost(tmp_path: Path) -> None:
    careless = ["create\t/b", "write\t/b\t0\t6e6577", "rename\t/b\t/a", "sync\t"]
    assert frozenset({("/a", b"")}) in outcomes({"a": b"old"}, careless, tmp_path)
    shutil.rmtree(tmp_path / "before")
    careful = ["create\t/b", "write\t/b\t0\t6e6577", "sync\t/b", "rename\t/b\t/a"]
    found = outcomes({"a": b"old"}, careful, tmp_path)
    assert {dict(one)["/a"] for one in found} == {b"old", b"new"}


def test_a_folder_moves_with_what_is_in_it(tmp_path: Path) -> None:
    trace = [
        "mkdir\t/x",
        "sync\t",
        "create\t/x/m",
        "write\t/x/m\t0\t61",
        "sync\t/x/m",
        "sync\t/x",
        "mkdir\t/y",
        "rename\t/x\t/y/z",
        "sync\t",
        "sync\t/y",
    ]
    assert outcomes({}, trace, tmp_path) == {
        frozenset({("/y", None), ("/y/z", None), ("/y/z/m", b"a")})
    }


def test_a_tree_is_written_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "one" / "two" / "file").write_bytes(b"data")
    write_tree(read_tree(tmp_path / "one"), tmp_path / "copy")

    assert (tmp_path / "copy" / "two" / "file").read_bytes() == b"data"


# The library


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str], NoReturn]) -> Path:
    if shutil.which("gcc") is None:
        missing("gcc is not installed")
    return build_native(tmp_path_factory.mktemp("native"))


STEPS = """
import errno, os, sys, time
from pathlib import Path
from edge_recog_benchmarks.studies.store_faults.shim import Injection, Shim
root, trace = Path(sys.argv[1]), Path(sys.argv[2])
shim = Shim()
def work():
    folder = os.open(root, os.O_RDONLY)
    file = os.open("a", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder)
    os.write(file, b"abcd")
    os.fsync(file)
    os.close(file)
    os.rename("a", "b", src_dir_fd=folder, dst_dir_fd=folder)
    os.mkdir("c", dir_fd=folder)
    os.fsync(folder)
    os.rmdir("c", dir_fd=folder)
    (root / "b").unlink()
    os.close(folder)
"""


def run_steps(native: Path, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    root = folder / "root"
    root.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", STEPS + code, str(root), str(folder / "trace")],
        env={**os.environ, "LD_PRELOAD": str(native)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_call_that_changes_something_is_a_step_and_traced(
    native: Path, tmp_path: Path
) -> None:
    code = "shim.arm(root, Injection(), trace=trace); work(); print(shim.disarm())"
    done = run_steps(native, tmp_path, code)

    assert done.stdout == "Seen(steps=8, reads=0, has_happened=False)\n", done
    assert (tmp_path / "trace").read_text().splitlines() == [
        "create\t/a",
        "write\t/a\t0\t61626364",
        "sync\t/a",
        "rename\t/a\t/b",
        "mkdir\t/c",
        "sync\t",
        "remove\t/c",
        "remove\t/b",
    ]


@pytest.mark.parametrize(
    ("action", "step", "left"),
    [
        ("kill-before", 2, {"a": b""}),
        ("kill-within", 2, {"a": b"ab"}),
        ("kill-after", 2, {"a": b"abcd"}),
        ("kill-before", 4, {"a": b"abcd"}),
        ("kill-after", 4, {"b": b"abcd"}),
    ],
)
def test_a_process_dies_at_the_very_step(
    native: Path, tmp_path: Path, action: str, step: int, left: dict[str, bytes]
) -> None:
    done = run_steps(native, tmp_path, f"shim.arm(root, Injection({action!r}, {step})); work()")
    found = {path.name: path.read_bytes() for path in (tmp_path / "root").iterdir()}

    assert done.returncode == -signal.SIGKILL
    assert found == left


@pytest.mark.parametrize(
    ("injection", "failed"),
    [
        ("Injection('fail', 3, errno.EIO)", "5 3"),
        ("Injection('fail-after', 4, errno.EIO)", "5 4"),
        ("Injection('fail', 2, errno.ENOSPC)", "28 2"),
        ("Injection('fail', 7, errno.ENOSPC)", "none 8"),
    ],
    ids=["sync", "rename-done", "write", "removing-needs-no-room"],
)
def test_a_step_fails_as_the_disk_does(
    native: Path, tmp_path: Path, injection: str, failed: str
) -> None:
    code = (
        f"shim.arm(root, {injection})\nfound = 'none'\n"
        "try:\n    work()\nexcept OSError as error:\n    found = error.errno\n"
        "print(found, shim.disarm().steps)"
    )
    assert run_steps(native, tmp_path, code).stdout.strip() == failed


def test_the_time_of_day_jumps_and_the_monotonic_does_not(native: Path, tmp_path: Path) -> None:
    code = (
        "wall, steady = time.time(), time.monotonic()\n"
        "shim.arm(root, Injection(clock_offset_s=1e9))\n"
        "print(round((time.time() - wall) / 1e8), time.monotonic() - steady < 1e6)\n"
        "shim.disarm()\nprint(abs(time.time() - wall) < 1e6)"
    )
    assert run_steps(native, tmp_path, code).stdout.split() == ["10", "True", "True"]


def test_without_the_library_nothing_is_pretended() -> None:
    with pytest.raises(UsageError, match="without the library"):
        Shim()


# A real one


@pytest.mark.usefixtures("native")
def test_a_store_lives_through_some_of_all_faults(
    tmp_path: Path, read_result: Callable[[Path], dict[str, Any]], measuring: Callable[..., Any]
) -> None:
    out = tmp_path / "faults.json"
    ended = measuring(
        main, "--count", "30", "--seed", "3", "--lanes", "2", "--out", out, "--keep", tmp_path / "x"
    )
    document = read_result(out)

    assert ended.code == 0, ended.out
    assert document["complete"]
    assert document["good"] == document["done"] == 30
    assert document["happened"] >= 24
    assert "30 of 30 faults left one active, verified model" in ended.out


CARELESS: dict[str, tuple[str, Kind, int, str]] = {
    "models are not synced": (
        """
write, sync = folder.Folder.write, folder.os.fsync
def careless(self, name, data):
    if name.endswith("model.tflite"):
        folder.os.fsync = lambda descriptor: None
    try:
        write(self, name, data)
    finally:
        folder.os.fsync = sync
folder.Folder.write = careless
""",
        "power cut",
        11,
        "names what is not there",
    ),
    "the state comes before the files": (
        """
put, save, later = writing.Writer.put, writing.Writer.save, []
writing.Writer.put = lambda self, *rest: later.append(rest)
def early(self, state):
    save(self, state)
    while later:
        put(self, *later.pop())
writing.Writer.save = early
""",
        "kill",
        33,
        "names what is not there",
    ),
    "nothing is swept": ("writing.Writer.sweep = lambda self: None", "kill", 12, "left behind|not"),
    "a start is not written down": (
        "transitions.begun = lambda state: state",
        "death on trial",
        2,
        "the active model does not come back",
    ),
    "the lock is not honoured": (
        # Whoever writes takes so long for it that the other one surely comes in between.
        """
import time
folder.Folder.lock = lambda self, name, wait_s: folder.os.open("/dev/null", 0)
save = writing.Writer.save
writing.Writer.save = lambda self, state: (time.sleep(0.2), save(self, state))[1]
""",
        "two at once",
        8,
        "one after the other|nobody activated|not there|crash",
    ),
}


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("how", CARELESS)
def test_a_store_that_is_careless_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    change, kind, count, told = CARELESS[how]
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'edge_recog_benchmarks.studies.store_faults.lane' in sys.orig_argv:\n"
        "    from edge_recog.store import folder, reading, transitions, writing\n"
        + "".join(f"    {line}\n" for line in change.strip().splitlines())
    )
    monkeypatch.syspath_prepend(str(hook))
    (tmp_path / "lanes").mkdir()
    campaign = Campaign(draw(2, count, kinds=(kind,)), 2)
    campaign.run(tmp_path / "lanes", tell=lambda verdict: None)
    document = json.loads(json.dumps(campaign.document(2)))
    failures = [failure for verdict in document["failed"] for failure in verdict["failures"]]

    assert document["complete"], document["problems"]
    assert any(re.search(told, failure) for failure in failures), failures
    assert not any("fails without a fault" in failure for failure in failures)
    assert not is_good(document)
    assert failures[0] in summary(document)


@pytest.mark.parametrize(
    ("arguments", "text"), [(["--kinds", "kil"], "there is no 'kil'")], ids=["kind"]
)
def test_what_cannot_be_done_is_said_in_one_line(
    measuring: Callable[..., Any], arguments: list[str], text: str
) -> None:
    ended = measuring(main, *arguments)

    assert ended.code == 2
    assert text in ended.err
    assert ended.err.count("\n") == 1
