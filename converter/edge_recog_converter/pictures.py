"""Reading labelled pictures through the runtime's own preprocessing."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from edge_recog.cameras.images import decode_image
from edge_recog.errors import SourceError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog_converter.datasets import Picture

_READERS = 4
_AHEAD = 32


class PictureReader:
    """Reads pictures as frames; notes the digest of each, and which could not be read."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        """Picture's id → SHA-256 of its file."""
        self.skipped: dict[str, str] = {}
        """Picture's id → why it could not be read."""

    def frame(self, picture: Picture) -> Frame | None:
        """Return a picture as a frame; None if it cannot be read, which is noted."""
        try:
            data = picture.path.read_bytes()
            pixels = decode_image(data, where=str(picture.path))
        except OSError as error:
            # SourceError is one too.
            reason = error if isinstance(error, SourceError) else error.strerror
            self.skipped[picture.id] = str(reason)
            return None
        self.digests[picture.id] = hashlib.sha256(data).hexdigest()
        return Frame.from_rgb(pixels, source=picture.id)

    def frames(self, pictures: Sequence[Picture]) -> Iterator[tuple[Picture, Frame]]:
        """Yield the pictures that can be read, in order; a few are read ahead in threads."""
        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(pictures), _AHEAD):
                chunk = pictures[start : start + _AHEAD]
                for picture, frame in zip(chunk, pool.map(self.frame, chunk), strict=True):
                    if frame is not None:
                        yield picture, frame
