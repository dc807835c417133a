"""What a device shall be after its first boot."""

from __future__ import annotations

import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from edge_recog.errors import UsageError
from edge_recog.service.config.problems import ConfigError
from edge_recog.service.config.reading import load_config, secret_files
from edge_recog.service.config.sections import ACTIVE
from edge_recog.service.unit import DEFAULT_MEMORY, render_unit
from edge_recog_devices.boot.identity import check_hostname
from edge_recog_devices.trying import install_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from packaging.tags import Tag
    from packaging.version import Version

    from edge_recog.service.config.sections import Config
    from edge_recog_devices.boot.identity import Login
    from edge_recog_devices.boot.systems import System
    from edge_recog_devices.boot.wifi import Wifi

FOLDER: Final = "/opt/edge-recog"
"""On the device: the environment is in `venv`."""
PROGRAM: Final = f"{FOLDER}/venv/bin/edge-recog"
OURS: Final = "edge-recog"
"""The distribution among the wheels that brings the others in."""

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.tflite")
_RULES = re.compile(r"[0-9]{2}-[a-z0-9-]{1,60}\.rules")
_GROUP = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_CONSTRAINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*[<>=!~][A-Za-z0-9<>=!~.,* +-]*")
_EXTRAS: Final = "daemon"
_MODEL_MAGIC: Final = b"TFL3"
_PLATFORMS: Final = {64: ("aarch64",), 32: ("armv7l", "armv6l")}


@dataclass(frozen=True)
class FirstBoot:
    """A plan. Files are named, not read: the model and the wheels may be large."""

    hostname: str
    model: Path
    wheels: tuple[Path, ...]
    """All that edge-recog needs there and the system has not."""
    config: str
    """TOML. Where it names no model, it is the active one of the device's store."""
    anchor: bytes | None = None
    """The root of updates that the device is to trust, JSON."""
    login: Login | None = None
    """None: whoever wants to log in must do so at the machine itself, and is asked for a name."""
    wifi: Wifi | None = None
    """None: only the cable."""
    constraints: tuple[str, ...] = ()
    """For pip, as a profile has them: `numpy<2`."""
    udev_rules: Mapping[str, str] | None = None
    """Name, as in `65-coral.rules` → text."""
    groups: tuple[str, ...] = ("video", "render")
    """That the service is in."""
    memory_max: str = DEFAULT_MEMORY

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{OURS}[{_EXTRAS}]=={self._ours()}"

    def checked_config(self) -> str:
        """Return the configuration, by which the model that is installed runs.

        Raises:
            UsageError: It is wrong, names another model, or secrets, which no card can keep.
        """
        return self._checked()[0]

    def install_options(self) -> tuple[str, ...]:
        """Return how the device tries the model.

        Raises:
            UsageError: As for `checked_config`.
        """
        return install_options(self._checked()[1])

    def _checked(self) -> tuple[str, Config]:
        text = self.config if self.config.endswith("\n") else f"{self.config}\n"
        try:
            named = tomllib.loads(text).get("model")
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"the configuration is no TOML: {error}") from error
        if named is None:
            text = f'model = "{ACTIVE}"\n{text}'
        elif named != ACTIVE:
            raise UsageError(
                f"the configuration names the model {named!r}, and the device is to run the one "
                f'that comes with the card; write model = "{ACTIVE}", or leave it out'
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "config.toml")
            path.write_text(text, encoding="utf-8")
            # It will be there for all to read.
            path.chmod(0o644)
            try:
                loaded = load_config(path, environ={})
            except ConfigError as error:
                raise UsageError(str(error).replace(f"{folder}/", "")) from error
        secrets = secret_files(loaded.config)
        if secrets:
            raise UsageError(
                f"the configuration names secrets in files ({', '.join(sorted(secrets))}): whoever "
                "holds the card could read them. Leave them out, and set them up once the device "
                "is running"
            )
        return text, loaded.config

    def unit(self, system: System) -> str:
        """Return the unit of systemd for it."""
        return render_unit(
            program=PROGRAM, groups=self.groups, memory_max=self.memory_max, systemd=system.systemd
        )

    def check(self, system: System) -> None:
        """Refuse what cannot work on a system, before anything is written.

        Raises:
            UsageError: Some part is missing, out of its form, or for another system.
        """
        check_hostname(self.hostname)
        if not _MODEL.fullmatch(self.model.name):
            raise UsageError(
                f"{self.model.name!r}: a model's name must be letters, digits and ._- and end in "
                ".tflite"
            )
        try:
            with self.model.open("rb") as file:
                magic = file.read(8)[4:]
        except OSError as error:
            raise UsageError(f"{self.model}: cannot be read: {error.strerror}") from error
        if magic != _MODEL_MAGIC:
            raise UsageError(f"{self.model}: not a TFLite model")
        for group in self.groups:
            if not _GROUP.fullmatch(group):
                raise UsageError(f"{group!r} is no name of a group")
        for name in self.udev_rules or {}:
            if not _RULES.fullmatch(name):
                raise UsageError(f"{name!r} is no name for rules of udev, as 65-coral.rules is")
        for constraint in self.constraints:
            if not _CONSTRAINT.fullmatch(constraint):
                raise UsageError(f"{constraint!r} is no constraint for pip, as numpy<2 is")
        self._ours()
        for wheel in self.wheels:
            if not wheel.is_file():
                raise UsageError(f"{wheel}: no such file")
            _, _, tags = _parsed(wheel)
            if not any(_fits(tag, system.python, system.bits) for tag in tags):
                python = ".".join(map(str, system.python))
                raise UsageError(
                    f"{wheel.name}: not for {system.title}, which has Python {python}; collect the "
                    "wheels for this system"
                )
        if len({wheel.name.lower() for wheel in self.wheels}) != len(self.wheels):
            raise UsageError("two of the wheels have the same name")
        self.checked_config()

    def _ours(self) -> Version:
        versions = [version for name, version, _ in map(_parsed, self.wheels) if name == OURS]
        if len(versions) != 1:
            raise UsageError(
                f"there must be one wheel of {OURS} among the wheels, and there are {len(versions)}"
            )
        return versions[0]


def _parsed(wheel: Path) -> tuple[str, Version, frozenset[Tag]]:
    try:
        name, version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise UsageError(f"{wheel.name}: no name of a wheel") from error
    return name, version, tags


def _fits(tag: Tag, python: tuple[int, int], bits: Literal[32, 64]) -> bool:
    """Return whether a system takes a tag; of glibc and ARM's versions nothing is asked here."""
    major, minor = python
    interpreter = re.fullmatch(r"(cp|py)(\d)(\d*)", tag.interpreter)
    if interpreter is None or int(interpreter[2]) != major:
        return False
    theirs = int(interpreter[3]) if interpreter[3] else 0
    exact = interpreter[1] == "cp" and tag.abi not in ("abi3", "none")
    if theirs > minor or (exact and (theirs != minor or tag.abi != f"cp{major}{minor}")):
        return False
    return tag.platform == "any" or tag.platform.endswith(_PLATFORMS[bits])
