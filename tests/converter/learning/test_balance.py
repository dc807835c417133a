"""Small classes count, or are drawn, as the recipe says; nothing else changes."""

import numpy as np
import pytest
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.learning.balance import (
    class_weights,
    epoch_order,
    oversampled,
    picture_weights,
    positive_weights,
)
from edge_recog_converter.learning.sections import (
    Balance,
    EffectiveNumber,
    Inverse,
    Oversample,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

COUNTS = st.lists(st.integers(1, 500), min_size=1, max_size=8).map(np.array)
BETAS = st.floats(0.0, 0.9999)
LABELS = np.repeat(np.arange(3), [60, 30, 10])


@given(COUNTS, st.none() | BETAS)
def test_mean_weight_of_the_pictures_is_1(drawn: NDArray[np.int64], beta: float | None) -> None:
    section = Inverse() if beta is None else EffectiveNumber(beta=beta)
    weights = class_weights(section, drawn)

    assert weights @ drawn / drawn.sum() == pytest.approx(1.0)
    assert (weights > 0).all()


@given(COUNTS, BETAS)
def test_smaller_classes_weigh_no_less(drawn: NDArray[np.int64], beta: float) -> None:
    for section in (Inverse(), EffectiveNumber(beta=beta)):
        weights = class_weights(section, np.sort(drawn))

        assert (np.diff(weights) <= 1e-9 * weights[1:]).all()


def test_inverse_weights_make_classes_equal() -> None:
    weights = class_weights(Inverse(), np.array([60, 30, 10]))

    np.testing.assert_allclose(weights * [60, 30, 10], 100 / 3)


def test_effective_number_agrees_with_the_paper() -> None:
    weights = class_weights(EffectiveNumber(beta=0.9), np.array([1, 10]))

    assert weights[0] / weights[1] == pytest.approx((1 - 0.9**10) / (1 - 0.9))


@pytest.mark.parametrize(
    ("beta", "expected"), [(0.0, 1.0), (1 - 1e-9, 6.0)], ids=["none", "inverse"]
)
def test_ends_of_beta(beta: float, expected: float) -> None:
    weights = class_weights(EffectiveNumber(beta=beta), np.array([60, 10]))

    assert weights[1] / weights[0] == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_inverse_positive_weights_make_presence_and_absence_equal(seed: int) -> None:
    targets = np.random.default_rng(seed).integers(0, 2, (40, 3))
    targets[0], targets[1] = 0, 1
    weights = positive_weights(Inverse(), targets)

    np.testing.assert_allclose(weights * targets.sum(axis=0), (1 - targets).sum(axis=0))


@pytest.mark.parametrize(("value", "message"), [(0, "no training"), (1, "nothing to learn")])
def test_label_of_no_or_every_picture_is_refused(value: int, message: str) -> None:
    targets = np.array([[1, value], [0, value]])

    with pytest.raises(DatasetError, match=f"class 1 .*{message}"):
        positive_weights(Inverse(), targets)


@given(COUNTS, st.floats(0.01, 1.0))
def test_oversampling_keeps_the_epoch_length_and_the_order_of_sizes(
    present: NDArray[np.int64], strength: float
) -> None:
    drawn = oversampled(Oversample(strength=strength), present)

    assert drawn.sum() == present.sum()
    order = np.argsort(present)
    assert (np.diff(drawn[order]) >= -1).all()


@given(COUNTS)
def test_full_oversampling_draws_classes_equally_often(present: NDArray[np.int64]) -> None:
    drawn = oversampled(Oversample(), present)

    assert np.ptp(drawn) <= 1


def test_epoch_without_oversampling_has_each_picture_once() -> None:
    order = epoch_order(Balance(), LABELS, seed=1, epoch=1)

    assert sorted(order) == list(range(100))


def test_epoch_draws_pictures_of_a_class_evenly() -> None:
    order = epoch_order(Balance(oversample=Oversample()), LABELS, seed=1, epoch=1)
    often = np.bincount(order, minlength=100)

    assert [often[label == LABELS].sum() for label in range(3)] == [34, 33, 33]
    assert set(often[LABELS == 0]) == {0, 1}
    assert set(often[LABELS == 2]) == {3, 4}


@pytest.mark.parametrize("balance", [Balance(), Balance(oversample=Oversample())], ids=repr)
def test_epochs_follow_from_seed_and_number(balance: Balance) -> None:
    one, same, later, other = (
        epoch_order(balance, LABELS, seed=seed, epoch=epoch)
        for seed, epoch in ((1, 1), (1, 1), (1, 2), (2, 1))
    )

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, later)
    assert not np.array_equal(one, other)


def test_several_labels_cannot_be_oversampled() -> None:
    targets = np.array([[1, 0], [1, 1]])

    with pytest.raises(DatasetError, match="class_weights"):
        epoch_order(Balance(oversample=Oversample()), targets, seed=0, epoch=0)
    assert sorted(epoch_order(Balance(), targets, seed=0, epoch=0)) == [0, 1]


def test_class_without_pictures_is_named() -> None:
    with pytest.raises(DatasetError, match="class 1 has no training pictures"):
        picture_weights(Balance(class_weights=Inverse()), np.array([0, 2]), classes=3)


def test_pictures_weigh_what_their_class_does() -> None:
    weights = picture_weights(Balance(class_weights=Inverse()), LABELS, classes=3)

    assert weights is not None
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[[0, 60, 90]], [100 / 180, 100 / 90, 100 / 30], rtol=1e-6)
    assert picture_weights(Balance(), LABELS, classes=3) is None


def test_weights_correct_what_oversampling_leaves() -> None:
    full = Balance(class_weights=Inverse(), oversample=Oversample())
    weights = picture_weights(full, np.repeat([0, 1], [80, 20]), classes=2)
    half = Balance(class_weights=Inverse(), oversample=Oversample(strength=0.5))
    rest = picture_weights(half, np.repeat([0, 1], [80, 20]), classes=2)

    assert weights is not None
    assert rest is not None
    np.testing.assert_allclose(weights, 1.0)
    assert rest[-1] / rest[0] == pytest.approx(2.0, rel=0.05)
