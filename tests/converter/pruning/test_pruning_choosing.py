"""Which channels stay, from scores alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.channels import Group
from edge_recog_converter.pruning.choosing import choose
from hypothesis import given, settings
from hypothesis import strategies as st

RANKINGS = ("global", "uniform")


def group(name: str, units: int, channels_per_unit: int = 1) -> Group:
    return Group(name, np.arange(1, units + 1), channels_per_unit, ())


def kept_counts(sizes: dict[str, int], **options: Any) -> dict[str, int]:
    """How many units of groups with rising scores stay."""
    groups = [group(name, size) for name, size in sizes.items()]
    scores = {name: np.arange(size) / size for name, size in sizes.items()}
    return {name: int(keep.sum()) for name, keep in choose(groups, scores, **options).items()}


@pytest.mark.parametrize(
    ("channels", "keep", "expected"),
    [
        (64, 0.5, 32),
        (20, 0.5, 8),
        (20, 0.6, 16),
        (20, 0.95, 20),
        (20, 0.01, 8),
        (24, 0.5, 16),
        (6, 0.5, 6),
        (8, 0.1, 8),
        (64, 1.0, 64),
    ],
)
def test_counts_are_multiples_of_8_or_all(channels: int, keep: float, expected: int) -> None:
    assert kept_counts({"a": channels}, keep=keep, ranking="uniform") == {"a": expected}


def test_multiples_and_minimum_can_be_set() -> None:
    sizes = {"a": 20, "b": 3}
    options: dict[str, Any] = {"keep": 0.1, "ranking": "uniform", "multiple_of": 1}
    assert kept_counts(sizes, **options) == {"a": 2, "b": 1}
    assert kept_counts(sizes, **options, least=5) == {"a": 5, "b": 3}


def test_the_lowest_scores_go_and_ties_go_to_the_first() -> None:
    scores = {"a": np.array([3.0, 1.0, 2.0, 1.0, 1.0])}
    kept = choose([group("a", 5)], scores, keep=0.6, ranking="uniform", multiple_of=1)
    assert kept["a"].tolist() == [True, True, True, False, False]


def test_a_global_ranking_takes_from_the_group_that_matters_less() -> None:
    scores = {"a": np.full(16, 1.0), "b": np.full(16, 2.0)}
    groups = [group("a", 16), group("b", 16)]
    kept = choose(groups, scores, keep=0.75, ranking="global")
    assert {name: int(keep.sum()) for name, keep in kept.items()} == {"a": 8, "b": 16}


def test_units_of_several_channels_are_counted_as_such() -> None:
    scores = {"wide": np.arange(16.0), "narrow": np.arange(16.0)}
    groups = [group("wide", 16, channels_per_unit=4), group("narrow", 16)]
    kept = choose(groups, scores, keep=0.4, ranking="uniform")
    # Two units of four channels are a multiple of 8.
    assert {name: int(keep.sum()) for name, keep in kept.items()} == {"wide": 6, "narrow": 8}


@pytest.mark.parametrize(
    "options",
    [{"keep": 1.5}, {"keep": -0.1}, {"keep": 0.5, "multiple_of": 0}, {"keep": 0.5, "least": 0}],
    ids=str,
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PruningError, match="keep must be 0 to 1"):
        kept_counts({"a": 16}, **options)


@pytest.mark.parametrize(
    "scores",
    [{}, {"a": np.ones(3)}, {"a": np.array([1.0, np.nan, 1.0, 1.0])}],
    ids=["missing", "size", "nan"],
)
def test_scores_that_do_not_fit_are_refused(scores: Any) -> None:
    with pytest.raises(PruningError, match="'a' needs 4 finite scores"):
        choose([group("a", 4)], scores, keep=0.5)


SIZES = st.lists(
    st.tuples(st.integers(1, 70), st.sampled_from([1, 1, 2, 3, 16])), min_size=1, max_size=5
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    sizes=SIZES,
    seed=st.integers(0, 99),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    ranking=st.sampled_from(RANKINGS),
    multiple_of=st.sampled_from([1, 4, 8]),
    least=st.integers(1, 12),
)
def test_more_share_keeps_more_and_counts_are_allowed(
    sizes: list[tuple[int, int]],
    seed: int,
    shares: tuple[float, float],
    ranking: Any,
    multiple_of: int,
    least: int,
) -> None:
    rng = np.random.default_rng(seed)
    groups = [group(f"g{number}", *size) for number, size in enumerate(sizes)]
    # Few values, so that there are ties.
    scores = {one.name: rng.integers(0, 5, len(one.units)).astype(float) for one in groups}
    options: dict[str, Any] = {"ranking": ranking, "multiple_of": multiple_of, "least": least}
    fewer, more = (choose(groups, scores, keep=keep, **options) for keep in sorted(shares))
    again = choose(groups, scores, keep=max(shares), **options)
    for one in groups:
        count, width = int(more[one.name].sum()), one.channels_per_unit
        assert count == len(one.units) or count * width % multiple_of == 0
        assert count * width >= min(least, one.channels)
        assert not (fewer[one.name] & ~more[one.name]).any()
        np.testing.assert_array_equal(more[one.name], again[one.name])
        worst_kept = scores[one.name][more[one.name]].min()
        assert (scores[one.name][~more[one.name]] <= worst_kept).all()


@settings(derandomize=True, deadline=None, max_examples=50)
@given(sizes=SIZES, ranking=st.sampled_from(RANKINGS))
def test_keeping_all_keeps_all(sizes: list[tuple[int, int]], ranking: Any) -> None:
    groups = [group(f"g{number}", *size) for number, size in enumerate(sizes)]
    scores = {one.name: np.ones(len(one.units)) for one in groups}
    kept = choose(groups, scores, keep=1.0, ranking=ranking)
    assert all(keep.all() for keep in kept.values())
