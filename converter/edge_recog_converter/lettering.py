"""Text in any script, measured and drawn with the fonts that are here; nothing of it is notation.

matplotlib's own font has most alphabets. For the characters that it lacks, the system's fonts are
searched; what none of them has becomes a box.
"""

from __future__ import annotations

import functools
import unicodedata
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_FONT = "DejaVu Sans"
_NO_FONTS = ("Last Resort",)
"""Has a box for every character, which is not what is looked for."""
_REGULAR = ("normal", 400, "normal")
"""Style, weight and stretch."""
_BREAKS = {"Cc", "Zl", "Zp"}
"""Unicode's categories of what would end a line, and the like."""
_UNKNOWN = "□"
_CUT = "…"
_DPI = 72
"""So that a point is a pixel."""


class Line(NamedTuple):
    """One line of text in a drawing."""

    left: int
    baseline: int
    """Pixels from the top."""
    text: str
    """As `Lettering.plain` has it."""
    size: int
    """Of the font, in pixels."""
    colour: str


class Lettering:
    """Knows which characters can be drawn, and how wide they are."""

    def __init__(self) -> None:
        """Load the first font."""
        self._families = [_FONT]
        self._known = _characters(findfont(_FONT))
        canvas: Any = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=_DPI))
        self._renderer = canvas.get_renderer()
        self._width = functools.cache(self._measured)

    def plain(self, text: str) -> str:
        """Return text as it can be drawn, in one line."""
        text = "".join(" " if unicodedata.category(one) in _BREAKS else one for one in text)
        self._search({ord(one) for one in text} - self._known)
        return "".join(one if ord(one) in self._known else _stand_in(one) for one in text)

    def has(self, text: str) -> bool:
        """Tell whether none of the text becomes a box."""
        return self.plain(text).count(_UNKNOWN) == text.count(_UNKNOWN)

    def shortened(
        self, text: str, *, size: int, width: int, ending: str = "", keep_end: bool = False
    ) -> str:
        """Return drawable text that is no wider than `width` pixels, cut if need be.

        Args:
            text: What may be cut.
            size: Of the font, in pixels.
            width: In pixels.
            ending: Follows the text, and is never cut.
            keep_end: Cut the beginning.
        """
        if ending:
            left = width - round(self._width(self.plain(ending), size))
            return self.shortened(text, size=size, width=left) + self.plain(ending)
        text = self.plain(text)
        if self._width(text, size) <= width:
            return text
        kept, too_many = 0, len(text)
        while too_many - kept > 1:
            middle = (kept + too_many) // 2
            fits = self._width(_cut(text, middle, keep_end=keep_end), size) <= width
            kept, too_many = (middle, too_many) if fits else (kept, middle)
        return _cut(text, kept, keep_end=keep_end)

    def wrapped(self, text: str, *, size: int, width: int, lines: int) -> list[str]:
        """Return drawable text in lines, broken at spaces; what is too much is cut."""
        words = self.plain(text).split()
        found: list[str] = []
        while words:
            count = 1
            while count < len(words) and self._width(" ".join(words[: count + 1]), size) <= width:
                count += 1
            if len(found) == lines - 1:
                count = len(words)
            found.append(self.shortened(" ".join(words[:count]), size=size, width=width))
            words = words[count:]
        return found

    def drawn(self, lines: Iterable[Line], *, width: int, height: int) -> NDArray[np.uint8]:
        """Return (height, width, 3) uint8 RGB: lines of text on white."""
        with mpl.rc_context(), warnings.catch_warnings():
            mpl.rcdefaults()
            # A pair of characters may be drawn by a font that has only one of them.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            figure = Figure(figsize=((width + 0.01) / _DPI, (height + 0.01) / _DPI), dpi=_DPI)
            canvas: Any = FigureCanvasAgg(figure)
            for line in lines:
                figure.text(
                    line.left / width,
                    1.0 - line.baseline / height,
                    line.text,
                    fontproperties=self._font(line.size),
                    color=line.colour,
                    verticalalignment="baseline",
                    parse_math=False,
                )
            canvas.draw()
            return np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy()

    def _measured(self, text: str, size: int) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            width, _, _ = self._renderer.get_text_width_height_descent(
                text, self._font(size), ismath=False
            )
        return float(width)

    def _font(self, size: int) -> FontProperties:
        return FontProperties(family=self._families, size=size)

    def _search(self, wanted: set[int]) -> None:
        """Find fonts for characters."""
        for name, path in _system_fonts():
            wanted = wanted - self._known
            if not wanted:
                return
            if name not in self._families and wanted & (found := _characters(path)):
                self._families.append(name)
                self._known |= found


def _system_fonts() -> Iterator[tuple[str, str]]:
    """Yield name and file of the regular face of each family that has one."""
    # matplotlib looks a family up by its name again, and complains where there is no such face.
    regular = {
        entry.name: entry.fname
        for entry in reversed(fontManager.ttflist)
        if (entry.style, entry.weight, entry.stretch) == _REGULAR
        and not entry.name.startswith(_NO_FONTS)
    }
    yield from sorted(regular.items())


@functools.cache
def _characters(path: Any) -> frozenset[int]:
    """Return the code points that a font has; none if it cannot be drawn with."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


def _joins(character: str) -> bool:
    """Tell whether a character only changes its neighbours, such as a joiner or an accent."""
    return unicodedata.category(character) in {"Cf", "Mn", "Me"}


def _stand_in(character: str) -> str:
    return "" if _joins(character) else _UNKNOWN


def _cut(text: str, count: int, *, keep_end: bool) -> str:
    if keep_end:
        return _CUT + text[len(text) - count :]
    return text[:count].rstrip() + _CUT
