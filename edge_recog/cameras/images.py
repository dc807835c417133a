"""Still images and folders of them as sources of frames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.cameras.protocol import ClosingSource, refuse_options
from edge_recog.errors import SourceError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return a picture as (height, width, 3) uint8 RGB.

    EXIF orientation is applied; grey becomes RGB, 16 bits become 8, alpha is dropped.

    Raises:
        SourceError: There is no such file, or no picture in it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    return decode_image(data, where=str(path))


def decode_image(data: bytes, *, where: str) -> NDArray[np.uint8]:
    """Return the picture of an image file's bytes; as `read_image`.

    Raises:
        SourceError: There is no picture in them.
    """
    import cv2

    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        raise SourceError(f"{where}: the picture cannot be decoded: {error.err}") from error
    if bgr is None:
        raise SourceError(f"{where}: not a picture that OpenCV can decode, or damaged")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def shrink(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return an RGB picture in its own proportions, its longer side at most `longest` pixels."""
    import cv2

    scale = min(1.0, longest / max(pixels.shape[:2]))
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


class ImageSource(ClosingSource):
    """One picture, as one frame."""

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        """Open nothing yet; the picture is read when iterated.

        Raises:
            UsageError: There are options.
        """
        refuse_options(path, options)
        self.name = path
        self.length: int | None = 1

    def __iter__(self) -> Iterator[Frame]:
        yield Frame.from_rgb(read_image(Path(self.name)), source=self.name)


class FolderSource(ClosingSource):
    """Every picture under a folder, in the order of their paths."""

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        """List the pictures.

        Raises:
            SourceError: Not a folder, or no picture in it.
            UsageError: There are options.
        """
        refuse_options(path, options)
        self.name = path
        self.paths = image_paths(Path(path))
        self.length: int | None = len(self.paths)
        self._open = True

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self.paths):
            if not self._open:
                return
            yield Frame.from_rgb(read_image(path), index=index, source=str(path))

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._open = False


def image_paths(folder: Path) -> list[Path]:
    """Return the pictures under a folder, hidden files left out, sorted by path.

    Raises:
        SourceError: Not a folder, or no picture in it.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: not a folder")
    paths = [
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")
    ]
    if not paths:
        raise SourceError(f"{folder}: no picture in it ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return sorted(paths)
