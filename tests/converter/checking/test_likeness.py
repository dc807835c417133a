"""Copies that were scaled or packed again are found; pictures that differ are not."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from edge_recog_converter.checking.likeness import difference_hash, near_sets, small_picture

from edge_recog.cameras.images import image_paths, read_image


def sets(pictures: list[np.ndarray]) -> list[tuple[int, ...]]:
    hashes = np.array([difference_hash(one) for one in pictures], np.uint64)
    return near_sets(hashes, np.stack([small_picture(one) for one in pictures]))


def halved(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def packed(pixels: np.ndarray) -> np.ndarray:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def brightened(pixels: np.ndarray) -> np.ndarray:
    return np.clip(pixels.astype(int) + 3, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photographs(shared_data: Path) -> list[np.ndarray]:
    paths = image_paths(shared_data / "clothing_small" / "test")[::6]
    return [read_image(path) for path in paths]


@pytest.mark.parametrize("change", [halved, packed, brightened])
def test_changed_copies_are_found_and_others_are_not(
    photographs: list[np.ndarray], change: object
) -> None:
    copies = [change(one) for one in photographs]  # type: ignore[operator]
    count = len(photographs)

    assert sets(photographs) == []
    assert sets([*photographs, *copies]) == [(n, n + count) for n in range(count)]


def test_plain_colours_are_told_apart_though_their_hashes_are_not() -> None:
    plain = [np.full((30, 30, 3), value, np.uint8) for value in (0, 90, 91, 200)]

    assert sets(plain) == [(1, 2)]


def test_search_by_blocks_crosses_their_borders_and_passes_likeness_on() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (600, 16, 16, 3), dtype=np.uint8)
    hashes = rng.integers(0, 2**63, 600, dtype=np.uint64)
    for one, other in ((3, 599), (100, 300), (300, 301)):
        small[other], hashes[other] = small[one], hashes[one] ^ np.uint64(0b1011)

    assert near_sets(hashes, small) == [(3, 599), (100, 300, 301)]
