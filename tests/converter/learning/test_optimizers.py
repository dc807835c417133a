"""Optimizers step, decay, clip and average as the recipe says, and go on where they stopped."""

from typing import Any

import msgspec
import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.learning import sections as sections_module
from edge_recog_converter.learning.optimizers import averaged_weights, optimizer_of
from edge_recog_converter.learning.sections import (
    Adam,
    AdamW,
    Balance,
    Constant,
    Cosine,
    Inverse,
    Loss,
    Optimizer,
    Oversample,
    Schedule,
    Sgd,
)


class Example(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of the example."""

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    balance: Balance


def made(
    section: Optimizer, schedule: Schedule | None = None, value: float = 1.0
) -> tuple[Any, list[Any]]:
    """Return an optimizer, and the kernel and bias that it learns."""
    variables = [
        keras.Variable(np.full(shape, value, np.float32), name=name)
        for name, shape in (("kernel", (2, 2)), ("bias", (2,)))
    ]
    optimizer = optimizer_of(
        section, schedule or Constant(), variables=variables, epochs=2, steps_per_epoch=10
    )
    return optimizer, variables


def step(optimizer: Any, variables: list[Any], gradient: float) -> None:
    gradients = [tf.fill(variable.shape, gradient) for variable in variables]
    optimizer.apply(gradients, variables)


def test_example_in_the_sections_can_be_followed() -> None:
    assert sections_module.__doc__ is not None
    lines = sections_module.__doc__.splitlines()
    text = "\n".join(line[4:] for line in lines if line.startswith("    "))
    example = msgspec.toml.decode(text, type=Example)

    assert example.optimizer == AdamW(weight_decay=0.05, average=0.998)
    assert example.balance == Balance(class_weights=Inverse(), oversample=Oversample(strength=0.5))


@pytest.mark.parametrize(
    "section",
    [AdamW(learning_rate=0.1, weight_decay=0.5), Sgd(learning_rate=0.1, weight_decay=0.5)],
    ids=["adamw", "sgd"],
)
def test_weights_decay_and_biases_do_not(section: Optimizer) -> None:
    optimizer, (kernel, bias) = made(section)
    step(optimizer, [kernel, bias], 0.0)

    np.testing.assert_allclose(kernel.numpy(), 1.0 - 0.1 * 0.5, rtol=1e-6)
    np.testing.assert_allclose(bias.numpy(), 1.0)


def test_normalisations_do_not_decay() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    optimizer = optimizer_of(
        AdamW(weight_decay=0.5),
        Constant(),
        variables=model.trainable_variables,
        epochs=1,
        steps_per_epoch=1,
    )
    step(optimizer, model.trainable_variables, 0.0)

    np.testing.assert_allclose(model.trainable_variables[0].numpy(), 1.0)


def test_sgd_has_momentum() -> None:
    optimizer, variables = made(Sgd(learning_rate=0.1, momentum=0.5, nesterov=False))
    for _ in range(2):
        step(optimizer, variables, 1.0)

    np.testing.assert_allclose(variables[0].numpy(), 1.0 - 0.1 - 0.15, rtol=1e-6)


def test_nesterov_looks_ahead() -> None:
    optimizer, variables = made(Sgd(learning_rate=0.1, momentum=0.5, nesterov=True))
    step(optimizer, variables, 1.0)

    np.testing.assert_allclose(variables[0].numpy(), 1.0 - 0.15, rtol=1e-6)


def test_all_gradients_are_clipped_together() -> None:
    optimizer, variables = made(Sgd(learning_rate=1.0, momentum=0.0, clip_norm=0.6))
    step(optimizer, variables, 100.0)
    moved = np.concatenate([1.0 - variable.numpy().ravel() for variable in variables])

    assert np.linalg.norm(moved) == pytest.approx(0.6, rel=1e-5)


def test_rate_follows_the_schedule() -> None:
    optimizer, variables = made(Adam(learning_rate=0.1), Cosine(warm_up_epochs=1))
    rates = []
    for _ in range(20):
        rates.append(float(optimizer.learning_rate))
        step(optimizer, variables, 1.0)

    assert rates[9] == rates[10] == pytest.approx(0.1)
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] < 0.01


@pytest.mark.parametrize("average", [0.2, 0.9], ids=["full momentum", "rising momentum"])
def test_average_is_evaluated_and_the_weights_go_on(average: float) -> None:
    optimizer, variables = made(Sgd(learning_rate=0.1, momentum=0.0, average=average))
    expected = weight = 1.0
    for number in range(5):
        step(optimizer, variables, 1.0)
        weight -= 0.1
        # Keras starts the average at the weights after the first step.
        momentum = min(average, (1 + number) / (10 + number)) if number else 0.0
        expected = momentum * expected + (1 - momentum) * weight

    with averaged_weights(optimizer, variables):
        np.testing.assert_allclose(variables[0].numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(variables[0].numpy(), weight, rtol=1e-5)


def test_weights_come_back_after_an_error() -> None:
    optimizer, variables = made(Sgd(learning_rate=0.1, average=0.9))
    for _ in range(3):
        step(optimizer, variables, 1.0)
    before = variables[0].numpy()

    with pytest.raises(KeyError), averaged_weights(optimizer, variables):
        raise KeyError
    np.testing.assert_array_equal(variables[0].numpy(), before)


def test_without_an_average_the_weights_are_evaluated() -> None:
    optimizer, variables = made(Sgd(learning_rate=0.1))
    step(optimizer, variables, 1.0)
    before = variables[0].numpy()

    with averaged_weights(optimizer, variables):
        np.testing.assert_array_equal(variables[0].numpy(), before)


@pytest.mark.parametrize(
    "section",
    [Adam(average=0.5), AdamW(weight_decay=0.3, average=0.5), Sgd(weight_decay=0.3, average=0.5)],
    ids=["adam", "adamw", "sgd"],
)
def test_resumed_run_goes_on_as_if_never_stopped(section: Optimizer) -> None:
    optimizer, variables = made(section, Cosine(warm_up_epochs=0.5))
    for _ in range(7):
        step(optimizer, variables, 0.3)
    resumed, again = made(section, Cosine(warm_up_epochs=0.5), value=0.0)
    for one, other in zip(resumed.variables, optimizer.variables, strict=True):
        one.assign(other.numpy())
    for one, other in zip(again, variables, strict=True):
        one.assign(other.numpy())
    for _ in range(3):
        step(optimizer, variables, 0.3)
        step(resumed, again, 0.3)

    assert float(resumed.learning_rate) == float(optimizer.learning_rate)
    for one, other in zip(again, variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    with averaged_weights(optimizer, variables), averaged_weights(resumed, again):
        np.testing.assert_array_equal(again[0].numpy(), variables[0].numpy())


@pytest.mark.parametrize(
    "section",
    [Adam(average=0.5), AdamW(average=0.5), Sgd(average=0.5)],
    ids=["adam", "adamw", "sgd"],
)
def test_a_graph_steps_as_eager_code_does(section: Optimizer) -> None:
    eager, variables = made(section)
    in_graph, again = made(section)
    compiled = tf.function(lambda: step(in_graph, again, 0.3), autograph=False)
    for _ in range(3):
        step(eager, variables, 0.3)
        compiled()

    with averaged_weights(eager, variables), averaged_weights(in_graph, again):
        np.testing.assert_allclose(again[0].numpy(), variables[0].numpy(), rtol=1e-6)
