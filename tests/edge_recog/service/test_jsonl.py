from __future__ import annotations

import json
import os
import resource
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.answers import Vanished
from edge_recog.service.jsonl import JsonlSettings, JsonlSink, RotatedLines, StreamLines
from edge_recog.service.sinks import KINDS, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_recog.answers import Answer


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Callable[..., RotatedLines]]:
    opened = []

    def make(*, max_bytes: int = 1000, keep: int = 2) -> RotatedLines:
        one = RotatedLines(tmp_path / "log.jsonl", max_bytes=max_bytes, keep=keep)
        opened.append(one)
        return one

    yield make
    for one in opened:
        one.close()


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_answers_events_and_states_are_one_line_each(
    tmp_path: Path,
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
    name_of: Callable[[str], str],
) -> None:
    path = tmp_path / "answers.jsonl"
    sink = JsonlSink(JsonlSettings(path=str(path)), name_of=name_of)
    sink.status(status("running"))
    sink.answer(answer(event("appeared", "shirt"), index=7))

    # At once, not only when it is closed.
    said = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["schema"] for one in said] == [1, 1, 1]
    assert said[0]["state"] == "running"
    assert (said[1]["frame"], said[1]["model"]["name"]) == (7, "clothing")
    assert (said[2]["event"], said[2]["label"]) == ("appeared", "shirt")
    sink.close()
    sink.close()


@pytest.mark.parametrize(
    ("kinds", "expected"), [(KINDS, ["hat", "shirt"]), (("status",), [])], ids=["all", "status"]
)
def test_what_vanished_without_a_frame_is_written_as_events(
    tmp_path: Path,
    event: Callable[..., Any],
    name_of: Callable[[str], str],
    kinds: tuple[Any, ...],
    expected: list[str],
) -> None:
    path = tmp_path / "answers.jsonl"
    sink = JsonlSink(JsonlSettings(path=str(path), kinds=kinds), name_of=name_of)
    sink.vanished(Vanished((event("vanished", "hat"), event("vanished", "shirt")), "kitchen"))
    sink.close()

    said = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["label"] for one in said] == expected
    assert {(one["event"], one["source"]) for one in said} <= {("vanished", "kitchen")}


def test_only_what_is_asked_for_is_written(
    tmp_path: Path,
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
    name_of: Callable[[str], str],
) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonlSink(JsonlSettings(path=str(path), kinds=("event",)), name_of=name_of)
    sink.status(status())
    sink.answer(answer())
    sink.answer(answer(event()))
    sink.close()

    (line,) = path.read_text().splitlines()
    assert json.loads(line)["event"] == "appeared"


def test_by_default_lines_go_to_stdout(
    capfd: pytest.CaptureFixture[str],
    answer: Callable[..., Answer],
    name_of: Callable[[str], str],
) -> None:
    sink = JsonlSink(JsonlSettings(), name_of=name_of)
    sink.answer(answer())
    sink.close()

    assert json.loads(capfd.readouterr().out)["source"] == "kitchen"


def test_a_full_file_is_renamed_and_the_oldest_goes(
    tmp_path: Path, lines: Callable[..., RotatedLines]
) -> None:
    log = lines(max_bytes=20, keep=2)
    for number in range(8):
        log.write(b"line %03d\n" % number)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.jsonl",
        "log.jsonl.1",
        "log.jsonl.2",
    ]
    assert (tmp_path / "log.jsonl").read_text() == "line 006\nline 007\n"
    assert (tmp_path / "log.jsonl.1").read_text() == "line 004\nline 005\n"
    assert (tmp_path / "log.jsonl.2").read_text() == "line 002\nline 003\n"


def test_without_any_to_keep_the_file_begins_anew(
    tmp_path: Path, lines: Callable[..., RotatedLines]
) -> None:
    log = lines(max_bytes=20, keep=0)
    for number in range(3):
        log.write(b"line %03d\n" % number)

    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    assert (tmp_path / "log.jsonl").read_text() == "line 002\n"


@given(
    lengths=st.lists(st.integers(1, 60), max_size=30),
    max_bytes=st.integers(1, 100),
    keep=st.integers(0, 3),
)
def test_files_hold_whole_lines_and_no_more_than_their_size(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], max_bytes: int, keep: int
) -> None:
    folder = tmp_path_factory.mktemp("rotation")
    path = folder / "log"
    log = RotatedLines(path, max_bytes=max_bytes, keep=keep)
    written = [b"%d" % (index % 10) * length + b"\n" for index, length in enumerate(lengths)]
    for line in written:
        log.write(line)
    log.close()

    older = [folder / f"log.{n}" for n in range(keep, 0, -1)]
    texts = [one.read_bytes() for one in [*older, path] if one.exists()]
    found = b"".join(texts).splitlines(keepends=True)
    assert found == written[len(written) - len(found) :]
    assert all(len(text) <= max_bytes or text.count(b"\n") == 1 for text in texts)
    assert len(list(folder.iterdir())) <= keep + 1


def test_a_full_disk_leaves_no_half_line_and_is_survived(
    tmp_path: Path, lines: Callable[..., RotatedLines]
) -> None:
    log = lines()
    log.write(b"a" * 49 + b"\n")
    with disk_of(80):
        for _ in range(2):
            with pytest.raises(SinkError, match=r"log\.jsonl: cannot be written: File too large"):
                log.write(b"b" * 49 + b"\n")
    log.write(b"c\n")

    assert (tmp_path / "log.jsonl").read_bytes() == b"a" * 49 + b"\nc\n"


