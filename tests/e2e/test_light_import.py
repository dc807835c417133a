"""`import edge_recog` costs little, and a heavy library is loaded only by what uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = (
    "ai_edge_litert",
    "cryptography",
    "cv2",
    "keras",
    "matplotlib",
    "picamera2",
    "securesystemslib",
    "skimage",
    "sklearn",
    "starlette",
    "tensorflow",
    "tflite_runtime",
    "torch",
    "tuf",
    "urllib3",
    "uvicorn",
)
COMMAND_LINE = ("click", "rich", "typer")

HELP = """
import sys
from edge_recog.cli import main
sys.argv = ["edge-recog", "--help"]
sys.stdout = open(os.devnull, "w")
try:
    main()
except SystemExit:
    pass
sys.stdout = sys.__stdout__
"""

TIMES_NUMPY = 3.0
REPETITIONS = 7


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded(code: str, candidates: tuple[str, ...]) -> list[str]:
    """The candidates that are in `sys.modules` after `code`, in a fresh interpreter."""
    report = f"import os, sys\n{code}\nprint(*sorted(set(sys.modules) & set({candidates!r})))"
    return run(report).split()


@pytest.mark.parametrize(
    ("code", "candidates"),
    [
        ("import edge_recog", (*HEAVY, *COMMAND_LINE, "msgspec", "flatbuffers")),
        ("from edge_recog import *", (*HEAVY, *COMMAND_LINE)),
        ("import edge_recog.cli", HEAVY),
        (HELP, HEAVY),
    ],
    ids=["package", "every-exported-name", "command-line", "help"],
)
def test_heavy_libraries_stay_out(code: str, candidates: tuple[str, ...]) -> None:
    assert loaded(code, candidates) == []


def test_a_loaded_library_is_noticed() -> None:
    assert loaded("import cv2", HEAVY) == ["cv2"]


def import_ns(module: str, byte_code: Path) -> int:
    """Time one import in a fresh interpreter, from byte code kept in `byte_code`."""
    timed = (
        "import time\nbegun = time.perf_counter_ns()\n"
        f"import {module}\nprint(time.perf_counter_ns() - begun)"
    )
    return int(run(timed, PYTHONPYCACHEPREFIX=str(byte_code), PYTHONDONTWRITEBYTECODE=""))


def test_import_takes_at_most_three_times_as_long_as_numpy(tmp_path: Path) -> None:
    modules = ("edge_recog", "numpy")
    for module in modules:
        import_ns(module, tmp_path)  # writes the byte code
    # Noise only ever adds, so the fastest of several is the import itself; taking turns gives
    # both the same noise.
    rounds = [[import_ns(module, tmp_path) for module in modules] for _ in range(REPETITIONS)]
    ours, numpys = (min(times) for times in zip(*rounds, strict=True))

    assert ours <= TIMES_NUMPY * numpys, f"{ours / 1e6:.1f} ms, numpy {numpys / 1e6:.1f} ms"
