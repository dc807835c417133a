"""What is done to a device, as values: each may be done again without harm."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edge_recog_devices.flash.wanted import Admission, ModelFile, Runtime


def size_text(size_bytes: int) -> str:
    """Return e.g. `655 kB`; 1 kB is 1000 bytes."""
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1e3:.0f} kB"
    return f"{size_bytes / 1e6:.1f} MB"


@dataclass(frozen=True)
class MakeUser:
    """The service's user, in the groups that own devices."""

    name: str
    groups: tuple[str, ...]

    def __str__(self) -> str:
        """Return it for people."""
        return f"make the user {self.name}, in the groups {', '.join(self.groups)}"


@dataclass(frozen=True)
class SendWheels:
    """All wheels that are not there yet."""

    runtime: Runtime

    def __str__(self) -> str:
        """Return it for people."""
        manifest = self.runtime.manifest
        assert manifest is not None
        return f"send {len(manifest.files)} wheels, {size_text(manifest.size)}"


@dataclass(frozen=True)
class MakeEnvironment:
    """An environment beside the one in use."""

    name: str
    python: str
    python_version: str
    requirement: str
    from_wheels: bool
    constraints: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it for people."""
        origin = "from the wheels" if self.from_wheels else "from the device's package index"
        return f"install {self.requirement} for Python {self.python_version}, {origin}"


@dataclass(frozen=True)
class SendModel:
    """The model, compressed, and its signature."""

    model: ModelFile

    def __str__(self) -> str:
        """Return it for people."""
        signed = ", with its signature" if self.model.signature is not None else ""
        return f"send {self.model.file}, {size_text(len(self.model.data))}{signed}"


@dataclass(frozen=True)
class InstallModel:
    """Have the store try what was sent, keep it, and make it the candidate."""

    model: ModelFile
    environment: str
    """Whose program does it: the one that will run the model."""
    admission: Admission
    options: tuple[str, ...]
    """By which it is tried."""
    is_new: bool
    """Whether the store has not had it before."""
    active: str
    """Digest of the model that is active before, or `built-in`."""
    instead_of: str | None = None
    """Digest of a model that is on trial until then."""

    def __str__(self) -> str:
        """Return it for people."""
        return f"try {self.model.name} on the device, and put it on trial"


@dataclass(frozen=True)
class WriteFile:
    """A file of the system's."""

    key: str
    """By which the journal keeps what was there."""
    path: str
    data: bytes
    mode: int
    is_new: bool

    def __str__(self) -> str:
        """Return it for people."""
        return f"{'write' if self.is_new else 'change'} {self.path}"

    @property
    def digest(self) -> str:
        """SHA-256."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class UseEnvironment:
    """Let an environment be the one in use."""

    name: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"use the environment {self.name}"


@dataclass(frozen=True)
class RunService:
    """Start the service, start it anew, or have it load its model."""

    how: Literal["start", "restart", "reload"]

    def __str__(self) -> str:
        """Return it for people."""
        return {
            "start": "start the service, now and at every boot",
            "restart": "start the service anew",
            "reload": "have the service load the model",
        }[self.how]


@dataclass(frozen=True)
class AwaitHealthy:
    """Wait until it answers, and go on watching for a while."""

    digest: str
    """Of the model that is to answer."""
    name: str
    patience_s: float
    healthy_s: float

    def __str__(self) -> str:
        """Return it for people."""
        return (
            f"wait up to {self.patience_s:g} s for {self.name} to answer, "
            f"without a break for {self.healthy_s:g} s"
        )


Step = (
    MakeUser
    | SendWheels
    | MakeEnvironment
    | SendModel
    | InstallModel
    | WriteFile
    | UseEnvironment
    | RunService
    | AwaitHealthy
)
