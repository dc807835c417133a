"""Optimizers, and the moving average of the weights.

An optimizer is made anew from the recipe and its variables are loaded into it: which weights do
not decay is not part of what Keras serialises.

With `average`, Keras keeps an exponential moving average of the trainable weights among the
optimizer's variables, so that it is saved and resumed with them; training goes on with the weights
themselves. `averaged_weights` puts the average into the model for as long as it is evaluated or
saved. `keras.callbacks.SwapEMAWeights` is not used: in Keras 3.15 its `on_predict_end` does not
swap back. The average leaves out what is not trained: the moving statistics of batch
normalisations stay those of the weights themselves, unless `steps.Step.restated` takes them anew.

Keras begins the average with the weights after the first step, which with a momentum of 0.998
still are a third of it after 550 steps. Here the momentum rises to its full value, so that the
average forgets the beginning at once.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.learning.schedules import schedule_of
from edge_recog_converter.learning.sections import Adam, AdamW, Sgd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog_converter.learning.sections import Optimizer, Schedule


def optimizer_of(
    section: Optimizer,
    schedule: Schedule,
    *,
    variables: Sequence[Any],
    epochs: int,
    steps_per_epoch: int,
) -> Any:
    """Return the built `keras.optimizers.Optimizer` of a section.

    Args:
        section: Of the recipe.
        schedule: Of the recipe; how the optimizer's learning rate changes.
        variables: The trainable variables, in the order in which gradients will come.
        epochs: Of the run.
        steps_per_epoch: Batches of an epoch.

    Raises:
        RecipeError: The schedule does not fit the epochs.
    """
    common = {
        "learning_rate": schedule_of(
            schedule,
            learning_rate=section.learning_rate,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
        ),
        "global_clipnorm": section.clip_norm,
        "use_ema": section.average is not None,
        "ema_momentum": section.average or 0.0,
    }
    match section:
        case Adam():
            optimizer = AveragedAdam(**common)
        case AdamW():
            optimizer = AveragedAdamW(weight_decay=section.weight_decay, **common)
        case Sgd():
            optimizer = AveragedSgd(
                momentum=section.momentum,
                nesterov=section.nesterov,
                weight_decay=section.weight_decay or None,
                **common,
            )
    # Kernels have axes for inputs and outputs; biases, scales and shifts have one axis.
    optimizer.exclude_from_weight_decay(var_list=[one for one in variables if len(one.shape) < 2])
    optimizer.build(variables)
    return optimizer


class _RisingAverage:
    """Of an optimizer: momentum `min(ema_momentum, (1 + steps) / (10 + steps))` of its average.

    As `num_updates` of `tf.train.ExponentialMovingAverage` does. Keras computes with it in the
    graph, where `iterations` is the number of steps before the present one.
    """

    iterations: Any
    _full_momentum: float

    @property
    def ema_momentum(self) -> Any:
        """A float32 scalar tensor."""
        steps = keras.ops.cast(self.iterations, "float32")
        return keras.ops.minimum(self._full_momentum, (1.0 + steps) / (10.0 + steps))

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self._full_momentum = value


class AveragedAdam(_RisingAverage, keras.optimizers.Adam):  # type: ignore[misc]
    """`keras.optimizers.Adam`, whose average forgets the first weights at once."""


class AveragedAdamW(_RisingAverage, keras.optimizers.AdamW):  # type: ignore[misc]
    """`keras.optimizers.AdamW`, whose average forgets the first weights at once."""


class AveragedSgd(_RisingAverage, keras.optimizers.SGD):  # type: ignore[misc]
    """`keras.optimizers.SGD`, whose average forgets the first weights at once."""


@contextlib.contextmanager
def averaged_weights(optimizer: Any, variables: Sequence[Any]) -> Iterator[None]:
    """Have the average of the weights in the model meanwhile; the weights if none is kept.

    Args:
        optimizer: From `optimizer_of`, after one step at least.
        variables: The same as there.
    """
    if not optimizer.use_ema:
        yield
        return
    learning = [variable.numpy() for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, learning, strict=True):
            variable.assign(value)
