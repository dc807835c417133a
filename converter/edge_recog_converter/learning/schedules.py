"""The learning rate at each step.

A Keras schedule is a function of the optimizer's `iterations`, which is saved with the optimizer's
variables: a resumed run makes its schedule anew from the recipe and goes on at its step. Schedules
can be serialised by Keras too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.learning.sections import Constant, Cosine, CosineRestarts, Step

if TYPE_CHECKING:
    from edge_recog_converter.learning.sections import Schedule


def rate_at(
    section: Schedule, step: int, *, learning_rate: float, epochs: int, steps_per_epoch: int
) -> float:
    """Return the rate of one step: what `schedule_of` computes in TensorFlow.

    Args:
        section: Of the recipe.
        step: From 0.
        learning_rate: The full rate.
        epochs: Of the run.
        steps_per_epoch: Batches of an epoch.
    """
    warm_up = _warm_up_steps(section, epochs, steps_per_epoch)
    if step < warm_up:
        return learning_rate * (step + 1) / warm_up
    after = step - warm_up
    match section:
        case Constant():
            return learning_rate
        case Step():
            passed = sum(step >= round(at * steps_per_epoch) for at in section.milestones)
            return learning_rate * section.factor**passed
        case Cosine():
            length = epochs * steps_per_epoch - warm_up
            return learning_rate * _half_cosine(min(after / length, 1.0))
        case CosineRestarts():
            span = float(_first_steps(section, steps_per_epoch))
            rate, begin = learning_rate, 0.0
            while after - begin >= span:
                begin += span
                span *= section.growth
                rate *= section.factor
            return rate * _half_cosine((after - begin) / span)


def schedule_of(
    section: Schedule, *, learning_rate: float, epochs: int, steps_per_epoch: int
) -> Any:
    """Return the `keras.optimizers.schedules.LearningRateSchedule` of a section.

    Args:
        section: Of the recipe.
        learning_rate: The full rate.
        epochs: Of the run.
        steps_per_epoch: Batches of an epoch.

    Raises:
        RecipeError: The warm-up takes the whole run.
    """
    warm_up = _warm_up_steps(section, epochs, steps_per_epoch)
    schedules = keras.optimizers.schedules
    match section:
        case Constant():
            after = schedules.ExponentialDecay(learning_rate, decay_steps=1, decay_rate=1.0)
        case Step():
            # Keras's bounds are the last steps of the old rate.
            bounds = [round(at * steps_per_epoch) - warm_up - 1 for at in section.milestones]
            rates = [learning_rate * section.factor**passed for passed in range(len(bounds) + 1)]
            after = schedules.PiecewiseConstantDecay(bounds, rates)
        case Cosine():
            after = schedules.CosineDecay(learning_rate, epochs * steps_per_epoch - warm_up)
        case CosineRestarts():
            after = schedules.CosineDecayRestarts(
                learning_rate,
                _first_steps(section, steps_per_epoch),
                t_mul=section.growth,
                m_mul=section.factor,
            )
    return WarmUp(after, rate=learning_rate, steps=warm_up) if warm_up else after


@keras.saving.register_keras_serializable(package="edge_recog")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear rise to a rate, reached in the last of its steps, then another schedule from its 0.

    Keras has a warm-up for its cosine only, whose first step has the rate 0.
    """

    def __init__(self, after: Any, *, rate: float, steps: int) -> None:
        self.after = after
        self.rate = rate
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """Return the rate, a scalar tensor."""
        rising = self.rate * (keras.ops.cast(step, "float32") + 1.0) / self.steps
        after = self.after(keras.ops.maximum(step - self.steps, 0))
        return keras.ops.where(step < self.steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        after = keras.optimizers.schedules.serialize(self.after)
        return {"after": after, "rate": self.rate, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """Return the schedule of a config."""
        after = keras.optimizers.schedules.deserialize(config["after"])
        return cls(after, rate=config["rate"], steps=config["steps"])


def _warm_up_steps(section: Schedule, epochs: int, steps_per_epoch: int) -> int:
    if section.warm_up_epochs >= epochs:
        raise RecipeError(
            f"schedule.warm_up_epochs is {section.warm_up_epochs:g} of {epochs} epochs; "
            "leave some to learn at the full rate"
        )
    return int(section.warm_up_epochs * steps_per_epoch)


def _first_steps(section: CosineRestarts, steps_per_epoch: int) -> int:
    return max(1, round(section.first_epochs * steps_per_epoch))


def _half_cosine(share: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * share))
