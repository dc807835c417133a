from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_recog.errors import InterpreterError, UsageError
from edge_recog.predictions import (
    Activation,
    Classification,
    Prediction,
    Timings,
    name_predictions,
    scores_of,
    top_indices,
)

LOGITS = hnp.arrays(
    np.float32,
    st.integers(1, 30),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)
TEMPERATURES = st.floats(1e-300, 1e300)


@given(LOGITS, TEMPERATURES)
def test_softmax_gives_shares_of_one(logits: np.ndarray, temperature: float) -> None:
    scores = scores_of(logits, "softmax", temperature)

    assert scores.dtype == np.float32
    assert scores.min() >= 0
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    assert scores[logits.argmax()] == scores.max()


@given(LOGITS, TEMPERATURES)
def test_sigmoid_gives_a_score_for_each_label(logits: np.ndarray, temperature: float) -> None:
    scores = scores_of(logits, "sigmoid", temperature)

    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert ((scores >= 0.5) | (logits < 0)).all()


@given(LOGITS)
def test_none_takes_scores_as_they_are_within_0_and_1(outputs: np.ndarray) -> None:
    np.testing.assert_array_equal(scores_of(outputs, "none"), np.clip(outputs, 0, 1))


@given(hnp.arrays(np.float32, 5, elements=st.floats(-20, 20, width=32)), st.floats(0.1, 10))
def test_temperature_divides_logits(logits: np.ndarray, temperature: float) -> None:
    divided = np.exp(logits.astype(np.float64) / temperature)

    np.testing.assert_allclose(
        scores_of(logits, "softmax", temperature), divided / divided.sum(), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_allclose(
        scores_of(logits, "sigmoid", temperature), divided / (1 + divided), rtol=1e-5, atol=1e-7
    )


def test_temperature_makes_the_model_less_sure() -> None:
    logits = np.array([1.0, 3.0], np.float32)

    assert scores_of(logits, "softmax", 2.0)[1] < scores_of(logits, "softmax", 1.0)[1]


def test_temperature_leaves_scores_alone() -> None:
    assert scores_of(np.array([0.25], np.float32), "none", 2.0).tolist() == [0.25]


@pytest.mark.parametrize(
    ("activation", "expected"), [("softmax", [1.0, 0.0]), ("sigmoid", [1.0, 0.0])]
)
def test_the_largest_logits_there_are_do_not_overflow(
    activation: Activation, expected: list[float]
) -> None:
    logits = np.array([np.finfo(np.float32).max, np.finfo(np.float32).min], np.float32)

    assert scores_of(logits, activation).tolist() == expected


LABELS = tuple("abcdefgh")


@given(
    hnp.arrays(np.float32, 8, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    st.one_of(st.none(), st.integers(1, 12)),
)
def test_the_largest_are_those_of_a_plain_sort(scores: np.ndarray, top_k: int | None) -> None:
    order = sorted(range(8), key=lambda i: (-scores[i], i))[:top_k]

    assert top_indices(scores, top_k) == order


@given(
    st.sampled_from([np.uint8, np.int8, np.int16]).flatmap(
        lambda dtype: hnp.arrays(dtype, st.integers(1, 40))
    ),
    st.one_of(st.none(), st.integers(1, 50)),
)
def test_integers_are_sorted_like_the_numbers_they_stand_for(
    outputs: np.ndarray, top_k: int | None
) -> None:
    order = sorted(range(outputs.size), key=lambda i: (-int(outputs[i]), i))[:top_k]

    assert top_indices(outputs, top_k) == order


def test_equal_outputs_come_in_label_order() -> None:
    assert top_indices(np.array([0.2, 0.4, 0.4, 0.4], np.float32), 2) == [1, 2]


@pytest.mark.parametrize("top_k", [1, None], ids=["best", "all"])
def test_a_model_that_answers_nan_is_told(top_k: int | None) -> None:
    with pytest.raises(InterpreterError, match="NaN"):
        top_indices(np.array([0.5, np.nan, 0.1], np.float32), top_k)


def test_a_score_on_its_threshold_counts_and_one_under_it_does_not() -> None:
    found = name_predictions([1, 0], [0.5, 0.25], "ab", [0.5, 0.5])

    assert found == (Prediction("b", 0.5, 1),)


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_prediction_cannot_be_asked_for(top_k: int) -> None:
    with pytest.raises(UsageError, match=f"top_k is {top_k}"):
        top_indices(np.ones(2, np.float32), top_k)


def classification(*predictions: Prediction) -> Classification:
    return Classification(predictions, Timings(1, 20, 300), "sha256:0", 0, 0, "")


def test_the_best_prediction_is_the_first() -> None:
    one, other = Prediction("a", 0.9, 0), Prediction("b", 0.1, 1)

    assert classification(one, other).best is one


def test_there_is_no_best_prediction_where_all_are_under_their_thresholds() -> None:
    assert classification().best is None


def test_timings_add_up() -> None:
    assert Timings(1, 20, 300).total_ns == 321
