"""Two models are compared picture by picture, through the runtime."""

from pathlib import Path

import pytest
from edge_recog_converter.parity import compare

from edge_recog import Classifier, Frame, open_source

MODELS = {
    "float": "mobilenet_v1_025/mobilenet_v1_0.25_224_1_metadata_1.tflite",
    "int8": "mobilenet_v1_025/mobilenet_v1_0.25_224_quant.tflite",
}


def frames(folder: Path) -> list[tuple[str, Frame, int | None]]:
    names = ("coral/cat.bmp", "coral/parrot.jpg", "mobilenet_v1_025/burger.jpg")
    return [(name, next(iter(open_source(folder / name))), None) for name in names]


@pytest.fixture(scope="module")
def classifiers(shared_data: Path) -> dict[str, Classifier]:
    return {kind: Classifier.open(shared_data / path) for kind, path in MODELS.items()}


def test_model_agrees_with_itself(classifiers: dict[str, Classifier], shared_data: Path) -> None:
    model = classifiers["float"]
    parity = compare(model, model, frames(shared_data))

    assert (parity.count, parity.agreement, parity.largest_difference) == (3, 1.0, 0.0)
    assert parity.flips == ()
    assert parity.float_top1 is None


def test_right_answers_are_counted_where_they_are_known(
    classifiers: dict[str, Classifier], shared_data: Path
) -> None:
    labels = classifiers["float"].bundle.labels
    truths = [labels.index("Egyptian cat"), labels.index("macaw"), labels.index("macaw")]
    known = [
        (name, frame, truth)
        for (name, frame, _), truth in zip(frames(shared_data), truths, strict=True)
    ]
    parity = compare(classifiers["float"], classifiers["int8"], known)

    assert parity.float_top1 == pytest.approx(2 / 3)
    assert 0 < parity.largest_difference < 0.5
    assert parity.float_invoke_ms[0] > 0


def test_flips_name_the_picture_and_both_labels(
    classifiers: dict[str, Classifier], shared_data: Path
) -> None:
    model = classifiers["int8"]
    flat = Frame.from_rgb(frames(shared_data)[0][1].pixels[:8, :8].copy())
    parity = compare(classifiers["float"], model, [("corner", flat, None)])
    expected = model.classify(flat).predictions[0].label

    assert [flip.int8_label for flip in parity.flips] == [expected] * len(parity.flips)
    assert parity.agreement == 1 - len(parity.flips)
