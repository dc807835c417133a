"""What was collected: a list of files with their SHA-256, and for whom they are.

Format history of `schema_version`:

- 1: first version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels.archives import sha256_of
from edge_recog_devices.wheels.target import Target

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST: Final = "manifest.json"
REQUIREMENTS: Final = "requirements.txt"
_MOST_BYTES = 4_000_000
_FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._+!-]*\.whl$"


class WheelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One wheel."""

    file: Annotated[str, msgspec.Meta(pattern=_FILE_NAME, max_length=250)]
    distribution: str
    version: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    """In bytes."""
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All wheels of an installation."""

    schema_version: Literal[1] = 1
    created: str
    """RFC 3339, UTC."""
    target: Target
    project: str
    """What is to be installed, with extras: `edge-recog[daemon]`."""
    version: str
    project_from: str
    """Where the project's own wheel comes from."""
    files: Annotated[tuple[WheelFile, ...], msgspec.Meta(min_length=1)]
    """By name."""

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(one.size for one in self.files)

    def requirements(self) -> str:
        """Return the requirements file by which pip installs these files and no others."""
        own = self.project.partition("[")[0]
        lines = [
            f"{self.project if one.distribution == own else one.distribution}=={one.version} "
            f"--hash=sha256:{one.sha256}"
            for one in self.files
        ]
        return "\n".join(["--no-index", "--find-links .", "--require-hashes", *lines]) + "\n"

    def encode(self) -> bytes:
        """Return the file's content."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder whose files are what it says.

    Raises:
        WheelsError: There is none, or a file is missing, damaged, or not listed.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
        manifest = msgspec.json.decode(data, type=Manifest)
    except OSError as error:
        raise WheelsError(
            f"{path}: cannot be read ({error.strerror or error}): collect the wheels with "
            "edge-recog devices wheels"
        ) from error
    except msgspec.MsgspecError as error:
        raise WheelsError(f"{path}: no manifest of wheels: {error}") from error
    for one in manifest.files:
        wheel = folder / one.file
        if (
            not wheel.is_file()
            or wheel.stat().st_size != one.size
            or sha256_of(wheel) != one.sha256
        ):
            raise WheelsError(f"{wheel}: missing or damaged: collect the wheels again")
    listed = {one.file for one in manifest.files}
    for found in sorted(folder.glob("*.whl")):
        if found.name not in listed:
            raise WheelsError(f"{found}: not listed in {MANIFEST}: collect the wheels again")
    return manifest
