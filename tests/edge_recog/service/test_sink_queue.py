from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.answers import Answer, Vanished
from edge_recog.service import sinks
from edge_recog.service.sinks import SinkError, SinkQueue, close_all, documents_of, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE_S = 20.0


class Recorder:
    """A sink that remembers, and stands still while its gate is shut."""

    name = "recorder"

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = threading.Event()
        self.errors: list[Exception | None] = []
        self.error_of_closing: Exception | None = None
        self.closings = 0

    def answer(self, answer: Answer) -> None:
        self._take(answer)

    def vanished(self, vanished: Vanished) -> None:
        self._take(vanished)

    def status(self, status: Any) -> None:
        self._take(status)

    def close(self) -> None:
        self.closings += 1
        self.closed.set()
        if self.error_of_closing is not None:
            raise self.error_of_closing

    def _take(self, item: Any) -> None:
        self.entered.set()
        assert self.gate.wait(_PATIENCE_S)
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        self.items.append(item)

    @property
    def indices(self) -> list[int]:
        return [one.frame.index for one in self.items if isinstance(one, Answer)]


@pytest.fixture
def sink() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.gate.set()


@pytest.fixture
def stuck(sink: Recorder, answer: Callable[..., Answer]) -> Iterator[Callable[[int], SinkQueue]]:
    """Return what makes a queue of that size whose sink holds on to the answer 999."""
    queues = []

    def make(size: int) -> SinkQueue:
        sink.gate.clear()
        sink.entered.clear()
        queue = SinkQueue(sink, size=size)
        queues.append(queue)
        queue.answer(answer(index=999))
        assert sink.entered.wait(_PATIENCE_S)
        return queue

    yield make
    sink.gate.set()
    for queue in queues:
        queue.close(_PATIENCE_S)


def test_items_reach_the_sink_in_their_order_in_a_thread_that_keeps_no_process_alive(
    sink: Recorder, answer: Callable[..., Answer], status: Callable[..., Any]
) -> None:
    queue = SinkQueue(sink)
    state = status()
    queue.answer(answer(index=1))
    queue.status(state)
    queue.answer(answer(index=2))
    threads = [one for one in threading.enumerate() if one.name == "sink-recorder"]
    queue.close(_PATIENCE_S)

    assert [one.daemon for one in threads] == [True]
    assert sink.indices == [1, 2]
    assert sink.items[1] is state
    assert (queue.dropped, queue.failed, queue.waiting) == (0, 0, 0)


def test_a_sink_that_stands_still_holds_nobody_up_and_loses_its_oldest(
    sink: Recorder,
    stuck: Callable[[int], SinkQueue],
    answer: Callable[..., Answer],
    within: Callable[..., None],
) -> None:
    queue = stuck(4)

    within(lambda: [queue.answer(answer(index=index)) for index in range(100)])

    assert (queue.dropped, queue.waiting) == (96, 4)
    sink.gate.set()
    queue.close(_PATIENCE_S)
    assert sink.indices == [999, 96, 97, 98, 99]


def test_what_brings_news_is_lost_last(
    sink: Recorder,
    stuck: Callable[[int], SinkQueue],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
) -> None:
    queue = stuck(3)
    state = status("degraded", "the camera is lost")
    queue.answer(answer(event(), index=1))
    queue.status(state)
    for index in range(2, 10):
        queue.answer(answer(index=index))

    sink.gate.set()
    queue.close(_PATIENCE_S)
    assert sink.indices == [999, 1, 9]
    assert state in sink.items


def test_where_everything_is_news_the_oldest_is_lost(
    sink: Recorder,
    stuck: Callable[[int], SinkQueue],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
) -> None:
    queue = stuck(2)
    for index in range(5):
        queue.answer(answer(event(), index=index))
    queue.answer(answer(index=5))

    sink.gate.set()
    queue.close(_PATIENCE_S)
    assert sink.indices == [999, 3, 4]


@given(size=st.integers(1, 6), news=st.lists(st.booleans(), max_size=25))
def test_every_item_is_taken_or_counted_as_dropped(
    answer: Callable[..., Answer], event: Callable[..., Any], size: int, news: list[bool]
) -> None:
    sink = Recorder()
    sink.gate.clear()
    queue = SinkQueue(sink, size=size)
    for index, is_news in enumerate(news):
        queue.answer(answer(*([event()] if is_news else []), index=index))
    sink.gate.set()
    queue.close(_PATIENCE_S)

    assert len(sink.items) + queue.dropped == len(news)
    assert sink.indices == sorted(sink.indices)
    # One may have been in the sink's hands already when the queue filled.
    assert queue.dropped in {max(0, len(news) - size), max(0, len(news) - size - 1)}


def test_errors_of_a_sink_are_counted_and_each_kind_is_logged_once(
    sink: Recorder, answer: Callable[..., Answer], caplog: pytest.LogCaptureFixture
) -> None:
    full = SinkError("the disk is full")
    defect = ZeroDivisionError("a defect")
    sink.errors = [full, full, defect, None, full, defect]
    queue = SinkQueue(sink)
    for index in range(6):
        queue.answer(answer(index=index))
    queue.close(_PATIENCE_S)

    assert queue.failed == 5
    assert sink.indices == [3]
    first, second = caplog.records
    assert "recorder: the disk is full" in first.getMessage()
    assert first.exc_info is None
    assert "a defect" in second.getMessage()
    assert second.exc_info is not None


