"""Pictures of which nothing is said: a folder of them, for teachers or to calibrate on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.cameras.images import image_paths
from edge_recog.errors import SourceError
from edge_recog_converter.datasets.labelled import SPLITS, Picture, picture_digests
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from edge_recog_converter.datasets.labelled import Dataset, Split


def unlabelled_pictures(
    folder: Path, dataset: Dataset, *, without: Collection[Split] = SPLITS
) -> tuple[tuple[Picture, ...], int]:
    """Return the pictures of a folder that are none of the dataset's, and how many others are.

    Those that are also in validation or test would be learned from otherwise, and those in train
    are learned from already.

    Args:
        folder: With pictures at any depth.
        dataset: What is known already.
        without: The splits whose pictures are left out.

    Raises:
        DatasetError: It is no folder, or has no further picture.
    """
    try:
        paths = image_paths(folder)
    except SourceError as error:
        raise DatasetError(str(error)) from error
    pictures = [picture for split in without for picture in dataset.splits[split]]
    known = picture_digests((picture.id, picture.content) for picture in pictures)
    digests = picture_digests((path.relative_to(folder).as_posix(), path) for path in paths)
    taken = set(known.values())
    found = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        digest = digests.get(name)
        if digest is not None and digest not in taken:
            taken.add(digest)
            found.append(Picture(path, f"{folder.name}/{name}", ()))
    if not found:
        raise DatasetError(
            f"{folder}: each of its {len(paths)} pictures is in the labelled ones already, or "
            "cannot be read"
        )
    return tuple(found), len(paths) - len(found)
