"""Two models are compared picture by picture, through the runtime."""

from pathlib import Path

import numpy as np
import pytest
from edge_recog_converter.parity import Answers, SideBySide, compare, run_both

from edge_recog import Classifier, Frame, open_source

MODELS = {
    "float": "mobilenet_v1_025/mobilenet_v1_0.25_224_1_metadata_1.tflite",
    "int8": "mobilenet_v1_025/mobilenet_v1_0.25_224_quant.tflite",
}
NAMES = ("cat", "dog", "hat")


def frames(folder: Path) -> list[tuple[str, Frame]]:
    names = ("coral/cat.bmp", "coral/parrot.jpg", "mobilenet_v1_025/burger.jpg")
    return [(name, next(iter(open_source(folder / name)))) for name in names]


def answers(*rows: tuple[float, ...]) -> Answers:
    return Answers(np.array(rows, np.float32), (1.0, 1.0))


@pytest.fixture(scope="module")
def classifiers(shared_data: Path) -> dict[str, Classifier]:
    return {kind: Classifier.open(shared_data / path) for kind, path in MODELS.items()}


def test_model_agrees_with_itself(classifiers: dict[str, Classifier], shared_data: Path) -> None:
    model = classifiers["float"]
    both = run_both(model, model, frames(shared_data))
    parity = compare(both, model.bundle.labels)

    assert both.ids == ("coral/cat.bmp", "coral/parrot.jpg", "mobilenet_v1_025/burger.jpg")
    assert (parity.agreement, parity.largest_difference, parity.flips) == (1.0, 0.0, ())


def test_each_model_says_what_it_says_alone(
    classifiers: dict[str, Classifier], shared_data: Path
) -> None:
    both = run_both(classifiers["float"], classifiers["int8"], frames(shared_data))
    for kind, told in (("float", both.float), ("int8", both.int8)):
        model = classifiers[kind]
        alone = [model.trace(frame).scores for _, frame in frames(shared_data)]
        np.testing.assert_array_equal(told.scores, np.stack(alone))
        assert 0 < told.invoke_ms[0] <= told.invoke_ms[1]


def test_flips_name_the_picture_and_both_labels() -> None:
    both = SideBySide(
        ("a", "b"),
        answers((0.6, 0.3, 0.1), (0.4, 0.5, 0.1)),
        answers((0.6, 0.4, 0.0), (0.5, 0.25, 0.25)),
    )
    parity = compare(both, NAMES)

    assert [(flip.id, flip.float, flip.int8) for flip in parity.flips] == [
        ("b", ("dog",), ("cat",))
    ]
    assert (parity.agreement, parity.largest_difference) == (0.5, 0.25)


def test_with_thresholds_every_label_counts() -> None:
    both = SideBySide(
        ("a", "b"),
        answers((0.6, 0.6, 0.1), (0.4, 0.4, 0.1)),
        answers((0.7, 0.5, 0.1), (0.2, 0.3, 0.1)),
    )
    parity = compare(both, NAMES, thresholds=(0.5, 0.6, 0.5))

    assert [(flip.id, flip.float, flip.int8) for flip in parity.flips] == [
        ("a", ("cat", "dog"), ("cat",))
    ]
