"""Annotated pictures and videos, written as `classify --save` goes along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.annotation import annotate, encode_jpeg
from edge_recog.errors import SourceError
from edge_recog.files import refuse_existing, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog.cameras import FrameSource
    from edge_recog.frames import Frame
    from edge_recog.predictions import Classification

_FRAMES_PER_SECOND = 15.0


class AnnotatedOutput:
    """A folder that gets one JPEG for each picture and one video for each video."""

    def __init__(self, folder: Path, *, force: bool) -> None:
        """Write nothing yet."""
        self._folder = folder
        self._force = force
        self._is_video = False
        self._writer: Any = None
        self._part: Path | None = None
        self._target: Path | None = None
        self._taken: set[Path] = set()

    def begin(self, relative: Path, source: FrameSource) -> None:
        """Prepare for the frames of one source."""
        self._is_video = source.length != 1
        suffix = ".mp4" if self._is_video else ".jpg"
        target = self._folder / relative.with_name(f"{relative.stem}{suffix}")
        # Other pictures of this run may have the name, such as cat.png beside cat.jpg.
        number = 1
        while target in self._taken:
            number += 1
            target = target.with_name(f"{relative.stem}-{number}{suffix}")
        refuse_existing(target, force=self._force)
        self._taken.add(target)
        self._target = target

    def add(self, frame: Frame, result: Classification) -> None:
        """Write one frame.

        Raises:
            SourceError: The video cannot be written.
            UsageError: The file exists or cannot be written.
        """
        assert self._target is not None
        pixels = annotate(frame, result)
        if not self._is_video:
            write_file(self._target, encode_jpeg(pixels), force=self._force)
            return
        import cv2

        if self._writer is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._part = self._target.with_name(f".part-{self._target.name}")
            code = cv2.VideoWriter.fourcc(*"mp4v")
            size = (frame.width, frame.height)
            self._writer = cv2.VideoWriter(str(self._part), code, _FRAMES_PER_SECOND, size)
            if not self._writer.isOpened():
                raise SourceError(f"{self._target}: OpenCV cannot write this video")
        self._writer.write(np.ascontiguousarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)))

    def end(self, *, whole: bool) -> None:
        """Finish the source's file: it appears under its name only now, and only if it is whole."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        if self._part is not None and self._target is not None:
            if whole:
                self._part.replace(self._target)
            else:
                self._part.unlink(missing_ok=True)
        self._part = self._target = None
