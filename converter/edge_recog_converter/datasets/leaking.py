"""Pictures that are on both sides: what a test says of them, it was told in training."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog_converter.datasets.labelled import Dataset, Split

_NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Leakage:
    """What is in more than one split."""

    duplicates: tuple[tuple[tuple[Split, str], ...], ...]
    """Sets of pictures with the same bytes, as split and id, in two splits or more."""
    groups: Mapping[str, tuple[Split, ...]]
    """Groups in more than one split, and in which."""

    def __bool__(self) -> bool:
        return bool(self.duplicates or self.groups)


def leakage(dataset: Dataset, digests: Mapping[str, str]) -> Leakage:
    """Return what a dataset has in more than one split.

    Args:
        dataset: Split for good.
        digests: Picture's id → SHA-256 of its file; those that cannot be read may be missing.
    """
    copies: dict[str, list[tuple[Split, str]]] = defaultdict(list)
    groups: dict[str, set[Split]] = defaultdict(set)
    for split in SPLITS:
        for picture in dataset.splits[split]:
            if picture.id in digests:
                copies[digests[picture.id]].append((split, picture.id))
            if picture.group:
                groups[picture.group].add(split)
    return Leakage(
        tuple(tuple(same) for same in copies.values() if len({split for split, _ in same}) > 1),
        {
            group: tuple(split for split in SPLITS if split in splits)
            for group, splits in sorted(groups.items())
            if len(splits) > 1
        },
    )


def refuse_leakage(leaked: Leakage, *, allowed: bool) -> None:
    """Refuse a dataset whose test would say more than is true.

    Args:
        leaked: Of `leakage`.
        allowed: By the recipe.

    Raises:
        DatasetError: There is leakage, and it is not allowed; names pictures and the way out.
    """
    if allowed or not leaked:
        return
    if leaked.duplicates:
        named = [
            " = ".join(name for _, name in same) for same in leaked.duplicates[:_NAMED_AT_MOST]
        ]
        more = len(leaked.duplicates) - len(named)
        count = len(leaked.duplicates)
        what = f"the same picture is in more than one split, {count} time{'s'[: count > 1]}"
    else:
        named = [
            f"{group} ({', '.join(splits)})"
            for group, splits in list(leaked.groups.items())[:_NAMED_AT_MOST]
        ]
        more = len(leaked.groups) - len(named)
        what = f"{len(leaked.groups)} groups are in more than one split"
    raise DatasetError(
        f"{what}: {', '.join(named)}{f' and {more} more' if more else ''}; such a test flatters "
        "the model. Leave one of them out (`edge-recog data check` lists all), or set "
        "allow_leakage = true in [data] of the recipe"
    )
