from __future__ import annotations

import pytest

from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            TensorSpec("image", (1, 224, 224, 3), "uint8", QuantParams(0.0078125, 127, "uint8")),
            "uint8 [1, 224, 224, 3], scale 0.0078125, zero point 127",
        ),
        (TensorSpec("", (1, 10), "float32", None), "float32 [1, 10]"),
    ],
    ids=["quantised", "float"],
)
def test_a_tensor_reads_as_its_type_shape_and_quantisation(spec: TensorSpec, text: str) -> None:
    assert str(spec) == text
