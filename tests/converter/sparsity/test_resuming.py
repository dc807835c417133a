"""A training that is killed while zeros grow goes on as if it had not been."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.learning.fitting import fit
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.learning.plans import Plan, Samples, unchanged
from edge_recog_converter.sparsity.sections import Sparsity
from edge_recog_converter.sparsity.sparsifier import Sparsifier, zeros_of

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_converter.report.document import Epoch

EPOCHS, STEPS_PER_EPOCH = 10, 3
SECTION = Sparsity(begin=0.1, end=0.75, every=10)
"""Masks are chosen at steps 10, 20 and 22; the process is killed after step 15."""


class KilledError(Exception):
    """Stands for the end of a process."""


def network() -> Any:
    image = keras.Input((8, 8, 3), name="image")
    start = keras.initializers.HeNormal
    x = keras.layers.Conv2D(8, 3, kernel_initializer=start(1), name="first")(image)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(16, 3, kernel_initializer=start(2), name="second")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(3, kernel_initializer=start(3), name="logits")(x))


def samples(count: int, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (count, 8, 8, 3)).astype(np.uint8)
    return Samples(pixels, np.eye(3, dtype=np.float32)[rng.integers(0, 3, count)])


def learn(checkpoint: Path, *, killed_after: int | None) -> tuple[Any, list[int]]:
    """Return the network, and how many weights of it are zero after each step of this process."""
    made, zeros = network(), []
    sparsifier = Sparsifier(made, SECTION, EPOCHS * STEPS_PER_EPOCH)

    def kill(epoch: Epoch) -> None:
        if epoch.number == killed_after:
            raise KilledError

    plan = Plan(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(0.01),
        epochs=EPOCHS,
        batch_size=16,
        mean=127.5,
        std=127.5,
        order=lambda epoch: np.random.default_rng([7, epoch]).permutation(48),
        score=OBJECTIVES["single-label"].score,
        augment=unchanged,
        zeros=sparsifier,
        kept_from=EPOCHS,
    )
    fit(
        made, samples(48, 1), samples(16, 2), plan, checkpoint=checkpoint, on_epoch=kill,
        on_batch=lambda: zeros.append(sum(one.zeros for one in zeros_of(made))),
    )  # fmt: skip
    return made, zeros


def test_zeros_outlive_a_killed_process(tmp_path: Path) -> None:
    whole, wanted = learn(tmp_path / "whole", killed_after=None)
    with pytest.raises(KilledError):
        learn(tmp_path / "killed", killed_after=5)
    resumed, found = learn(tmp_path / "killed", killed_after=None)

    assert wanted[15] > 0
    assert found == wanted[15:]
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
