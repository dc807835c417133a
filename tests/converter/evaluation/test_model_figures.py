"""All figures of a model file."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_converter.evaluation.figures import figures_of
from edge_recog_converter.learning.temperature import softmax
from edge_recog_converter.report.document import ModelFigures

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("ant", "bee")
LOGITS = np.array([[4.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
TARGETS = np.array([[1, 0], [0, 1], [0, 1]])


def figures(**changes: Any) -> ModelFigures:
    arguments = {
        "task": "single-label",
        "labels": NAMES,
        "ids": ("p0", "p1", "p2"),
        "scores": softmax(LOGITS / 2),
        "targets": TARGETS,
        "thresholds": None,
        "temperature": 2.0,
        "invoke_ms": (1.5, 2.5),
        "size_bytes": 1000,
    }
    return figures_of("int8", **(arguments | changes))


def several(**changes: Any) -> ModelFigures:
    scores = 1 / (1 + np.exp(-(LOGITS - 1.5) / 2))
    return figures(**{"task": "multi-label", "scores": scores, "thresholds": (0.5, 0.5)} | changes)


def test_figures_of_a_task_with_one_label_a_picture() -> None:
    found = figures()
    assert (found.kind, found.invoke_ms, found.size_bytes) == ("int8", (1.5, 2.5), 1000)
    assert found.top1 == found.micro_f1 == 2 / 3
    assert found.macro_f1 == pytest.approx(2 / 3)
    assert found.mean_average_precision is None
    assert found.confusion == ((1, 0), (1, 1))
    assert [one.label for one in found.classes] == ["ant", "bee"]
    assert [one.id for one in found.mistakes] == ["p2"]


def test_figures_of_a_task_with_several() -> None:
    found = several()
    assert found.top1 is found.confusion is None
    # Ant is said of p0 and p2, bee of p1: two of three hits, of three labels there are.
    assert found.micro_f1 == pytest.approx(2 / 3)
    assert found.macro_f1 == pytest.approx((2 / 3 + 2 / 3) / 2)
    # Bee: p1 first, then p0 and p2 in one step.
    assert found.mean_average_precision == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)
    assert [(one.id, one.said, one.right) for one in found.mistakes] == [("p2", ("ant",), ("bee",))]


def test_uncalibrated_is_without_the_temperature() -> None:
    found = figures()
    right = TARGETS.argmax(axis=1)
    for calibration, temperature in ((found.calibrated, 2), (found.uncalibrated, 1)):
        likely = softmax(LOGITS / temperature)[np.arange(3), right]
        assert calibration.negative_log_likelihood == pytest.approx(-np.log(likely).mean())


def test_so_it_is_with_several_labels() -> None:
    found = several()
    for calibration, temperature in ((found.calibrated, 2), (found.uncalibrated, 1)):
        logits = (LOGITS - 1.5) / temperature * np.where(TARGETS, 1, -1)
        assert calibration.negative_log_likelihood == pytest.approx(
            np.log1p(np.exp(-logits)).mean()
        )


def test_with_a_temperature_of_1_both_are_the_same() -> None:
    found = figures(temperature=1.0)
    assert found.calibrated == found.uncalibrated


@pytest.mark.parametrize("make", [figures, several], ids=["single-label", "multi-label"])
def test_they_can_be_written_and_read(make: Callable[..., ModelFigures]) -> None:
    found = make(scores=np.array([[0.75, 0.25]] * 3, np.float32))
    written = msgspec.json.encode(found)
    assert msgspec.json.decode(written, type=ModelFigures) == found


def test_thresholds_belong_to_tasks_with_several_labels() -> None:
    with pytest.raises(ValueError, match="needs thresholds"):
        several(thresholds=None)
    with pytest.raises(ValueError, match="are for multi-label"):
        figures(thresholds=(0.5, 0.5))


def test_no_training_library_is_needed() -> None:
    code = (
        "import sys, edge_recog_converter.evaluation.figures;"
        "print([name for name in ('tensorflow', 'keras', 'sklearn') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"
