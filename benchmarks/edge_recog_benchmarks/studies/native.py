"""Building the libraries that are preloaded into processes to do faults to them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def build_library(source: Path, library: Path) -> Path:
    """Build a library of one C file, and return its path.

    Args:
        source: The C file.
        library: To be written.

    Raises:
        UsageError: There is no gcc, or it fails.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        raise UsageError("gcc builds what does the faults, and is not here: install it")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UsageError(f"gcc cannot build {source.name}: {done.stderr.strip()[-300:]}")
    return library
