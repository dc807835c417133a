"""The Python here, and whether what was installed for it works together."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import signal
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.util import find_spec
from typing import TYPE_CHECKING

from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.interpreters import INTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_recog.doctor.board import System
    from edge_recog.doctor.probes import Machine

# The wheels of ai-edge-litert 2.3 and tflite-runtime 2.14 on PyPI.
_LITERT_PYTHONS = ((3, 10), (3, 14))
_TFLITE_PYTHONS = ((3, 7), (3, 11))
_MODULES_WITH_NUMPY = ("cv2", "picamera2")
"""Besides interpreters: libraries with native code that was built for one NumPy."""
_ABI = re.compile(
    r"numpy\.dtype size changed|_ARRAY_API not found|compiled using NumPy 1\.x|"
    r"numpy\.core\.multiarray failed to import|numpy\._core\.multiarray failed to import|"
    r"module compiled against (?:ABI|API) version",
    re.IGNORECASE,
)
"""What libraries say that were built for another NumPy than the one that is there."""
_OPENCV_VARIANTS = frozenset(
    {
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
        "opencv-python",
        "opencv-python-headless",
    }
)
_IMPORT = "import importlib, sys; importlib.import_module(sys.argv[1])"


@dataclass(frozen=True)
class Python:
    """The Python this runs on, as far as wheels care."""

    version: tuple[int, int]
    implementation: str
    libc: str
    """`glibc`, or empty for any other."""
    free_threaded: bool


def read_python() -> Python:
    """Return the Python this runs on."""
    return Python(
        sys.version_info[:2],
        platform.python_implementation(),
        platform.libc_ver()[0],
        bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    )


def judge_python(python: Python, system: System) -> Finding:
    """Judge whether there are interpreter wheels for this Python."""
    name = f"{python.implementation} {'.'.join(map(str, python.version))}, {system.bits}-bit"
    if python.implementation != "CPython" or python.free_threaded:
        kind = "free-threaded " if python.free_threaded else ""
        return bad(f"{kind}{name}: wheels are for the usual CPython", "use the system's python3")
    if python.libc != "glibc":
        return bad(
            f"{name}, without glibc: the wheels need it (Alpine has musl)",
            "use Debian, Raspberry Pi OS or Ubuntu",
        )
    low, high = _LITERT_PYTHONS if system.bits == 64 else _TFLITE_PYTHONS
    wheel = "ai-edge-litert" if system.bits == 64 else "tflite-runtime"
    if system.bits == 32 and system.kernel == "armv6l":
        return bad(f"{name}, ARMv6: no interpreter has wheels for it", "use a Raspberry Pi 3 or up")
    if not low <= python.version <= high:
        wanted = ".".join(map(str, high))
        return bad(
            f"{name}: {wheel} has wheels up to Python {wanted}",
            f"make the environment with another Python: python{wanted} -m venv --clear .venv"
            + ("" if system.bits == 64 else ", or install a 64-bit system"),
        )
    return good(f"{name}: {wheel} has wheels for it")


@dataclass(frozen=True)
class Import:
    """How importing a library in a process of its own went."""

    module: str
    code: int | None
    """Exit status; negative for a signal, None if it was not over in time."""
    said: str = ""
    """Its stderr."""

    @property
    def installed(self) -> bool:
        """Tell whether the library is there at all, working or not."""
        top = self.module.partition(".")[0]
        return f"No module named '{top}'" not in self.said

    @property
    def works(self) -> bool:
        """Tell whether it can be imported."""
        return self.code == 0

    @property
    def problem(self) -> str:
        """Return in one line why it does not work."""
        if self.code is None:
            return "its import does not end"
        if self.code < 0:
            return f"its import crashes Python ({signal_name(-self.code)})"
        return (self.said.strip().splitlines() or [f"its import ends with status {self.code}"])[-1]


def signal_name(number: int) -> str:
    """Return e.g. `SIGILL`."""
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def read_import(machine: Machine, module: str) -> Import:
    """Import a library in a process of its own, which it may crash."""
    command = [sys.executable, "-P", "-c", _IMPORT, module]
    said = machine.run(command, environment={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    if said is None:
        return Import(module, 127, f"{sys.executable} cannot be run")
    return Import(module, said.code, said.err)


def read_interpreters(machine: Machine) -> tuple[Import, ...]:
    """Try the interpreters in the order in which they are chosen, up to the first that works."""
    tried = []
    for module in INTERPRETERS.values():
        tried.append(read_import(machine, module))
        if tried[-1].works:
            break
    return tuple(tried)


def read_numpy_users(machine: Machine) -> tuple[Import, ...]:
    """Try the other libraries that were built for one NumPy, those that are installed."""
    return tuple(read_import(machine, name) for name in _MODULES_WITH_NUMPY if find_spec(name))


def judge_interpreter(tried: Sequence[Import], versions: Mapping[str, str]) -> Finding:
    """Judge whether an interpreter is installed and can be imported.

    Args:
        tried: As `read_interpreters` returns them.
        versions: Of the installed distributions.
    """
    working = [one for one in tried if one.works]
    broken = [one for one in tried if one.installed and not one.works]
    reasons = "; ".join(f"{product(one, versions)}: {one.problem}" for one in broken)
    if working:
        name = product(working[0], versions)
        if broken:
            return warning(
                f"{name} is used, since {reasons}", _interpreter_fix(broken[0], versions)
            )
        return good(f"{name} can be imported")
    if broken:
        return bad(reasons, _interpreter_fix(broken[0], versions))
    return bad(
        "no TFLite interpreter is installed",
        "pip install --force-reinstall edge-recog, which brings the one for this machine",
    )


def product(one: Import, versions: Mapping[str, str]) -> str:
    """Return name and version of an interpreter, such as `ai-edge-litert 2.3.0`."""
    name = _name(one)
    return f"{name} {versions[name]}" if name in versions else name


def _interpreter_fix(one: Import, versions: Mapping[str, str]) -> str:
    if one.code == -signal.SIGILL:
        return (
            "it was built for a newer processor than this one: install another version with "
            f"pip install '{_name(one)}!={versions.get(_name(one), 'VERSION')}'"
        )
    if _ABI.search(one.said):
        return "see NumPy below"
    return f"pip install --force-reinstall {_name(one)}"


def _name(one: Import) -> str:
    return one.module.partition(".")[0].replace("_", "-")


def judge_numpy(tried: Iterable[Import], versions: Mapping[str, str]) -> Finding:
    """Judge whether libraries were built for the NumPy that is installed."""
    version = versions.get("numpy")
    if version is None:
        return bad("numpy is not installed", "pip install numpy")
    installed = [one for one in tried if one.installed]
    clashing = [one.module.partition(".")[0] for one in installed if _ABI.search(one.said)]
    if not clashing:
        names = [one.module.partition(".")[0] for one in installed if one.works]
        if not names:
            return skipped(f"numpy {version}, but no library that could clash with it loads")
        return good(f"numpy {version} goes with {', '.join(names)}")
    fix = "pip install 'numpy<2'" if version.startswith("2.") else "pip install --upgrade numpy"
    if "picamera2" in clashing:
        fix += ", since apt's picamera2 was built for the system's NumPy"
    return bad(f"numpy {version} is not the one that {', '.join(clashing)} was built for", fix)


def read_versions() -> dict[str, str]:
    """Return version of every installed distribution, by its name in lower case with dashes."""
    return {
        re.sub(r"[-_.]+", "-", name).lower(): one.version
        for one in distributions()
        if (name := one.metadata["Name"])
    }


def judge_opencv(cv2: Import | None, versions: Mapping[str, str]) -> Finding:
    """Judge whether OpenCV is there once and can be imported.

    The variants on PyPI bring the same folder `cv2`, and overwrite each other's files:
    https://github.com/opencv/opencv-python#installation-and-usage

    Args:
        cv2: How its import went; None if there is none.
        versions: Of the installed distributions.
    """
    variants = sorted(_OPENCV_VARIANTS & versions.keys())
    told = ", ".join(f"{name} {versions[name]}" for name in variants) or "the system's OpenCV"
    one = "opencv-python-headless"
    clean = f"pip uninstall -y {' '.join(variants)}; pip install {one}"
    if cv2 is None:
        return bad("OpenCV is not installed", f"pip install {one}")
    if not cv2.works:
        if _ABI.search(cv2.said):
            return bad(f"{told}: {cv2.problem}", "see NumPy above")
        return bad(f"{told}: {cv2.problem}", clean if variants else f"pip install {one}")
    if len(variants) > 1:
        return warning(f"{told} overwrite each other", clean)
    return good(told)
