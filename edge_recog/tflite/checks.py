"""Whether native code can load and run a model without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_recog.tflite.structure import Model


def check_safe(model: Model) -> None:
    """Refuse a model that could crash native code."""
