"""How much of a model XNNPACK computes."""

from pathlib import Path

import pytest
from edge_recog_converter.compatibility import xnnpack_takes

from edge_recog.errors import NotATfliteModelError
from edge_recog.tflite import read_model

_TINY = "mlperf_tiny/image_classification/trained_models"


def test_takes_all_of_a_float_model(shared_data: Path) -> None:
    share = xnnpack_takes((shared_data / _TINY / "pretrainedResnet.tflite").read_bytes())

    assert (share.taken, share.total, share.left, share.parts) == (16, 16, {}, 1)
    assert "XNNPACK" in share.runtime


def test_leaves_a_few_operators_of_a_quantised_model(shared_data: Path) -> None:
    tflite = (shared_data / _TINY / "pretrainedResnet_quant.tflite").read_bytes()
    share = xnnpack_takes(tflite)

    names = [operator.name for operator in read_model(tflite).main.operators]
    assert [operator.name for operator in share.operators] == names
    assert 0 < share.taken < share.total
    assert share.taken + sum(share.left.values()) == share.total
    assert not set(share.left) & {"CONV_2D", "ADD", "FULLY_CONNECTED"}


def test_refuses_what_is_no_model() -> None:
    with pytest.raises(NotATfliteModelError):
        xnnpack_takes(b"not a model")
