"""What a profile says of a kind of device.

Format history of `schema_version`:

- 1: first version.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

SCHEMA_VERSION = 1

Architecture = Literal["aarch64", "x86_64"]
Accelerator = Literal["coral-usb", "coral-pci"]
CameraStack = Literal["picamera2", "v4l2"]

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Positive = Annotated[int, msgspec.Meta(gt=0)]
Megabytes = Annotated[int, msgspec.Meta(gt=0, le=1_000_000)]
PythonVersion = Annotated[str, msgspec.Meta(pattern=r"^3\.[0-9]{1,2}$")]
GlibcVersion = Annotated[str, msgspec.Meta(pattern=r"^2\.[0-9]{1,2}$")]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Hardware(_Strict, frozen=True, kw_only=True):
    """What does not change with the card."""

    architecture: Architecture
    """Of the processor, and of the system it should run."""
    processor: Text
    cores: Positive | None = None
    """None where they differ."""
    memory_mb: tuple[Megabytes, ...] = ()
    """Sizes it is sold with, in MiB; empty where they differ."""
    accelerators: tuple[Accelerator, ...] = ()
    """Without which it is not this device."""


class Camera(_Strict, frozen=True, kw_only=True):
    """How pictures are taken."""

    stack: CameraStack
    source: Text
    """What to write for `source` in the configuration, to begin with."""


class System(_Strict, frozen=True, kw_only=True):
    """An operating system that it runs."""

    title: Text
    id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9._-]+$")]
    """`ID` of its /etc/os-release."""
    version: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]*$")] = ""
    """`VERSION_ID` there; empty for any."""
    python: PythonVersion
    """Its own."""
    glibc: GlibcVersion
    """By which wheels are chosen."""
    constraints: tuple[Text, ...] = ()
    """On what pip may install beside the system's own packages: `numpy<2`."""

    @property
    def python_version(self) -> tuple[int, int]:
        """`python`, to compare."""
        major, minor = self.python.split(".")
        return int(major), int(minor)


class Budgets(_Strict, frozen=True, kw_only=True):
    """What the classifier may take there: decided by us, not measured."""

    latency_ms: Annotated[float, msgspec.Meta(gt=0)]
    """From frame to answer, for 95 of 100."""
    memory_mb: Megabytes
    """Above this the service is started anew, in MiB (`MemoryMax=`)."""
    disk_mb: Megabytes
    """Free space that an installation needs, in MB of 1,000,000 bytes: the unpacked runtime takes
    about 200, an update stands beside the old one for a while, and the wheels take 70."""
    threads: Positive
    """For the interpreter, so that camera and outputs have a core of their own."""
    temperature_c: Annotated[int, msgspec.Meta(gt=0, lt=120)] | None = None
    """At which the firmware slows the processor down."""


class Figure(_Strict, frozen=True, kw_only=True):
    """One published latency. Empty or None: its source does not say."""

    network: Text
    """As the literature writes it."""
    width: float | None = None
    """Width multiplier."""
    input_size: Positive | None = None
    """Pixels a side."""
    precision: Literal["float32", "float16", "float", "int8", ""] = ""
    """`float` where the source does not say how wide."""
    statistic: Literal["mean", "p50", "p90", "p99", "max", ""] = ""
    ms: Annotated[float, msgspec.Meta(gt=0)]


class Published(_Strict, frozen=True, kw_only=True):
    """Latencies that somebody has published, under the same conditions."""

    by: Text
    document: Text
    """Where, as an address or a title to look for."""
    date: str = ""
    """Of the document, as far as it is known."""
    device: str = ""
    """On what, where that is not this very device."""
    runtime: Text
    threads: Positive | None = None
    figures: Annotated[tuple[Figure, ...], msgspec.Meta(min_length=1)]


class Note(_Strict, frozen=True, kw_only=True):
    """Something to know before one begins."""

    text: Text
    document: str = ""
    """Where it is from."""


class Profile(_Strict, frozen=True, kw_only=True):
    """What a kind of device is."""

    schema_version: Literal[1]
    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    title: Text
    boards: tuple[Text, ...] = ()
    """Patterns, as of file names, of what the device tree calls it; empty for any."""
    hardware: Hardware
    camera: Camera
    systems: Annotated[tuple[System, ...], msgspec.Meta(min_length=1)]
    """The one to prefer first."""
    budgets: Budgets
    published: tuple[Published, ...] = ()
    notes: tuple[Note, ...] = ()
