"""Zeros stay zeros: through momentum, through averages of weights, and in the INT8 file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.errors import PruningError
from edge_recog_converter.ptq import quantize_post_training
from edge_recog_converter.qat import convert_fake_quantized, fake_quantized
from edge_recog_converter.quantization import quantize_full_int8
from edge_recog_converter.sparsity.compressed import compressed_size, sentence
from edge_recog_converter.sparsity.sections import Sparsity
from edge_recog_converter.sparsity.sparsifier import Sparsifier, zeros_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHAPE = (32, 32, 3)
STEPS = 20


def network() -> Any:
    return build_architecture("resnet-8", input_shape=SHAPE, classes=4, seed=2)


def calibration() -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (1, *SHAPE)).astype(np.float32) for _ in range(4)]


def sparse(section: Sparsity) -> Any:
    """Return a network whose weights have become zero at once."""
    made = network()
    Sparsifier(made, section, 1).after_step(1)
    return made


@pytest.mark.parametrize("pattern", ["unstructured", "1x4", "2:4"])
def test_zeros_stay_through_momentum(pattern: Any) -> None:
    made = network()
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    section = Sparsity(pattern=pattern, begin=0.2, end=0.6, every=2)
    sparsifier = Sparsifier(made, section, STEPS)
    rng = np.random.default_rng(1)
    shares = []
    for step in range(1, STEPS + 1):
        pictures, wanted = rng.normal(size=(4, *SHAPE)), tf.one_hot(rng.integers(0, 4, 4), 4)
        with tf.GradientTape() as tape:
            lost = tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits(wanted, made(pictures, training=True))
            )
        optimizer.apply(tape.gradient(lost, made.trainable_variables), made.trainable_variables)
        sparsifier.after_step(step)
        found = zeros_of(made)
        shares.append(sum(one.zeros for one in found) / max(1, sum(one.weights for one in found)))

    assert shares[3] == 0
    assert 0 < shares[5] < shares[11]
    assert shares[11:] == [shares[-1]] * (STEPS - 11)
    assert shares[-1] == pytest.approx(section.share, abs=0.01)


def test_weights_put_in_meanwhile_are_masked() -> None:
    made = network()
    sparsifier = Sparsifier(made, Sparsity(), 1)
    sparsifier.after_step(1)
    before = zeros_of(made)
    made.set_weights([weight + 1 for weight in made.get_weights()])
    assert zeros_of(made) == ()

    sparsifier.apply()

    assert zeros_of(made) == before


def test_first_frozen_and_skipped_layers_keep_their_weights() -> None:
    made = network()
    kernels = [layer.name for layer in made.layers if type(layer) is keras.layers.Conv2D]
    made.get_layer(kernels[2]).trainable = False
    Sparsifier(made, Sparsity(skip=(kernels[3],)), 1).after_step(1)

    changed = {one.layer for one in zeros_of(made)}
    assert changed == {*kernels, "logits"} - {kernels[0], kernels[2], kernels[3]}


def test_what_cannot_be_pruned_is_refused() -> None:
    with pytest.raises(PruningError, match=r"no layer 'logit'.*did you mean 'logits'"):
        Sparsifier(network(), Sparsity(skip=("logit",)), 1)
    made = network()
    for layer in made.layers:
        layer.trainable = False
    with pytest.raises(PruningError, match="whose weights could become zero"):
        Sparsifier(made, Sparsity(), 1)


@pytest.mark.parametrize("way", ["plain", "calibrated", "aware"])
def test_zeros_are_zeros_in_the_file_and_make_it_small(
    way: str, zero_shares: Callable[[bytes], dict[str, float]]
) -> None:
    inputs = calibration()

    def converted(model: Any) -> bytes:
        match way:
            case "plain":
                return quantize_full_int8(model, inputs, adapt_rounding=False)
            case "calibrated":
                return quantize_post_training(model, inputs, method="mean-squared-error")
        return convert_fake_quantized(fake_quantized(model, inputs))

    dense, thin = converted(network()), converted(sparse(Sparsity()))

    pruned = sorted(zero_shares(thin).values())
    # All kernels but the first one's.
    assert len(pruned) == 10
    assert pruned[1] >= 0.74
    assert max(zero_shares(dense).values()) < 0.2
    assert compressed_size(thin) < 0.6 * compressed_size(dense)
    said = sentence(dense=dense, sparse=thin, dense_ms=1.0, sparse_ms=1.01)
    assert "p50 1.00 → 1.01 ms" in said


def test_adaptive_rounding_fills_zeros(zero_shares: Callable[[bytes], dict[str, float]]) -> None:
    """So the files of sparse networks are made without it."""
    shares = zero_shares(quantize_full_int8(sparse(Sparsity()), calibration()))

    assert sorted(shares.values())[1] < 0.74
