"""The learning rate is what the recipe says at every step, in Keras as in plain numbers."""

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.learning.schedules import rate_at, schedule_of
from edge_recog_converter.learning.sections import (
    Constant,
    Cosine,
    CosineRestarts,
    Schedule,
    Step,
)
from hypothesis import given
from hypothesis import strategies as st

EPOCHS, STEPS_PER_EPOCH = 14, 10
EVERY_SCHEDULE: list[Schedule] = [
    Constant(),
    Constant(warm_up_epochs=2),
    Cosine(),
    Cosine(warm_up_epochs=0.5),
    CosineRestarts(first_epochs=2),
    CosineRestarts(first_epochs=3, growth=1.0, factor=0.5, warm_up_epochs=1),
    CosineRestarts(first_epochs=1, growth=3.0, factor=0.9),
    Step(milestones=(3, 6.5)),
    Step(milestones=(3, 10), factor=0.5, warm_up_epochs=2),
]


def rate(section: Schedule, step: int) -> float:
    return rate_at(section, step, learning_rate=0.1, epochs=EPOCHS, steps_per_epoch=STEPS_PER_EPOCH)


@pytest.mark.parametrize("section", EVERY_SCHEDULE, ids=repr)
def test_keras_computes_the_same_rates(section: Schedule) -> None:
    schedule = schedule_of(
        section, learning_rate=0.1, epochs=EPOCHS, steps_per_epoch=STEPS_PER_EPOCH
    )
    steps = range(EPOCHS * STEPS_PER_EPOCH)
    computed = [float(schedule(keras.ops.convert_to_tensor(step, "int32"))) for step in steps]

    np.testing.assert_allclose(computed, [rate(section, step) for step in steps], atol=1e-6)


@pytest.mark.parametrize("section", EVERY_SCHEDULE, ids=repr)
def test_schedule_can_be_saved(section: Schedule) -> None:
    schedule = schedule_of(section, learning_rate=0.1, epochs=EPOCHS, steps_per_epoch=9)
    schedules = keras.optimizers.schedules
    again = schedules.deserialize(schedules.serialize(schedule))

    assert [float(again(step)) for step in (0, 5, 60)] == [
        float(schedule(step)) for step in (0, 5, 60)
    ]


@given(warm_up=st.integers(1, 5), full=st.floats(1e-5, 1.0))
def test_warm_up_rises_evenly_to_the_full_rate(warm_up: int, full: float) -> None:
    section = Cosine(warm_up_epochs=warm_up)
    rates = [
        rate_at(section, step, learning_rate=full, epochs=6, steps_per_epoch=4)
        for step in range(warm_up * 4 + 1)
    ]

    np.testing.assert_allclose(np.diff(rates[:-1]), full / (warm_up * 4))
    assert rates[-2:] == pytest.approx([full, full])
    assert rates[0] > 0


@given(epochs=st.integers(1, 50), steps=st.integers(1, 50), share=st.floats(0, 0.9))
def test_cosine_falls_to_0_at_the_end(epochs: int, steps: int, share: float) -> None:
    section = Cosine(warm_up_epochs=share * epochs)

    def at(step: int) -> float:
        return rate_at(section, step, learning_rate=1.0, epochs=epochs, steps_per_epoch=steps)

    first = int(share * epochs * steps)
    rates = [at(step) for step in range(first, epochs * steps + 1)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_restarts_come_after_cosines_that_grow() -> None:
    section = CosineRestarts(first_epochs=2, growth=2.0, factor=0.5)

    assert [rate(section, step) for step in (0, 20, 60)] == pytest.approx([0.1, 0.05, 0.025])
    assert rate(section, 19) < 0.001
    assert rate(section, 10) == pytest.approx(0.05)


def test_steps_fall_after_their_milestones() -> None:
    section = Step(milestones=(3, 10), factor=0.1)

    assert [rate(section, step) for step in (29, 30, 99, 100)] == pytest.approx(
        [0.1, 0.01, 0.01, 0.001]
    )


@pytest.mark.parametrize("warm_up", [14.0, 15.0])
def test_warm_up_leaves_something_to_learn_in(warm_up: float) -> None:
    with pytest.raises(RecipeError, match=r"warm_up_epochs is 1[45] of 14 epochs"):
        schedule_of(Cosine(warm_up_epochs=warm_up), learning_rate=0.1, epochs=14, steps_per_epoch=2)
