"""What is said of a file beside the float network."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from edge_recog_converter.acceptance.judging import Reference, Verdict, judged
from edge_recog_converter.acceptance.sections import RUNGS, Accept
from edge_recog_converter.evaluation import multi_label, single_label
from edge_recog_converter.report.document import Lost
from hypothesis import given, settings
from hypothesis import strategies as st

LABELS = ("ant", "bee", "cat")


def one_of(answers: list[int]) -> np.ndarray:
    """Return scores with which these are the best labels."""
    return np.where(np.eye(3, dtype=np.bool_)[answers], 0.8, 0.1).astype(np.float32)


def single(truth: list[int], said: list[int]) -> Reference:
    return Reference(LABELS, np.eye(3, dtype=np.float32)[truth], one_of(said), None)


def compared(
    truth: list[int], float_said: list[int], said: list[int], accept: Accept | None = None
) -> Verdict:
    return judged(single(truth, float_said), one_of(said), accept or Accept())


def test_the_same_answers_are_accepted() -> None:
    verdict = compared([0, 1, 2] * 20, [0, 1, 1] * 20, [0, 1, 1] * 20)
    assert verdict.accepted
    assert verdict.excess == 0
    assert (verdict.drop.estimate, verdict.agreement, verdict.p_value) == (0.0, 1.0, 1.0)
    assert verdict.lost == ()
    assert verdict.smallest_loss_shown == 5 / 60


def test_every_miss_is_said() -> None:
    truth = [0] * 1000
    verdict = compared(truth, truth, [1] * 9 + [0] * 991, Accept(min_agreement=0.995))
    assert verdict.reason == (
        "top-1 drops 0.9 points, 0.5 are allowed; agreement 99.1 %, at least 99.5 % are wanted; "
        "9 pictures lost and 0 won are a real loss at 95 % confidence (p = 0.002)"
    )
    # 0.4 points, 0.4 % and five of nine pictures.
    assert verdict.excess == pytest.approx(0.004 + 0.004 + 0.005)


def test_a_real_loss_is_refused_though_the_drop_is_allowed() -> None:
    truth = [0] * 1000
    verdict = compared(truth, truth, [1] * 5 + [0] * 995, Accept(max_drop=2.0))
    assert verdict.reason == (
        "5 pictures lost and 0 won are a real loss at 95 % confidence (p = 0.031)"
    )
    assert compared(truth, truth, [1] * 4 + [0] * 996, Accept(max_drop=2.0)).accepted


def test_what_is_lost_is_counted_by_class() -> None:
    verdict = compared([0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 0, 2], [1, 1, 0, 2, 1, 2])
    assert verdict.lost == (Lost(label="ant", lost=2, won=0), Lost(label="bee", lost=1, won=1))
    assert verdict.drop.estimate == pytest.approx(2 / 6)


def test_figures_too_alike_to_differ_in_one_decimal_get_more() -> None:
    truth = [0] * 10_000
    verdict = compared(truth, truth, [1] * 51 + [0] * 9949, Accept(confidence=1 - 1e-16 * 2))
    assert "top-1 drops 0.51 points, 0.5 are allowed" in verdict.reason


def test_labels_are_said_from_their_thresholds() -> None:
    targets = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]], np.float32)
    scores = np.array([[0.9, 0.1, 0.4], [0.1, 0.6, 0.2], [0.8, 0.7, 0.1], [0.3, 0.2, 0.1]])
    reference = Reference(LABELS, targets, scores, (0.5, 0.5, 0.3))
    other = scores.copy()
    other[0, 2], other[3, 0] = 0.15, 0.6
    verdict = judged(reference, other, Accept())
    assert verdict.agreement == 0.5
    assert verdict.lost == (Lost(label="ant", lost=1, won=0), Lost(label="cat", lost=1, won=0))
    assert verdict.p_value == 0.25
    # "cat" alone ranks worse: the one picture that has it comes second.
    assert verdict.drop.estimate == pytest.approx((1 - 1 / 2) / 3)
    assert verdict.reason.startswith("mean average precision drops 16.7 points")


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_calibration_errors_are_those_of_the_report(seed: int, many: bool) -> None:
    rng = np.random.default_rng(seed)
    scores, others = rng.dirichlet([1, 1, 1], (2, 40))
    truth = rng.integers(0, 3, 40)
    if many:
        targets = (rng.random((40, 3)) < 0.5).astype(np.float32)
        verdict = judged(Reference(LABELS, targets, scores, (0.5,) * 3), others, Accept())
        expected = [multi_label.calibration(one, targets) for one in (scores, others)]
    else:
        targets = np.eye(3, dtype=np.float32)[truth]
        verdict = judged(Reference(LABELS, targets, scores, None), others, Accept())
        expected = [single_label.calibration(one, truth) for one in (scores, others)]
    found = (verdict.float_calibration_error, verdict.calibration_error)
    assert found == tuple(one.expected_calibration_error for one in expected)


def test_as_many_lost_pictures_as_are_allowed_are_accepted() -> None:
    truth = [0] * 1000
    accept = Accept(max_drop=0.7, min_agreement=0.993, confidence=0.995)
    assert compared(truth, truth, [1] * 7 + [0] * 993, accept).accepted


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 20), st.floats(0, 1))
def test_it_is_accepted_exactly_if_nothing_is_missed(
    seed: int, max_drop: float, min_agreement: float
) -> None:
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(0, 3, (2, 50))
    other = np.where(rng.random(50) < 0.1, rng.integers(0, 3, 50), said)
    accept = Accept(max_drop=max_drop, min_agreement=min_agreement)
    verdict = compared(truth.tolist(), said.tolist(), other.tolist(), accept)
    enough = (
        verdict.drop.estimate <= max_drop / 100 + 1e-9
        and verdict.agreement >= min_agreement - 1e-9
        and verdict.p_value > 1 - accept.confidence
    )
    assert verdict.accepted == enough == (verdict.excess == 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"rungs": []}, "rungs is empty"),
        ({"rungs": ["calibration", "post-training"]}, "in the order post-training, calibration"),
        ({"rungs": ["calibration", "calibration"]}, "each be named once"),
        ({"rungs": ["prayer"]}, "prayer"),
        ({"confidence": 0.5}, "> 0.5"),
        ({"max_drop": 101}, "<= 100"),
        ({"drop": 1}, "unknown field `drop`"),
    ],
    ids=["no rungs", "order", "twice", "unknown rung", "confidence", "drop", "unknown key"],
)
def test_words_that_cannot_be_meant_are_refused(words: dict[str, object], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(words, Accept)


def test_the_example_of_the_documentation_is_the_default() -> None:
    words = {"max_drop": 0.5, "min_agreement": 0.97, "confidence": 0.95}
    assert msgspec.convert(words, Accept) == Accept(rungs=RUNGS)
