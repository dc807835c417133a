"""Runs in an emulated system: prints what it is, as JSON. Needs nothing but what it tells of."""

import json
import platform
from importlib import metadata

import cv2
import numpy as np

INTERPRETERS = ("ai-edge-litert", "tflite-runtime")


def _interpreter() -> str:
    """Return the first that is there, in the order in which the runtime looks for them."""
    for name in INTERPRETERS:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return "none"


said = {
    "system": platform.freedesktop_os_release()["PRETTY_NAME"],
    "architecture": platform.machine(),
    "python": platform.python_version(),
    "interpreter": _interpreter(),
    "numpy": np.__version__,
    "opencv": cv2.__version__,
}
print(json.dumps(said))  # noqa: T201
