"""A preview drawn as one picture: a row for each of its pictures, with labels in any script.

Pictures are put in pixel by pixel; small ones are enlarged by a whole number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_recog.annotation import encode_jpeg
from edge_recog.cameras.images import shrink
from edge_recog.errors import UsageError
from edge_recog_converter.lettering import Lettering, Line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog_converter.previewing import LabelShare, Preview, Row

_SUFFIXES = (".png", ".jpg", ".jpeg")
_SMALLEST_SIDE, _LARGEST_SIDE = 160, 320
"""Of a tile, its longer one, in pixels: enlarged at least to the one, shrunk to the other."""
_MARGIN, _GAP, _FIRST_GAP = 28, 10, 34
"""The last is between the plain picture and what becomes of it."""
_NARROWEST = 760
"""A sheet, in pixels: its title must have room."""
_TITLE, _TEXT, _SMALL = 22, 14, 12
"""Sizes of letters, in pixels."""
_INK, _FAINT, _REMARKABLE = "#16191d", "#636a73", "#a84300"
_RULE = (222, 226, 231)


def require_suffix(path: Path) -> None:
    """Refuse a file that is to be neither PNG nor JPEG.

    Raises:
        UsageError: Its suffix is another one.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path}: a sheet is written as PNG or JPEG; name it .png or .jpg")


def encode_sheet(pixels: NDArray[np.uint8], path: Path) -> bytes:
    """Return RGB pixels as the kind of file that a path's suffix says.

    Raises:
        UsageError: As `require_suffix`.
    """
    require_suffix(path)
    if path.suffix.lower() != ".png":
        return encode_jpeg(pixels)
    import cv2

    _, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return bytes(encoded)


def sheet(shown: Preview) -> NDArray[np.uint8]:
    """Return a preview as (height, width, 3) uint8 RGB."""
    grid = _Grid(shown)
    drawing = _Drawing()
    room = grid.width - 2 * _MARGIN
    title, *lines = _title(shown, grid.scale)
    y = drawing.write(_MARGIN, _MARGIN, title, width=room, size=_TITLE) + 2
    for line in lines:
        y = drawing.write(_MARGIN, y, line, width=room, colour=_FAINT, lines=3)
    for remark in [*shown.remarks, *drawing.remarks(shown)]:
        y = drawing.write(_MARGIN, y, remark, width=room, colour=_REMARKABLE, lines=3)
    y += _MARGIN // 2
    for column, head in enumerate(shown.heads):
        is_last = column == len(shown.heads) - 1
        width = grid.width - _MARGIN - grid.left(column) if is_last else grid.cell
        end = drawing.write(grid.left(column), y, head, width=width, colour=_FAINT)
    y = end + 4
    for row in shown.rows:
        drawing.tiles.append((y, _MARGIN, np.full((1, room, 3), _RULE, np.uint8)))
        y = _draw_row(drawing, grid, row, y + _GAP) + _GAP
    return drawing.pixels(grid.width, y + _MARGIN - _GAP)


def _title(shown: Preview, scale: float) -> list[str]:
    contract = shown.preprocessing
    stage = "stage of kind head" if shown.stage is None else f"train stage {shown.stage}"
    title = f"{shown.recipe.name} · {stage} · epoch {shown.epoch} of {shown.epochs}"
    size = f"height {contract.height}, width {contract.width}, {contract.colour}"
    if scale > 1:
        size += f" (shown {scale:g} times as large)"
    elif scale < 1:
        size += " (shown smaller)"
    return [title, f"{size} · {contract.crop} · seed {shown.recipe.seed}", shown.about]


def _draw_row(drawing: _Drawing, grid: _Grid, row: Row, top: int) -> int:
    """Draw one picture with its versions; return where they end, in pixels from the top."""
    for column, pixels in enumerate([row.plain, *(version.pixels for version in row.versions)]):
        drawing.tiles.append((top, grid.left(column), grid.tile(pixels)))
    below = top + grid.tile_height + 6
    labels = " · ".join(row.labels) or "no label"
    y = drawing.write(_MARGIN, below, labels, width=grid.cell, lines=3)
    y = drawing.write(
        _MARGIN, y, row.id, width=grid.cell, size=_SMALL, colour=_FAINT, keep_end=True
    )
    if row.draws > 1:
        often = f"{row.draws} times in this epoch"
        y = drawing.write(_MARGIN, y, often, width=grid.cell, size=_SMALL, colour=_REMARKABLE)
    ends = [y]
    for column, version in enumerate(row.versions, start=1):
        ends.append(_write_labels(drawing, grid.left(column), below, grid.cell, version.labels))
    return max(ends)


