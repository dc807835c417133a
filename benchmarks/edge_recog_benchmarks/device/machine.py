"""Facts of the machine that a result was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_PACKAGES = (
    "edge-recog",
    "edge-recog-benchmarks",
    "ai-edge-litert",
    "tflite-runtime",
    "tensorflow",
    "opencv-python-headless",
    "opencv-contrib-python",
    "mediapipe",
    "numpy",
)
_MOST_BYTES = 65_536
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}")
_LOAD = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def read_text(path: str | Path) -> str:
    """Return the first 64 KiB of a file without NULs and outer blanks; "" if it cannot be read."""
    parts = []
    length = 0
    try:
        # Non-blocking: whatever lies there, nobody waits for it.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            while length < _MOST_BYTES and (part := os.read(handle, _MOST_BYTES - length)):
                parts.append(part)
                length += len(part)
        finally:
            os.close(handle)
    except OSError:
        return ""
    return b"".join(parts).decode("utf-8", "replace").replace("\0", "").strip()


def read_int(path: str | Path) -> int | None:
    """Return the decimal number of up to 18 digits that a file holds; None if it does not."""
    text = read_text(path)
    return int(text) if _DECIMAL.fullmatch(text) else None


def read_load(path: str | Path) -> float | None:
    """Return the load average of the last minute that a file like /proc/loadavg begins with."""
    first = read_text(path).partition(" ")[0]
    return float(first) if _LOAD.fullmatch(first) else None


def machine_facts(root: Path = Path("/")) -> dict[str, Any]:
    """Return processor, memory, operating system, versions and the time, as plain values.

    Only what is known is in it: `measured` (RFC 3339, UTC), `processor`, `machine`, `cores`,
    `memory_bytes`, `os`, `kernel`, `load_1min`, `python`, `packages`, `container`, `hypervisor`.

    Args:
        root: Where /proc, /sys and /etc are looked for. Cores, Python and packages are always those
            of this process.
    """
    cpuinfo = _fields(read_text(root / "proc/cpuinfo"))
    facts = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "processor": _processor(root, cpuinfo),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": _memory_bytes(root),
        "os": _os_name(root),
        "kernel": read_text(root / "proc/sys/kernel/osrelease") or platform.release(),
        "load_1min": read_load(root / "proc/loadavg"),
        "python": platform.python_version(),
        "packages": _packages(),
        "container": _container(root),
        "hypervisor": _hypervisor(root, cpuinfo),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _fields(text: str) -> dict[str, str]:
    """Return `name: value` lines; of lines with the same name the first."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


def _processor(root: Path, cpuinfo: dict[str, str]) -> str:
    board = read_text(root / "proc/device-tree/model")
    return cpuinfo.get("Model") or cpuinfo.get("model name") or board or platform.processor()


def _memory_bytes(root: Path) -> int | None:
    size, _, unit = _fields(read_text(root / "proc/meminfo")).get("MemTotal", "").partition(" ")
    return int(size) * 1024 if unit == "kB" and _DECIMAL.fullmatch(size) else None


def _os_name(root: Path) -> str:
    for line in read_text(root / "etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return ""


def _packages() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            version = importlib.metadata.version(package)
        except (importlib.metadata.PackageNotFoundError, KeyError, OSError, ValueError):
            continue  # Not installed, or its metadata are damaged.
        versions[package] = str(version)
    return versions


def _container(root: Path) -> str:
    """Return the kind of container, as far as it tells; "" outside of one."""
    for mark, kind in ((".dockerenv", "docker"), ("run/.containerenv", "podman")):
        if os.access(root / mark, os.F_OK):
            return kind
    return read_text(root / "run/systemd/container")


def _hypervisor(root: Path, cpuinfo: dict[str, str]) -> str:
    """Return the virtual machine's maker, `unknown` if it does not tell; "" on bare metal."""
    if read_text(root / "proc/device-tree/model") == "linux,dummy-virt":
        return "QEMU"
    if "hypervisor" not in cpuinfo.get("flags", "").split():
        return read_text(root / "sys/hypervisor/type")
    names = (read_text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name"))
    return " ".join(filter(None, names)) or "unknown"
