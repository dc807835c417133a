"""What would run on an Edge TPU, told from the file alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_recog_converter.compatibility import (
    EdgeTpuMapping,
    EdgeTpuOperator,
    edge_tpu_mapping,
    say,
)
from edge_recog_converter.compatibility.rules import RULES, UNCHECKED, limitation

from edge_recog.errors import NotATfliteModelError, UsageError
from edge_recog.tflite import Operator, Quantization, Tensor
from edge_recog.tflite.node import Node

_TINY = "mlperf_tiny/image_classification/trained_models"
_SCALE = Quantization(np.ones(1, np.float32), np.zeros(1, np.int64), 0)
_CHANNELS = (1, 8, 8, 16)


def tensor(
    *shape: int, dtype: str = "int8", data: bytes | None = None, signature: tuple[int, ...] = ()
) -> Tensor:
    scale = _SCALE if dtype in ("int8", "uint8") else None
    content = None if data is None else memoryview(data)
    return Tensor("t", shape, signature, dtype, scale, content, False, None, 0)


def integers(*values: int) -> Tensor:
    return tensor(len(values), dtype="int32", data=np.array(values, "<i4").tobytes())


def node(name: str, inputs: list[Tensor], output: Tensor, **options: Any) -> Node:
    tensors = [*inputs, output]
    last = len(inputs)
    operator = Operator(name, name.islower(), 1, tuple(range(last)), (last,), (), "NONE", options)
    return Node(0, operator, tensors)


@pytest.mark.parametrize(
    "file",
    [
        "coral/mobilenet_v1_0.25_128_quant.tflite",
        "coral/mobilenet_v2_1.0_224_quant.tflite",
        "coral/tf2_mobilenet_v2_1.0_224_ptq.tflite",
        f"{_TINY}/pretrainedResnet_quant.tflite",
        "mlperf_tiny/visual_wake_words/trained_models/vww_96_int8.tflite",
    ],
)
def test_maps_all_of_a_quantised_classifier(shared_data: Path, file: str) -> None:
    mapping = edge_tpu_mapping((shared_data / file).read_bytes())

    assert mapping.mapped == len(mapping.operators) > 10
    assert mapping.breaks_at is None
    assert mapping.fits_on_chip
    assert "should map all" in say(mapping)


def test_parameters_are_most_of_the_file(shared_data: Path) -> None:
    tflite = (shared_data / "coral/mobilenet_v2_1.0_224_quant.tflite").read_bytes()

    assert 0.9 * len(tflite) < edge_tpu_mapping(tflite).parameters_bytes < len(tflite)


def test_maps_nothing_of_a_float_model(shared_data: Path) -> None:
    mapping = edge_tpu_mapping((shared_data / _TINY / "pretrainedResnet.tflite").read_bytes())

    assert (mapping.mapped, mapping.unmapped, mapping.parameters_bytes) == (0, 16, 0)
    assert mapping.breaks_at == mapping.operators[0]
    assert "float32" in say(mapping)
    assert "Quantise the whole model" in say(mapping)


def test_names_the_operator_that_a_detector_ends_with(shared_data: Path) -> None:
    file = "mobilenet_v1_025/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
    mapping = edge_tpu_mapping((shared_data / file).read_bytes())

    assert (mapping.mapped, mapping.unmapped) == (63, 1)
    assert mapping.breaks_at is not None
    assert mapping.breaks_at.name == "TFLite_Detection_PostProcess"


def test_says_that_an_open_batch_should_be_fixed(shared_data: Path) -> None:
    mapping = edge_tpu_mapping((shared_data / _TINY / "pretrainedResnet_quant.tflite").read_bytes())

    assert mapping.open_batch
    assert "batch of 1" in say(mapping)


def test_refuses_a_model_that_is_compiled_already(shared_data: Path) -> None:
    file = shared_data / "coral/mobilenet_v1_0.25_128_quant_edgetpu.tflite"

    with pytest.raises(UsageError, match="compiled for the Edge TPU already"):
        edge_tpu_mapping(file.read_bytes())


def test_refuses_what_is_no_model() -> None:
    with pytest.raises(NotATfliteModelError):
        edge_tpu_mapping(b"not a model")


@pytest.mark.parametrize(
    ("operator", "reason"),
    [
        (node("HARD_SWISH", [tensor(*_CHANNELS)], tensor(*_CHANNELS)), "not in the table"),
        (node("my-op", [tensor(*_CHANNELS)], tensor(*_CHANNELS)), "not in the table"),
        (node("RELU", [tensor(2, 8, 8, 4)], tensor(2, 8, 8, 4)), "innermost 3 dimensions"),
        (node("RELU", [tensor(4, dtype="int16")], tensor(4, dtype="int16")), "works on int16"),
        (node("RELU", [tensor(1, 4, signature=(1, -1))], tensor(1, 4)), "when the model runs"),
        (
            node("AVERAGE_POOL_2D", [tensor(1, 2, 2, 4)], tensor(1, 1, 1, 4),
                 fused_activation_function=1),
            "fused activation",
        ),
        (
            node("CONV_2D", [tensor(1, 8, 8, 4), tensor(4, 3, 3, 4)], tensor(1, 8, 8, 4)),
            "input 1, which must be constant",
        ),
        (
            node("CONV_2D", [tensor(1, 8, 8, 1), tensor(1, 1, 1, 1, data=b"1")],
                 tensor(1, 8, 8, 1), dilation_w_factor=2, dilation_h_factor=1),
            "dilated by 2 in x and by 1 in y",
        ),
        (
            node("CONCATENATION", [tensor(1, 2), tensor(1, 2, data=b"\0\1")], tensor(1, 4)),
            "not all zeros",
        ),
        (
            node("CONCATENATION", [tensor(1, 2), tensor(1, 2), tensor(1, 2, data=b"\0\0")],
                 tensor(1, 6)),
            "a constant among 3 inputs",
        ),
        (
            node("FULLY_CONNECTED", [tensor(2, 1), tensor(2, 1, data=b"12")], tensor(2, 2)),
            "one-dimensional",
        ),
        (
            node("FULLY_CONNECTED", [tensor(1, 1), tensor(2, 1, data=b"12")], tensor(1, 2),
                 weights_format=1),
            "another format",
        ),
        (node("MEAN", [tensor(1, 4, 4, 4), integers(0)], tensor(4, 4, 4)), "batch dimension"),
        (node("MEAN", [tensor(1, 4, 4, 6), integers(-1)], tensor(1, 4, 4)), "no multiple of 4"),
        (
            node("PAD", [tensor(1, 4, 4), integers(0, 1, 0, 0, 0, 0)], tensor(2, 4, 4)),
            "pads the batch",
        ),
        (node("PACK", [tensor(4), tensor(4)], tensor(2, 4), axis=0), "packs along the batch"),
        (node("SOFTMAX", [tensor(1, 16_001)], tensor(1, 16_001)), "16000 at most"),
        (node("SOFTMAX", [tensor(2, 8)], tensor(2, 8)), "one-dimensional"),
        (node("SQUEEZE", [tensor(5, 1, 10)], tensor(5, 10)), "not the leading ones"),
        (
            node("STRIDED_SLICE", [tensor(4), integers(0), integers(4), integers(2)], tensor(2)),
            "strides other than 1",
        ),
    ],
    ids=lambda value: value.operator.name if isinstance(value, Node) else "",
)  # fmt: skip
def test_tells_why_an_operator_is_not_mapped(operator: Node, reason: str) -> None:
    assert reason in limitation(operator)


@pytest.mark.parametrize(
    "operator",
    [
        node("CONCATENATION", [tensor(1, 2), tensor(1, 2, data=b"\0\0")], tensor(1, 4)),
        node("MEAN", [tensor(1, 4, 4, 6), integers(1, 2)], tensor(1, 6)),
        node("MEAN", [tensor(1, 4, 4, 8), integers(-1)], tensor(1, 4, 4)),
        node("PAD", [tensor(1, 4, 4), integers(0, 0, 0, 1, 0, 1)], tensor(1, 5, 5)),
        node("SOFTMAX", [tensor(1, 16_000)], tensor(1, 16_000)),
        node("SQUEEZE", [tensor(1, 1, 1, 10)], tensor(1, 10)),
        node("RELU", [tensor(1, 4, signature=(-1, 4))], tensor(1, 4)),
    ],
    ids=lambda operator: operator.operator.name,
)
def test_finds_nothing_against_what_the_table_allows(operator: Node) -> None:
    assert limitation(operator) == ""


def test_unchecked_rows_are_rows() -> None:
    assert set(RULES) >= UNCHECKED


def test_says_that_large_parameters_do_not_stay_on_the_chip() -> None:
    operator = EdgeTpuOperator(index=0, name="CONV_2D", mapped=True, reason="", checked=True)
    mapping = EdgeTpuMapping(
        operators=(operator,), breaks_at=None, open_batch=False, parameters_bytes=9_500_000
    )

    assert not mapping.fits_on_chip
    assert "9.5 MB exceed the about 8 MB" in say(mapping)
