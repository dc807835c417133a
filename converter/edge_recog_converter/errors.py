"""Every error the converter raises on purpose.

    EdgeRecogError                      defined by the runtime, `edge_recog.errors`
    ├── RecipeError (ValueError)        a recipe that cannot be followed as written
    ├── DatasetError (ValueError)       pictures, labels or splits that cannot be learned from
    ├── TrainingError (RuntimeError)    training stopped without a usable model
    ├── ConversionError (RuntimeError)  a model could not become the TFLite file that was asked for
    ├── PretrainedError (ValueError)    pretrained weights that are missing, damaged or do not fit
    ├── PruningError (ValueError)       a model or request whose channels cannot be removed
    └── UnfitError (RuntimeError)       a model file that cannot run on the device it is for

Each message is one sentence or two: what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from edge_recog.errors import EdgeRecogError


class RecipeError(EdgeRecogError, ValueError):
    """A recipe that cannot be followed as written."""


class DatasetError(EdgeRecogError, ValueError):
    """Pictures, labels or splits that cannot be learned from."""


class TrainingError(EdgeRecogError, RuntimeError):
    """Training stopped without a usable model."""


class ConversionError(EdgeRecogError, RuntimeError):
    """A model could not become the TFLite file that was asked for."""


class PretrainedError(EdgeRecogError, ValueError):
    """Pretrained weights that are missing, damaged or do not fit the model."""


class UnfitError(EdgeRecogError, RuntimeError):
    """A model file that cannot run on the device it is for."""


class PruningError(EdgeRecogError, ValueError):
    """A model whose channels cannot be removed, or a request that asks for too much."""
