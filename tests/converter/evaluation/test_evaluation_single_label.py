"""Figures of a task where one label is right."""

from __future__ import annotations

import numpy as np
import pytest
from edge_recog_converter.evaluation.classes import macro_f1
from edge_recog_converter.evaluation.mistakes import MOST
from edge_recog_converter.evaluation.single_label import (
    calibration,
    classes_of,
    confusion_matrix,
    mistakes,
    top1_of,
)
from edge_recog_converter.report.document import Bin, ClassFigures, Mistake
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

NAMES = ("ant", "bee", "cat")
SCORES = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.4, 0.5, 0.1],
        [0.1, 0.8, 0.1],
        [0.2, 0.7, 0.1],
        [0.9, 0.1, 0.0],
    ],
    np.float32,
)
LABELS = np.array([0, 0, 1, 2, 2])
"""Said: ant, bee, bee, bee, ant."""
IDS = ("p0", "p1", "p2", "p3", "p4")

answers = st.integers(2, 5).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        st.lists(
            st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)),
            min_size=1,
            max_size=30,
        ),
    )
)
"""Number of classes, and of each picture the right class and the one said."""


def test_rows_of_the_confusion_matrix_are_right_and_columns_are_said() -> None:
    assert confusion_matrix(SCORES, LABELS).tolist() == [[1, 1, 0], [0, 1, 0], [1, 1, 0]]


def test_of_equal_scores_the_first_is_best() -> None:
    scores = np.array([[0.2, 0.4, 0.4]])
    assert confusion_matrix(scores, np.array([2])).tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_figures_of_classes_by_hand() -> None:
    ant, bee, cat = classes_of(NAMES, confusion_matrix(SCORES, LABELS))
    assert ant == ClassFigures(label="ant", support=2, precision=0.5, recall=0.5, f1=0.5)
    assert bee == ClassFigures(label="bee", support=1, precision=1 / 3, recall=1.0, f1=0.5)
    assert cat == ClassFigures(label="cat", support=2, precision=None, recall=0.0, f1=0.0)


def test_top1_and_macro_f1_by_hand() -> None:
    confusion = confusion_matrix(SCORES, LABELS)
    assert top1_of(confusion) == 2 / 5
    assert macro_f1(classes_of(NAMES, confusion)) == pytest.approx((0.5 + 0.5 + 0) / 3)


@pytest.mark.parametrize(
    ("said", "precision"), [(0, None), (1, 0.0)], ids=["never said", "wrongly said"]
)
def test_a_class_without_pictures_has_no_recall_and_no_f1(
    said: int, precision: float | None
) -> None:
    scores = np.eye(2)[[0, said]]
    ant, bee = classes_of(NAMES[:2], confusion_matrix(scores, np.array([0, 0])))
    assert bee == ClassFigures(label="bee", support=0, precision=precision, recall=None, f1=None)
    assert macro_f1((ant, bee)) == ant.f1


@settings(derandomize=True, deadline=None)
@given(answers)
def test_counts_and_shares_are_those_of_scikit_learn(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    classes, pairs = drawn
    labels, said = (np.array(column) for column in zip(*pairs, strict=True))
    confusion = confusion_matrix(np.eye(classes)[said], labels)
    every = list(range(classes))
    assert (confusion == metrics.confusion_matrix(labels, said, labels=every)).all()
    assert top1_of(confusion) == pytest.approx(metrics.accuracy_score(labels, said))
    theirs = metrics.precision_recall_fscore_support(
        labels, said, labels=every, zero_division=np.nan
    )
    ours = classes_of([str(one) for one in every], confusion)
    for index, (precision, recall, f1, support) in enumerate(zip(*theirs, strict=True)):
        assert ours[index].support == support
        assert _number(ours[index].precision) == pytest.approx(precision, nan_ok=True)
        assert _number(ours[index].recall) == pytest.approx(recall, nan_ok=True)
        if support:
            assert ours[index].f1 == pytest.approx(f1)
    seen = np.unique(labels)
    assert macro_f1(ours) == pytest.approx(
        metrics.f1_score(labels, said, labels=seen, average="macro", zero_division=0.0)
    )


def test_calibration_by_hand() -> None:
    scores = np.array([[0.75, 0.25], [0.5, 0.5]])
    found = calibration(scores, np.array([0, 1]))
    assert found.negative_log_likelihood == pytest.approx((-np.log(0.75) - np.log(0.5)) / 2)
    assert found.bins == (
        Bin(confidence=0.5, accuracy=0.0, count=1),
        Bin(confidence=0.75, accuracy=1.0, count=1),
    )
    assert found.expected_calibration_error == pytest.approx((0.5 + 0.25) / 2)


def test_calibration_has_fifteen_bins_of_equally_many() -> None:
    scores = np.random.default_rng(1).dirichlet(np.ones(3), 150)
    found = calibration(scores, np.zeros(150, np.int64))
    assert [one.count for one in found.bins] == [10] * 15
    confidences = [one.confidence for one in found.bins]
    assert confidences == sorted(confidences)


def test_a_single_picture_is_a_bin_of_its_own() -> None:
    found = calibration(np.array([[0.25, 0.75]]), np.array([1]))
    assert found.bins == (Bin(confidence=0.75, accuracy=1.0, count=1),)


def test_mistakes_are_told_surest_first() -> None:
    found = mistakes(NAMES, IDS, SCORES, LABELS)
    assert [one.id for one in found] == ["p4", "p3", "p1"]
    assert found[0] == Mistake(
        id="p4", said=("ant",), right=("cat",), score=pytest.approx(0.9, abs=1e-7)
    )


def test_there_are_no_mistakes_if_all_is_right() -> None:
    assert mistakes(NAMES, IDS, SCORES, SCORES.argmax(axis=1)) == ()


def test_only_so_many_mistakes_are_told() -> None:
    scores = np.full((MOST + 5, 2), [0.9, 0.1])
    ids = [f"{number:02}" for number in range(len(scores))]
    found = mistakes(NAMES[:2], ids, scores, np.ones(len(scores), np.int64))
    assert [one.id for one in found] == ids[:MOST]


def test_equal_mistakes_come_by_id_however_pictures_come() -> None:
    scores = np.full((3, 2), [0.9, 0.1])
    found = mistakes(NAMES[:2], ["c", "a", "b"], scores, np.ones(3, np.int64))
    assert [one.id for one in found] == ["a", "b", "c"]


def _number(value: float | None) -> float:
    return np.nan if value is None else value
