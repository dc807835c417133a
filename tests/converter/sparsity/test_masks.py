"""Which weights go: the smallest, in the pattern that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_converter.sparsity.masks import masks_of
from edge_recog_converter.sparsity.schedules import share_at
from edge_recog_converter.sparsity.sections import Sparsity
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOATS = st.floats(-4, 4, width=32)
KERNELS = st.tuples(
    st.sampled_from([(), (1, 1), (3, 3)]), st.integers(1, 9), st.integers(1, 5)
).flatmap(lambda one: arrays(np.float32, (*one[0], one[1], one[2]), elements=FLOATS))
SHARES = st.floats(0.0, 0.99)


@given(KERNELS, SHARES)
def test_the_smallest_weights_go(kernel: NDArray[np.float32], share: float) -> None:
    (mask,) = masks_of({"a": kernel}, share, pattern="unstructured", together=False).values()

    assert int((~mask).sum()) == int(share * kernel.size + 1e-6)
    if mask.any() and not mask.all():
        assert np.abs(kernel[~mask]).max() <= np.abs(kernel[mask]).min()


@given(KERNELS, SHARES)
def test_blocks_go_as_a_whole(kernel: NDArray[np.float32], share: float) -> None:
    (mask,) = masks_of({"a": kernel}, share, pattern="1x4", together=False).values()
    inputs = kernel.shape[-2] // 4 * 4

    blocks = np.moveaxis(mask[..., :inputs, :], -2, -1).reshape(-1, 4)
    sums = np.abs(np.moveaxis(kernel[..., :inputs, :], -2, -1).reshape(-1, 4)).sum(axis=1)
    gone = ~blocks.any(axis=1)
    assert (blocks.all(axis=1) | gone).all()
    assert mask[..., inputs:, :].all()
    assert gone.sum() == min(int(share * kernel.size + 1e-6) // 4, len(blocks))
    if gone.any() and not gone.all():
        assert sums[gone].max() <= sums[~gone].min()


@given(KERNELS)
def test_two_of_four_stay(kernel: NDArray[np.float32]) -> None:
    (mask,) = masks_of({"a": kernel}, 0.5, pattern="2:4", together=False).values()
    inputs = kernel.shape[-2] // 4 * 4

    fours = np.moveaxis(mask[..., :inputs, :], -2, -1).reshape(-1, 4)
    values = np.abs(np.moveaxis(kernel[..., :inputs, :], -2, -1).reshape(-1, 4))
    assert (fours.sum(axis=1) == 2).all()
    for kept, value in zip(fours, values, strict=True):
        assert value[kept].min() >= value[~kept].max()


@given(st.lists(KERNELS, min_size=2, max_size=3), SHARES)
@settings(max_examples=50)
def test_layers_are_compared_where_the_share_is_of_all(
    kernels: list[NDArray[np.float32]], share: float
) -> None:
    named = {str(number): kernel for number, kernel in enumerate(kernels)}
    masks = masks_of(named, share, pattern="unstructured", together=True)

    flat = np.concatenate([np.abs(kernel).ravel() for kernel in kernels])
    stays = np.concatenate([masks[name].ravel() for name in named])
    assert int((~stays).sum()) == int(share * flat.size + 1e-6)
    if stays.any() and not stays.all():
        assert flat[~stays].max() <= flat[stays].min()


@given(st.floats(0.01, 0.99), st.integers(0, 50), st.integers(1, 200))
def test_zeros_grow_from_none_to_the_target(target: float, begin: int, length: int) -> None:
    end = begin + length
    shares = [share_at(step, target=target, begin=begin, end=end) for step in range(end + 3)]

    assert shares[: begin + 1] == [0.0] * (begin + 1)
    assert shares[end:] == [pytest.approx(target)] * 3
    assert shares == sorted(shares)
    # Equation 1 half of the way: 1 - 1/8.
    half = share_at(begin + length, target=target, begin=begin, end=begin + 2 * length)
    assert half == pytest.approx(target * 7 / 8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pattern": "2:4", "target": 0.7}, "half zeros"),
        ({"begin": 0.8, "end": 0.5}, "end must come after begin"),
        ({"pattern": "3:4"}, "Invalid enum"),
        ({"target": 1.0}, "target"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(values, Sparsity)


def test_the_share_of_zeros_follows_from_the_pattern() -> None:
    assert Sparsity().share == 0.75
    assert Sparsity(pattern="2:4").share == 0.5
    assert Sparsity(pattern="1x4", target=0.6).share == 0.6
