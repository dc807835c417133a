"""The worker that opens a source, reads its frames and closes it: a thread that may be given up."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from edge_recog.errors import EdgeRecogError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.cameras import FrameSource
    from edge_recog.frames import Frame

_LOG = logging.getLogger(__name__)


class Listener(Protocol):
    """Hears what a reader says, in the reader's thread."""

    def opened(self, reader: int) -> None:
        """The source is open."""

    def frame(self, reader: int, frame: Frame, *, is_patient: bool) -> None:
        """A frame was read; of a patient source it may wait until the last one is taken."""

    def settle(self) -> None:
        """Wait for a moment until it is known what became of all frames."""

    def open_failed(self, reader: int, reason: str) -> None:
        """The source could not be opened; the reader ends."""

    def refused(self, reader: int, error: UsageError) -> None:
        """The source is none that there could ever be; the reader ends."""

    def ended(self, reader: int, reason: str | None) -> None:
        """The reader ends; without a reason at the source's own end, or as it was told to."""


class Reader:
    """Reads one source once."""

    def __init__(
        self,
        number: int,
        open_it: Callable[[], FrameSource],
        listener: Listener,
        *,
        after_s: float = 0.0,
    ) -> None:
        """Begin, in a thread of its own.

        Args:
            number: Said with everything.
            open_it: Opens the source.
            listener: Told what happens.
            after_s: Wait so long before opening it.
        """
        self.number = number
        self._open_it = open_it
        self._listener = listener
        self._after_s = after_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._source: FrameSource | None = None
        self._thread = threading.Thread(target=self._work, name=f"reader-{number}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask it to end. Never waits."""
        self._stop.set()
        with self._lock:
            source = self._source
        if source is not None:
            source.close()

    def _work(self) -> None:
        if self._stop.wait(self._after_s):
            self._listener.ended(self.number, None)
            return
        try:
            source = self._open_it()
        except UsageError as error:
            self._listener.refused(self.number, error)
            return
        except EdgeRecogError as error:
            self._listener.open_failed(self.number, str(error))
            return
        except Exception as error:  # noqa: BLE001 - a camera's library may raise anything.
            _LOG.exception("opening the source failed in an unknown way")
            self._listener.open_failed(self.number, _named(error))
            return
        with self._lock:
            self._source = source
        reason = self._read(source)
        self._listener.ended(self.number, None if self._stop.is_set() else reason)

    def _read(self, source: FrameSource) -> str | None:
        """Read to the end; return why it is there, if that was not to be expected."""
        try:
            with source:
                if self._stop.is_set():
                    return None
                self._listener.opened(self.number)
                for frame in source:
                    if self._stop.is_set():
                        return None
                    self._listener.frame(self.number, frame, is_patient=source.is_patient)
                self._listener.settle()
        except EdgeRecogError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a camera's library may raise anything.
            _LOG.exception("reading the source failed in an unknown way")
            return _named(error)
        return None


def _named(error: Exception) -> str:
    return f"the source failed: {type(error).__name__}: {error}"
