"""On-device image classification: one model file that says how to feed it, one runtime that obeys.

Importing this loads nothing heavy: names are fetched from their modules when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_recog.bundle import Bundle
    from edge_recog.cameras import open_source
    from edge_recog.classifier import Classifier
    from edge_recog.errors import (
        BundleError,
        ClosedError,
        DelegateError,
        EdgeRecogError,
        FrameError,
        InterpreterError,
        InterpreterMissingError,
        MissingContractError,
        NotATfliteModelError,
        SourceError,
        UnsupportedModelError,
        UsageError,
        VerificationError,
    )
    from edge_recog.frames import Frame
    from edge_recog.predictions import Classification, Prediction, Timings
    from edge_recog.preprocessing import Preprocessing
    from edge_recog.quantization import QuantParams

__version__ = "0.1.0"

_EXPORTS = {
    "Bundle": "bundle",
    "BundleError": "errors",
    "Classification": "predictions",
    "Classifier": "classifier",
    "ClosedError": "errors",
    "DelegateError": "errors",
    "EdgeRecogError": "errors",
    "Frame": "frames",
    "FrameError": "errors",
    "InterpreterError": "errors",
    "InterpreterMissingError": "errors",
    "MissingContractError": "errors",
    "NotATfliteModelError": "errors",
    "Prediction": "predictions",
    "Preprocessing": "preprocessing",
    "QuantParams": "quantization",
    "SourceError": "errors",
    "Timings": "predictions",
    "UnsupportedModelError": "errors",
    "UsageError": "errors",
    "VerificationError": "errors",
    "open_source": "cameras",
}

__all__ = [
    "Bundle",
    "BundleError",
    "Classification",
    "Classifier",
    "ClosedError",
    "DelegateError",
    "EdgeRecogError",
    "Frame",
    "FrameError",
    "InterpreterError",
    "InterpreterMissingError",
    "MissingContractError",
    "NotATfliteModelError",
    "Prediction",
    "Preprocessing",
    "QuantParams",
    "SourceError",
    "Timings",
    "UnsupportedModelError",
    "UsageError",
    "VerificationError",
    "__version__",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
