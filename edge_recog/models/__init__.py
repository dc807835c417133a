"""The model that comes with the package, for those who name none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edge_recog.errors import BundleError

_FILE: Final = Path(__file__).with_name("clothing.tflite")


def default_model() -> Path:
    """Return the path of the built-in model.

    Raises:
        BundleError: This installation came without it.
    """
    if not _FILE.is_file():
        raise BundleError(
            f"{_FILE}: the built-in model is missing from this installation; install it again "
            "with pip install --force-reinstall edge-recog, or name a model file"
        )
    return _FILE
