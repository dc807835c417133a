"""What a device shall run: a model, a configuration, and edge_recog itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from edge_recog import __version__
from edge_recog.bundle import Bundle, read_model_file
from edge_recog.signing import signature_path
from edge_recog.signing.signatures import MOST_BYTES as MOST_SIGNATURE_BYTES
from edge_recog.signing.small_files import read_small
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels import Manifest, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_devices.probing.facts import Python

EXTRAS: Final = ("daemon",)
"""Of edge-recog, that the service needs."""


@dataclass(frozen=True)
class ModelFile:
    """A model on this computer, whole."""

    file: str
    """Its name."""
    name: str
    """As it calls itself."""
    data: bytes
    signature: bytes | None = None
    """What the file beside it says, if there is one."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check one.

        Raises:
            BundleError: It cannot be used.
            UsageError: It cannot be read.
        """
        data = read_model_file(path)
        bundle = Bundle.from_bytes(data, where=str(path))
        try:
            signature = read_small(signature_path(path), most_bytes=MOST_SIGNATURE_BYTES)
        except FileNotFoundError:
            signature = None
        return cls(path.name, bundle.name, data, signature)

    @property
    def digest(self) -> str:
        """SHA-256, by which the store calls it."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Runtime:
    """Which edge_recog."""

    version: str = __version__
    folder: Path | None = None
    """With the wheels; None for the index that the device's own pip uses."""
    manifest: Manifest | None = None
    """Of that folder."""
    reinstall: bool = False
    """Even if the device has this version."""

    @classmethod
    def from_wheels(cls, folder: Path, *, reinstall: bool = False) -> Self:
        """Return what a folder of collected wheels installs.

        Raises:
            WheelsError: It cannot be used, or lacks what the service needs.
        """
        manifest = read_manifest(folder)
        extras = manifest.project.partition("[")[2].rstrip("]").split(",")
        if missing := [extra for extra in EXTRAS if extra not in extras]:
            raise WheelsError(
                f"{folder}: collected without what the service needs; collect them again with "
                f"edge-recog devices wheels --extra {','.join(missing)}"
            )
        return cls(manifest.version, folder, manifest, reinstall)

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"edge-recog[{','.join(EXTRAS)}]=={self.version}"

    def environment(self, python: Python, constraints: tuple[str, ...]) -> str:
        """Return the name of the environment that this makes with a Python."""
        wheels = "" if self.manifest is None else self.manifest.requirements()
        parts = (self.requirement, python.path, python.version, *constraints, wheels)
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return f"{self.version}-{digest[:10]}"


@dataclass(frozen=True)
class Admission:
    """What the device's store is told about a model."""

    allow_unsigned: bool = False
    allow_downgrade: bool = False
    insist: bool = False
    """Even if it failed too often."""
    most_ms: float | None = None
    """That a picture may take; as configured if None."""


@dataclass(frozen=True)
class Wanted:
    """All of it."""

    model: ModelFile
    runtime: Runtime = Runtime()
    config: str | None = None
    """TOML; the device's own, or else one that follows from its profile, if None."""
    source: str | None = None
    """Of frames; as configured if None."""
    anchor: bytes | None = None
    """The root of updates that it is to trust, JSON; the one it has if None."""
    admission: Admission = Admission()
    patience_s: float = 120.0
    """For the first healthy answer."""
    healthy_s: float = 10.0
    """For which it must then answer without a break."""
