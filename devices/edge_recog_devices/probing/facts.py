"""What a device says of itself, and its strict reader: the answer is input from a stranger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from edge_recog_devices.errors import FactsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_LINE: Final = "edge-recog-facts 1"
LAST_LINE: Final = "end"
MOST_BYTES: Final = 65_536

_MOST_OF_A_KIND = 64
_LINE = re.compile(r"(?P<key>[a-z][a-z0-9_.]{0,30})=(?P<values>[ -~\t]{0,2000})", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,5}){1,2}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

Sudo = Literal["root", "free", "password", "absent"]
"""What becoming root takes: nothing, nothing but the word, a password, or it is not installed."""


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Python(_Plain, frozen=True, kw_only=True):
    """An interpreter on the device."""

    path: str
    """Links followed."""
    version: str
    """Such as `3.13.5`."""
    implementation: str
    bits: int
    venv: bool
    """Whether it can make environments with pip in them."""
    picamera2: bool
    """Whether it finds picamera2 and libcamera."""
    free_threaded: bool

    @property
    def minor(self) -> tuple[int, int]:
        """Such as `(3, 13)`."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


class Folder(_Plain, frozen=True, kw_only=True):
    """Where the classifier is to be installed."""

    path: str
    existing: str
    """The nearest folder above that is there."""
    free_kib: int | None = None
    read_only: bool | None = None
    """Whether it is on a file system that is mounted so."""
    writable: bool
    """By the user who is logged in."""


class CameraNode(_Plain, frozen=True, kw_only=True):
    """A V4L2 device; a Raspberry Pi has many that are no cameras."""

    path: str
    name: str
    accessible: bool


class AcceleratorFound(_Plain, frozen=True, kw_only=True):
    """An accelerator that is plugged in."""

    kind: Literal["coral-usb", "coral-pci"]
    id: str
    """Vendor and product."""
    speed_mbit: int | None
    """Of its USB connection."""


class Installed(_Plain, frozen=True, kw_only=True):
    """An installation of edge_recog."""

    path: str
    version: str


class Facts(_Plain, frozen=True, kw_only=True):
    """What a device is and has. All texts are printable ASCII. None: it does not say."""

    hostname: str
    board: str
    """As its maker calls it; empty where nothing says so."""
    kernel: str
    """The kernel's machine, such as `aarch64`."""
    userland: Literal["aarch64", "x86_64", "armv7l", "armv6l", "i686", "other"]
    """What programs there are built for: with a 64-bit kernel they may have 32 bits."""
    libc: str
    """`glibc 2.41`, `musl`, or empty."""
    os_id: str
    os_version: str
    os_name: str
    raspberry_pi_os: bool
    cores: int | None
    memory_total_kib: int | None
    memory_available_kib: int | None
    pythons: tuple[Python, ...]
    """The system's own first, if there is one."""
    folder: Folder
    libcamera: bool
    cameras: tuple[CameraNode, ...]
    user: str
    groups: tuple[str, ...]
    known_groups: tuple[str, ...]
    """Those of video, render, plugdev and apex that exist."""
    sudo: Sudo
    systemd: int | None
    """Its version; None where it does not run."""
    service: str
    """State of edge-recog.service, such as `active`; empty without systemd."""
    clock_now_s: int
    """Seconds since 1970."""
    clock_synchronized: bool | None
    accelerators: tuple[AcceleratorFound, ...]
    apex: bool
    """Whether the driver of Edge TPUs on PCI has found one."""
    edgetpu_library: str
    """Path of libedgetpu; empty if there is none."""
    installed: tuple[Installed, ...]
    model: str
    """That the service is told to run: a path, `active` or `built-in`; empty if not known."""
    model_id: str
    """`sha256:…` of that model; empty if it is built in, or the user may not see it."""
    config_readable: bool | None
    """None without a configuration."""

    @property
    def bits(self) -> int:
        """Of its programs: 32 or 64."""
        return 64 if self.userland in {"aarch64", "x86_64"} else 32

    @property
    def glibc(self) -> tuple[int, int] | None:
        """Such as `(2, 41)`; None if it has another, or does not say."""
        found = re.fullmatch(r"glibc (\d{1,3})\.(\d{1,5})", self.libc, re.ASCII)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def memory_total_mib(self) -> int | None:
        """Main memory that the kernel has."""
        return None if self.memory_total_kib is None else self.memory_total_kib // 1024


def parse_facts(data: bytes) -> Facts:
    """Return what the script's answer says.

    Raises:
        FactsError: It is not what the script writes, whole and in its form.
    """
    if len(data) > MOST_BYTES:
        raise FactsError(f"the answer is longer than {MOST_BYTES} bytes")
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FactsError("the answer is no plain text") from error
    if lines[0] != FIRST_LINE:
        raise FactsError(f"the answer does not begin with {FIRST_LINE!r}")
    if lines[-2:] != [LAST_LINE, ""]:
        raise FactsError("the answer is not whole")
    told: dict[str, list[list[str]]] = {}
    for number, line in enumerate(lines[1:-2], start=2):
        found = _LINE.fullmatch(line)
        if found is None or found["key"] not in _WORDS:
            raise FactsError(f"line {number} of the answer makes no sense")
        rows = told.setdefault(found["key"], [])
        rows.append(found["values"].split("\t"))
        word = _WORDS[found["key"]]
        if len(rows[-1]) != word.values or len(rows) > word.most:
            raise FactsError(f"line {number} of the answer has too many or too few values")
    return _facts(told)


