"""Training epoch by epoch: what was killed goes on, and the best epoch's weights are kept."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.learning.checkpoints import (
    decoded,
    encoded,
    read_checkpoint,
    write_checkpoint,
)
from edge_recog_converter.learning.fitting import Fitted, fit
from edge_recog_converter.learning.inference import inference_of
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.learning.plans import Plan, Samples, unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_converter.learning.plans import Precision
    from edge_recog_converter.report.document import Epoch

SCORE = OBJECTIVES["single-label"].score

CLASSES = 3


def samples(count: int, seed: int) -> Samples:
    """Return pictures whose class is the brightest channel."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    pixels = rng.integers(0, 120, (count, 8, 8, 3))
    pixels[np.arange(count), :, :, labels] += 90
    return Samples(pixels.astype(np.uint8), np.eye(CLASSES, dtype=np.float32)[labels])


def network(seed: int = 1) -> Any:
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(
        8, 3, use_bias=False, kernel_initializer=keras.initializers.HeNormal(seed), name="conv"
    )(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dropout(0.1, seed=seed, name="dropout")(x)
    x = keras.layers.Dense(
        CLASSES, kernel_initializer=keras.initializers.GlorotUniform(seed), name="logits"
    )(x)
    return keras.Model(image, x)


def plan(**changes: Any) -> Plan:
    usual: dict[str, Any] = {
        "loss": keras.losses.CategoricalCrossentropy(from_logits=True),
        "optimizer": keras.optimizers.Adam(0.01),
        "epochs": 6,
        "batch_size": 16,
        "mean": 127.5,
        "std": 127.5,
        "order": lambda epoch: np.random.default_rng([7, epoch]).permutation(60),
        "score": SCORE,
        "augment": unchanged,
    }
    return Plan(**usual | changes)


def trained(model: Any, recipe: Plan, **options: Any) -> Fitted:
    return fit(model, samples(60, 1), samples(30, 2), recipe, **options)


def test_it_learns_and_leaves_the_best_epochs_weights() -> None:
    model = network()
    fitted = trained(model, plan(epochs=20))
    held_out = samples(30, 2)
    logits = inference_of(model, mean=127.5, std=127.5)(held_out.pixels)
    assert fitted.best.score >= 0.9
    assert SCORE(logits, held_out.targets) == fitted.best.score
    assert fitted.best == max(
        fitted.history, key=lambda epoch: (epoch.score, -epoch.validation_loss)
    )
    assert fitted.history[-1].loss < fitted.history[0].loss


def test_the_same_seed_trains_the_same_network() -> None:
    first, second = network(), network()
    losses = [[epoch.loss for epoch in trained(model, plan()).history] for model in (first, second)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("ema", "precision"),
    [(False, "float32"), (True, "float32"), (True, "mixed-bfloat16"), (True, "mixed-float16")],
    ids=["plain", "averaged weights", "bfloat16", "float16"],
)
def test_one_that_was_interrupted_ends_where_one_that_was_not_does(
    tmp_path: Path, ema: bool, precision: Precision
) -> None:
    class InterruptedError(Exception):
        pass

    def optimizer() -> Any:
        return keras.optimizers.SGD(0.05, momentum=0.9, use_ema=ema, ema_momentum=0.8)

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise InterruptedError

    def recipe() -> Plan:
        return plan(optimizer=optimizer(), precision=precision)

    whole = network()
    expected = trained(whole, recipe())
    kept = {"checkpoint": tmp_path / "state", "fingerprint": "a"}
    with pytest.raises(InterruptedError):
        trained(network(), recipe(), on_epoch=interrupt, **kept)
    seen: list[int] = []
    resumed = network(seed=5)
    fitted = trained(resumed, recipe(), on_epoch=lambda e: seen.append(e.number), **kept)
    assert fitted.resumed_after == 3
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [e.loss for e in fitted.history] == [e.loss for e in expected.history]
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_checkpoint_of_another_training_is_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    trained(network(), plan(epochs=2), checkpoint=state, fingerprint="a")
    fitted = trained(network(), plan(epochs=2), checkpoint=state, fingerprint="b")
    assert fitted.resumed_after == 0


def test_averaged_weights_are_those_that_are_kept() -> None:
    def kernel_after(**options: Any) -> Any:
        model = network()
        optimizer = keras.optimizers.SGD(0.2, **options)
        trained(model, plan(optimizer=optimizer, epochs=1))
        return model.get_layer("logits").get_weights()[0]

    first_step = network()
    first_batch = plan().order(1)[:15]
    optimizer = keras.optimizers.SGD(0.2)
    trained(first_step, plan(optimizer=optimizer, epochs=1, order=lambda epoch: first_batch))
    # An average that hardly moves stays at the weights after the first step.
    np.testing.assert_allclose(
        kernel_after(use_ema=True, ema_momentum=0.999999),
        first_step.get_layer("logits").get_weights()[0],
        atol=1e-3,
    )
    assert not np.allclose(
        kernel_after(), first_step.get_layer("logits").get_weights()[0], atol=1e-3
    )


def test_averaged_weights_are_kept_with_statistics_of_their_own() -> None:
    model = network()
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)
    trained(model, plan(optimizer=optimizer, epochs=1))
    convolved = model.get_layer("conv")(samples(60, 1).pixels / np.float32(127.5) - 1).numpy()
    batches = convolved[plan().order(1)].reshape(4, -1, 8)
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean.numpy(), batches.mean((0, 1)), atol=1e-5)
    np.testing.assert_allclose(
        norm.moving_variance.numpy(), batches.var(1).mean(0), rtol=1e-4, atol=1e-6
    )


