"""Every architecture in 8-bit integers, as the runtime reads it."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from edge_recog_converter.architectures import (
    ARCHITECTURES,
    build_architecture,
    find_architecture,
)
from edge_recog_converter.quantization import convert_float, quantize_full_int8

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Contract
from edge_recog.frames import Frame
from edge_recog.packing import pack_bundle
from edge_recog.preprocessing import Preprocessing
from edge_recog.tflite import read_model, unchecked_operators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CLASSES = 12
LEAST_SNR_DB = 6.0
"""Of INT8 logits; with random weights they have 7.6 (MobileViT) to 29 (LeNet)."""


@dataclass(frozen=True)
class Case:
    """An architecture at one small size."""

    name: str
    shape: tuple[int, int, int]
    width: float

    def __str__(self) -> str:
        return f"{self.name}-{'x'.join(map(str, self.shape))}"


CASES = [
    Case("lenet-5", (32, 32, 1), 1.0),
    Case("lenet-5", (20, 28, 3), 2.0),
    Case("alexnet", (64, 64, 3), 0.125),
    Case("alexnet", (72, 96, 1), 0.125),
    Case("vgg-11", (32, 32, 3), 0.125),
    Case("vgg-11", (48, 64, 1), 0.125),
    Case("vgg-16", (32, 32, 3), 0.125),
    Case("vgg-16", (64, 48, 1), 0.125),
    Case("resnet-8", (32, 32, 3), 1.0),
    Case("resnet-8", (25, 18, 1), 0.5),
    Case("resnet-18", (64, 64, 3), 0.25),
    Case("resnet-18", (47, 80, 1), 0.25),
    Case("resnet-34", (64, 64, 3), 0.125),
    Case("resnet-34", (80, 47, 1), 0.125),
    Case("resnet-50", (64, 64, 3), 0.125),
    Case("resnet-50", (47, 80, 1), 0.125),
    Case("mobilenet-v1", (64, 64, 3), 0.5),
    Case("mobilenet-v1", (75, 96, 1), 0.25),
    Case("mobilenet-v2", (64, 64, 3), 0.5),
    Case("mobilenet-v2", (75, 96, 1), 0.35),
    Case("mobilenet-v3-small", (64, 64, 3), 0.5),
    Case("mobilenet-v3-small", (75, 96, 1), 0.35),
    Case("mobilenet-v3-large", (64, 64, 3), 0.5),
    Case("mobilenet-v3-large", (75, 96, 1), 0.35),
    Case("efficientnet-lite0", (64, 64, 3), 0.25),
    Case("efficientnet-lite0", (75, 96, 3), 0.5),
    Case("efficientnet-lite1", (64, 64, 3), 0.25),
    Case("efficientnet-lite2", (64, 64, 3), 0.25),
    Case("efficientnet-lite3", (64, 64, 3), 0.25),
    Case("efficientnet-lite4", (64, 64, 3), 0.25),
    Case("vit-c-1gf", (64, 64, 3), 0.25),
    Case("vit-c-1gf", (75, 96, 1), 0.5),
    Case("mobilevit-xxs", (128, 128, 3), 0.5),
    Case("mobilevit-xxs", (128, 192, 3), 0.5),
]


@dataclass(frozen=True)
class Converted:
    """A model in its three forms."""

    keras: Any
    float: Bundle
    int8: Bundle
    frames: list[Frame]
    """None of them is a calibration picture."""


def pictures(shape: tuple[int, int, int], count: int, *, seed: int) -> list[NDArray[np.uint8]]:
    """Coarse random patches, every other one smooth; of three channels."""
    rng = np.random.default_rng(seed)
    size = (shape[1], shape[0])
    drawn = []
    for index in range(count):
        side = int(rng.integers(2, 9))
        # Grey ones for grey models: the mean of three random colours has little contrast.
        colours = rng.integers(0, 256, (side, side, shape[2]), dtype=np.uint8)
        coarse = np.broadcast_to(colours, (side, side, 3)).copy()
        method = cv2.INTER_LINEAR if index % 2 else cv2.INTER_NEAREST
        drawn.append(cv2.resize(coarse, size, interpolation=method).astype(np.uint8))
    return drawn


def settle_normalizations(model: Any, batch: NDArray[np.float32]) -> None:
    """Give every batch normalisation the statistics of `batch` and other than trivial factors.

    The biases keep most units on one side of their ReLU. A deep network of random weights that does
    otherwise is chaotic: it enlarges any rounding until nothing can be compared, float32's too.
    """
    from edge_recog_converter._tensorflow import keras

    rng = np.random.default_rng(5)
    layers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
        layer.gamma.assign(rng.uniform(0.4, 0.6, layer.gamma.shape))
        layer.beta.assign(rng.uniform(0.6, 1.0, layer.beta.shape))
    model(batch, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def contract_of(case: Case) -> Contract:
    architecture = find_architecture(case.name)
    return Contract(
        preprocessing=Preprocessing(
            height=case.shape[0],
            width=case.shape[1],
            colour="GRAY" if case.shape[2] == 1 else "RGB",
            mean=(architecture.pixel_mean,),
            std=(architecture.pixel_std,),
        ),
        activation="softmax",
    )


@pytest.fixture(scope="module", params=CASES, ids=str)
def converted(request: pytest.FixtureRequest) -> Iterator[Converted]:
    case: Case = request.param
    model = build_architecture(
        case.name, input_shape=case.shape, classes=CLASSES, width=case.width, dropout=0.0, seed=1
    )
    contract = contract_of(case)
    ends = [np.full((*case.shape[:2], 3), value, np.uint8) for value in (0, 255)]
    table = contract.preprocessing.table(None, "float32")[:, 0]
    inputs = [
        table[contract.preprocessing.pixels(Frame.from_rgb(pixels))][np.newaxis]
        for pixels in [*pictures(case.shape, 22, seed=0), *ends]
    ]
    settle_normalizations(model, np.concatenate(inputs))
    files = {
        "float": convert_float(model),
        "int8": quantize_full_int8(model, inputs, adapt_rounding=False),
    }
    labels = [f"class {index}" for index in range(CLASSES)]
    bundles = {
        kind: Bundle.from_bytes(pack_bundle(tflite, contract, labels, name=case.name), where=kind)
        for kind, tflite in files.items()
    }
    frames = [Frame.from_rgb(pixels) for pixels in pictures(case.shape, 12, seed=9)]
    yield Converted(model, bundles["float"], bundles["int8"], frames)
    gc.collect()


def logits(bundle: Bundle, frames: list[Frame]) -> NDArray[np.float32]:
    """What the runtime's own classifier reads, (frames, CLASSES)."""
    quantization = bundle.outputs.quantization
    with Classifier.open(bundle) as classifier:
        raw = np.stack([classifier.trace(frame).raw for frame in frames])
    return raw if quantization is None else quantization.dequantize(raw)


