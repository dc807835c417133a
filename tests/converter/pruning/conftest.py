"""What every test of a cut asks: is it the whole model with the removed channels unread?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_converter.pruning.channels import Channels
    from numpy.typing import NDArray


def shaken(model: Any, *, seed: int = 0) -> Any:
    """Give every weight another value for each channel; return `model`."""
    from edge_recog_converter._tensorflow import keras

    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable, low, high in (
                (layer.gamma, 0.5, 1.5),
                (layer.beta, -0.5, 1.0),
                (layer.moving_mean, -0.2, 0.2),
                (layer.moving_variance, 0.5, 1.5),
            ):
                if variable is not None:
                    variable.assign(rng.uniform(low, high, variable.shape))
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.uniform(-0.2, 0.2, layer.bias.shape))
    return model


def some_of(channels: Channels, rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
    """Return random units of every group, at least one and rarely all of it."""
    kept = {}
    for group in channels.groups:
        keep = rng.random(len(group.units)) < rng.uniform(0.2, 0.8)
        keep[rng.integers(len(keep))] = True
        kept[group.name] = keep
    return kept


def ran(model: Any, inputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return all outputs of `model` outside of training, flat."""
    from edge_recog_converter._tensorflow import keras

    fed = inputs[0] if len(inputs) == 1 else inputs
    outputs = keras.tree.flatten(model(fed, training=False))
    return np.concatenate([np.ravel(np.asarray(output)) for output in outputs])


def inputs_of(model: Any, *, seed: int = 0, batch: int = 2) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(batch, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs
    ]


def kinds(model: Any) -> list[tuple[str, type]]:
    """Return all layers and operations of the model's graph, in its order."""
    from edge_recog_converter.pruning.graph import functional

    return [(one.name, type(one)) for one in functional(model).operations]


def check(model: Any, *, seed: int = 0, batch: int = 2) -> Any:
    """Cut random channels out of `model`, and hold the result against the silenced whole.

    The whole is a copy from which nothing was cut, held against `model` first.
    """
    from edge_recog_converter.pruning.costs import Workload, cost_of
    from edge_recog_converter.pruning.cutting import cut
    from edge_recog_converter.pruning.silencing import silence
    from edge_recog_converter.pruning.tracing import trace

    channels = trace(model)
    kept = some_of(channels, np.random.default_rng(seed))
    whole, smaller = cut(model, channels, {}), cut(model, channels, kept)
    inputs = inputs_of(model, seed=seed, batch=batch)
    before = ran(model, inputs)
    np.testing.assert_allclose(ran(whole, inputs), before, rtol=0, atol=1e-6 * before.std())

    silence(whole, channels, kept)
    silent = ran(whole, inputs)
    np.testing.assert_allclose(ran(smaller, inputs), silent, rtol=0, atol=2e-5 * silent.std())
    assert smaller.output_shape == model.output_shape
    assert kinds(smaller) == kinds(whole) == kinds(model)
    predicted = Workload(model, channels).cost(kept)
    assert predicted == cost_of(smaller)
    assert predicted.parameters == smaller.count_params()
    if any(not keep.all() for keep in kept.values()):
        # Otherwise the comparison would say nothing.
        assert predicted.parameters < model.count_params()
        assert not np.allclose(silent, before, rtol=0, atol=1e-3 * silent.std())
    return smaller


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    """Seed what Keras draws initial weights from."""
    from edge_recog_converter._tensorflow import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def check_cut() -> Callable[..., Any]:
    """Return `check(model, seed=…)`, which returns the smaller model."""
    return check


@pytest.fixture(scope="session")
def shake() -> Callable[..., Any]:
    """Return `shaken(model)`: weights that tell channels apart, normalisations' too."""
    return shaken


@pytest.fixture(scope="session")
def run_on_noise() -> Callable[..., NDArray[np.float32]]:
    """Return `(model, like=model) -> all outputs`, for noise that fits `like`."""

    def run(model: Any, *, like: Any | None = None) -> NDArray[np.float32]:
        return ran(model, inputs_of(model if like is None else like))

    return run
