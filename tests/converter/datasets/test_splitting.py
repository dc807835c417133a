"""A picture's split is its own affair, but for small classes."""

from collections import Counter

from edge_recog_converter.datasets.splitting import Shares, assign, place
from hypothesis import given
from hypothesis import strategies as st

SHARES = Shares(validation=0.2, test=0.2)
KEYS = st.lists(st.text(max_size=8), min_size=1, max_size=60, unique=True)
CLASSES = st.integers(0, 3)


def single(keys: list[str], classes: int) -> list[tuple[str, tuple[str, ...]]]:
    return [(key, (f"class {len(key) % (classes + 1)}",)) for key in keys]


@given(KEYS, KEYS, CLASSES, st.integers(0, 5))
def test_adding_pictures_moves_none_but_stand_ins(
    old: list[str], new: list[str], classes: int, seed: int
) -> None:
    items = single(old, classes)
    more = single([*old, *(key for key in new if key not in old)], classes)
    before = assign(items, SHARES, seed=seed)
    after = assign(more, SHARES, seed=seed)[: len(old)]
    own = [place(key, SHARES, seed) for key in old]

    for name in {names[0] for _, names in items}:
        numbers = [number for number, (_, names) in enumerate(items) if names[0] == name]
        moved = [number for number in numbers if before[number] != after[number]]
        if {own[number] for number in numbers} == {"train", "validation", "test"}:
            assert moved == []
        # Two stand-ins before, and two others now.
        assert len(moved) <= 4


def test_adding_pictures_to_a_class_that_fills_its_splits_moves_none() -> None:
    items = [(f"picture {number}", ("cat",)) for number in range(200)]
    first = assign(items[:100], SHARES, seed=1)

    assert set(first) == {"train", "validation", "test"}
    assert assign(items, SHARES, seed=1)[:100] == first


@given(KEYS, CLASSES, st.integers(0, 5))
def test_a_class_of_three_has_a_picture_in_each_split(
    keys: list[str], classes: int, seed: int
) -> None:
    items = single(keys, classes)
    splits = assign(items, SHARES, seed=seed)

    for name, count in Counter(names[0] for _, names in items).items():
        found = {split for (_, names), split in zip(items, splits, strict=True) if names[0] == name}
        assert len(found) == min(count, 3)
        assert "train" in found


@given(KEYS, st.integers(0, 5))
def test_same_seed_same_splits_whatever_the_order(keys: list[str], seed: int) -> None:
    items = single(keys, 2)
    one = dict(zip(keys, assign(items, SHARES, seed=seed), strict=True))
    other = dict(zip(keys[::-1], assign(items[::-1], SHARES, seed=seed), strict=True))

    assert one == other


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ann", "bob", "eve", "joe", "kim"]),
            st.frozensets(st.sampled_from("abcd"), max_size=3),
        ),
        min_size=1,
        max_size=50,
    ),
    st.integers(0, 5),
)
def test_a_group_never_straddles(items: list[tuple[str, frozenset[str]]], seed: int) -> None:
    splits = assign(items, SHARES, seed=seed)

    for group in {group for group, _ in items}:
        found = {split for (key, _), split in zip(items, splits, strict=True) if key == group}
        assert len(found) == 1


def test_shares_hold_on_average_and_another_seed_gives_others() -> None:
    items = [(f"{number}", ("cat",)) for number in range(5000)]
    counts = Counter(assign(items, SHARES, seed=0))

    assert abs(counts["test"] - 1000) < 120
    assert abs(counts["validation"] - 1000) < 120
    assert assign(items, SHARES, seed=0) != assign(items, SHARES, seed=1)


def test_a_split_without_a_share_gets_nothing() -> None:
    items = [(f"{number}", ("cat",)) for number in range(50)]

    assert set(assign(items, Shares(validation=0.3, test=0.0), seed=0)) == {"train", "validation"}


def test_a_label_that_is_rare_among_several_is_learned_first() -> None:
    items = [(f"{number}", ("common",)) for number in range(30)]
    for number in range(20):
        rare = f"rare {number}"
        splits = assign([*items, (rare, ("common", "unique"))], SHARES, seed=0)
        assert splits[-1] == "train"
