from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from edge_recog.cameras import open_source
from edge_recog.cameras.isolated import IsolatedSource
from edge_recog.errors import SourceError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

LONG_S = 60.0


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_frames_are_those_of_the_source_itself() -> None:
    with IsolatedSource("synthetic:33x20?count=3&seed=5") as source:
        frames = list(source)

    expected = list(open_source("synthetic:33x20?count=3&seed=5"))
    assert (source.name, source.length, source.is_patient) == ("synthetic:33x20", 3, True)
    for frame, other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.pixels, other.pixels)
        assert (frame.index, frame.source) == (other.index, other.source)
        assert 0 <= time.monotonic_ns() - frame.captured_ns < LONG_S * 1e9
    assert is_gone(source._process.pid)


@pytest.mark.parametrize(
    ("where", "kind", "text"),
    [
        ("nothing:0", UsageError, "no source is called nothing"),
        ("no/such.mp4", SourceError, "no such file"),
        ("file:no/such.mp4?lop=1", UsageError, "lop"),
    ],
    ids=["kind", "file", "option"],
)
def test_what_cannot_be_opened_is_told_as_ever(
    where: str, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        IsolatedSource(where)


def test_what_lies_in_the_working_folder_is_not_taken_for_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    with IsolatedSource("synthetic:8x8?count=1") as source:
        assert len(list(source)) == 1


def test_closing_ends_a_reader_and_its_process_at_once() -> None:
    source = IsolatedSource("synthetic:64x48?rate=2")
    read: list[int] = []
    first = threading.Event()

    def read_all() -> None:
        for frame in source:
            read.append(frame.index)
            first.set()

    reader = threading.Thread(target=read_all)
    reader.start()
    assert first.wait(LONG_S)
    source.close()
    source.close()
    reader.join(LONG_S)

    assert not reader.is_alive()
    assert is_gone(source._process.pid)


def test_a_process_that_hangs_is_killed_by_closing() -> None:
    source = IsolatedSource("synthetic:64x48?rate=1000")
    frames = iter(source)
    next(frames)
    os.kill(source._process.pid, signal.SIGSTOP)
    ended = threading.Event()

    def drain() -> None:
        for _ in frames:
            pass
        ended.set()

    threading.Thread(target=drain).start()
    source.close()

    assert ended.wait(LONG_S)
    assert is_gone(source._process.pid)


def test_a_process_that_dies_is_an_error_that_says_so() -> None:
    with IsolatedSource("synthetic:64x48?rate=1000") as source:
        frames = iter(source)
        next(frames)
        os.kill(source._process.pid, signal.SIGKILL)
        with pytest.raises(SourceError, match="has died"):
            list(frames)


def test_a_source_that_does_not_open_in_time_is_given_up(tmp_path: Path) -> None:
    pipe = tmp_path / "picture.png"
    os.mkfifo(pipe)
    with pytest.raises(SourceError, match="did not open within"):
        IsolatedSource(f"image:{pipe}", open_timeout_s=0.01)


def test_a_child_does_not_outlive_its_parent() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_recog.cameras.isolated"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert child.stdin is not None
    child.stdin.write(msgspec.json.encode("synthetic:64x48?rate=50") + b"\n")
    child.stdin.close()

    assert child.wait(LONG_S) == 0


@pytest.mark.parametrize("where", ["no/such.mp4", "synthetic:64x48"], ids=["fails", "opens"])
def test_a_child_whose_parent_is_gone_ends_without_a_word(where: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_recog.cameras.isolated"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    # Not closed: a read of its stdin does not end it.
    child.stdin.write(msgspec.json.encode(where) + b"\n")
    child.stdin.flush()
    with child.stdin, child.stderr:
        said = child.stderr.read()

    assert (child.wait(LONG_S), said) == (0, b"")


def test_a_password_is_in_no_message() -> None:
    where = "rtsp://me:s3cret@127.0.0.1:1/live"
    with pytest.raises(SourceError) as refused:
        IsolatedSource(where)

    assert "s3cret" not in str(refused.value)
