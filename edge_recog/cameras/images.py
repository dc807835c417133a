"""Still images and folders of them as sources of frames."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.cameras.options import Options, Rate, Side, read_options
from edge_recog.cameras.pacing import Pace
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.cameras.scaling import scaled
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
        read_options(path, options, Options)
        super().__init__(path, length=1)
        self.is_patient = True

    def __iter__(self) -> Iterator[Frame]:
        if not self._closed.is_set():
            yield Frame.from_rgb(read_image(Path(self.name)), source=self.name)


class FolderOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a folder of pictures."""

    loop: bool = False
    """Begin anew after the last picture, without end."""
    rate: Rate | None = None
    """Pictures a second, as if a camera took them; as fast as they are read if None."""
    width: Side | None = None
    """Scale to this; in proportion with one of width and height."""
    height: Side | None = None
    """See `width`."""


class FolderSource(ClosingSource):
    """Every picture under a folder, in the order of their paths."""

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        """List the pictures.

        Args:
            path: Of the folder.
            options: See `FolderOptions`.

        Raises:
            SourceError: Not a folder, or no picture in it.
            UsageError: An option is unknown or not in range.
        """
        self._options = read_options(path, options, FolderOptions)
        self.paths = image_paths(Path(path))
        super().__init__(path, length=None if self._options.loop else len(self.paths))
        rate = self._options.rate
        self._pace = None if rate is None else Pace(rate, self._closed)
        self.is_patient = rate is None

    def __iter__(self) -> Iterator[Frame]:
        paths = itertools.cycle(self.paths) if self._options.loop else self.paths
        for index, path in enumerate(paths):
            if self._closed.is_set():
                return
            if self._pace is not None and self._pace.is_late(index):
                self.skipped["late"] += 1
                continue
            pixels = scaled(read_image(path), self._options.width, self._options.height)
            if self._pace is not None and not self._pace.wait(index):
                return
            yield Frame.from_rgb(pixels, index=index, source=str(path))


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
