"""Affine quantisation, the one place where real numbers become integers and back.

`real = scale * (quantized - zero_point)`: TFLite 8-bit quantisation specification,
https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INTEGER_TYPES = ("uint8", "int8", "int16", "int32")


@dataclass(frozen=True, slots=True)
class QuantParams:
    """Per-tensor quantisation of an integer tensor."""

    scale: float
    """Real step between two neighbouring integers. Finite, > 0."""
    zero_point: int
    """The integer that stands for real 0. Within the range of `dtype`."""
    dtype: str
    """uint8, int8, int16 or int32."""

    def __post_init__(self) -> None:
        """Refuse parameters no arithmetic can use.

        Raises:
            ValueError: The scale is not a finite positive number, the dtype is not an integer
                type of TFLite, or the zero point is outside its range.
        """
        if self.dtype not in _INTEGER_TYPES:
            raise ValueError(f"cannot quantise to {self.dtype}: use one of {_INTEGER_TYPES}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"quantisation scale is {self.scale}; it must be finite and positive")
        if not self.lowest <= self.zero_point <= self.highest:
            raise ValueError(f"zero point {self.zero_point} is outside the range of {self.dtype}")

    @property
    def lowest(self) -> int:
        """Least integer of `dtype`."""
        return int(np.iinfo(self.dtype).min)

    @property
    def highest(self) -> int:
        """Greatest integer of `dtype`."""
        return int(np.iinfo(self.dtype).max)

    def quantize(self, real: NDArray[np.floating[Any]] | float) -> NDArray[Any]:
        """Return the nearest representable values, halves to even; out-of-range input saturates.

        Computed in float64, so that 8-bit and 16-bit results are exact; NaN becomes the zero point.
        """
        steps = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        # Not nan_to_num: it asks what the least float is, and warns where tflite-runtime for 32-bit
        # ARM, once loaded, has made that 0.
        steps = np.where(np.isnan(steps), self.zero_point, steps)
        quantized: NDArray[Any] = np.clip(steps, self.lowest, self.highest).astype(self.dtype)
        return quantized

    def dequantize(self, quantized: NDArray[Any]) -> NDArray[np.float32]:
        """Return the real values of integers of `dtype`, as float32 of the same shape."""
        real: NDArray[np.float32] = quantized.astype(np.float32)
        real -= np.float32(self.zero_point)
        real *= np.float32(self.scale)
        return real
