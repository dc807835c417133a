"""What a reader of one layout finds, before splits are made and labels numbered."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from edge_recog_converter.datasets.labelled import Content, Split


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture with the names of its labels."""

    content: Content
    id: str
    names: tuple[str, ...]
    """As `plain_name` has them."""
    split: Split | None
    """None if it is to be decided here: for train, or a split that nobody else fills."""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """All that one layout has."""

    entries: tuple[Entry, ...]
    classes: tuple[str, ...] | None = None
    """In the order of their numbers; None where they are sorted by name."""
    empty: tuple[str, ...] = ()
    """Folders of classes without a picture."""


def plain_name(name: str, *, where: str) -> str:
    """Return a label's name, composed: macOS writes `é` as two characters, others as one.

    Raises:
        DatasetError: It is empty, or no Unicode text.
    """
    plain = unicodedata.normalize("NFC", name).strip()
    if not plain:
        raise DatasetError(f"{where}: no label; give each picture one")
    if not is_text(plain):
        raise DatasetError(f"{where}: the name of the label {name!r} is not UTF-8; rename it")
    return plain


def is_text(name: str) -> bool:
    """Tell whether a name can be written into a file, and can be a file's."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in name)
