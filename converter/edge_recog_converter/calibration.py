"""The pictures that set the ranges of activations in an INT8 model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_recog_converter.datasets.unlabelled import unlabelled_pictures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Dataset, Picture
    from edge_recog_converter.recipe import Recipe


def calibration_pictures(recipe: Recipe, dataset: Dataset) -> Sequence[Picture]:
    """Return those to choose from: of training, or of the folder that the recipe names.

    Raises:
        DatasetError: There is no such folder, or no picture in it beside those judged by.
    """
    folder = recipe.quantize.pictures
    if folder is None:
        return dataset.splits["train"]
    found, _ = unlabelled_pictures(dataset.root / folder, dataset, without=("validation", "test"))
    return found


def choose(pictures: Sequence[Picture], count: int, *, seed: int) -> tuple[Picture, ...]:
    """Return `count` pictures at most, the classes taken in turn, in a seeded order within each.

    Of pictures with any number of labels, each set of labels counts as a class.
    """
    rng = np.random.default_rng(seed)
    by_class: dict[tuple[int, ...], list[Picture]] = {}
    for index in rng.permutation(len(pictures)).tolist():
        by_class.setdefault(pictures[index].labels, []).append(pictures[index])
    turns = [
        queue[turn]
        for turn in range(max(map(len, by_class.values())))
        for _, queue in sorted(by_class.items())
        if turn < len(queue)
    ]
    return tuple(turns[:count])


def calibration_inputs(
    pixels: Iterable[NDArray[np.uint8]], preprocessing: Preprocessing
) -> Iterator[NDArray[np.float32]]:
    """Yield network inputs: the pictures, then one all 0 and one all 255.

    The last two make the range of the input, and so its scale, exactly that of 8-bit pixels.

    Args:
        pixels: Each (height, width, channels) uint8, as `Preprocessing.pixels` gives it.
        preprocessing: The model's.

    Yields:
        (1, height, width, channels) float32.
    """
    shape = (preprocessing.height, preprocessing.width, preprocessing.channels)
    for picture in pixels:
        yield normalize(picture[None], preprocessing)
    for value in (0, 255):
        yield normalize(np.full((1, *shape), value, np.uint8), preprocessing)


def normalize(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return `(pixel - mean) / std` by the runtime's own table.

    Args:
        pixels: (…, channels) uint8.
        preprocessing: The model's.

    Returns:
        float32 of the same shape.
    """
    table = preprocessing.table(None, "float32")
    channels = np.arange(preprocessing.channels)
    normalized: NDArray[np.float32] = table[pixels, channels]
    return normalized
