"""Sources of frames, named in one table and imported when asked for."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from edge_recog.cameras.protocol import FrameSource
from edge_recog.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SOURCES", "FrameSource", "open_source"]

SOURCES = {
    "image": "edge_recog.cameras.images:ImageSource",
    "folder": "edge_recog.cameras.images:FolderSource",
    "video": "edge_recog.cameras.video:VideoSource",
    "synthetic": "edge_recog.cameras.synthetic:SyntheticSource",
}
"""Scheme → class taking (rest of the text, options)."""


def open_source(where: str | Path) -> FrameSource:
    """Open a source of frames.

    Args:
        where: A path of a picture, a folder of pictures or a video; or `SCHEME:REST?OPTION=VALUE`
            with a scheme of `SOURCES`, as in `synthetic:640x480?count=100`.

    Raises:
        UsageError: The scheme or an option is unknown.
        SourceError: It cannot be opened.
    """
    text = str(where)
    match = re.fullmatch(r"([a-z][a-z0-9+-]+):(.*)", text, re.DOTALL)
    if match is None or (isinstance(where, Path) or Path(text).exists()):
        return _load(_kind_of(Path(text)))(text, {})
    scheme, rest = match.groups()
    if scheme not in SOURCES:
        raise UsageError(f"{text}: no source is called {scheme}; there are {', '.join(SOURCES)}")
    place, _, query = rest.partition("?")
    return _load(scheme)(place, dict(parse_qsl(query, keep_blank_values=True)))


def _kind_of(path: Path) -> str:
    from edge_recog.cameras.video import VIDEO_SUFFIXES

    if path.is_dir():
        return "folder"
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image"


def _load(scheme: str) -> Callable[[str, Mapping[str, str]], FrameSource]:
    module, name = SOURCES[scheme].split(":")
    found: Callable[[str, Mapping[str, str]], FrameSource]
    found = getattr(importlib.import_module(module), name)
    return found
