"""From a model and a share, or a budget, to a smaller model that trains and converts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures import build_architecture, find_architecture
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.budgets import Budget
from edge_recog_converter.pruning.costs import cost_of
from edge_recog_converter.pruning.scores import gamma_scores, l1_scores, taylor_scores
from edge_recog_converter.pruning.shrinking import pruned
from edge_recog_converter.quantization import quantize_full_int8

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Contract
from edge_recog.frames import Frame
from edge_recog.packing import pack_bundle
from edge_recog.preprocessing import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = 5
SIDE = 48


def network(name: str, *, width: float = 0.5) -> Any:
    return build_architecture(name, input_shape=(SIDE, SIDE, 3), classes=CLASSES, width=width)


@pytest.fixture(scope="module")
def resnet() -> Any:
    return network("resnet-18", width=0.25)


def random_batch(seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, 4)
    return rng.normal(size=(4, SIDE, SIDE, 3)).astype(np.float32), np.eye(CLASSES)[labels]


TAYLOR = functools.partial(
    taylor_scores,
    batches=[random_batch(1), random_batch(2)],
    loss=keras.losses.CategoricalCrossentropy(from_logits=True),
)


@pytest.mark.parametrize("ranking", ["global", "uniform"])
@pytest.mark.parametrize("score", [l1_scores, gamma_scores, TAYLOR], ids=["l1", "gamma", "taylor"])
def test_every_convolution_keeps_a_multiple_of_8(
    resnet: Any, score: Any, ranking: Any, shake: Callable[..., Any]
) -> None:
    smaller, summary = pruned(shake(resnet), keep=0.5, score=score, ranking=ranking)
    filters = [x.filters for x in smaller.layers if isinstance(x, keras.layers.Conv2D)]
    assert all(count % 8 == 0 for count in filters)
    assert summary.after == cost_of(smaller)
    assert summary.before == cost_of(resnet)
    assert summary.after.macs < 0.6 * summary.before.macs
    assert sum(group.after for group in summary.groups) == pytest.approx(
        0.5 * sum(group.before for group in summary.groups), rel=0.15
    )


def test_the_same_arguments_give_the_same_weights(resnet: Any) -> None:
    (first, _), (second, _) = pruned(resnet, keep=0.6), pruned(resnet, keep=0.6)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("limit", ["macs", "parameters"])
def test_a_budget_is_met_and_used(resnet: Any, limit: str) -> None:
    allowed = 0.5 * getattr(cost_of(resnet), limit)
    smaller, summary = pruned(resnet, keep=Budget(**{limit: allowed}), ranking="uniform")
    assert 0.6 * allowed < getattr(cost_of(smaller), limit) <= allowed
    assert 0 < summary.keep < 1


def test_protected_layers_make_as_much_as_before(resnet: Any) -> None:
    smaller, summary = pruned(resnet, keep=0.3, protected=["stage3_1_first_conv"])
    assert smaller.get_layer("stage3_1_first_conv").filters == 64
    assert "stage3_1_first_conv" not in {group.name for group in summary.groups}
    with pytest.raises(PruningError, match="did you mean 'stem_conv'"):
        pruned(resnet, keep=0.3, protected=["stem"])


@pytest.mark.parametrize("keep", [0.0, -1.0, 1.01, float("nan")])
def test_a_share_out_of_range_is_refused(resnet: Any, keep: float) -> None:
    with pytest.raises(PruningError, match="keep must be over 0"):
        pruned(resnet, keep=keep)


def test_a_pruned_model_can_be_pruned_again(resnet: Any) -> None:
    model, shares = resnet, []
    for _ in range(3):
        model, summary = pruned(model, keep=0.7)
        shares.append(summary.after.macs / summary.before.macs)
    assert all(share < 0.8 for share in shares)
    assert model.output_shape == (None, CLASSES)


def test_flags_types_and_regularisers_are_kept() -> None:
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(
        16, 3, kernel_regularizer="l2", dtype="mixed_float16", name="frozen", trainable=False
    )(image)
    x = keras.layers.BatchNormalization(momentum=0.7, name="norm", trainable=False)(x)
    x = keras.layers.Conv2D(16, 3, kernel_constraint="max_norm", name="free")(x)
    x = keras.layers.Dropout(0.5, seed=7, name="dropout")(keras.layers.Flatten()(x))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="whole")
    smaller, _ = pruned(model, keep=0.5)
    assert smaller.name == "whole"
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert [layer.trainable for layer in smaller.layers] == [
        layer.trainable for layer in model.layers
    ]
    frozen = smaller.get_layer("frozen")
    assert (frozen.filters, frozen.dtype_policy.name) == (8, "mixed_float16")
    assert isinstance(frozen.kernel_regularizer, keras.regularizers.L2)
    assert isinstance(smaller.get_layer("free").kernel_constraint, keras.constraints.MaxNorm)
    assert smaller.get_layer("norm").momentum == 0.7
    assert model.get_layer("frozen").filters == 16


def test_a_frozen_model_stays_frozen(resnet: Any) -> None:
    model = keras.models.clone_model(resnet)
    model.trainable = False
    model.get_layer("logits").trainable = True
    smaller, _ = pruned(model, keep=0.5)
    assert not smaller.trainable
    assert smaller.trainable_variables == []
    assert [layer.name for layer in smaller.layers if layer.trainable] == ["logits"]


def test_a_learned_normalisation_is_kept(run_on_noise: Callable[..., Any]) -> None:
    normalization = keras.layers.Normalization(name="normalization")
    normalization.adapt(np.random.default_rng(0).normal(3, 2, (20, 6, 6, 3)).astype(np.float32))
    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(16, 3, name="conv")(normalization(image))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    same, _ = pruned(model, keep=1.0)
    np.testing.assert_allclose(run_on_noise(same), run_on_noise(model), atol=1e-6)


def test_a_pruned_model_learns() -> None:
    smaller, _ = pruned(network("resnet-8"), keep=0.5)
    smaller.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
    inputs, targets = random_batch(3)
    losses = [smaller.train_on_batch(inputs, targets) for _ in range(6)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["resnet-8", "mobilenet-v3-small"])
def test_a_pruned_model_runs_in_8_bits(name: str) -> None:
    rng = np.random.default_rng(4)
    architecture = find_architecture(name)
    contract = Contract(
        preprocessing=Preprocessing(
            height=SIDE,
            width=SIDE,
            mean=(architecture.pixel_mean,),
            std=(architecture.pixel_std,),
        ),
        activation="softmax",
    )
    frames = [Frame.from_rgb(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)) for _ in range(8)]
    table = contract.preprocessing.table(None, "float32")[:, 0]
    inputs = [table[contract.preprocessing.pixels(frame)][np.newaxis] for frame in frames]
    smaller, summary = pruned(network(name, width=1.0), keep=0.5)
    assert summary.after.macs < 0.8 * summary.before.macs

    content = quantize_full_int8(smaller, inputs, adapt_rounding=False)
    labels = [f"class {index}" for index in range(CLASSES)]
    bundle = Bundle.from_bytes(pack_bundle(content, contract, labels, name=name), where="pruned")
    quantization = bundle.outputs.quantization
    assert quantization is not None
    with Classifier.open(bundle) as classifier:
        raw = np.stack([classifier.trace(frame).raw for frame in frames])
    expected = np.asarray(smaller(np.concatenate(inputs), training=False))
    error = quantization.dequantize(raw) - expected
    assert np.mean(error**2) < 0.1 * np.mean(expected**2)
