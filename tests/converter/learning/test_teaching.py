"""What teachers say counts as the papers have it, and they see what the network sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter.learning.augmentation.augmenter import augmenter_of
from edge_recog_converter.learning.augmentation.sections import Flip, Translation
from edge_recog_converter.learning.plans import Plan, Samples, batches, unchanged
from edge_recog_converter.learning.teaching import Pupilage, TaughtBy, logits_of, mean_answer
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOGITS = arrays(np.float32, (3, 4), elements=st.floats(-8, 8, width=32))


class Asked:
    """A teacher that remembers what it was shown and says the mean of each column block."""

    def __init__(self) -> None:
        self.shown: list[NDArray[np.float32]] = []

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shown.append(pictures)
        return pictures.mean(axis=(1, 2))


def taught(*lessons: Pupilage, **named: Any) -> TaughtBy:
    arguments: dict[str, Any] = {
        "activation": "softmax", "classes": 3, "share": 0.5, "temperature": 2.0,
    }  # fmt: skip
    return TaughtBy(lessons=lessons, **(arguments | named))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@given(LOGITS, LOGITS, st.sampled_from([1.0, 2.0, 4.0]))
@settings(max_examples=50, deadline=None)
def test_loss_is_the_softened_divergence(
    answers: NDArray[np.float32], outputs: NDArray[np.float32], temperature: float
) -> None:
    teaching = taught(classes=4, temperature=temperature)
    p, q = (softmax(one.astype(float) / temperature) for one in (answers, outputs))
    wanted = temperature**2 * np.mean(np.sum(p * (np.log(p) - np.log(q)), axis=1))

    assert float(teaching.loss(answers, outputs)) == pytest.approx(wanted, rel=1e-3, abs=2e-5)


@given(LOGITS, LOGITS, st.sampled_from([1.0, 3.0]))
@settings(max_examples=50, deadline=None)
def test_loss_of_several_labels_is_the_binary_divergence(
    answers: NDArray[np.float32], outputs: NDArray[np.float32], temperature: float
) -> None:
    teaching = taught(classes=4, temperature=temperature, activation="sigmoid")
    p, q = (1 / (1 + np.exp(-one.astype(float) / temperature)) for one in (answers, outputs))
    terms = p * (np.log(p) - np.log(q)) + (1 - p) * (np.log(1 - p) - np.log(1 - q))

    assert float(teaching.loss(answers, outputs)) == pytest.approx(
        temperature**2 * terms.mean(), rel=1e-3, abs=2e-5
    )


def test_features_add_their_mean_squared_distance() -> None:
    answers, outputs = np.zeros((2, 5), np.float32), np.zeros((2, 5), np.float32)
    outputs[:, 3:] = [[1, 3], [1, 1]]

    plain, with_features = taught(), taught(features=0.5)

    assert float(plain.loss(answers[:, :3], outputs[:, :3])) == pytest.approx(0)
    assert float(with_features.loss(answers, outputs)) == pytest.approx(0.5 * 12 / 4)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@given(first=LOGITS, second=LOGITS)
@settings(max_examples=30, deadline=None)
def test_scores_of_several_teachers_are_averaged(
    activation: Any, first: NDArray[np.float32], second: NDArray[np.float32]
) -> None:
    def scores(logits: NDArray[np.float32]) -> NDArray[np.float64]:
        plain = logits.astype(float)
        return softmax(plain) if activation == "softmax" else 1 / (1 + np.exp(-plain))

    said = mean_answer([first, second], activation)

    wanted = (scores(first) + scores(second)) / 2
    np.testing.assert_allclose(scores(said), wanted, atol=1e-5)


def test_scores_of_nothing_and_of_all_have_finite_logits() -> None:
    for activation in ("softmax", "sigmoid"):
        assert np.isfinite(logits_of(np.float32([[0, 1]]), activation)).all()  # type: ignore[arg-type]


def test_a_teacher_sees_what_the_network_sees_in_its_own_size() -> None:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (8, 6, 6, 3), np.uint8)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    sections = [Flip(p=0.5), Translation(width=1 / 3, height=0.0)]
    own, others = (augmenter_of(sections, image_shape=(side, side, 3), seed=4) for side in (6, 12))
    teacher, chosen = Asked(), np.array([5, 0, 3, 3])
    teaching = taught(Pupilage(teacher, large, others))

    teaching.answers(chosen, step=11)

    seen, _ = own(small[chosen].astype(np.float32), np.zeros((4, 1)), 11)
    # Where a picture is moved by a whole part of a pixel, both are means of the same neighbours.
    halved = teacher.shown[0].reshape(4, 6, 2, 6, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - np.asarray(seen)).mean() < 8
    assert np.abs(halved - small[chosen]).mean() > 20


def test_what_was_said_is_remembered_by_step() -> None:
    pixels = np.zeros((4, 2, 2, 3), np.uint8)
    teacher = Asked()
    teaching = taught(Pupilage(teacher, pixels, unchanged), remember=True)

    for step in (0, 1, 0, 1, 0):
        teaching.answers(np.array([0, 1]), step)

    assert len(teacher.shown) == 2


def test_views_repeat_order_augmentation_and_answers() -> None:
    pixels = np.arange(6 * 4 * 3).reshape(6, 2, 2, 3).astype(np.uint8)
    train = Samples(pixels, np.eye(3, dtype=np.float32)[np.arange(6) % 3])
    teacher = Asked()
    plan = Plan(
        loss=None, optimizer=None, epochs=5, batch_size=2, mean=0.0, std=1.0,
        order=lambda epoch: np.random.default_rng(epoch).permutation(6),
        score=lambda *_: 0.0, augment=unchanged, views=2,
        teaching=taught(Pupilage(teacher, pixels, unchanged), remember=True),
    )  # fmt: skip

    epochs = [list(batches(train, plan, epoch)) for epoch in (1, 2, 3, 4)]

    assert [batch.step for epoch in epochs for batch in epoch] == [0, 1, 2, 3, 4, 5] * 2
    for early, late in zip(epochs[0] + epochs[1], epochs[2] + epochs[3], strict=True):
        np.testing.assert_array_equal(early.pixels, late.pixels)
        np.testing.assert_array_equal(early.answers, late.answers)
        np.testing.assert_allclose(early.answers, early.pixels.mean(axis=(1, 2)))
    assert len(teacher.shown) == 6
