"""Facts of the machine that a result was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
_PACKAGES = (
    "edge-recog",
    "ai-edge-litert",
    "tflite-runtime",
    "opencv-python-headless",
    "opencv-contrib-python",
    "mediapipe",
    "numpy",
)


def machine_facts() -> dict[str, Any]:
    """Return processor, cores, load, versions and the time, as plain values."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "processor": _processor(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": versions,
    }


def _processor() -> str:
    if not _CPUINFO.exists():
        return platform.processor()
    fields = {}
    for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields.get("Model") or fields.get("model name") or platform.processor()
