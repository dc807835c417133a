from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.quantization import QuantParams

SCALES = st.floats(2.0**-20, 2.0**10, width=32)
TYPES = st.sampled_from(["uint8", "int8", "int16", "int32"])


@st.composite
def params(draw: st.DrawFn, types: st.SearchStrategy[str] = TYPES) -> QuantParams:
    dtype = draw(types)
    limits = np.iinfo(dtype)
    return QuantParams(draw(SCALES), draw(st.integers(int(limits.min), int(limits.max))), dtype)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (-1.5, -2),
        (0.3, 0),
        (1000.0, 127),
        (-1000.0, -128),
        (np.inf, 127),
        (-np.inf, -128),
        (np.nan, 0),
    ],
    ids=[
        "half to even below",
        "half to even above",
        "half to even again",
        "negative half",
        "negative half above",
        "nearest",
        "saturates",
        "saturates below",
        "infinite",
        "minus infinite",
        "NaN is the zero point",
    ],
)
def test_quantize_int8(real: float, expected: int) -> None:
    assert QuantParams(1.0, 0, "int8").quantize(real) == expected


def test_nan_is_the_zero_point_wherever_that_is() -> None:
    assert QuantParams(0.5, 37, "uint8").quantize(np.nan) == 37


@given(params(), st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_quantized_values_are_the_nearest_ones_or_the_limit(
    q: QuantParams, reals: list[float]
) -> None:
    quantized = q.quantize(np.array(reals))

    assert quantized.dtype == q.dtype
    for real, integer in zip(reals, quantized.tolist(), strict=True):
        exact = real / q.scale + q.zero_point
        if q.lowest <= exact <= q.highest:
            assert abs(integer - exact) <= 0.5 + 1e-6 * max(1.0, abs(exact))
        else:
            assert integer == (q.lowest if exact < q.lowest else q.highest)


@given(params(st.sampled_from(["uint8", "int8", "int16"])), st.data())
def test_a_real_number_in_range_comes_back_within_half_a_step(
    q: QuantParams, data: st.DataObject
) -> None:
    low, high = (q.scale * (bound - q.zero_point) for bound in (q.lowest, q.highest))
    real = data.draw(st.floats(low, high))

    back = float(q.dequantize(np.array([q.quantize(real)]))[0])

    # The half step, and float32's rounding of the result.
    assert abs(back - real) <= q.scale * 0.5 * (1 + 1e-5) + abs(real) * 1e-6


@given(params(st.sampled_from(["uint8", "int8", "int16"])))
def test_every_integer_comes_back_as_itself(q: QuantParams) -> None:
    every = np.arange(q.lowest, q.highest + 1).astype(q.dtype)

    np.testing.assert_array_equal(q.quantize(q.dequantize(every)), every)


@given(params(), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_quantizing_keeps_order(q: QuantParams, real: float, more: float) -> None:
    assert q.quantize(real) <= q.quantize(real + more)


def test_dequantize_leaves_its_argument_alone_and_keeps_its_shape() -> None:
    quantized = np.array([[0, 128], [255, 1]], np.uint8)
    real = QuantParams(0.5, 128, "uint8").dequantize(quantized)

    np.testing.assert_array_equal(real, np.array([[-64, 0], [63.5, -63.5]], np.float32))
    assert real.dtype == np.float32
    assert quantized.tolist() == [[0, 128], [255, 1]]


@pytest.mark.parametrize(
    ("scale", "zero_point", "dtype", "message"),
    [
        (0.0, 0, "int8", "must be finite and positive"),
        (-1.0, 0, "int8", "must be finite and positive"),
        (float("nan"), 0, "int8", "must be finite and positive"),
        (float("inf"), 0, "int8", "must be finite and positive"),
        (1.0, 128, "int8", "zero point 128 is outside the range of int8"),
        (1.0, -1, "uint8", "zero point -1 is outside the range of uint8"),
        (1.0, 0, "float32", "cannot quantise to float32"),
        (1.0, 0, "int64", "cannot quantise to int64"),
    ],
)
def test_impossible_parameters_are_refused(
    scale: float, zero_point: int, dtype: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        QuantParams(scale, zero_point, dtype)
