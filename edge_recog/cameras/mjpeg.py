"""Network cameras that send JPEGs over HTTP, one after the other (MJPEG)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge_recog.cameras.addresses import read_address
from edge_recog.cameras.connection import ConnectionClosedError
from edge_recog.cameras.http_stream import HttpStream
from edge_recog.cameras.images import decode_image
from edge_recog.cameras.jpeg import is_fit
from edge_recog.cameras.jpeg_scan import is_made_up
from edge_recog.cameras.multipart import PartReader
from edge_recog.cameras.options import LiveOptions, read_options
from edge_recog.cameras.pacing import Limit
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.cameras.scaling import scaled
from edge_recog.errors import SourceError, located
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy import uint8
    from numpy.typing import NDArray

_MOST_BYTES = 4_000_000
"""Received before a picture is handed on, however fast they come."""


class MjpegSource(ClosingSource):
    """Frames of `http://USER:PASSWORD@HOST:PORT/PATH#OPTION=VALUE`; options as `LiveOptions`."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        """Ask the camera for its stream.

        Args:
            address: With user and password, if the camera wants any.
            options: See `LiveOptions`.

        Raises:
            SourceError: There is no stream; the message says why.
            UsageError: It is no address, or an option is unknown or not in range.
        """
        where = read_address(address)
        super().__init__(where.name)
        self._options = read_options(where.name, options, LiveOptions)
        self._stream = HttpStream(where, timeout_s=self._options.open_timeout_s)
        self._parts = PartReader(self._stream.boundary)

    def __iter__(self) -> Iterator[Frame]:
        limit = Limit(self._options.rate)
        self._extend()
        for index, picture in self._received():
            # It has just come, all of it.
            captured_ns = time.monotonic_ns()
            if not is_fit(picture):
                self.skipped["damaged"] += 1
                continue
            if limit.passes(captured_ns):
                pixels = self._decoded(picture)
                if pixels is None:
                    self.skipped["damaged"] += 1
                    continue
                yield Frame.from_rgb(pixels, captured_ns=captured_ns, index=index, source=self.name)
            else:
                self.skipped["limited"] += 1
            self._extend()

    def close(self) -> None:
        """See `FrameSource.close`. Interrupts a read at once."""
        super().close()
        self._stream.connection.close()

    def _extend(self) -> None:
        """Give the camera its time anew, since it has sent a picture or could not."""
        self._stream.connection.deadline_s = time.monotonic() + self._options.read_timeout_s

    def _received(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and bytes of pictures as they come, until it is closed.

        Of several that are there it is the newest: who is slow must not fall behind.

        Raises:
            SourceError: The stream breaks off, or the deadline passes.
        """
        count = 0
        while not self._closed.is_set():
            try:
                with self._stream.connection.guard:
                    pictures = self._next_pictures()
            except ConnectionClosedError:
                return
            except TimeoutError as error:
                damaged = self.skipped["damaged"]
                raise SourceError(
                    f"{self.name}: no whole picture within {self._options.read_timeout_s:g} s"
                    + (f"; {damaged} so far were damaged" if damaged else "")
                ) from error
            except SourceError as error:
                raise located(error, self.name) from error
            except OSError as error:
                raise SourceError(
                    f"{self.name}: the connection broke off: {error.strerror or error}"
                ) from error
            if self._closed.is_set():
                return
            if not pictures:
                raise SourceError(f"{self.name}: the camera ended the stream")
            count += len(pictures)
            self.skipped["late"] += len(pictures) - 1
            yield count - 1, pictures[-1]

    def _next_pictures(self) -> list[bytes]:
        """Return at least one picture, and all that are here; none if the stream has ended."""
        pictures: list[bytes] = []
        received = 0
        while not self._parts.has_ended and (
            not pictures or (received < _MOST_BYTES and self._stream.connection.has_input())
        ):
            data = self._stream.receive()
            if not data:
                break
            received += len(data)
            pictures += self._parts.feed(data)
        return pictures

    def _decoded(self, picture: bytes) -> NDArray[uint8] | None:
        try:
            pixels = decode_image(picture, where=self.name)
        except SourceError:
            return None
        if is_made_up(picture, pixels):
            return None
        return scaled(pixels, self._options.width, self._options.height)
