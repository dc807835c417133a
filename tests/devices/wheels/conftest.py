"""Wheels that are made here, small and with what is needed in them."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def make_wheel(tmp_path: Path) -> Callable[..., Path]:
    """Return what makes a wheel: name, version, requirements, and the tag of its file name."""

    def make(
        name: str,
        version: str = "1.0",
        *requires: str,
        tag: str = "py3-none-any",
        extras: tuple[str, ...] = (),
        folder: Path = tmp_path,
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{name.replace('-', '_')}-{version}"
        path = folder / f"{stem}-{tag}.whl"
        about = f"{stem}.dist-info"
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        lines += [f"Provides-Extra: {extra}" for extra in extras]
        lines += [f"Requires-Dist: {one}" for one in requires]
        files: dict[str, Any] = {
            f"{about}/METADATA": "\n".join([*lines, "", ""]),
            f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        files[f"{about}/RECORD"] = "".join(f"{one},,\n" for one in [*files, f"{about}/RECORD"])
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        return path

    return make


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all that pip knows."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "index"
    folder.mkdir()
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nno-index = true\nfind-links = {folder}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    # A file that is named replaces none of the system's.
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    return folder
