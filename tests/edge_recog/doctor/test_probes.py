"""Commands, files and the clock of a machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from edge_recog.doctor.probes import Machine, Said, read_number, run_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_command_tells_how_it_ended() -> None:
    script = "import os, sys; print(sys.stdin.read(), os.environ['GREETING']); sys.exit(3)"
    said = run_command(
        [sys.executable, "-c", script], given="from outside", environment={"GREETING": "hello"}
    )

    assert said == Said(3, "from outside hello\n", "")


def test_a_program_that_is_not_there_says_nothing() -> None:
    assert run_command(["edge-recog-no-such-program"]) is None


def test_a_command_that_does_not_end_is_stopped() -> None:
    script = "import sys; sys.stdin.close(); import threading; threading.Event().wait()"

    assert run_command([sys.executable, "-c", script], timeout_s=0.5) == Said(None, "", "")


def test_a_command_killed_by_a_signal_tells_which() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    said = run_command([sys.executable, "-c", script])

    assert said is not None
    assert said.code == -9


def test_files_are_those_under_the_root(build: Callable[..., Machine]) -> None:
    machine = build({"/proc/device-tree/model": b"A board\0", "/sys/a/1": "x", "/sys/a/0": "y"})

    assert machine.text("/proc/device-tree/model") == "A board"
    assert machine.text("/proc/none") is None
    assert [machine.named(path) for path in machine.paths("/sys/a/*")] == ["/sys/a/0", "/sys/a/1"]


@pytest.mark.parametrize(
    ("text", "base", "number"),
    [("42\n", 10, 42), ("50005\n", 16, 0x50005), ("", 10, None), ("much", 10, None)],
)
def test_a_number_is_read_or_there_is_none(
    tmp_path: Path, text: str, base: int, number: int | None
) -> None:
    (tmp_path / "number").write_text(text)

    assert read_number(tmp_path / "number", base) == number


def test_this_machine_is_looked_at_by_default() -> None:
    assert Machine().text("/proc/self/comm")
