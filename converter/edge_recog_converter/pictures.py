"""Reading labelled pictures through the runtime's own preprocessing."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.cameras.images import decode_image
from edge_recog.errors import SourceError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Picture
    from numpy.typing import NDArray

BATCH = 32
_READERS = 4


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
            for start in range(0, len(pictures), BATCH):
                chunk = pictures[start : start + BATCH]
                for picture, frame in zip(chunk, pool.map(self.frame, chunk), strict=True):
                    if frame is not None:
                        yield picture, frame

    def batches(
        self, pictures: Sequence[Picture], preprocessing: Preprocessing
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """Yield `Preprocessing.pixels` of the pictures and their labels, `BATCH` at a time.

        Yields:
            (batch, height, width, channels) uint8 and (batch,) int64.
        """
        pixels: list[NDArray[np.uint8]] = []
        labels: list[int] = []
        for picture, frame in self.frames(pictures):
            pixels.append(preprocessing.pixels(frame))
            labels.append(picture.label)
            if len(pixels) == BATCH:
                yield np.stack(pixels), np.array(labels, np.int64)
                pixels, labels = [], []
        if pixels:
            yield np.stack(pixels), np.array(labels, np.int64)
