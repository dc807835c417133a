"""The project's own wheel: built from the checkout, or put together from what is installed."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec

from edge_recog_devices.errors import WheelsError

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT: Final = "edge-recog"
_BUILD_TIMEOUT_S = 300
# What the installer adds: it is of this computer, not of the wheel.
_OF_THE_INSTALLER = frozenset(
    {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json"}
)
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP can say: the same files make the same wheel."""


class ProjectWheel(NamedTuple):
    """The wheel of edge-recog itself."""

    path: Path
    origin: str
    """Where it comes from, for people."""


class _DirectoryInfo(msgspec.Struct):
    editable: bool = False


class _DirectUrl(msgspec.Struct):
    """https://packaging.python.org/en/latest/specifications/direct-url-data-structure/."""

    url: str
    dir_info: _DirectoryInfo | None = None


def project_wheel(into: Path, *, installed: Distribution | None = None) -> ProjectWheel:
    """Make the wheel of the edge-recog that is in use here.

    Args:
        into: A folder.
        installed: The distribution; that of this Python if None.

    Raises:
        WheelsError: It cannot be made, or installed files are not those that were installed.
    """
    if installed is None:
        try:
            installed = distribution(PROJECT)
        except PackageNotFoundError as error:
            raise WheelsError(f"{PROJECT} is not installed: pip install {PROJECT}") from error
    checkout = _checkout_of(installed)
    if checkout is not None:
        return ProjectWheel(_build(checkout, into), f"built from {checkout}")
    name = f"{PROJECT} {installed.version}"
    return ProjectWheel(_repack(installed, into), f"put together from the installed {name}")


def _checkout_of(installed: Distribution) -> Path | None:
    """Return the folder that an editable installation leads to."""
    text = installed.read_text("direct_url.json")
    if text is None:
        return None
    try:
        told = msgspec.json.decode(text, type=_DirectUrl)
    except msgspec.MsgspecError:
        return None
    parts = urlsplit(told.url)
    if parts.scheme != "file" or told.dir_info is None or not told.dir_info.editable:
        return None
    return Path(url2pathname(parts.path))


def _build(checkout: Path, into: Path) -> Path:
    """Build with the hatchling that is here, else with one that pip fetches."""
    if find_spec("hatchling") is not None:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    else:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-input"]
        command += ["--disable-pip-version-check", "-w", str(into), str(checkout)]
    try:
        done = subprocess.run(
            command,
            cwd=checkout,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WheelsError(f"{checkout}: its wheel cannot be built: {error}") from error
    found = sorted(into.glob("edge_recog-*.whl"))
    if done.returncode != 0 or len(found) != 1:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"status {done.returncode}"
        raise WheelsError(f"{checkout}: its wheel cannot be built: {reason}")
    return found[0]


def _repack(installed: Distribution, into: Path) -> Path:
    """Put the installed files together again, each checked against what was installed."""
    about = f"edge_recog-{installed.version}.dist-info"
    path = into / f"edge_recog-{installed.version}-py3-none-any.whl"
    if "Tag: py3-none-any" not in (installed.read_text("WHEEL") or ""):
        raise WheelsError(f"the installed {PROJECT} is not the usual one for all processors")
    rows = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(_checked_files(installed, about)):
            rows.append(f"{name},sha256={_digest(data)},{len(data)}")
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data)
        record = "\n".join([*rows, f"{about}/RECORD,,", ""])
        archive.writestr(zipfile.ZipInfo(f"{about}/RECORD", _LONG_AGO), record)
    return path


def _checked_files(installed: Distribution, about: str) -> Iterator[tuple[str, bytes]]:
    for file in installed.files or []:
        place = PurePosixPath(file.as_posix())
        in_package = place.parts[0] == "edge_recog"
        in_about = place.parts[0] == about and place.name not in _OF_THE_INSTALLER
        if not (in_package or in_about) or "__pycache__" in place.parts:
            continue
        try:
            data = Path(str(file.locate())).read_bytes()
        except OSError as error:
            raise WheelsError(
                f"{file}: cannot be read: {error.strerror or error}; pip install --force-reinstall "
                f"{PROJECT}"
            ) from error
        if file.hash is None or file.hash.mode != "sha256" or file.hash.value != _digest(data):
            raise WheelsError(
                f"{file} is not what was installed: pip install --force-reinstall {PROJECT}"
            )
        yield place.as_posix(), data


def _digest(data: bytes) -> str:
    """Return a SHA-256 as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
