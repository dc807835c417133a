"""Looks at each picture once, and keeps what the check needs of it."""

from __future__ import annotations

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from edge_recog_converter.checking.likeness import difference_hash, small_picture
from edge_recog_converter.image_files import FileKind, file_kind
from edge_recog_converter.pictures import decode_whole, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.datasets.labelled import Content

_READERS = 4
_AHEAD = 64


class Look(NamedTuple):
    """What one picture is like."""

    width: int
    """As it is shown, EXIF orientation applied."""
    height: int
    hash: int
    """Of `difference_hash`."""
    small: NDArray[np.uint8]
    """(16, 16, 3)."""


class Examined(NamedTuple):
    """What was found out about one picture."""

    sha256: str
    """Of the file; empty if it cannot even be opened."""
    kind: FileKind | None
    look: Look | None
    """None if it cannot be decoded."""
    problem: str
    """Why; empty if it can."""


def examine(content: Content) -> Examined:
    """Return what there is to know about a picture; what is wrong with it is part of that."""
    where, digest, kind = str(content), "", None
    try:
        data = content.read_bytes()
        digest, kind = hashlib.sha256(data).hexdigest(), file_kind(data)
        pixels = decode_whole(data, where=where)
    except OSError as error:
        return Examined(digest, kind, None, reason_of(error, where=where))
    height, width = pixels.shape[:2]
    look = Look(width, height, difference_hash(pixels), small_picture(pixels))
    return Examined(digest, kind, look, "")


def examine_all(
    pictures: Iterable[tuple[str, Content]], *, on_picture: Callable[[], None]
) -> dict[str, Examined]:
    """Return id → what was found out, in the order given.

    Args:
        pictures: Ids and contents.
        on_picture: Called after each.
    """
    listed = list(pictures)
    found: dict[str, Examined] = {}
    with _quiet_decoder(), ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(listed), _AHEAD):
            chunk = listed[start : start + _AHEAD]
            results = pool.map(examine, (content for _, content in chunk))
            for (name, _), one in zip(chunk, results, strict=True):
                found[name] = one
                on_picture()
    return found


@contextlib.contextmanager
def _quiet_decoder() -> Iterator[None]:
    """Keep OpenCV from writing on stderr what is reported anyhow."""
    from cv2.utils import logging

    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