def test_closing_waits_for_what_is_there_and_closes_the_sink_once(
    sink: Recorder, answer: Callable[..., Answer]
) -> None:
    queue = SinkQueue(sink)
    for index in range(50):
        queue.answer(answer(index=index))
    queue.close(_PATIENCE_S)
    queue.close(_PATIENCE_S)

    assert sink.indices == list(range(50))
    assert sink.closings == 1


def test_closing_gives_up_a_sink_that_hangs_and_counts_what_waited(
    sink: Recorder,
    stuck: Callable[[int], SinkQueue],
    answer: Callable[..., Answer],
    within: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = stuck(8)
    for index in range(3):
        queue.answer(answer(index=index))

    within(lambda: queue.close(0.05))

    assert (queue.dropped, queue.waiting) == (3, 0)
    assert "3 waiting items are lost" in caplog.text
    assert not sink.closed.is_set()
    sink.gate.set()
    assert sink.closed.wait(_PATIENCE_S)
    assert sink.indices == [999]


def test_several_are_closed_side_by_side_though_one_hangs(
    stuck: Callable[[int], SinkQueue], answer: Callable[..., Answer], within: Callable[..., None]
) -> None:
    other = Recorder()
    queues = [stuck(8), SinkQueue(other)]
    queues[0].answer(answer())
    queues[1].answer(answer())

    within(lambda: close_all(queues, 0.05))

    assert [queue.dropped for queue in queues] == [1, 0]
    assert other.closed.wait(_PATIENCE_S)
    assert len(other.items) == 1


def test_what_comes_after_closing_is_let_go_of(
    sink: Recorder, answer: Callable[..., Answer]
) -> None:
    queue = SinkQueue(sink)
    queue.close(_PATIENCE_S)
    queue.answer(answer())

    assert queue.waiting == 0
    assert sink.items == []


def test_an_error_while_closing_is_counted(
    sink: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    sink.error_of_closing = SinkError("it cannot be flushed")
    queue = SinkQueue(sink)
    queue.close(_PATIENCE_S)

    assert queue.failed == 1
    assert "it cannot be flushed" in caplog.text


@pytest.mark.parametrize(
    ("pictures", "shape"), [(False, (1, 1, 3)), (True, (6, 8, 3))], ids=["without", "with"]
)
def test_pictures_wait_only_for_a_sink_that_looks_at_them(
    sink: Recorder, answer: Callable[..., Answer], pictures: bool, shape: tuple[int, ...]
) -> None:
    queue = SinkQueue(sink, pictures=pictures)
    put = answer(index=5)
    queue.answer(put)
    queue.close(_PATIENCE_S)

    (taken,) = sink.items
    assert taken.frame.pixels.shape == shape
    assert (taken.frame.index, taken.frame.captured_ns) == (5, put.frame.captured_ns)
    assert taken.classification is put.classification


def test_an_answer_says_its_classification_then_its_events(
    answer: Callable[..., Answer], event: Callable[..., Any], name_of: Callable[[str], str]
) -> None:
    one = answer(event("vanished", "hat"), event("appeared", "shirt"))

    said = list(documents_of(one, ("classification", "event"), name_of))
    assert said[0]["model"]["name"] == "clothing"
    assert [(part["event"], part["label"]) for part in said[1:]] == [
        ("vanished", "hat"),
        ("appeared", "shirt"),
    ]
    assert len(list(documents_of(one, ("event",), name_of))) == 2


def test_a_name_that_is_no_utf8_is_written_all_the_same() -> None:
    assert encoded({"source": "caf\udce9"}) == b'{"source": "caf?"}'


def test_what_vanished_without_a_frame_reaches_the_sink_and_is_news(
    sink: Recorder, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    sink.gate.clear()
    queue = SinkQueue(sink, size=2)
    queue.answer(answer(index=0))
    assert sink.entered.wait(_PATIENCE_S)
    gone = Vanished((event("vanished", "hat"),), "kitchen")
    queue.answer(answer(index=1))
    queue.vanished(gone)
    queue.answer(answer(index=2))
    sink.gate.set()
    queue.close(_PATIENCE_S)

    assert queue.dropped == 1
    assert gone in sink.items


def test_of_answers_in_quick_succession_the_sink_takes_several_at_a_time(
    sink: Recorder, answer: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_REST_S", _PATIENCE_S)
    queue = SinkQueue(sink)
    for number in range(sinks._ENOUGH - 1):
        queue.answer(answer(index=number))
    # It rests from the start on.
    assert queue.waiting == sinks._ENOUGH - 1
    assert not sink.entered.is_set()

    queue.answer(answer(index=99))

    assert sink.entered.wait(_PATIENCE_S)
    queue.close(_PATIENCE_S)
    assert sink.indices == [*range(sinks._ENOUGH - 1), 99]


def test_news_do_not_wait_while_the_sink_rests(
    sink: Recorder,
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sinks, "_REST_S", _PATIENCE_S)
    queue = SinkQueue(sink)
    queue.answer(answer(index=1))
    queue.answer(answer(event(), index=2))

    assert sink.entered.wait(_PATIENCE_S)
    queue.close(_PATIENCE_S)
    assert sink.indices == [1, 2]


def test_a_single_answer_waits_no_longer_than_the_rest(
    sink: Recorder, answer: Callable[..., Answer]
) -> None:
    queue = SinkQueue(sink)
    queue.answer(answer(index=1))

    assert sink.entered.wait(_PATIENCE_S)
    queue.close(_PATIENCE_S)
