"""Fixtures for the tests of all four distributions."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
_SHARED_DATA = ROOT.parent / "shared" / "data"
_ENVIRONMENTS = ROOT / ".venv" / "environments"


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """Return what ends a test whose part is not here: skipped for a user, failed in CI."""
    return _missing


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Pictures and models beside the checkout that are too large to keep in it."""
    if not _SHARED_DATA.is_dir():
        _missing(f"the shared data is not at {_SHARED_DATA}")
    return _SHARED_DATA


@pytest.fixture(scope="session")
def environment() -> Callable[..., Path]:
    """Return what makes an environment of a name and requirements, and returns its Python.

    Other versions than ours, and programs to compare with, live in environments of their own. They
    are made once and kept in .venv; of several test runs at a time, one makes it and the others
    wait.
    """

    def make(name: str, *requirements: str) -> Path:
        wanted = "\n".join([*sorted(requirements), sys.version])
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
        folder = _ENVIRONMENTS / f"{name}-{digest}"
        python = folder / "bin" / "python"
        complete = folder / "complete"
        _ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
        with (_ENVIRONMENTS / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Given back with the file, even after a crash.
            if not complete.exists():
                _uv("venv", "--clear", "--python", sys.executable, str(folder))
                _uv("pip", "install", "--python", str(python), *requirements)
                complete.touch()
        return python

    return make


@pytest.fixture(scope="session")
def tflite_runtime_python(environment: Callable[..., Path]) -> Path:
    """Return the Python of an environment as 32-bit Raspberry Pi OS gets it: older versions."""
    if sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14 has wheels up to Python 3.11 only")
    packages = ["numpy<2", "opencv-python-headless<5", "flatbuffers", "msgspec", "rich", "typer"]
    return environment("tflite-runtime", "tflite-runtime==2.14.0", *packages)


def _uv(*arguments: str) -> None:
    """Run uv as set-up does: packages come from where ours came from."""
    done = subprocess.run(
        [str(ROOT / "tools" / "uv.sh"), *arguments],
        env={"PYTHON": sys.executable, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        _missing(f"an environment could not be made: {done.stderr.strip()[-300:]}")
