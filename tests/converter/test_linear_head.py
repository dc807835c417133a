"""A linear classifier is learned from features, the same for the same seed."""

import numpy as np
import pytest
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.features import Features
from edge_recog_converter.linear_head import (
    Epoch,
    LinearClassifier,
    rounded_classifier,
    train_classifier,
    with_classifier,
)
from edge_recog_converter.recipe import HeadStage

STAGE = HeadStage(epochs=8, batch_size=16, learning_rate=0.02)


def blobs(count: int, seed: int) -> Features:
    """Return three clouds of points, far apart, of very different scales."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    centres = np.array([[0, 0, 0, 5], [900, 0, 0, 5], [0, 9, 0, 5]])
    noise = rng.normal(0, [90, 0.9, 1, 0], (count, 4))
    return Features((centres[labels] + noise).astype(np.float32), labels.astype(np.int64))


def train(seed: int = 1, stage: HeadStage = STAGE) -> tuple[LinearClassifier, list[Epoch]]:
    told: list[Epoch] = []
    classifier = train_classifier(
        blobs(200, 1), blobs(60, 2), classes=3, stage=stage, seed=seed, on_epoch=told.append
    )
    return classifier, told


def test_classifier_tells_the_classes_apart_on_raw_features() -> None:
    classifier, _ = train()
    unseen = blobs(100, 3)
    guesses = np.argmax(unseen.values @ classifier.kernel + classifier.bias, axis=1)

    assert np.mean(guesses == unseen.labels) > 0.97


def test_each_epoch_is_told_and_the_best_kept() -> None:
    classifier, told = train()

    assert tuple(told) == classifier.history
    assert [epoch.number for epoch in told] == list(range(1, 9))
    assert classifier.best.validation_top1 == max(epoch.validation_top1 for epoch in told)


def test_same_seed_gives_the_same_weights() -> None:
    one, same, other = (train(seed)[0].kernel for seed in (1, 1, 2))

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_loss_that_explodes_is_told() -> None:
    broken = Features(np.full((8, 4), np.nan, np.float32), np.zeros(8, np.int64))

    with pytest.raises(TrainingError, match="learning_rate"):
        train_classifier(
            broken, broken, classes=2, stage=STAGE, seed=0, on_epoch=lambda epoch: None
        )


def test_rounded_classifier_says_what_8_bits_can() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    values = rng.normal(1.0, 0.3, (300, 20)) + 0.5 * np.eye(20)[labels]
    features = Features(values.astype(np.float32), labels.astype(np.int64))
    classifier = train_classifier(
        features, features, classes=3, stage=STAGE, seed=1, on_epoch=lambda epoch: None
    )
    rounded = rounded_classifier(classifier, features)
    steps = rounded.kernel / np.abs(rounded.kernel).max(axis=0) * 127

    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    before, after = (
        np.argmax(features.values @ weights.kernel + weights.bias, axis=1)
        for weights in (classifier, rounded)
    )
    assert np.mean(before == after) > 0.99


def test_classifier_joins_the_network() -> None:
    from edge_recog_converter._tensorflow import keras

    image = keras.Input((4,), name="image")
    network = keras.Model(image, keras.layers.Identity(name="features")(image))
    classifier, _ = train()
    model = with_classifier(network, classifier, name="joined")
    features = blobs(10, 4).values
    logits = features @ classifier.kernel + classifier.bias
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)

    np.testing.assert_allclose(model.predict_on_batch(features), expected, atol=1e-5)
