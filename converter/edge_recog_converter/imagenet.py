"""The 1000-class ImageNet model from pretrained weights, float and INT8."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from edge_recog.contract import Contract
from edge_recog.preprocessing import Preprocessing
from edge_recog_converter.architectures.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    lite_variant,
)
from edge_recog_converter.calibration import calibration_inputs
from edge_recog_converter.datasets import digest_of
from edge_recog_converter.exporting import provenance_now, seal
from edge_recog_converter.photographs import random_crops
from edge_recog_converter.pretrained.efficientnet_lite import pretrained_efficientnet_lite
from edge_recog_converter.quantization import convert_float, quantize_full_int8

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.frames import Frame
    from edge_recog_converter.reporting import Reporter

CROPS = 16
"""Random parts of each photograph that calibration sees besides the whole."""
_SEED = 7


def imagenet_labels() -> tuple[str, ...]:
    """Return the 1000 labels of ImageNet-1k in their usual order."""
    folder = resources.files("edge_recog_converter") / "data"
    return tuple((folder / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines())


def build_imagenet(
    photographs: Sequence[Frame], *, variant: int = 0, reporter: Reporter
) -> dict[str, bytes]:
    """Return `float` and `int8` model files of a pretrained EfficientNet-Lite.

    Args:
        photographs: To calibrate on and to make golden vectors of.
        variant: 0, 1 or 2.
        reporter: Told how it goes.
    """
    side = lite_variant(variant).resolution
    preprocessing = Preprocessing(height=side, width=side, mean=(PIXEL_MEAN,), std=(PIXEL_STD,))
    network = pretrained_efficientnet_lite(variant, softmax=True)
    # Each photograph in turn: what looks at the first few only sees something of all.
    views = [
        (frame, *random_crops(frame, CROPS, seed=_SEED + number))
        for number, frame in enumerate(photographs)
    ]
    frames = [crop for turn in zip(*views, strict=True) for crop in turn]
    inputs = calibration_inputs((preprocessing.pixels(frame) for frame in frames), preprocessing)
    with reporter.meter("quantise", None):
        models = {"float": convert_float(network), "int8": quantize_full_int8(network, inputs)}
    reporter.say(
        "quantise", f"INT8, calibrated on {len(frames)} crops of {len(photographs)} photos"
    )
    return {
        kind: seal(
            tflite,
            Contract(preprocessing=preprocessing, activation="none"),
            imagenet_labels(),
            name=f"efficientnet-lite{variant}-{kind}",
            description=f"EfficientNet-Lite{variant}, 1000 ImageNet classes, {kind}",
            license="Apache-2.0",
            pictures=photographs[:4],
            provenance=provenance_now(calibration=digest_of(frame.source for frame in frames)),
        )
        for kind, tflite in models.items()
    }
