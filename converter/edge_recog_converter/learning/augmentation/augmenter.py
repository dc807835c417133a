"""The augmentations of a recipe as one function of a batch, a seed and a step."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.learning.augmentation import camera, colour, geometry, mixing
from edge_recog_converter.learning.augmentation.draws import Draws, on_some
from edge_recog_converter.learning.augmentation.rand_augment import rand_augment
from edge_recog_converter.learning.augmentation.sections import (
    Brightness,
    Contrast,
    CutMix,
    Defocus,
    Erasing,
    Flip,
    Jpeg,
    LowLight,
    MixUp,
    MotionBlur,
    RandAugment,
    WhiteBalance,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_converter.learning.augmentation.sections import Augmentation

_SINGLE = {
    Contrast: colour.contrast,
    Brightness: colour.brightness,
    WhiteBalance: colour.white_balance,
    MotionBlur: camera.motion_blur,
    Defocus: camera.defocus,
    LowLight: camera.low_light,
    Jpeg: camera.jpeg,
    RandAugment: rand_augment,
    Erasing: mixing.erase,
}
"""What changes one picture at a time, called for those that `p` chooses."""


class Augmenter:
    """Changes batches at random; the same seed and step give the same batch.

    Can be called as it is, in `tf.data.Dataset.map` or in a train step (one that XLA does not
    compile: how many pictures an operation gets is drawn).
    """

    def __init__(
        self, sections: Sequence[Augmentation], *, image_shape: tuple[int, int, int], seed: int
    ) -> None:
        """Prepare; use `augmenter_of`."""
        self._sections = tuple(sections)
        self._seed = seed
        # With a signature, batches of another size are not traced anew.
        self._compiled = tf.function(
            self._augment,
            autograph=False,
            input_signature=[
                tf.TensorSpec((None, *image_shape), tf.float32),
                tf.TensorSpec((None, None), tf.float32),
                tf.TensorSpec((), tf.int64),
            ],
        )

    def __call__(self, pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        """Return a batch of the same shapes.

        Args:
            pictures: (n, height, width, channels) float32, 0-255; none of the arguments is changed.
            targets: (n, classes) float32, one-hot or multi-hot; only the mixing operations change
                them.
            step: Number of the batch, counted on through all epochs; an integer or a scalar tensor.
        """
        changed: tuple[Any, Any] = self._compiled(
            tf.convert_to_tensor(pictures),
            tf.cast(targets, tf.float32),
            tf.cast(step, tf.int64),
        )
        return changed

    def _augment(self, pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        whole = Draws(tf.stack([tf.constant(self._seed, tf.int64), step]))
        for linear, run in groupby(self._sections, lambda one: isinstance(one, geometry.Linear)):
            if linear:
                pictures = geometry.move(pictures, list(run), whole.branch())
                continue
            for section in run:
                pictures, targets = _apply(section, pictures, targets, whole.branch())
        return pictures, targets


def augmenter_of(
    sections: Sequence[Augmentation], *, image_shape: tuple[int, int, int], seed: int
) -> Augmenter:
    """Return the augmentations of a recipe as one function.

    Args:
        sections: Applied in this order; rotations, zooms and translations that follow each other
            are applied together.
        image_shape: Height, width and channels of the network's input; 1 or 3 channels.
        seed: Of the run.

    Raises:
        RecipeError: One of them does not suit the network's input.
    """
    height, width, channels = image_shape
    for section in sections:
        if isinstance(section, WhiteBalance) and channels != 3:
            raise RecipeError(
                f"white-balance needs pictures in colour, the input has {channels} channel; "
                "leave it out"
            )
        reach = _reach(section)
        if reach >= min(height, width) - 1:
            raise RecipeError(
                f"a blur that reaches {reach:g} pixels is too large for an input of "
                f"{height} x {width}; lower its range"
            )
    return Augmenter(sections, image_shape=image_shape, seed=seed)


def _reach(section: Augmentation) -> float:
    """Return how far from a pixel others count, in pixels."""
    match section:
        case MotionBlur():
            return section.length[1] / 2
        case Defocus():
            return section.radius[1]
    return 0.0


def _apply(section: Augmentation, pictures: Any, targets: Any, draws: Draws) -> tuple[Any, Any]:
    match section:
        case Flip():
            return geometry.flip(pictures, section, draws), targets
        case MixUp():
            return mixing.mixup(pictures, targets, section, draws)
        case CutMix():
            return mixing.cutmix(pictures, targets, section, draws)
    operation: Any = _SINGLE[type(section)]
    return on_some(
        pictures, section.p, lambda some, own: operation(some, section, own), draws
    ), targets
