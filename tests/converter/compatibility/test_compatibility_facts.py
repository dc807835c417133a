"""What the model file keeps of both checks."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from edge_recog_converter.compatibility import compatibility_facts, edge_tpu_mapping, xnnpack_takes
from edge_recog_converter.exporting import seal

from edge_recog.bundle import Bundle
from edge_recog.contract import Card, Contract, EdgeTpuBreak
from edge_recog.errors import UsageError
from edge_recog.frames import Frame
from edge_recog.preprocessing import Preprocessing

_TINY = "mlperf_tiny/image_classification/trained_models"


@pytest.fixture(params=["pretrainedResnet.tflite", "pretrainedResnet_quant.tflite"])
def resnet(shared_data: Path, request: pytest.FixtureRequest) -> bytes:
    return (shared_data / _TINY / request.param).read_bytes()


def test_facts_are_those_of_both_checks(resnet: bytes) -> None:
    facts = compatibility_facts(resnet)
    share, mapping = xnnpack_takes(resnet), edge_tpu_mapping(resnet)

    assert facts.xnnpack.runtime == share.runtime
    assert (facts.xnnpack.taken, facts.xnnpack.total) == (share.taken, share.total)
    left = Counter(operator.name for operator in share.operators if not operator.taken)
    assert facts.xnnpack.left == left
    assert (facts.edge_tpu.mapped, facts.edge_tpu.total) == (
        sum(operator.mapped for operator in mapping.operators),
        len(mapping.operators),
    )
    assert facts.edge_tpu.parameters_bytes == mapping.parameters_bytes
    assert facts.edge_tpu.fits_on_chip == mapping.fits_on_chip
    assert facts.edge_tpu.open_batch == mapping.open_batch


def test_the_first_obstacle_of_the_edge_tpu_is_told(shared_data: Path) -> None:
    float_model = (shared_data / _TINY / "pretrainedResnet.tflite").read_bytes()
    int8_model = (shared_data / _TINY / "pretrainedResnet_quant.tflite").read_bytes()

    assert compatibility_facts(float_model).edge_tpu.breaks_at == EdgeTpuBreak(
        index=0, name="CONV_2D", reason="works on float32, not on 8-bit integers"
    )
    assert compatibility_facts(int8_model).edge_tpu.breaks_at is None


def test_a_compiled_model_is_refused(shared_data: Path) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"

    with pytest.raises(UsageError, match="compiled for the Edge TPU already"):
        compatibility_facts(path.read_bytes())


def test_a_sealed_model_keeps_facts_and_card(resnet: bytes) -> None:
    card = Card(data="CIFAR-10", intended_use="Tests.")
    sealed = seal(
        resnet,
        Contract(
            preprocessing=Preprocessing(height=32, width=32, mean=(128.0,), std=(1.0,)),
            activation="none",
        ),
        [f"class {index}" for index in range(10)],
        name="resnet8",
        description="",
        license="",
        pictures=[Frame.from_rgb(np.full((32, 32, 3), 90, np.uint8))],
        card=card,
    )
    manifest = Bundle.from_bytes(sealed, where="m").manifest

    assert manifest is not None
    assert manifest.compatibility == compatibility_facts(resnet)
    assert manifest.card == card
