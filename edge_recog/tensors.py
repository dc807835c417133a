"""What a model's input or output looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_recog.quantization import QuantParams


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor at the model's boundary."""

    name: str
    """As written in the model; may be empty."""
    shape: tuple[int, ...]
    """All dimensions, batch first, each ≥ 1."""
    dtype: str
    """NumPy's name: uint8, int8, int16, int32 or float32."""
    quantization: QuantParams | None
    """How integers stand for real numbers; None for float tensors and plain integers."""

    def __str__(self) -> str:
        """Return e.g. `uint8 [1, 224, 224, 3], scale 0.0078125, zero point 127`."""
        text = f"{self.dtype} {list(self.shape)}"
        if self.quantization is not None:
            q = self.quantization
            text += f", scale {q.scale:.8g}, zero point {q.zero_point}"
        return text
