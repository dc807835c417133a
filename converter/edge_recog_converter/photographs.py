"""The photographs that scikit-image and scikit-learn ship, for the demo and for calibration."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from edge_recog.cameras.images import read_image
from edge_recog.frames import Frame
from edge_recog_converter.errors import DatasetError

PHOTOGRAPHS = {
    "skimage/data": (
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "rocket.jpg",
        "motorcycle_left.png",
        "camera.png",
        "coins.png",
        "brick.png",
        "grass.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "clock_motion.png",
    ),
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
}
"""Folder within a package → files. Their origins are in the packages' own README.txt."""


def load_photographs() -> tuple[Frame, ...]:
    """Return the photographs; `Frame.source` is the file's stem.

    Raises:
        DatasetError: A package is not installed, or does not have a file any more.
    """
    frames: list[Frame] = []
    for place, names in PHOTOGRAPHS.items():
        package, *folders = place.split("/")
        # Found, not imported: only the files are wanted.
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise DatasetError(
                f"{package} is not installed, whose photographs are needed: "
                "pip install edge-recog-converter[demo]"
            )
        root = Path(spec.submodule_search_locations[0], *folders)
        for name in names:
            if not (root / name).is_file():
                raise DatasetError(f"{root / name}: no such photograph; upgrade {package}")
            frames.append(
                Frame.from_rgb(read_image(root / name), index=len(frames), source=Path(name).stem)
            )
    return tuple(frames)


def random_crops(frame: Frame, count: int, *, seed: int) -> tuple[Frame, ...]:
    """Return parts of a frame, each 40-100 % of its area at an aspect ratio of 3:4 to 4:3.

    As in training on ImageNet (Szegedy et al. 2015, arXiv:1409.4842), less extreme.
    """
    rng = np.random.default_rng(seed)
    crops = []
    for index in range(count):
        area = rng.uniform(0.4, 1.0) * frame.height * frame.width
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        height = min(frame.height, max(1, round(np.sqrt(area / aspect))))
        width = min(frame.width, max(1, round(np.sqrt(area * aspect))))
        top = int(rng.integers(0, frame.height - height + 1))
        left = int(rng.integers(0, frame.width - width + 1))
        pixels = frame.pixels[top : top + height, left : left + width]
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        crops.append(Frame.from_rgb(np.ascontiguousarray(pixels), source=f"{frame.source}-{index}"))
    return tuple(crops)
