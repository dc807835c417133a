"""Small pictures to learn from: three kinds of pattern that anything can tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLASSES = ("circles", "lines", "noise")
SPLITS = {"train": 12, "validation": 4, "test": 4}


def draw(label: str, seed: int) -> np.ndarray:
    """Return (48, 64, 3) uint8 pixels."""
    rng = np.random.default_rng(seed)
    pixels = np.full((48, 64, 3), rng.integers(40, 90, 3), np.uint8)
    colour = tuple(int(value) for value in rng.integers(150, 255, 3))
    if label == "circles":
        centre = (int(rng.integers(20, 44)), int(rng.integers(16, 32)))
        cv2.circle(pixels, centre, int(rng.integers(8, 14)), colour, -1)
    elif label == "lines":
        for x in range(0, 64, 8):
            cv2.line(pixels, (x, 0), (x + int(rng.integers(-4, 4)), 47), colour, 2)
    else:
        pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return pixels


@pytest.fixture(scope="session")
def small_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of train/, validation/ and test/, each with three classes."""
    root = tmp_path_factory.mktemp("pictures")
    seed = 0
    for split, count in SPLITS.items():
        for label in CLASSES:
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                seed += 1
                assert cv2.imwrite(str(folder / f"{number:03}.png"), draw(label, seed))
    return root


@pytest.fixture(scope="session")
def zero_shares() -> Callable[[bytes], dict[str, float]]:
    """`INT8 file -> share of the integers that is zero, by name of each kernel`."""
    return _zero_shares


def _zero_shares(tflite: bytes) -> dict[str, float]:
    interpreter = Interpreter(model_content=tflite)
    shares = {}
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        if tensor["dtype"] is np.int8 and len(tensor["shape"]) > 1 and scales.size:
            try:
                values = interpreter.get_tensor(tensor["index"])
            except ValueError:  # An activation, which has no values before it runs.
                continue
            shares[str(tensor["name"])] = float(np.mean(values == 0))
    return shares
