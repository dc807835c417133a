"""The project's own wheel: built from the checkout, or put together from what is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels import project_wheel
from edge_recog_devices.wheels.archives import read_wheel

if TYPE_CHECKING:
    from collections.abc import Callable


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {one: archive.read(one) for one in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that is built from this checkout."""
    made = project_wheel(tmp_path_factory.mktemp("built"))
    assert made.origin == f"built from {Path(__file__).parents[3]}"
    return made.path


@pytest.fixture
def installed(built: Path, tmp_path: Path) -> Distribution:
    """Return that wheel as it is when pip has installed it."""
    folder = tmp_path / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    command += ["--disable-pip-version-check", "--target", str(folder), str(built)]
    subprocess.run(command, check=True)
    (about,) = folder.glob("*.dist-info")
    return PathDistribution(about)


def test_an_editable_installation_is_built_from_its_folder(built: Path) -> None:
    assert read_wheel(built).name == "edge-recog"
    assert read_wheel(built).version == distribution("edge-recog").version
    names = contents(built)
    assert "edge_recog/__init__.py" in names
    assert any(name.endswith(".tflite") for name in names)


def test_an_installation_is_put_together_as_it_was(
    built: Path, installed: Distribution, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    made = project_wheel(tmp_path / "out", installed=installed)
    assert made.origin == f"put together from the installed edge-recog {installed.version}"
    assert made.path.name == built.name
    again, before = contents(made.path), contents(built)
    record = next(name for name in before if name.endswith("/RECORD"))
    assert again.keys() == before.keys()
    assert {k: v for k, v in again.items() if k != record} == {
        k: v for k, v in before.items() if k != record
    }
    # The same lines, in whatever order.
    assert sorted(again[record].split()) == sorted(before[record].split())


def test_the_same_installation_makes_the_same_file(installed: Distribution, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(project_wheel(tmp_path / name, installed=installed).path.read_bytes())
    assert made[0] == made[1]


def damage(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"#")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage, "edge_recog/wire.py is not what was installed: pip install --force-reinstall"),
        (Path.unlink, "edge_recog/wire.py: cannot be read"),
    ],
    ids=["changed", "gone"],
)
def test_an_installation_that_was_changed_is_refused(
    installed: Distribution, tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(Path(str(installed.locate_file("edge_recog/wire.py"))))
    (tmp_path / "out").mkdir()
    with pytest.raises(WheelsError, match=reason):
        project_wheel(tmp_path / "out", installed=installed)


def test_a_checkout_that_cannot_be_built_is_told(tmp_path: Path) -> None:
    about = tmp_path / "edge_recog-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: edge-recog\nVersion: 0.1.0\n")
    (about / "direct_url.json").write_text(
        f'{{"url": "file://{tmp_path}", "dir_info": {{"editable": true}}}}'
    )
    with pytest.raises(WheelsError, match="its wheel cannot be built: "):
        project_wheel(tmp_path, installed=PathDistribution(about))
