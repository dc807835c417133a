"""Reading labelled pictures through the runtime's own decoder and preprocessing.

What the device does with a file is done here too: EXIF orientation is applied, grey and CMYK
become RGB, 16 bits become 8, and alpha is dropped, not blended with a background. One thing is
stricter: a picture whose file ends too early is not used (see `edge_recog_converter.image_files`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from edge_recog.cameras.images import decode_image
from edge_recog.errors import SourceError
from edge_recog.frames import Frame
from edge_recog_converter.image_files import file_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.datasets import Picture

_READERS = 4
_AHEAD = 32


def decode_whole(data: bytes, *, where: str) -> NDArray[np.uint8]:
    """Return the picture of an image file's bytes as (height, width, 3) uint8 RGB.

    Args:
        data: The file.
        where: Its name, for messages.

    Raises:
        SourceError: There is no picture in them, or only a part of one.
    """
    if not data:
        raise SourceError(f"{where}: the file is empty")
    kind = file_kind(data)
    if not kind.whole:
        raise SourceError(f"{where}: the {kind.format} file ends too early; fetch it again")
    return decode_image(data, where=where)


class PictureReader:
    """Reads pictures as frames; notes which could not be read."""

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}
        """Picture's id → why it could not be read."""

    def frame(self, picture: Picture) -> Frame | None:
        """Return a picture as a frame; None if it cannot be read, which is noted."""
        try:
            data = picture.content.read_bytes()
            pixels = decode_whole(data, where=str(picture.content))
        except OSError as error:
            self.skipped[picture.id] = reason_of(error, where=str(picture.content))
            return None
        return Frame.from_rgb(pixels, source=picture.id)

    def frames(self, pictures: Sequence[Picture]) -> Iterator[tuple[Picture, Frame]]:
        """Yield the pictures that can be read, in order; a few are read ahead in threads."""
        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(pictures), _AHEAD):
                chunk = pictures[start : start + _AHEAD]
                for picture, frame in zip(chunk, pool.map(self.frame, chunk), strict=True):
                    if frame is not None:
                        yield picture, frame


def reason_of(error: OSError, *, where: str) -> str:
    """Return one line on why a picture cannot be read, with the file's name in it."""
    if isinstance(error, SourceError):  # An OSError too.
        return str(error)
    return f"{where}: cannot be read: {error.strerror or error}"
