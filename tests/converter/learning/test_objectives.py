"""Each task learns by its own loss, is judged by its own figure, and refuses the other's."""

from __future__ import annotations

import numpy as np
import pytest
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.learning.sections import (
    Balance,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Inverse,
    Loss,
    Oversample,
)
from sklearn.metrics import average_precision_score

SINGLE, MULTI = OBJECTIVES["single-label"], OBJECTIVES["multi-label"]
LOGITS = np.array([[2.0, -1.0], [0.5, 1.0], [-3.0, 1.0], [1.0, 0.0]], np.float32)
ONE = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
SEVERAL = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.float32)


def test_one_label_is_judged_by_the_best_answer() -> None:
    assert (SINGLE.metric, SINGLE.score(LOGITS, ONE)) == ("top-1", 0.75)


def test_several_are_judged_by_their_ranking() -> None:
    expected = np.mean([average_precision_score(SEVERAL[:, at], LOGITS[:, at]) for at in (0, 1)])

    assert MULTI.metric == "mean average precision"
    assert MULTI.score(LOGITS, SEVERAL) == pytest.approx(expected)


def test_a_label_in_no_picture_does_not_count() -> None:
    absent = SEVERAL * [1, 0]

    assert MULTI.score(LOGITS, absent) == pytest.approx(
        average_precision_score(absent[:, 0], LOGITS[:, 0])
    )
    assert MULTI.score(LOGITS, np.zeros_like(SEVERAL)) == 0.0


@pytest.mark.parametrize(
    ("task", "loss"),
    [
        ("single-label", BinaryCrossEntropy()),
        ("single-label", BinaryFocal()),
        ("multi-label", CrossEntropy()),
        ("multi-label", Focal()),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_losses_of_the_other_task_are_refused(task: str, loss: Loss) -> None:
    with pytest.raises(RecipeError, match="set loss to kind"):
        OBJECTIVES[task].check([None, loss], Balance())  # type: ignore[index]


def test_several_labels_cannot_be_oversampled() -> None:
    balance = Balance(oversample=Oversample())

    SINGLE.check([None], balance)
    with pytest.raises(RecipeError, match="class_weights"):
        MULTI.check([None], balance)


def test_weights_are_for_pictures_or_for_the_presence_of_labels() -> None:
    balance = Balance(class_weights=Inverse())

    np.testing.assert_allclose(SINGLE.weights(balance, ONE), [2 / 3, 2 / 3, 2, 2 / 3])
    assert MULTI.weights(balance, SEVERAL) is None
    rare = np.array([[1.0], [0.0], [0.0], [0.0]], np.float32)
    wrong = np.full((4, 1), -1.0, np.float32)
    plain, weighed = (
        float(MULTI.loss(None, one, rare)(rare, wrong)) for one in (Balance(), balance)
    )
    assert weighed - plain == pytest.approx(2 * np.log1p(np.e) / 4, rel=1e-5)


def test_scores_and_thresholds_are_those_of_the_task() -> None:
    assert SINGLE.scores(LOGITS).sum(axis=1) == pytest.approx([1.0] * 4)
    np.testing.assert_allclose(MULTI.scores(LOGITS), 1 / (1 + np.exp(-LOGITS.astype(float))))
    assert SINGLE.thresholds(SINGLE.scores(LOGITS).astype(np.float32), ONE) is None
    thresholds = MULTI.thresholds(MULTI.scores(LOGITS).astype(np.float32), SEVERAL)
    assert thresholds is not None
    assert len(thresholds) == 2


def test_every_picture_comes_once_an_epoch() -> None:
    for objective, targets in ((SINGLE, ONE), (MULTI, SEVERAL)):
        order = objective.order(Balance(), targets, seed=1, epoch=1)
        assert sorted(order.tolist()) == [0, 1, 2, 3]


def test_a_rare_label_begins_as_one() -> None:
    targets = np.array([[1, 1], [1, 0], [1, 0], [0, 0]] * 25, np.float32)

    assert SINGLE.first_bias(Balance(), ONE).tolist() == [0.0, 0.0]
    scores = MULTI.scores(MULTI.first_bias(Balance(), targets))
    np.testing.assert_allclose(scores, [0.75, 0.25], atol=0.01)
    balanced = MULTI.first_bias(Balance(class_weights=Inverse()), targets)
    np.testing.assert_allclose(MULTI.scores(balanced), [0.5, 0.5], atol=0.01)
