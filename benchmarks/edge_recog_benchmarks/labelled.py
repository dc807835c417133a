"""Pictures whose labels are known, found on disk.

A folder of labelled pictures is laid out in one of three ways:

- with a manifest in it (`edge_recog_benchmarks.manifests`): `manifest.csv`, `labels.csv` or
  `manifest.jsonl`. Pictures are looked for below the folder, or, where the first one is not there,
  below its `images/` or `pictures/`. Rows of the split `test` count if there are splits;
- with a folder for each class, `FOLDER/cat/*.jpg`, sub-folders included; a picture then has this
  one label. Pictures outside a class folder have no label and do not count;
- with `train/`, `validation/` (or `val/`) and `test/`, of which only `test` is taken.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from edge_recog.cameras.images import IMAGE_SUFFIXES, image_paths
from edge_recog.errors import SourceError, UsageError
from edge_recog_benchmarks.manifests import MEASURED, SPLITS, find_manifest, read_manifest
from edge_recog_benchmarks.results import AccuracyData, LabelledPicture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_recog_benchmarks.manifests import Row

PICTURE_FOLDERS = ("images", "pictures")
"""Where a manifest's pictures may be if they are not beside it."""
_NAMED_AT_MOST = 5


class _Found(NamedTuple):
    """A picture and the names of its labels."""

    path: Path
    where: str
    """What said so, for messages."""
    names: tuple[str, ...]


def find_labelled(
    folder: Path, labels: tuple[str, ...], task: Literal["single-label", "multi-label"]
) -> AccuracyData:
    """Return the labelled pictures of a folder, sorted by path; see above for its layout.

    Class names must be the model's labels. One that is not, letter by letter, stands for the label
    that differs from it in case, spaces, `_` and `-` only, provided that there is one such label
    and one such class; names without a letter, such as numbers, are never taken for another.

    Args:
        folder: To look in.
        labels: The model's, in the order of its output.
        task: The model's. With "single-label" each picture has one label; with "multi-label" it
            may have none or several, and those it is not said to have do not apply.

    Raises:
        UsageError: The folder or a picture cannot be read, no picture counts, one is there twice
            (by name or by content), a manifest is broken or leads out of the folder, or a class
            is not one of the labels.
    """
    try:
        root = _measured(folder, labels)
        found, split = _find(root)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {error.strerror or error}") from error
    if task == "single-label":
        _require_one_label(found)
    for one in found:
        if not _is_text(str(one.path)):
            raise UsageError(f"{root}: the name of {str(one.path)!r} is not UTF-8; rename it")
    numbers = match_labels({name for one in found for name in one.names}, labels, where=str(root))
    pictures = {
        one.path.relative_to(root).as_posix(): tuple(sorted({numbers[name] for name in one.names}))
        for one in found
    }
    digests = _digests(found)
    said = [
        [digest, *sorted(labels[number] for number in of_picture)]
        for digest, of_picture in zip(digests, pictures.values(), strict=True)
    ]
    return AccuracyData(
        name=_name(root, split),
        folder=str(root.resolve()),
        fingerprint=_fingerprint(said),
        labels=labels,
        task=task,
        pictures=tuple(
            LabelledPicture(id=name, labels=of_picture)
            for name, of_picture in sorted(pictures.items())
        ),
    )


def match_labels(names: Iterable[str], labels: Sequence[str], *, where: str) -> dict[str, int]:
    """Return which label each class name stands for, as an index into `labels`.

    Args:
        names: Of the classes in the data.
        labels: The model's.
        where: The data, for messages.

    Raises:
        UsageError: A name stands for no label or for several, or two stand for the same one.
    """
    exact, alike = defaultdict(list), defaultdict(list)
    for number, label in enumerate(labels):
        exact[label].append(number)
        alike[_plain(label)].append(number)
    classes = sorted(set(names))
    candidates = {name: exact.get(name) or alike.get(_plain(name)) or [] for name in classes}
    unknown = [name for name in classes if not candidates[name]]
    if unknown:
        named = ", ".join(_with_nearest(name, labels) for name in unknown[:_NAMED_AT_MOST])
        more = len(unknown) - _NAMED_AT_MOST
        raise UsageError(
            f"{where}: {len(unknown)} of its {len(classes)} classes are none of the model's "
            f"{len(labels)} labels: {named}{f' and {more} more' if more > 0 else ''}; name the "
            "classes as the model does (edge-recog inspect --json MODEL lists its labels)"
        )
    taken: dict[int, str] = {}
    for name in classes:
        if len(candidates[name]) > 1:
            raise UsageError(
                f"{where}: the class {name!r} may be any of the model's labels number "
                f"{', '.join(map(str, candidates[name]))}, which are called alike"
            )
        other = taken.setdefault(candidates[name][0], name)
        if other != name:
            raise UsageError(
                f"{where}: its classes {other!r} and {name!r} both look like the model's label "
                f"{labels[candidates[name][0]]!r}; make them one, or rename one"
            )
    return {name: number for number, name in taken.items()}


