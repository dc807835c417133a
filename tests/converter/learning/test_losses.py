"""Losses agree with their formulas, for hard and soft targets, and never lose their gradient."""

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.learning.losses import loss_of
from edge_recog_converter.learning.sections import (
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Loss,
)
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EVERY_LOSS: list[Loss] = [
    CrossEntropy(),
    CrossEntropy(label_smoothing=0.1),
    BinaryCrossEntropy(label_smoothing=0.1),
    Focal(gamma=0.5),
    Focal(gamma=2.0),
    BinaryFocal(gamma=0.5),
    BinaryFocal(gamma=2.0, alpha=0.25),
]


def batch(seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Return soft targets (6, 4), multi-hot targets (6, 4) and logits (6, 4)."""
    rng = np.random.default_rng(seed)
    soft = rng.dirichlet(np.ones(4), 6)
    return soft, rng.integers(0, 2, (6, 4)).astype(float), rng.normal(0, 3, (6, 4))


def value(loss: Loss, targets: Floats, logits: Floats, weights: Floats | None = None) -> float:
    arrays = (targets.astype(np.float32), logits.astype(np.float32))
    return float(loss_of(loss)(*arrays, sample_weight=weights))


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)))


def test_cross_entropy_takes_soft_and_smoothed_targets() -> None:
    soft, _, logits = batch()
    smoothed = 0.9 * soft + 0.1 / 4
    expected = -(smoothed * np.log(softmax(logits))).sum(axis=1).mean()

    assert value(CrossEntropy(label_smoothing=0.1), soft, logits) == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_agrees_with_the_paper(gamma: float) -> None:
    soft, _, logits = batch()
    p = softmax(logits)
    expected = -0.7 * (soft * (1 - p) ** gamma * np.log(p)).sum(axis=1).mean()

    assert value(Focal(gamma=gamma, alpha=0.7), soft, logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("gamma", "alpha"), [(0.5, None), (2.0, 0.25), (3.0, 0.9)])
def test_binary_focal_loss_agrees_with_the_paper(gamma: float, alpha: float | None) -> None:
    _, labels, logits = batch()
    p = sigmoid(logits)
    present, absent = (1, 1) if alpha is None else (alpha, 1 - alpha)
    terms = present * labels * (1 - p) ** gamma * np.log(p)
    terms += absent * (1 - labels) * p**gamma * np.log(1 - p)
    loss = BinaryFocal(gamma=gamma, alpha=alpha)

    assert value(loss, labels, logits) == pytest.approx(-terms.mean(), rel=1e-5)


def test_focal_losses_with_gamma_0_are_cross_entropy() -> None:
    soft, labels, logits = batch()

    assert value(Focal(gamma=0.0), soft, logits) == pytest.approx(
        value(CrossEntropy(), soft, logits)
    )
    assert value(BinaryFocal(gamma=0.0), labels, logits) == pytest.approx(
        value(BinaryCrossEntropy(), labels, logits)
    )


def test_binary_cross_entropy_is_that_of_keras() -> None:
    _, labels, logits = batch()
    expected = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)(
        labels, logits
    )

    assert value(BinaryCrossEntropy(label_smoothing=0.2), labels, logits) == pytest.approx(
        float(expected), rel=1e-5
    )


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=repr)
def test_loss_of_mixed_targets_is_the_mixed_loss(loss: Loss) -> None:
    soft, labels, logits = batch()
    single = isinstance(loss, CrossEntropy | Focal)
    ones = np.eye(4)[soft.argmax(axis=1)] if single else labels
    others = ones[::-1]
    expected = 0.3 * value(loss, ones, logits) + 0.7 * value(loss, others, logits)

    assert value(loss, 0.3 * ones + 0.7 * others, logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=repr)
def test_pictures_count_as_they_are_weighed(loss: Loss) -> None:
    soft, _, logits = batch()
    weights = np.array([0.0, 2.0, 0.0, 0.0, 1.0, 0.0])
    single = [value(loss, soft[[at]], logits[[at]]) for at in (1, 4)]

    assert value(loss, soft, logits, weights) == pytest.approx((2 * single[0] + single[1]) / 6)


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=repr)
@pytest.mark.parametrize("size", [0.0, 40.0, 200.0])
def test_confident_mistakes_keep_a_gradient_and_nothing_is_not_a_number(
    loss: Loss, size: float
) -> None:
    targets = tf.constant([[1.0, 0.0, 0.0]])
    for sign in (-1.0, 1.0):
        logits = tf.constant([[sign * size, -sign * size, 0.0]])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            result = loss_of(loss)(targets, logits)
        gradient = tape.gradient(result, logits).numpy()

        assert np.isfinite(result)
        assert np.isfinite(gradient).all()
        assert sign > 0 or gradient[0, 0] < -1e-3


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), BinaryFocal(gamma=0.0)], ids=repr)
def test_positive_weights_count_presences_only(loss: Loss) -> None:
    logits = np.zeros((1, 2), np.float32)
    weighed = loss_of(loss, positive_weights=np.array([3.0, 1.0]))

    assert float(weighed(np.array([[1.0, 0.0]]), logits)) == pytest.approx(np.log(2) * 2)
    assert float(weighed(np.array([[0.0, 1.0]]), logits)) == pytest.approx(np.log(2))


def test_positive_weights_are_for_binary_losses() -> None:
    with pytest.raises(ValueError, match="sample_weight"):
        loss_of(CrossEntropy(), positive_weights=np.ones(2))
