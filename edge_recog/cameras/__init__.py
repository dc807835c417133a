"""Sources of frames, named in one table and imported when asked for."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.cameras.protocol import FrameSource
from edge_recog.errors import EdgeRecogError, SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SOURCES", "FrameSource", "open_source"]

SOURCES = {
    "image": "edge_recog.cameras.images:ImageSource",
    "folder": "edge_recog.cameras.images:FolderSource",
    "images": "edge_recog.cameras.images:FolderSource",
    "video": "edge_recog.cameras.video:VideoSource",
    "file": "edge_recog.cameras.video:VideoSource",
    "synthetic": "edge_recog.cameras.synthetic:SyntheticSource",
    "v4l2": "edge_recog.cameras.v4l2:V4l2Source",
    "picamera2": "edge_recog.cameras.picamera2_source:Picamera2Source",
    "rtsp": "edge_recog.cameras.rtsp:RtspSource",
    "http": "edge_recog.cameras.mjpeg:MjpegSource",
    "https": "edge_recog.cameras.mjpeg:MjpegSource",
}
"""Scheme → class taking (rest of the text, options). Those of network cameras get the whole
address, user and password included."""

CAMERAS = frozenset({"v4l2", "picamera2", "rtsp", "http", "https"})
"""Schemes of sources with a sensor, whose noise never stands still."""

ADDRESSES = frozenset({"rtsp", "http", "https"})
"""Schemes of addresses. What follows their question mark is the camera's own; options of ours
follow `#`, which is never sent: `rtsp://camera.local/live?channel=1#rate=5`."""


def open_source(where: str | Path) -> FrameSource:
    """Open a source of frames.

    Args:
        where: A path of a picture, a folder of pictures or a video; or `SCHEME:REST?OPTION=VALUE`
            with a scheme of `SOURCES`, as in `synthetic:640x480?count=100`, `v4l2:/dev/video0`,
            `picamera2:0?main=1280x720`, `rtsp://user:password@camera.local/live#rate=5`.

    Raises:
        UsageError: The scheme or an option is unknown.
        SourceError: It cannot be opened.
    """
    from edge_recog.cameras.addresses import without_secrets

    text = str(where)
    shown = without_secrets(text)
    if "\0" in text:
        raise UsageError(f"{shown!r}: no source has a zero byte in its name")
    match = re.fullmatch(r"([a-z][a-z0-9+-]+):(.*)", text, re.DOTALL)
    try:
        if match is None or isinstance(where, Path) or _exists(text):
            return _load(_kind_of(Path(text)))(text, {})
        scheme, rest = match.groups()
        return _open_scheme(scheme, rest, text, shown)
    except EdgeRecogError:
        raise
    except OSError as error:
        # Such as a name that is too long for any file.
        raise SourceError(f"{shown}: cannot be opened: {error.strerror or error}") from error


def _open_scheme(scheme: str, rest: str, text: str, shown: str) -> FrameSource:
    from edge_recog.cameras.options import split_options

    if scheme not in SOURCES:
        raise UsageError(f"{shown}: no source is called {scheme}; there are {', '.join(SOURCES)}")
    if scheme in ADDRESSES:
        place, _, query = text.partition("#")
        if "@" in query:
            raise UsageError(f"{shown}: in a password # is written %23, and @ is %40")
    else:
        place, _, query = rest.partition("?")
    return _load(scheme)(place, split_options(shown, query))


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:
        return False  # Too long for a path: an address.


def _kind_of(path: Path) -> str:
    from edge_recog.cameras.video import VIDEO_SUFFIXES

    if path.is_dir():
        return "folder"
    if not path.exists():
        from edge_recog.cameras.addresses import without_secrets

        raise SourceError(f"{without_secrets(str(path))}: no such file or folder")
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image"


def _load(scheme: str) -> Callable[[str, Mapping[str, str]], FrameSource]:
    module, name = SOURCES[scheme].split(":")
    found: Callable[[str, Mapping[str, str]], FrameSource]
    found = getattr(importlib.import_module(module), name)
    return found