def _write_labels(
    drawing: _Drawing, left: int, top: int, width: int, labels: Sequence[LabelShare]
) -> int:
    """Write all labels if nothing is mixed, else the two largest; return where they end."""
    if all(label.share == 1.0 for label in labels):
        text = " · ".join(label.label for label in labels) or "no label"
        return drawing.write(left, top, text, width=width, colour=_FAINT, lines=3)
    y = top
    for label in labels[:2]:
        share = f": {label.share:.0%}"
        y = drawing.write(left, y, label.label, width=width, colour=_REMARKABLE, ending=share)
    if len(labels) > 2:
        more = f"and {len(labels) - 2} more"
        y = drawing.write(left, y, more, width=width, size=_SMALL, colour=_REMARKABLE)
    return y


class _Grid:
    """Where the pictures of a preview go, in pixels."""

    def __init__(self, shown: Preview) -> None:
        longest = max(shown.preprocessing.height, shown.preprocessing.width)
        self.scale = _LARGEST_SIDE / longest if longest > _LARGEST_SIDE else 1.0
        if longest < _SMALLEST_SIDE:
            self.scale = float(-(-_SMALLEST_SIDE // longest))
        self._is_swapped = shown.preprocessing.colour == "BGR"
        self.tile_height, tile_width = self.tile(shown.rows[0].plain).shape[:2]
        self.cell: int = max(tile_width, _SMALLEST_SIDE)
        columns = 1 + max(len(row.versions) for row in shown.rows)
        self.width: int = max(self.left(columns - 1) + self.cell + _MARGIN, _NARROWEST)

    def left(self, column: int) -> int:
        """Return where a column begins; the plain picture's is 0."""
        return _MARGIN + column * (self.cell + _GAP) + (_FIRST_GAP - _GAP if column else 0)

    def tile(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a network's pixels as RGB, in the size that they are shown in."""
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        if self._is_swapped:
            pixels = pixels[..., ::-1]
        if self.scale < 1:
            return shrink(np.ascontiguousarray(pixels), _LARGEST_SIDE)
        return pixels.repeat(int(self.scale), axis=0).repeat(int(self.scale), axis=1)


class _Drawing:
    """What is to be drawn, until it is known how large all of it is."""

    def __init__(self) -> None:
        self.tiles: list[tuple[int, int, NDArray[np.uint8]]] = []
        """Top, left and (height, width, 3) pixels of each."""
        self._lettering = Lettering()
        self._lines: list[Line] = []

    def write(
        self,
        left: int,
        top: int,
        text: str,
        *,
        width: int,
        size: int = _TEXT,
        colour: str = _INK,
        lines: int = 1,
        ending: str = "",
        keep_end: bool = False,
    ) -> int:
        """Write text into a column, in so many lines at most; return where it ends."""
        lettering = self._lettering
        if lines > 1:
            found = lettering.wrapped(text, size=size, width=width, lines=lines)
        else:
            found = [
                lettering.shortened(text, size=size, width=width, ending=ending, keep_end=keep_end)
            ]
        height = size + size // 3
        for number, line in enumerate(found):
            baseline = top + number * height + size
            self._lines.append(Line(left, baseline, line, size, colour))
        return top + len(found) * height

    def remarks(self, shown: Preview) -> list[str]:
        """Return what to know of the letters of labels."""
        labels = {label for row in shown.rows for label in row.labels}
        if all(self._lettering.has(label) for label in labels):
            return []
        return ["No font here has all the characters of the labels: the others are boxes"]

    def pixels(self, width: int, height: int) -> NDArray[np.uint8]:
        """Return (height, width, 3) uint8 RGB."""
        drawn = self._lettering.drawn(self._lines, width=width, height=height)
        for top, left, tile in self.tiles:
            drawn[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        return drawn
