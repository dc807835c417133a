"""Figures of a task where any number of labels may be right."""

from __future__ import annotations

import numpy as np
import pytest
from edge_recog_converter.evaluation.classes import macro_f1, mean_average_precision
from edge_recog_converter.evaluation.mistakes import MOST
from edge_recog_converter.evaluation.multi_label import (
    average_precision,
    calibration,
    classes_of,
    micro_f1,
    mistakes,
)
from edge_recog_converter.evaluation.thresholds import claimed
from edge_recog_converter.report.document import Bin, ClassFigures, Mistake
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

NAMES = ("ant", "bee", "cat")
THRESHOLDS = (0.5, 0.25, 0.5)
SCORES = np.array(
    [
        [0.875, 0.25, 0.0],
        [0.75, 0.125, 0.125],
        [0.25, 0.5, 0.25],
        [0.125, 0.0, 0.375],
    ],
    np.float32,
)
TARGETS = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])
"""Said: ant and bee, ant, bee, nothing."""
IDS = ("p0", "p1", "p2", "p3")


@st.composite
def tasks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Draw scores in eighths, so that many are equal, and targets and thresholds."""
    shape = draw(st.tuples(st.integers(1, 20), st.integers(1, 4)))
    eighths = st.integers(0, 8).map(lambda number: number / 8)
    scores = draw(arrays.arrays(np.float32, shape, elements=eighths))
    targets = draw(arrays.arrays(np.int64, shape, elements=st.integers(0, 1)))
    thresholds = draw(st.lists(eighths, min_size=shape[1], max_size=shape[1]))
    return scores, targets, thresholds


def test_figures_of_labels_by_hand() -> None:
    ant, bee, cat = classes_of(NAMES, SCORES, TARGETS, THRESHOLDS)
    assert ant == ClassFigures(
        label="ant", support=2, precision=0.5, recall=0.5, f1=0.5, average_precision=(1 + 2 / 3) / 2
    )
    assert bee == ClassFigures(
        label="bee",
        support=2,
        precision=0.5,
        recall=0.5,
        f1=0.5,
        average_precision=(1 / 2 + 2 / 3) / 2,
    )
    assert cat == ClassFigures(
        label="cat", support=0, precision=None, recall=None, f1=None, average_precision=None
    )


def test_means_leave_out_the_label_that_no_picture_has() -> None:
    classes = classes_of(NAMES, SCORES, TARGETS, THRESHOLDS)
    assert mean_average_precision(classes) == pytest.approx((5 / 6 + 7 / 12) / 2)
    assert macro_f1(classes) == 0.5


def test_micro_f1_takes_all_labels_together() -> None:
    assert micro_f1(SCORES, TARGETS, THRESHOLDS) == 2 * 2 / (4 + 4)


def test_there_are_no_figures_of_nothing() -> None:
    scores, targets = np.zeros((2, 3)), np.zeros((2, 3))
    assert micro_f1(scores, targets, THRESHOLDS) is None
    classes = classes_of(NAMES, scores, targets, THRESHOLDS)
    assert macro_f1(classes) is None
    assert mean_average_precision(classes) is None


@pytest.mark.parametrize(
    ("scores", "present", "expected"),
    [
        ([0.9, 0.8, 0.1], [1, 1, 0], 1.0),
        ([0.9, 0.8, 0.1], [0, 0, 1], 1 / 3),
        ([0.9, 0.8, 0.1], [1, 0, 1], (1 + 2 / 3) / 2),
        ([0.5, 0.5, 0.5], [0, 0, 1], 1 / 3),
        ([0.5, 0.5, 0.5], [1, 0, 0], 1 / 3),
        ([0.9, 0.5, 0.5], [0, 1, 1], 2 / 3),
        ([0.5], [1], 1.0),
        ([0.5], [0], None),
    ],
    ids=[
        "perfect",
        "last",
        "interrupted",
        "equal scores are one step",
        "in whatever order",
        "two in one step",
        "one picture",
        "none has it",
    ],
)
def test_average_precision_by_hand(
    scores: list[float], present: list[int], expected: float | None
) -> None:
    found = average_precision(np.array(scores), np.array(present, bool))
    assert found == (None if expected is None else pytest.approx(expected))


@settings(derandomize=True, deadline=None)
@given(tasks())
def test_figures_are_those_of_scikit_learn(
    task: tuple[np.ndarray, np.ndarray, list[float]],
) -> None:
    scores, targets, thresholds = task
    said = (scores >= np.array(thresholds)).astype(int)
    ours = classes_of([str(one) for one in range(len(thresholds))], scores, targets, thresholds)
    f1s, precisions = [], []
    for label, figures in enumerate(ours):
        truth, claims = targets[:, label], said[:, label]
        kind = {"average": "binary", "zero_division": np.nan}
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, claims, **kind)
        assert _number(figures.precision) == pytest.approx(precision, nan_ok=True)
        assert _number(figures.recall) == pytest.approx(recall, nan_ok=True)
        assert figures.support == truth.sum()
        if truth.any():
            f1s.append(f1)
            precisions.append(metrics.average_precision_score(truth, scores[:, label]))
            assert figures.f1 == pytest.approx(f1)
            assert figures.average_precision == pytest.approx(precisions[-1])
        else:
            assert figures.f1 is figures.average_precision is None
    if f1s:
        assert macro_f1(ours) == pytest.approx(np.mean(f1s))
        assert mean_average_precision(ours) == pytest.approx(np.mean(precisions))
    assert _number(micro_f1(scores, targets, thresholds)) == pytest.approx(
        metrics.f1_score(targets.ravel(), said.ravel(), zero_division=np.nan), nan_ok=True
    )


def test_calibration_is_over_every_yes_and_no() -> None:
    scores, targets = np.array([[0.25, 0.75], [0.5, 1.0]]), np.array([[0, 1], [1, 1]])
    found = calibration(scores, targets)
    assert found.negative_log_likelihood == pytest.approx(
        -(np.log(0.75) + np.log(0.75) + np.log(0.5)) / 4
    )
    assert found.bins == (
        Bin(confidence=0.25, accuracy=0.0, count=1),
        Bin(confidence=0.5, accuracy=1.0, count=1),
        Bin(confidence=0.75, accuracy=1.0, count=1),
        Bin(confidence=1.0, accuracy=1.0, count=1),
    )
    assert found.expected_calibration_error == pytest.approx((0.25 + 0.5 + 0.25) / 4)


@settings(derandomize=True, deadline=None)
@given(tasks())
def test_likelihood_is_the_log_loss_of_scikit_learn(
    task: tuple[np.ndarray, np.ndarray, list[float]],
) -> None:
    scores, targets, _ = task
    inside = np.clip(scores.astype(np.float64), 0.01, 0.99)
    theirs = metrics.log_loss(targets.ravel(), inside.ravel(), labels=[0, 1])
    assert calibration(inside, targets).negative_log_likelihood == pytest.approx(theirs)


def test_mistakes_by_hand() -> None:
    assert mistakes(NAMES, IDS, SCORES, TARGETS, THRESHOLDS) == (
        Mistake(id="p1", said=("ant",), right=("bee",), score=0.875),
        Mistake(id="p2", said=("bee",), right=("ant",), score=0.75),
    )


def test_a_label_that_is_said_and_should_not_be_is_as_bad_as_its_score() -> None:
    scores, targets = np.array([[0.625, 0.875]]), np.array([[0, 1]])
    assert mistakes(NAMES[:2], ["p"], scores, targets, (0.5, 0.5)) == (
        Mistake(id="p", said=("ant", "bee"), right=("bee",), score=0.625),
    )


def test_a_picture_of_nothing_may_be_a_mistake() -> None:
    scores = np.array([[0.625, 0.125]])
    (found,) = mistakes(NAMES[:2], ["p"], scores, np.array([[0, 0]]), (0.5, 0.5))
    assert (found.said, found.right) == (("ant",), ())


def test_there_are_no_mistakes_if_all_labels_are_right() -> None:
    right = claimed(SCORES, THRESHOLDS)
    assert mistakes(NAMES, IDS, SCORES, right, THRESHOLDS) == ()


def test_the_worst_mistakes_are_told_if_there_are_many() -> None:
    scores = np.linspace(0.5, 1, MOST + 5)[:, None]
    ids = [f"{number:02}" for number in range(len(scores))]
    found = mistakes(["ant"], ids, scores, np.zeros_like(scores), (0.5,))
    assert [one.id for one in found] == ids[: -MOST - 1 : -1]


def _number(value: float | None) -> float:
    return np.nan if value is None else value
