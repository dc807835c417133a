"""How peers that bring no preprocessing of their own are fed, and how their answers are read.

The arithmetic is the contract's, written again in numpy and OpenCV: where peers run, this project's
runtime is not installed. Everything is told by one option, `contract`: the JSON form of `Feeding`.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture

BEST = 5
"""Labels in an answer."""
_INTERPOLATIONS = ("nearest", "linear", "cubic", "area")
"""In the order of OpenCV's constants, from 0."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A model's input or output."""

    dtype: str
    """NumPy's name."""
    scale: float | None = None
    """Real step between neighbouring integers; None for float, and for plain integers."""
    zero_point: int = 0


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """What a runner must know of a model. Input is RGB; mean and std are in pixel units, 0-255."""

    height: int
    width: int
    crop: str
    """`stretch` or `center-crop`."""
    interpolation: str
    """`nearest`, `linear`, `cubic` or `area`."""
    mean: tuple[float, ...]
    """One number, or one for each channel."""
    std: tuple[float, ...]
    """Likewise; > 0."""
    input: Tensor
    output: Tensor
    activation: str
    """`softmax`, `sigmoid` or `none`: what is left to do to turn the output into scores."""
    temperature: float
    labels: tuple[str, ...]

    @classmethod
    def from_options(cls, options: Mapping[str, str], *others: str) -> Feeding:
        """Return what a runner's options say.

        Args:
            options: `contract`, and those of `others`.
            others: What else the runner knows.

        Raises:
            ValueError: An option is missing or unknown.
        """
        unknown = sorted(options.keys() - {"contract", *others})
        if unknown or "contract" not in options:
            what = f"no option {unknown[0]!r}" if unknown else "the option 'contract' is missing"
            raise ValueError(f"{what}; a peer takes {', '.join(['contract', *others])}")
        said = json.loads(options["contract"])
        said["labels"] = tuple(Path(said["labels"]).read_text("utf-8").splitlines())
        for name in ("input", "output"):
            said[name] = Tensor(**said[name])
        return cls(**said)

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return top, left, height and width of the part that is looked at, in whole pixels."""
        if self.crop != "center-crop":
            return 0, 0, height, width
        if width * self.height >= height * self.width:
            rows, columns = height, _divide(height * self.width, self.height)
        else:
            rows, columns = _divide(width * self.height, self.width), width
        return (height - rows) // 2, (width - columns) // 2, rows, columns

    def resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part that is looked at as (height, width, 3) of the input."""
        import cv2

        top, left, rows, columns = self.box(*pixels.shape[:2])
        part = pixels[top : top + rows, left : left + columns]
        how = _INTERPOLATIONS.index(self.interpolation)
        return np.asarray(cv2.resize(part, (self.width, self.height), interpolation=how), np.uint8)

    def tensor(self, pixels: NDArray[np.uint8], *, planar: bool = False) -> NDArray[Any]:
        """Return a picture as the model's input: (1, height, width, 3); (1, 3, …) if `planar`."""
        import cv2

        fed = self.resized(pixels)
        if not self.as_they_are:
            fed = np.asarray(cv2.LUT(fed, self.table.reshape(1, 256, 3)))
        return np.ascontiguousarray(fed.transpose(2, 0, 1) if planar else fed)[None]

    @functools.cached_property
    def as_they_are(self) -> bool:
        """Whether pixels are fed unchanged."""
        return self.input.dtype == "uint8" and bool((self.table == np.arange(256)[:, None]).all())

    @functools.cached_property
    def table(self) -> NDArray[Any]:
        """What pixels become, as (256, 3) of the input's dtype."""
        real = (np.arange(256.0)[:, None] - np.array(self.mean)) / np.array(self.std)
        real = np.broadcast_to(real, (256, 3))
        if self.input.dtype == "float32":
            return real.astype(np.float32)
        limits = np.iinfo(self.input.dtype)
        steps = np.rint(real / (self.input.scale or 1.0)) + self.input.zero_point
        steps = np.clip(steps, limits.min, limits.max)
        table: NDArray[Any] = steps.astype(self.input.dtype)
        return table

    def scores(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """Return (labels,) scores from 0 to 1 of a model's output."""
        values: NDArray[np.float32] = output.reshape(-1).astype(np.float32)
        if self.output.scale is not None:
            values = (values - self.output.zero_point) * np.float32(self.output.scale)
        if self.activation == "softmax":
            powers = np.exp((values - values.max()) / self.temperature)
            values = powers / powers.sum()
        elif self.activation == "sigmoid":
            values = 0.5 + 0.5 * np.tanh(0.5 * values / self.temperature)
        return np.clip(values, 0.0, 1.0)

    def best(self, output: NDArray[Any]) -> list[tuple[str, float]]:
        """Return the best five labels with their scores."""
        scores = self.scores(output)
        return [(self.labels[i], float(scores[i])) for i in np.argsort(-scores)[:BEST]]

    def ranked(self, output: NDArray[Any]) -> tuple[list[int], list[float]]:
        """Return all labels best first, and their scores."""
        scores = self.scores(output)
        order = np.argsort(-scores, kind="stable")
        return order.tolist(), scores[order].tolist()


def decode(picture: Picture) -> NDArray[np.uint8]:
    """Return (height, width, 3) RGB; an array is that already.

    Raises:
        OSError: It is no picture that OpenCV can read.
    """
    if not isinstance(picture, bytes):
        return picture
    import cv2

    decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise OSError("OpenCV cannot decode it")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def _divide(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half up, at least 1."""
    return max(1, (2 * numerator + denominator) // (2 * denominator))
