"""Where answers go: what a sink is, and the bounded queue that each stands behind."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import msgspec
import numpy as np

from edge_recog.answers import Answer, Vanished
from edge_recog.errors import EdgeRecogError
from edge_recog.frames import Frame
from edge_recog.wire import classification_document, event_document

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from edge_recog.supervision import Status

    Item: TypeAlias = Answer | Vanished | Status

_LOG = logging.getLogger(__name__)
_BLANK = np.zeros((1, 1, 3), np.uint8)

_REST_S: Final = 0.02
"""A sink rests so long after its work, unless there is news: where answers come fast, waking a
thread for each would take as long as a small model does."""
_ENOUGH: Final = 8
"""Items that are worth a wake-up: more at once would hold the classifier up for longer."""

Kind = Literal["classification", "event", "status"]
"""Of documents that a sink may be asked for."""

KINDS: Final[tuple[Kind, ...]] = ("classification", "event", "status")


class SinkError(EdgeRecogError, OSError):
    """What a sink was to take went nowhere: a full disk, a server that does not answer."""


class Sink(Protocol):
    """Takes answers somewhere. Called from one thread, its own."""

    name: str
    """For logs and metrics: `mqtt`, `jsonl`."""

    def answer(self, answer: Answer) -> None:
        """Take one answer; may be slow, may raise."""

    def vanished(self, vanished: Vanished) -> None:
        """Take what vanished because no frames come any more."""

    def status(self, status: Status) -> None:
        """Take a change of state."""

    def close(self) -> None:
        """Flush and let go. Safe to call twice."""


class SinkQueue:
    """A sink behind a bounded queue and a thread of its own.

    Nobody who puts something in ever waits. A slow sink loses items that waited longest, those
    first that bring no news: answers without events.
    """

    def __init__(self, sink: Sink, *, size: int = 64, pictures: bool = False) -> None:
        """Begin to work.

        Args:
            sink: Called from now on by the queue's thread only; closed by it.
            size: Items that may wait, at least 1.
            pictures: Whether the sink looks at frames. Without, they are let go of at once:
                64 waiting ones are up to 170 MB.
        """
        self.name = sink.name
        self.dropped = 0
        """Items that never reached the sink."""
        self.failed = 0
        """Items that the sink raised an error for."""
        self._sink = sink
        self._size = size
        self._pictures = pictures
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._is_resting = False
        """Whether answers may wait for more of them."""
        self._is_open = True
        self._known_errors: set[type[Exception]] = set()
        self._thread = threading.Thread(target=self._work, name=f"sink-{self.name}", daemon=True)
        self._thread.start()

    def answer(self, answer: Answer) -> None:
        """Leave an answer for the sink."""
        self.put(answer)

    def vanished(self, vanished: Vanished) -> None:
        """Leave what vanished without a frame for the sink."""
        self.put(vanished)

    def status(self, status: Status) -> None:
        """Leave a change of state for the sink."""
        self.put(status)

    def put(self, item: Item) -> None:
        """Leave an item for the sink; after `close` it is let go of."""
        if isinstance(item, Answer) and not self._pictures:
            item = _without_picture(item)
        with self._changed:
            if not self._is_open:
                return
            self._items.append(item)
            if len(self._items) > self._size:
                del self._items[_least_missed(self._items)]
                self.dropped += 1
            if not self._is_resting or _is_news(item) or len(self._items) >= _ENOUGH:
                self._is_resting = False
                self._changed.notify()

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self._items)

    def finish(self) -> None:
        """Take nothing more, work off what is there, then close the sink. Returns at once."""
        with self._changed:
            self._is_open = self._is_resting = False
            self._changed.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Finish, and wait for it. Safe to call twice.

        Args:
            timeout_s: What is left after it counts as dropped. A sink that hangs is left to its
                thread, which does not keep the process alive.
        """
        self.finish()
        self._thread.join(max(0.0, timeout_s))
        if not self._thread.is_alive():
            return
        with self._changed:
            left = len(self._items)
            self.dropped += left
            self._items.clear()
        _LOG.warning("%s: not done in time; %d waiting items are lost", self.name, left)

    def _work(self) -> None:
        while (item := self._next()) is not None:
            try:
                if isinstance(item, Answer):
                    self._sink.answer(item)
                elif isinstance(item, Vanished):
                    self._sink.vanished(item)
                else:
                    self._sink.status(item)
            except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline goes on.
                self._count(error)
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - nobody is left to hear it.
            self._count(error)

    def _next(self) -> Item | None:
        """Return the oldest item as soon as there is one; None once closed and empty."""
        with self._changed:
            if not self._items and self._is_open:
                self._is_resting = True
                self._changed.wait_for(lambda: not self._is_resting, _REST_S)
                self._is_resting = False
            self._changed.wait_for(lambda: self._items or not self._is_open)
            return self._items.popleft() if self._items else None

    def _count(self, error: Exception) -> None:
        self.failed += 1
        if type(error) in self._known_errors:
            return
        self._known_errors.add(type(error))
        # An error of ours says enough; of any other, where it was raised is wanted.
        trace = None if isinstance(error, EdgeRecogError) else error
        _LOG.error(
            "%s: %s (more errors of this kind are only counted)",
            self.name,
            str(error) or type(error).__name__,
            exc_info=trace,
        )


def close_all(queues: Iterable[SinkQueue], timeout_s: float) -> None:
    """Close several queues side by side.

    Args:
        queues: To close.
        timeout_s: For all of them together.
    """
    deadline_s = time.monotonic() + timeout_s
    closing = tuple(queues)
    for queue in closing:
        queue.finish()
    for queue in closing:
        queue.close(deadline_s - time.monotonic())


def _least_missed(items: deque[Item]) -> int:
    """Return where the oldest item without news is; 0 if all bring some."""
    for index, item in enumerate(items):
        if not _is_news(item):
            return index
    return 0


def _is_news(item: Item) -> bool:
    return not isinstance(item, Answer) or bool(item.events)


def _without_picture(answer: Answer) -> Answer:
    """Return the answer with a frame of one black pixel."""
    frame = answer.frame
    blank = Frame(_BLANK, frame.captured_ns, frame.index, frame.source)
    return dataclasses.replace(answer, frame=blank)


def documents_of(
    answer: Answer, kinds: Collection[Kind], name_of: Callable[[str], str]
) -> Iterator[dict[str, Any]]:
    """Yield what an answer says, as plain values: the classification, then its events.

    Args:
        answer: One frame's.
        kinds: What is wanted of it.
        name_of: From a model's id to its name.
    """
    result = answer.classification
    if "classification" in kinds:
        yield classification_document(result, model_name=name_of(result.model_id))
    if "event" in kinds:
        for event in answer.events:
            yield event_document(event, source=result.source)


def vanished_documents(vanished: Vanished) -> Iterator[dict[str, Any]]:
    """Yield the events that no frame brought, as plain values."""
    for event in vanished.events:
        yield event_document(event, source=vanished.source)


def encoded(document: dict[str, Any]) -> bytes:
    """Return a document as JSON on one line, UTF-8."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        # A source's name that is no UTF-8: strict readers take no half characters.
        return json.dumps(document, ensure_ascii=False).encode(errors="replace")
