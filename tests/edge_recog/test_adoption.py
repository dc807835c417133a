from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.adoption import adopt
from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.errors import BundleError, InterpreterError, UnsupportedModelError, UsageError
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

PERSON = ("no person", "person")


@pytest.mark.parametrize("model", ["resnet int8", "resnet float", "vww int8"])
def test_an_adopted_model_opens_and_verifies(
    resnet_int8: bytes,
    resnet_float: bytes,
    vww_int8: bytes,
    cifar_labels: tuple[str, ...],
    model: str,
) -> None:
    data, labels, std = {
        "resnet int8": (resnet_int8, cifar_labels, 1.0),
        "resnet float": (resnet_float, cifar_labels, 1.0),
        "vww int8": (vww_int8, PERSON, 255.0),
    }[model]

    adopted = adopt(data, where="dir/small.tflite", labels=labels, mean=(0.0,), std=(std,))

    bundle = Bundle.from_bytes(adopted, where="m")
    assert bundle.labels == labels
    assert bundle.name == "small"
    assert bundle.contract.activation == "none"
    with Classifier.open(bundle) as classifier:
        report = verify(classifier)
    assert report.passed
    assert len(report.vectors) >= 4
    assert {vector.output_worst for vector in report.vectors} == {0.0}


def test_a_model_without_an_activation_is_adopted_with_one(
    tiny_model: Callable[..., bytes], tiny_labels: tuple[str, ...]
) -> None:
    adopted = adopt(
        tiny_model(ends_with=""),
        where="m",
        labels=tiny_labels,
        mean=(0.0,),
        std=(255.0,),
        activation="sigmoid",
        task="multi-label",
        name="ants",
    )

    bundle = Bundle.from_bytes(adopted, where="m")
    assert (bundle.contract.activation, bundle.contract.task) == ("sigmoid", "multi-label")
    assert bundle.name == "ants"


@pytest.mark.parametrize(
    ("shape", "layout", "colour"),
    [
        ((1, 8, 8, 3), "NHWC", "RGB"),
        ((1, 8, 8, 1), "NHWC", "GRAY"),
        ((1, 3, 8, 8), "NCHW", "RGB"),
        ((1, 1, 8, 8), "NCHW", "GRAY"),
        ((1, 3, 8, 3), "NHWC", "RGB"),
    ],
    ids=str,
)
def test_layout_and_colour_are_told_by_the_shape(
    tiny_model: Callable[..., bytes],
    tiny_labels: tuple[str, ...],
    shape: tuple[int, ...],
    layout: str,
    colour: str,
) -> None:
    adopted = adopt(
        tiny_model(shape=shape), where="m", labels=tiny_labels, mean=(0.0,), std=(255.0,)
    )
    preprocessing = Bundle.from_bytes(adopted, where="m").contract.preprocessing

    assert (preprocessing.layout, preprocessing.colour) == (layout, colour)
    assert preprocessing.input_shape == shape


def test_what_is_said_of_feeding_is_kept(
    tiny_model: Callable[..., bytes], tiny_labels: tuple[str, ...]
) -> None:
    adopted = adopt(
        tiny_model(),
        where="m",
        labels=tiny_labels,
        mean=(1.0, 2.0, 3.0),
        std=(4.0, 5.0, 6.0),
        colour="BGR",
        crop="letterbox",
        interpolation="area",
    )
    preprocessing = Bundle.from_bytes(adopted, where="m").contract.preprocessing

    assert (preprocessing.mean, preprocessing.std) == ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert (preprocessing.colour, preprocessing.crop) == ("BGR", "letterbox")
    assert preprocessing.interpolation == "area"


def test_pictures_become_golden_vectors(
    tiny_model: Callable[..., bytes],
    tiny_labels: tuple[str, ...],
    photographs: Sequence[NDArray[np.uint8]],
) -> None:
    adopted = adopt(
        tiny_model(),
        where="m",
        labels=tiny_labels,
        mean=(0.0,),
        std=(255.0,),
        frames=photographs[:2],
    )
    golden = Bundle.from_bytes(adopted, where="m").golden()

    assert [vector.pixels.shape for vector in golden] == [p.shape for p in photographs[:2]]


