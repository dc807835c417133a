from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from edge_recog.answers import Vanished
from edge_recog.service.text import TextSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.answers import Answer
    from edge_recog.events import Event


def lines(stream: io.StringIO) -> list[str]:
    """Return what stands on the terminal's lines in the end."""
    return [line.rpartition("\x1b[K")[2] for line in stream.getvalue().split("\n")]


def test_what_is_seen_is_one_line_that_changes(answer: Callable[..., Answer]) -> None:
    stream = io.StringIO()
    sink = TextSink(stream)
    sink.answer(answer(label="shirt"))
    sink._due_s = 0.0
    sink.answer(answer(label="skirt"))

    (line,) = lines(stream)
    assert re.fullmatch(r"skirt 93%.*\(4\.1 ms, \d+ a second\)", line)


def test_it_is_not_written_more_often_than_one_can_read(answer: Callable[..., Answer]) -> None:
    stream = io.StringIO()
    sink = TextSink(stream)
    for _ in range(3):
        sink.answer(answer())

    assert stream.getvalue().count("shirt") == 1


def test_every_event_stays_on_a_line_of_its_own(
    answer: Callable[..., Answer], event: Callable[..., Event]
) -> None:
    stream = io.StringIO()
    sink = TextSink(stream)
    sink.answer(answer(event("appeared", "shirt")))
    sink.vanished(Vanished((event("vanished", "shirt"),), "kitchen"))
    sink.close()

    appeared, vanished, last = lines(stream)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  appeared  shirt 93%", appeared)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  vanished  shirt 93% after 1\.5 s", vanished)
    assert last == ""


def test_a_label_cannot_give_the_terminal_orders(
    answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    stream = io.StringIO()
    TextSink(stream).answer(answer(event("appeared", "a\x1b[2Jb")))

    assert "a\ufffd[2Jb" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()
