"""Calibration pictures are drawn evenly, written down, and fed as the runtime feeds them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from edge_recog_converter.calibration import calibration_inputs, choose, normalize
from edge_recog_converter.datasets import Picture
from edge_recog_converter.photographs import load_photographs, random_crops

from edge_recog.preprocessing import Preprocessing

PICTURES = [Picture(Path(f"{n}.png"), f"{n}", (n % 3,)) for n in range(30)]
CONTRACT = Preprocessing(height=32, width=48, mean=(127.0,), std=(128.0,))


def test_classes_take_turns() -> None:
    chosen = choose(PICTURES, 8, seed=1)

    assert sorted(Counter(picture.label for picture in chosen).values()) == [2, 3, 3]
    assert len({picture.id for picture in chosen}) == 8


def test_choice_depends_on_the_seed_alone() -> None:
    assert choose(PICTURES, 8, seed=1) == choose(PICTURES, 8, seed=1) != choose(PICTURES, 8, seed=2)


def test_all_are_taken_where_there_are_too_few() -> None:
    assert len(choose(PICTURES, 100, seed=1)) == 30


def test_normalising_is_the_contract_to_the_last_bit() -> None:
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    per_channel = Preprocessing(height=16, width=16, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    expected = ((pixels - np.array([1.0, 2.0, 3.0])) / np.array([4.0, 5.0, 6.0])).astype("float32")

    np.testing.assert_array_equal(normalize(pixels, per_channel), expected)


def test_range_of_the_input_is_that_of_pixels() -> None:
    middle = np.full((32, 48, 3), 100, np.uint8)
    inputs = list(calibration_inputs([middle], CONTRACT))

    assert [array.shape for array in inputs] == [(1, 32, 48, 3)] * 3
    assert min(array.min() for array in inputs) == np.float32(-127 / 128)
    assert max(array.max() for array in inputs) == 1.0


def test_photographs_are_those_of_the_two_libraries() -> None:
    names = [frame.source for frame in load_photographs()]

    assert {"chelsea", "coffee", "china", "flower"} <= set(names)
    assert len(names) == len(set(names)) >= 12


@pytest.mark.parametrize("seed", range(5))
def test_crops_lie_within_the_photograph(seed: int) -> None:
    frame = load_photographs()[1]

    for crop in random_crops(frame, 4, seed=seed):
        assert 0.3 <= crop.height * crop.width / (frame.height * frame.width) <= 1.0
        assert 0.7 <= crop.width / crop.height <= 1.6


def test_crops_depend_on_the_seed_alone() -> None:
    frame = load_photographs()[0]
    one, same, other = (random_crops(frame, 1, seed=seed)[0].pixels for seed in (1, 1, 2))

    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
