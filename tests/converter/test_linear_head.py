"""A linear classifier is learned from features, the same for the same seed."""

from typing import Any

import numpy as np
import pytest
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.features import Features
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.learning.sections import Balance, Inverse
from edge_recog_converter.linear_head import (
    LinearClassifier,
    rounded_classifier,
    train_classifier,
    with_classifier,
)
from edge_recog_converter.report.document import Epoch
from edge_recog_converter.stages import HeadStage

STAGE = HeadStage(epochs=8, batch_size=16, learning_rate=0.02)


def blobs(count: int, seed: int) -> Features:
    """Return three clouds of points, far apart, of very different scales."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    centres = np.array([[0, 0, 0, 5], [900, 0, 0, 5], [0, 9, 0, 5]])
    noise = rng.normal(0, [90, 0.9, 1, 0], (count, 4))
    return Features(
        (centres[labels] + noise).astype(np.float32), np.eye(3, dtype=np.float32)[labels]
    )


def learn(
    train: Features, validation: Features, *, seed: int = 1, **changes: Any
) -> tuple[LinearClassifier, list[Epoch]]:
    told: list[Epoch] = []
    settings = {"objective": OBJECTIVES["single-label"], "balance": Balance(), **changes}
    classifier = train_classifier(
        train, validation, stage=STAGE, seed=seed, on_epoch=told.append, **settings
    )
    return classifier, told


def train(seed: int = 1) -> tuple[LinearClassifier, list[Epoch]]:
    return learn(blobs(200, 1), blobs(60, 2), seed=seed)


def test_classifier_tells_the_classes_apart_on_raw_features() -> None:
    classifier, _ = train()
    unseen = blobs(100, 3)
    guesses = classifier.logits(unseen.values).argmax(axis=1)

    assert np.mean(guesses == unseen.targets.argmax(axis=1)) > 0.97


def test_each_label_is_learned_by_itself_where_there_are_several() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (300, 3)).astype(np.float32)
    values = 3 * targets @ rng.normal(0, 1, (3, 6)) + rng.normal(0, 0.3, (300, 6))
    features = Features(values.astype(np.float32), targets)
    classifier, told = learn(features, features, objective=OBJECTIVES["multi-label"])

    assert classifier.best.score == max(epoch.score for epoch in told) > 0.97
    assert np.mean((classifier.logits(features.values) > 0) == (targets > 0)) > 0.95


def test_a_rare_class_is_found_if_it_weighs_more() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 380 + [1] * 20)
    values = (labels[:, None] * 1.5 + rng.normal(0, 1, (400, 2))).astype(np.float32)
    features = Features(values, np.eye(2, dtype=np.float32)[labels])
    found = []
    for balance in (Balance(), Balance(class_weights=Inverse())):
        classifier, _ = learn(features, features, balance=balance)
        found.append(np.mean(classifier.logits(values).argmax(axis=1)[labels == 1]))

    assert found[1] > found[0] + 0.3


def test_a_temperature_divides_the_logits() -> None:
    classifier, _ = train()
    values = blobs(10, 3).values

    np.testing.assert_allclose(
        classifier.tempered(2.0).logits(values), classifier.logits(values) / 2, rtol=1e-5, atol=1e-5
    )


def test_each_epoch_is_told_and_the_best_kept() -> None:
    classifier, told = train()

    assert tuple(told) == classifier.history
    assert [epoch.number for epoch in told] == list(range(1, 9))
    assert classifier.best.score == max(epoch.score for epoch in told)
    assert all(np.isfinite([epoch.loss, epoch.validation_loss]).all() for epoch in told)
    assert told[-1].rate < told[0].rate <= STAGE.learning_rate


def test_same_seed_gives_the_same_weights() -> None:
    one, same, other = (train(seed)[0].kernel for seed in (1, 1, 2))

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_loss_that_explodes_is_told() -> None:
    broken = Features(np.full((8, 4), np.nan, np.float32), np.eye(8, 2, dtype=np.float32))

    with pytest.raises(TrainingError, match="learning_rate"):
        learn(broken, broken)


def test_rounded_classifier_says_what_8_bits_can() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    values = rng.normal(1.0, 0.3, (300, 20)) + 0.5 * np.eye(20)[labels]
    features = Features(values.astype(np.float32), np.eye(3, dtype=np.float32)[labels])
    classifier, _ = learn(features, features)
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
    model = with_classifier(network, classifier, name="joined", activation="softmax")
    features = blobs(10, 4).values
    logits = features @ classifier.kernel + classifier.bias
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)

    np.testing.assert_allclose(model.predict_on_batch(features), expected, atol=1e-5)
