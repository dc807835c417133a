from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_recog.bundle import Bundle
from edge_recog.errors import InterpreterError, UsageError
from edge_recog.outputs import OutputReader
from edge_recog.packing import pack_bundle
from edge_recog.predictions import top_indices

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.contract import Contract

FEW, MANY = 6, 80


@pytest.fixture(scope="module")
def bundle(tiny_model: Callable[..., bytes], contract: Callable[..., Contract]) -> Any:
    """Return what makes a model with that many labels; the same one for the same question."""
    made: dict[Any, Bundle] = {}

    def make(
        dtype: str,
        activation: str,
        labels: int,
        temperature: float = 1.0,
        thresholds: tuple[float, ...] | None = None,
    ) -> Bundle:
        asked = (dtype, activation, labels, temperature, thresholds)
        if asked not in made:
            model = tiny_model(
                dtype=dtype, labels=labels, ends_with="SOFTMAX" if activation == "none" else ""
            )
            said = contract(
                activation=activation,
                temperature=temperature,
                thresholds=thresholds,
                task="single-label" if thresholds is None else "multi-label",
            )
            names = [f"label {number}" for number in range(labels)]
            made[asked] = Bundle.from_bytes(pack_bundle(model, said, names, name="m"), where="m")
        return made[asked]

    return make


@pytest.mark.parametrize("labels", [1, FEW, MANY])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "float32"])
@given(data=st.data())
def test_the_best_labels_have_the_scores_of_the_model_file(
    bundle: Any, dtype: str, activation: str, labels: int, data: st.DataObject
) -> None:
    temperature = 1.0 if activation == "none" else data.draw(st.sampled_from([1.0, 0.3, 2.5]))
    elements = st.floats(-20, 20, width=32) if dtype == "float32" else None
    raw = data.draw(hnp.arrays(dtype, (1, labels), elements=elements))
    top_k = data.draw(st.one_of(st.none(), st.integers(1, labels + 2)))
    model = bundle(dtype, activation, labels, temperature)

    found = OutputReader(model).read(raw, top_k)

    best = top_indices(raw.reshape(-1), top_k)
    assert [one.index for one in found] == best
    assert [one.label for one in found] == [f"label {index}" for index in best]
    expected = model.scores(raw)[best]
    np.testing.assert_allclose([one.score for one in found], expected, rtol=2e-7, atol=1e-45)
    # In single precision, both ways.
    assert all(one.score == float(np.float32(one.score)) for one in found)


@pytest.mark.parametrize("labels", [FEW, MANY])
def test_labels_under_their_threshold_are_left_out(bundle: Any, labels: int) -> None:
    thresholds = tuple(0.1 if index % 2 else 1.0 for index in range(labels))
    model = bundle("uint8", "sigmoid", labels, thresholds=thresholds)

    found = OutputReader(model).read(np.full((1, labels), 140, np.uint8), None)

    assert [one.index for one in found] == list(range(1, labels, 2))


@pytest.mark.parametrize("labels", [FEW, MANY])
def test_no_prediction_at_all_cannot_be_asked_for(bundle: Any, labels: int) -> None:
    reader = OutputReader(bundle("int8", "softmax", labels))

    with pytest.raises(UsageError, match="top_k is 0"):
        reader.read(np.zeros(labels, np.int8), 0)


def test_what_is_no_number_is_an_error(bundle: Any) -> None:
    reader = OutputReader(bundle("float32", "softmax", FEW))

    with pytest.raises(InterpreterError, match="NaN"):
        reader.read(np.full(FEW, np.nan, np.float32), 1)
