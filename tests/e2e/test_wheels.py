"""What the four distributions put into the hands of those who install them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]

FOLDERS = {
    "edge_recog": ROOT,
    "edge_recog_benchmarks": ROOT / "benchmarks",
    "edge_recog_converter": ROOT / "converter",
    "edge_recog_devices": ROOT / "devices",
}
PACKAGES = sorted(FOLDERS)

TRAINING = ("tensorflow", "keras", "torch", "scikit", "matplotlib")


@dataclass(frozen=True)
class Built:
    wheel: frozenset[str]
    """Names of the files in the wheel."""
    sdist: frozenset[str]
    """Names of the files in the source distribution, without its outer folder."""
    metadata: Message

    @property
    def version(self) -> str:
        return str(self.metadata["Version"])

    @property
    def requirements(self) -> list[str]:
        return list(self.metadata.get_all("Requires-Dist", []))

    @property
    def dist_info(self) -> str:
        name = str(self.metadata["Name"]).replace("-", "_")
        return f"{name}-{self.version}.dist-info"


def build(folder: Path, into: Path) -> Built:
    """Build wheel and source distribution of the checkout as it is, stray files and all."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist"]
    done = subprocess.run(
        [*command, "-d", str(into)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = into.glob("*.whl")
    [sdist] = into.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = frozenset(archive.namelist())
        [metadata] = (name for name in names if name.endswith(".dist-info/METADATA"))
        message = HeaderParser().parsestr(archive.read(metadata).decode())
    with tarfile.open(sdist) as tar:
        members = tar.getmembers()
    assert all(member.isfile() for member in members), "only plain files survive everywhere"
    inside = frozenset(member.name.partition("/")[2] for member in members)
    return Built(wheel=names, sdist=inside, metadata=message)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    return {
        package: build(folder, tmp_path_factory.mktemp(package))
        for package, folder in FOLDERS.items()
    }


def sources(package: str) -> set[str]:
    """Every file of the package in the checkout, relative to its distribution's folder."""
    folder = FOLDERS[package]
    return {
        path.relative_to(folder).as_posix()
        for path in (folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_holds_the_package_and_its_dist_info_and_nothing_else(
    built: dict[str, Built], package: str
) -> None:
    wheel = built[package]
    about = {name for name in wheel.wheel if name.startswith(f"{wheel.dist_info}/")}

    assert wheel.wheel - about == sources(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_is_typed_and_carries_the_licence(built: dict[str, Built], package: str) -> None:
    wheel = built[package]

    assert f"{package}/py.typed" in wheel.wheel
    assert f"{wheel.dist_info}/licenses/LICENSE" in wheel.wheel
    assert wheel.metadata["License-Expression"] == "Apache-2.0"


@pytest.mark.parametrize("package", PACKAGES)
def test_sdist_holds_no_stray_files(built: dict[str, Built], package: str) -> None:
    papers = {"PKG-INFO", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", ".gitignore"}

    assert built[package].sdist - papers == sources(package)


BUILT_IN = "edge_recog/models/clothing.tflite"


def test_the_built_in_model_is_in_wheel_and_sdist(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / BUILT_IN).parent.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, checkout)
    for name in ("__init__.py", "models/__init__.py"):
        shutil.copy(ROOT / "edge_recog" / name, checkout / "edge_recog" / name)
    # A stand-in, so that the rule holds before the model is made; git may be told to ignore models.
    (checkout / BUILT_IN).write_bytes(b"a model")
    (checkout / ".gitignore").write_text("*.tflite\n", encoding="utf-8")

    built = build(checkout, tmp_path / "built")

    assert BUILT_IN in built.wheel
    assert BUILT_IN in built.sdist


def test_all_four_carry_one_version(built: dict[str, Built]) -> None:
    assert len({wheel.version for wheel in built.values()}) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_sisters_are_pinned_to_that_version(built: dict[str, Built], package: str) -> None:
    wheel = built[package]
    sisters = [line for line in wheel.requirements if line.startswith("edge-recog")]

    assert sisters
    assert all(f"=={wheel.version}" in line.partition(";")[0] for line in sisters), sisters


@pytest.mark.parametrize("package", PACKAGES)
def test_licence_is_one_text(package: str) -> None:
    # Copies, because a link in a source distribution would point outside of it.
    assert (FOLDERS[package] / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_runtime_requires_no_training_library(built: dict[str, Built]) -> None:
    required = built["edge_recog"].requirements

    assert [line for line in required if line.startswith(TRAINING)] == []