def test_every_architecture_is_in_the_matrix() -> None:
    assert {case.name for case in CASES} == set(ARCHITECTURES)


def test_float_tflite_computes_what_keras_does(converted: Converted) -> None:
    with Classifier.open(converted.float) as classifier:
        traces = [classifier.trace(frame) for frame in converted.frames]
    fed = np.concatenate([trace.fed for trace in traces])
    expected = np.asarray(converted.keras(fed, training=False))
    np.testing.assert_allclose(np.stack([trace.raw for trace in traces]), expected, atol=1e-4)


def test_int8_is_close_to_float(converted: Converted) -> None:
    expected = logits(converted.float, converted.frames)
    error = logits(converted.int8, converted.frames) - expected
    # What tells pictures apart is the signal: the mean over them says nothing.
    signal = expected - expected.mean(axis=0)
    snr_db = 10 * np.log10(np.mean(signal**2) / np.mean(error**2))
    assert snr_db >= LEAST_SNR_DB


def test_int8_takes_and_gives_bytes(converted: Converted) -> None:
    assert (converted.int8.inputs.dtype, converted.int8.outputs.dtype) == ("uint8", "uint8")


def test_the_runtime_checks_every_operator(converted: Converted) -> None:
    for bundle in (converted.float, converted.int8):
        assert unchecked_operators(read_model(bundle.data)) == ()