class _Word(NamedTuple):
    """A key of the answer."""

    values: int = 1
    most: int = 1
    """How often it may come."""


_WORDS: Final = {
    "board": _Word(),
    "hostname": _Word(),
    "kernel": _Word(),
    "userland": _Word(),
    "libc": _Word(),
    "os": _Word(3),
    "raspberry_pi_os": _Word(),
    "cores": _Word(),
    "memory.total_kib": _Word(),
    "memory.available_kib": _Word(),
    "python": _Word(7, 8),
    "folder": _Word(2),
    "folder.free_kib": _Word(),
    "folder.read_only": _Word(),
    "folder.writable": _Word(),
    "libcamera": _Word(),
    "camera": _Word(3, _MOST_OF_A_KIND),
    "user": _Word(),
    "groups": _Word(),
    "groups.known": _Word(),
    "sudo": _Word(),
    "systemd": _Word(),
    "service": _Word(),
    "clock.now_s": _Word(),
    "clock.synchronized": _Word(),
    "accelerator": _Word(3, _MOST_OF_A_KIND),
    "apex": _Word(),
    "edgetpu_library": _Word(),
    "installed": _Word(2, 16),
    "model": _Word(2),
}


def _facts(told: dict[str, list[list[str]]]) -> Facts:
    def row(key: str) -> list[str]:
        if key not in told:
            raise FactsError(f"the answer has no {key}")
        return told[key][0]

    def one(key: str) -> str:
        return row(key)[0]

    def maybe(key: str, read: Callable[[str, str], Any]) -> Any:
        return read(key, one(key)) if key in told else None

    model, digest = row("model") if "model" in told else ("", "")
    folder, existing = row("folder")
    os_id, os_version, os_name = row("os")
    plain: dict[str, Any] = {
        **{key: one(key) for key in ("board", "hostname", "kernel", "userland", "libc")},
        "os_id": os_id,
        "os_version": os_version,
        "os_name": os_name,
        "raspberry_pi_os": _flag("raspberry_pi_os", one("raspberry_pi_os")),
        "cores": maybe("cores", _number),
        "memory_total_kib": maybe("memory.total_kib", _number),
        "memory_available_kib": maybe("memory.available_kib", _number),
        "pythons": [_python(values) for values in told.get("python", [])],
        "folder": {
            "path": folder,
            "existing": existing,
            "free_kib": maybe("folder.free_kib", _number),
            "read_only": maybe("folder.read_only", _flag),
            "writable": _flag("folder.writable", one("folder.writable")),
        },
        "libcamera": _flag("libcamera", one("libcamera")),
        "cameras": [
            {"path": path, "name": name, "accessible": _flag("camera", accessible)}
            for path, name, accessible in told.get("camera", [])
        ],
        "user": one("user"),
        "groups": one("groups").split(),
        "known_groups": one("groups.known").split(),
        "sudo": one("sudo"),
        "systemd": maybe("systemd", _number),
        "service": one("service") if "service" in told else "",
        "clock_now_s": _number("clock.now_s", one("clock.now_s")),
        "clock_synchronized": maybe("clock.synchronized", _flag),
        "accelerators": [
            {
                "kind": kind,
                "id": name,
                "speed_mbit": _number("accelerator", speed) if speed else None,
            }
            for kind, name, speed in told.get("accelerator", [])
        ],
        "apex": _flag("apex", one("apex")),
        "edgetpu_library": one("edgetpu_library") if "edgetpu_library" in told else "",
        "installed": [{"path": path, "version": what} for path, what in told.get("installed", [])],
        "model": model,
        "model_id": f"sha256:{digest}" if _DIGEST.fullmatch(digest) else "",
        "config_readable": digest != "unreadable" if "model" in told else None,
    }
    if digest not in ("", "unreadable") and not _DIGEST.fullmatch(digest):
        raise FactsError("model in the answer has no SHA-256")
    try:
        return msgspec.convert(plain, Facts)
    except msgspec.ValidationError as error:
        raise FactsError(f"the answer makes no sense: {error}") from error


def _python(values: Sequence[str]) -> dict[str, Any]:
    path, version, implementation, bits, venv, picamera2, free_threaded = values
    if not _VERSION.fullmatch(version):
        raise FactsError("python in the answer has no version")
    return {
        "path": path,
        "version": version,
        "implementation": implementation,
        "bits": _number("python", bits),
        "venv": _flag("python", venv),
        "picamera2": _flag("python", picamera2),
        "free_threaded": _flag("python", free_threaded),
    }


def _flag(key: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise FactsError(f"{key} in the answer is neither yes nor no")
    return value == "yes"


def _number(key: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise FactsError(f"{key} in the answer is no number")
    return int(value)
