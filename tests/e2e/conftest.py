"""The demo, run once as a user would and shared by the tests that need a real model."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `edge-recog demo` has run; its output is demo.log there."""
    folder = tmp_path_factory.mktemp("demo")
    command = [str(Path(sys.executable).parent / "edge-recog"), "demo"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "demo.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return folder