def test_statistics_of_averaged_weights_leave_training_as_it_is() -> None:
    def losses(**options: Any) -> list[float]:
        optimizer = keras.optimizers.SGD(0.05, **options)
        return [epoch.loss for epoch in trained(network(), plan(optimizer=optimizer)).history]

    assert losses(use_ema=True, ema_momentum=0.9) == losses()


@pytest.mark.parametrize("precision", ["mixed-bfloat16", "mixed-float16"])
def test_half_precision_learns_as_float32_does(precision: Precision) -> None:
    def learned(chosen: Precision) -> tuple[Any, Fitted]:
        model = network()
        return model, trained(model, plan(epochs=12, precision=chosen))

    _, expected = learned("float32")
    model, fitted = learned(precision)
    assert [e.loss for e in fitted.history] != [e.loss for e in expected.history]
    assert fitted.history[-1].loss == pytest.approx(expected.history[-1].loss, abs=0.05)
    assert fitted.best.score >= 0.9
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    graph = tf.function(model, autograph=False).get_concrete_function(tf.zeros((1, 8, 8, 3))).graph
    halves = {tf.float16, tf.bfloat16}
    assert not [o for o in graph.get_operations() if any(t.dtype in halves for t in o.outputs)]


def test_frozen_layers_stay_frozen_in_half_precision() -> None:
    model = network()
    model.get_layer("conv").trainable = False
    before = model.get_layer("conv").get_weights()
    trained(model, plan(epochs=1, precision="mixed-bfloat16"))
    np.testing.assert_array_equal(before[0], model.get_layer("conv").get_weights()[0])


class Contrast(keras.layers.Layer):  # type: ignore[misc]
    """Its operation takes no bfloat16, and float16 on GPUs only."""

    def call(self, inputs: Any) -> Any:
        brighter = tf.raw_ops.AdjustContrastv2(images=inputs, contrast_factor=1.5)
        return inputs + tf.stop_gradient(brighter)


@pytest.mark.parametrize("precision", ["mixed-bfloat16", "mixed-float16"])
def test_a_layer_that_refuses_half_precision_is_told(precision: Precision) -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(Contrast()(image))
    model = keras.Model(image, keras.layers.Dense(CLASSES, name="logits")(x))
    with pytest.raises(TrainingError, match=f"cannot be trained in {precision} here"):
        trained(model, plan(precision=precision))


def test_training_ends_when_patience_does() -> None:
    fitted = trained(network(), plan(epochs=50, patience=3, score=lambda logits, targets: 0.5))
    assert len(fitted.history) == 4


def test_of_equal_scores_the_lower_loss_is_kept() -> None:
    fitted = trained(network(), plan(epochs=5, score=lambda logits, targets: 0.5))
    losses = [epoch.validation_loss for epoch in fitted.history]
    assert fitted.best.number == losses.index(min(losses)) + 1
    assert len(set(losses)) == 5


def test_only_epochs_that_may_be_kept_are() -> None:
    scores = iter([0.9, 0.8, 0.1])
    fitted = trained(network(), plan(epochs=3, kept_from=3, score=lambda *_: next(scores)))
    assert fitted.best.number == 3


def test_a_loss_that_is_no_number_says_what_to_do() -> None:
    def lost(targets: Any, logits: Any, sample_weight: Any = None) -> Any:
        del targets, sample_weight
        return keras.ops.sum(logits) * float("nan")

    with pytest.raises(TrainingError, match="lower learning_rate"):
        trained(network(), plan(loss=lost))


def test_weights_decide_what_is_learned() -> None:
    weights = samples(60, 1).targets[:, 0].copy()  # Only the first class counts.
    model = network()
    trained(model, plan(weights=weights, epochs=10, score=lambda *_: 0.0, patience=None))
    fitted = trained(model, plan(weights=weights, epochs=10, optimizer=keras.optimizers.Adam(0.05)))
    logits = inference_of(model, mean=127.5, std=127.5)(samples(30, 2).pixels)
    assert fitted.history
    assert np.mean(logits.argmax(axis=1) == 0) > 0.6


def test_frozen_layers_stay_as_they_are() -> None:
    model = network()
    for name in ("conv", "norm"):
        model.get_layer(name).trainable = False
    before = [*model.get_layer("conv").get_weights(), *model.get_layer("norm").get_weights()]
    trained(model, plan(epochs=2))
    after = [*model.get_layer("conv").get_weights(), *model.get_layer("norm").get_weights()]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_checkpoint_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state"
    arrays = {"model": [np.arange(4.0)], "optimizer": []}
    whole = encoded(fingerprint="a", document={"epoch": 1}, arrays=arrays)
    write_checkpoint(path, whole)
    kept = decoded(read_checkpoint(path), fingerprint="a")
    assert kept is not None
    assert kept.document == {"epoch": 1}
    np.testing.assert_array_equal(kept.arrays["model"][0], np.arange(4.0))
    for length in range(0, len(whole), 37):
        assert decoded(whole[:length], fingerprint="a") is None
    assert decoded(read_checkpoint(tmp_path / "nowhere"), fingerprint="a") is None


def test_objects_in_a_checkpoint_are_not_unpickled(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; "
        "np.savez(open(sys.argv[1], 'wb'), document=np.array([print], dtype=object))"
    )
    path = tmp_path / "state"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert decoded(read_checkpoint(path), fingerprint="a") is None
