"""The parts of `multipart/x-mixed-replace`, as network cameras send pictures. Does no I/O."""

from __future__ import annotations

import re
from typing import Final

from edge_recog.errors import SourceError

MAX_PART_BYTES: Final = 16_000_000
"""Far more than a picture of 12 megapixels."""
MAX_HEAD_BYTES: Final = 16_384
"""Of the headers of a part."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
# RFC 2046, section 5.1.1: 1 to 70 characters, quoted where it has special ones.
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,72})"|([^\s;"]{1,72}))', re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary that a Content-Type names; None if it is not multipart or has none."""
    if not re.match(r"multipart/[a-z.+-]+\s*(;|$)", content_type, re.IGNORECASE):
        return None
    found = re.search(
        r';\s*boundary=(?:"([^"]{1,72})"|([^\s;"]{1,72}))', content_type, re.IGNORECASE
    )
    if found is None:
        return None
    return (found[1] or found[2]).encode("latin-1", "replace")


class PartReader:
    """Cuts what is received into parts; what lies between them is dropped."""

    def __init__(self, boundary: bytes, max_part_bytes: int = MAX_PART_BYTES) -> None:
        """Begin before the first part.

        Args:
            boundary: As in Content-Type. Many cameras write its two dashes there already.
            max_part_bytes: Larger parts are refused.
        """
        self._delimiter = boundary if boundary.startswith(b"--") else b"--" + boundary
        self._max = max_part_bytes
        self._data = bytearray()
        self._searched = 0
        """Bytes of `_data` in which there is no delimiter."""
        self._length: int | None = None
        """Of the part whose body is being received, if it says so."""
        self._in_body = False
        self._dropped = 0
        self.has_ended = False
        """Whether the closing delimiter was received."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the bodies of the parts that are complete by now.

        Args:
            data: What was received since the last call.

        Raises:
            SourceError: A part or its headers are too large, or no part comes.
        """
        self._data += data
        bodies: list[bytes] = []
        while not self.has_ended:
            if not self._in_body:
                if not self._pass_head():
                    break
            elif (body := self._body()) is None:
                break
            else:
                self._in_body = False
                bodies.append(body)
        return bodies

    def _pass_head(self) -> bool:
        """Drop everything up to the body of the next part; return whether it was there."""
        begin = self._data.find(self._delimiter, self._searched)
        if begin < 0:
            self._drop(max(0, len(self._data) - len(self._delimiter)))
            return False
        self._drop(begin)
        after = len(self._delimiter)
        if len(self._data) < after + 2:
            return False
        if self._data[after : after + 2] == b"--":
            self.has_ended = True
            return False
        end = _HEAD_END.search(self._data, after)
        if (len(self._data) if end is None else end.end()) - after > MAX_HEAD_BYTES:
            raise SourceError(f"the headers of a part have more than {MAX_HEAD_BYTES} bytes")
        if end is None:
            return False
        found = _LENGTH.search(self._data, after, end.end())
        self._length = None if found is None else int(found[1])
        if self._length is not None and self._length > self._max:
            raise self._too_large()
        del self._data[: end.end()]
        self._searched = self._dropped = 0
        self._in_body = True
        return True

    def _body(self) -> bytes | None:
        """Return the body if it is all there."""
        if self._length is not None:
            if len(self._data) < self._length:
                return None
            body = bytes(self._data[: self._length])
            del self._data[: self._length]
            return body
        end = self._data.find(b"\n" + self._delimiter, self._searched)
        if end < 0:
            self._searched = max(0, len(self._data) - len(self._delimiter) - 1)
            if len(self._data) > self._max:
                raise self._too_large()
            return None
        if end > self._max:
            raise self._too_large()
        body = bytes(self._data[:end]).removesuffix(b"\r")
        del self._data[: end + 1]
        self._searched = 0
        return body

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self._searched = 0
        self._dropped += count
        if self._dropped > self._max:
            raise SourceError(f"no part begins within {self._max} bytes")

    def _too_large(self) -> SourceError:
        return SourceError(f"a part has more than {self._max} bytes")