def test_a_line_that_cannot_be_taken_back_goes_when_the_file_is_opened_again(
    tmp_path: Path, lines: Callable[..., RotatedLines], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(5, "Input/output error")

    log = lines()
    log.write(b'{"schema":1}\n')
    with monkeypatch.context() as patched, disk_of(20):
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(SinkError):
            log.write(b'{"schema":1,"time":"2026"}\n')
    log.write(b'{"schema":2}\n')

    assert (tmp_path / "log.jsonl").read_bytes() == b'{"schema":1}\n{"schema":2}\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b'{"schema":1}\n', b'{"schema":1}\n'),
        (b'{"schema":1}\n{"schema":1,"ti', b'{"schema":1}\n'),
        (b'{"schema":1}\n{"sch', b'{"schema":1}\n'),
        (b'{"schema":1,"ti', b""),
        (b"notes of somebody else's", b"notes of somebody else's\n"),
        (b"x" * (1 << 20) + b'{"schema":', b"x" * (1 << 20) + b'{"schema":' + b"\n"),
    ],
    ids=["empty", "whole", "torn", "torn early", "only torn", "foreign", "endless"],
)
def test_a_file_is_continued_at_the_beginning_of_a_line(
    tmp_path: Path, lines: Callable[..., RotatedLines], before: bytes, after: bytes
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(before)
    lines(max_bytes=1 << 30).write(b"new\n")

    assert path.read_bytes() == after + b"new\n"


def test_a_file_that_is_taken_away_is_begun_anew(
    tmp_path: Path, lines: Callable[..., RotatedLines]
) -> None:
    log = lines()
    log.write(b"old\n")
    (tmp_path / "log.jsonl").unlink()
    log.write(b"new\n")

    assert (tmp_path / "log.jsonl").read_bytes() == b"new\n"


def test_a_file_can_be_read_by_owner_and_group_only(
    tmp_path: Path, lines: Callable[..., RotatedLines]
) -> None:
    lines()

    assert (tmp_path / "log.jsonl").stat().st_mode & 0o007 == 0


def test_a_closed_file_takes_nothing(lines: Callable[..., RotatedLines]) -> None:
    log = lines()
    log.close()
    with pytest.raises(SinkError, match="closed"):
        log.write(b"late\n")


def _missing(path: Path) -> Path:
    return path / "nowhere" / "log.jsonl"


def _folder(path: Path) -> Path:
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path / "pipe")
    return path / "pipe"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_missing, "No such file or directory"),
        (_folder, "Is a directory"),
        (_pipe, "it is no file"),
    ],
    ids=["missing folder", "folder", "pipe"],
)
def test_what_cannot_be_a_file_is_refused_at_once(
    tmp_path: Path,
    name_of: Callable[[str], str],
    within: Callable[..., None],
    make: Callable[[Path], Path],
    reason: str,
) -> None:
    settings = JsonlSettings(path=str(make(tmp_path)))
    with pytest.raises(SinkError, match=reason):
        within(lambda: JsonlSink(settings, name_of=name_of))


def test_a_slow_reader_of_a_pipe_gets_every_line_whole() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    expected = b"".join(b"%06d" % n + b"x" * 994 + b"\n" for n in range(200))
    taken = bytearray()

    def read() -> None:
        while part := os.read(reader, 777):
            taken.extend(part)

    thread = threading.Thread(target=read)
    thread.start()
    stream = StreamLines(writer)
    for line in expected.splitlines(keepends=True):
        stream.write(line)
    stream.close()
    os.close(writer)
    thread.join()
    os.close(reader)

    assert bytes(taken) == expected


def test_a_reader_that_has_gone_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(SinkError, match="stdout: cannot be written: Broken pipe"):
            StreamLines(writer).write(b"line\n")
    finally:
        os.close(writer)


def test_a_full_disk_behind_stdout_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full, pytest.raises(SinkError, match="No space left"):
        StreamLines(full.fileno()).write(b"line\n")


def test_a_line_that_broke_off_on_stdout_is_ended_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "redirected"
    with path.open("wb", buffering=0) as file:
        stream = StreamLines(file.fileno())
        with disk_of(6), pytest.raises(SinkError, match="File too large"):
            stream.write(b"0123456789\n")
        stream.write(b"next\n")
        stream.write(b"last\n")

    assert path.read_bytes() == b"012345\nnext\nlast\n"


def test_a_redirected_file_of_a_full_disk_loses_lines_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "redirected"
    with path.open("wb", buffering=0) as file:
        stream = StreamLines(file.fileno())
        stream.write(b"first\n")
        with disk_of(6), pytest.raises(SinkError, match="File too large"):
            stream.write(b"lost\n")
        stream.write(b"last\n")

    assert path.read_bytes() == b"first\nlast\n"


@pytest.mark.parametrize(
    "wrong",
    [{"keep": -1}, {"max_size_mb": 0}, {"path": ""}, {"kinds": ["frame"]}, {"pth": "-"}],
    ids=["keep", "size", "path", "kind", "key"],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, JsonlSettings)