def _plain(name: str) -> str:
    """Return a name without what may differ; one without letters as it is."""
    if not any(character.isalpha() for character in name):
        return name
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _with_nearest(name: str, labels: Sequence[str]) -> str:
    plain = {_plain(label): label for label in labels}
    nearest = difflib.get_close_matches(_plain(name), plain, n=1)
    return f"{name!r} (nearest: {plain[nearest[0]]!r})" if nearest else repr(name)


def _measured(folder: Path, labels: tuple[str, ...]) -> Path:
    """Return the folder, or its `test` where it is laid out in splits."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: not a folder; name a folder of labelled pictures with --data")
    if find_manifest(folder) is not None:
        return folder
    splits = [child.name for child in _folders(folder) if child.name in SPLITS]
    if not splits or not set(splits).isdisjoint(labels):
        return folder
    if MEASURED not in splits:
        raise UsageError(
            f"{folder}: it has {' and '.join(splits)} but no {MEASURED}; if that is what you want "
            f"to measure, name it: --data {folder / splits[-1]}"
        )
    return folder / MEASURED


def _find(root: Path) -> tuple[list[_Found], str]:
    """Return the pictures and the split they are of, if a manifest says so."""
    manifest = find_manifest(root)
    if manifest is None:
        return _class_folders(root), ""
    rows = read_manifest(manifest)
    return _listed(root, rows), rows[0].split


def _class_folders(root: Path) -> list[_Found]:
    found = []
    for child in _folders(root):
        try:
            found += [_Found(path, str(path), (child.name,)) for path in image_paths(child)]
        except SourceError as error:
            raise UsageError(f"{child}: a class without pictures; remove it") from error
    if not found:
        raise UsageError(
            f"{root}: no labelled pictures in it; give it a folder for each class, or a table "
            "labels.csv with the columns file and label"
        )
    return found


def _folders(folder: Path) -> list[Path]:
    children = sorted(folder.iterdir())
    return [child for child in children if child.is_dir() and not child.name.startswith(".")]


def _listed(root: Path, rows: list[Row]) -> list[_Found]:
    bases = [root, *(root / name for name in PICTURE_FOLDERS)]
    first = _inside(rows[0])
    base = next((base for base in bases if (base / first).is_file()), root)
    found: dict[Path, _Found] = {}
    for row in rows:
        path = base / _inside(row)
        try:
            leads_out = not path.resolve(strict=True).is_relative_to(base.resolve())
        except (OSError, RuntimeError) as error:  # The latter for links that lead in a circle.
            raise UsageError(
                f"{row.where}: the picture {row.path!r} cannot be read below {base}: "
                f"{getattr(error, 'strerror', None) or error}"
            ) from error
        if leads_out:
            raise UsageError(f"{row.where}: {row.path!r} leads out of the folder {base}")
        other = found.setdefault(path, _Found(path, row.where, row.names))
        if other.where != row.where:
            raise UsageError(
                f"{row.where}: {row.path!r} is listed in {other.where} already; a picture has one "
                "row with all its labels"
            )
    return list(found.values())


def _inside(row: Row) -> PurePosixPath:
    """Return the path in a row, which is below some folder as far as its text tells."""
    path = PurePosixPath(row.path)
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(
            f"{row.where}: {row.path!r} leads out of the data folder; name pictures relative to it"
        )
    if path.suffix.lower() not in IMAGE_SUFFIXES or not _is_text(row.path):
        raise UsageError(f"{row.where}: {row.path!r} is not called like a picture")
    return path


def _is_text(path: str) -> bool:
    """Tell whether a path can be written into a result, and can be one."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in path)


def _require_one_label(found: list[_Found]) -> None:
    for one in found:
        if len(set(one.names)) != 1:
            raise UsageError(
                f"{one.where}: {len(one.names)} labels, but the model tells one for each picture"
            )


def _digests(found: list[_Found]) -> list[str]:
    """Return the SHA-256 of each picture's file.

    Raises:
        UsageError: One cannot be read, or two are the same.
    """
    seen: dict[str, _Found] = {}
    twins = []
    for one in found:
        try:
            with one.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"{one.path}: cannot be read: {error.strerror or error}") from error
        if seen.setdefault(digest, one) is not one:
            twins.append((seen[digest], one))
    if twins:
        first, second = twins[0]
        different = "" if first.names == second.names else ", with different labels"
        more = f" (and {len(twins) - 1} more such pairs)" if len(twins) > 1 else ""
        raise UsageError(
            f"{second.path}: the same picture as {first.path}{different}{more}; a picture that "
            "counts twice makes accuracy look surer than it is: leave one out"
        )
    return list(seen)


def _fingerprint(said: list[list[str]]) -> str:
    """Return the SHA-256, in hexadecimal, over each picture's digest and label names, sorted."""
    lines = sorted(msgspec.json.encode(of_picture) for of_picture in said)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _name(root: Path, split: str) -> str:
    """Return what to call the data: a folder `test` says little without the one around it."""
    path = root.resolve()
    name = f"{path.parent.name}/{path.name}" if path.name in SPLITS else path.name
    return f"{name}/{split}" if split else name
