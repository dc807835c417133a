"""Environments of their own for programs that do not go with ours, made by uv and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.errors import EdgeRecogError

if TYPE_CHECKING:
    from collections.abc import Callable

_CHECKOUT_UV = Path(__file__).parents[2] / "tools" / "uv.sh"


class EnvironmentMissingError(EdgeRecogError, RuntimeError):
    """An environment could not be made."""


def default_folder() -> Path:
    """Return where environments are kept: in ours, where it is one, so that they go with it."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "environments"
    return Path.home() / ".cache" / "edge-recog" / "environments"


def make_environment(
    name: str, *requirements: str, folder: Path, say: Callable[[str], None] = lambda text: None
) -> Path:
    """Return the Python of an environment; it is made if it is not there.

    Of several programs at a time, one makes it and the others wait.

    Args:
        name: Of the environment; the requirements and the version of Python are told apart.
        requirements: What pip is asked to install; options of `uv pip install` may be among them.
        folder: Where environments are kept.
        say: Told what takes time.

    Raises:
        EnvironmentMissingError: There is no uv, or something cannot be installed.
    """
    wanted = "\n".join([*sorted(requirements), sys.version])
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    environment = folder / f"{name}-{digest}"
    python, complete = environment / "bin" / "python", environment / "complete"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{environment.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Given back with the file, even after a crash.
            if not complete.exists():
                packages = " ".join(one for one in requirements if not one.startswith("-"))
                say(f"making the environment {environment.name}: {packages}")
                _uv("venv", "--clear", "--python", sys.executable, str(environment))
                _uv("pip", "install", "--python", str(python), *requirements)
                complete.touch()
    except OSError as error:
        raise EnvironmentMissingError(
            f"{environment}: cannot be made: {error.strerror or error}"
        ) from error
    return python


def site_packages(python: Path) -> Path:
    """Return where an environment that `make_environment` made keeps its packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python.parents[1] / "lib" / version / "site-packages"


def _uv(*arguments: str) -> None:
    """Run uv as set-up does, so that packages come from where ours came from.

    Raises:
        EnvironmentMissingError: There is none, or it fails.
    """
    uv = str(_CHECKOUT_UV) if _CHECKOUT_UV.exists() else shutil.which("uv")
    if uv is None:
        raise EnvironmentMissingError("uv, which makes environments, is missing: pip install uv")
    done = subprocess.run(
        [uv, *arguments],
        env={"PYTHON": sys.executable, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-300:] or f"uv ended with status {done.returncode}"
        raise EnvironmentMissingError(f"it cannot be installed: {said}")