def test_a_model_for_the_edge_tpu_is_adopted_without_golden_vectors(shared_data: Path) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    labels = [f"class {index}" for index in range(1001)]

    adopted = adopt(
        path.read_bytes(), where="m_edgetpu.tflite", labels=labels, mean=(128.0,), std=(128.0,)
    )
    bundle = Bundle.from_bytes(adopted, where="m_edgetpu.tflite")

    assert bundle.needs_edgetpu
    assert bundle.origin == "edge_recog"
    assert bundle.golden() == ()


@pytest.mark.parametrize(
    ("model", "changes", "error", "message"),
    [
        (
            {"ends_with": ""},
            {},
            UsageError,
            "ants.tflite: its last operator leaves logits; add --activation softmax",
        ),
        (
            {},
            {"activation": "softmax"},
            UsageError,
            "ants.tflite: its graph ends with a softmax already; leave out --activation",
        ),
        (
            {"ends_with": "LOGISTIC"},
            {"activation": "softmax"},
            UsageError,
            "ends with a sigmoid already",
        ),
        ({}, {"std": (0.0,)}, UsageError, "ants.tflite: std is 0.0; it must be greater than 0"),
        ({}, {"mean": (float("nan"),)}, UsageError, "ants.tflite: mean has a number"),
        ({}, {"mean": (1.0, 2.0)}, UsageError, "mean has 2 numbers; give 1 or 3"),
        ({}, {"labels": ("ant",)}, UnsupportedModelError, "it has 4 outputs but 1 labels"),
        ({}, {"labels": ("a", "b", "", "d")}, UnsupportedModelError, "the label '' is empty"),
        ({}, {"colour": "GRAY"}, UnsupportedModelError, "its contract says"),
    ],
    ids=[
        "logits without activation",
        "softmax twice",
        "softmax after sigmoid",
        "zero std",
        "NaN mean",
        "two means",
        "too few labels",
        "empty label",
        "grey for three channels",
    ],
)
def test_what_makes_no_sense_is_refused(
    tiny_model: Callable[..., bytes],
    tiny_labels: tuple[str, ...],
    model: dict[str, Any],
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    arguments: dict[str, Any] = {"labels": tiny_labels, "mean": (0.0,), "std": (255.0,)}

    with pytest.raises(error, match=message) as caught:
        adopt(tiny_model(**model), where="ants.tflite", **(arguments | changes))

    assert type(caught.value) is error


@pytest.mark.parametrize("size", [0, 100])
def test_what_is_no_model_is_refused_by_name(resnet_int8: bytes, size: int) -> None:
    with pytest.raises(BundleError, match=r"^cut\.tflite: "):
        adopt(resnet_int8[:size], where="cut.tflite", labels=("a",), mean=(0.0,), std=(1.0,))


def test_a_detector_is_refused(shared_data: Path) -> None:
    path = shared_data / "mobilenet_v1_025" / "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"

    with pytest.raises(UnsupportedModelError, match="it has 4 outputs"):
        adopt(path.read_bytes(), where="ssd", labels=("a",), mean=(0.0,), std=(1.0,))


def test_a_model_that_the_interpreter_rejects_is_refused_in_its_own_process(
    tiny_model: Callable[..., bytes],
    tiny_labels: tuple[str, ...],
    rebuild: Callable[..., bytes],
) -> None:
    def change(model: Any) -> None:
        # Softmax in 8 bits has one scale only, which nothing but the kernel knows.
        model.subgraphs[0].tensors[-1].quantization.scale = [0.5]

    with pytest.raises(InterpreterError):
        adopt(
            rebuild(tiny_model(dtype="int8"), change),
            where="m",
            labels=tiny_labels,
            mean=(0.0,),
            std=(255.0,),
        )
