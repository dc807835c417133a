"""What is to be done so that a device runs what is wanted: values in, steps out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_recog import __version__
from edge_recog.service.unit import OLDEST_SYSTEMD, render_unit
from edge_recog_devices.flash import settings
from edge_recog_devices.flash.places import SERVICE_USER
from edge_recog_devices.flash.refusing import refuse_unanchored
from edge_recog_devices.flash.steps import (
    AwaitHealthy,
    InstallModel,
    MakeEnvironment,
    MakeUser,
    RunService,
    SendModel,
    SendWheels,
    Step,
    UseEnvironment,
    WriteFile,
)
from edge_recog_devices.flash.user_unit import render_user_unit
from edge_recog_devices.probing import chosen_python
from edge_recog_devices.probing.matching import system_of
from edge_recog_devices.trying import install_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge_recog.service.config.sections import Config
    from edge_recog_devices.flash.places import Places
    from edge_recog_devices.flash.state import Installed
    from edge_recog_devices.flash.wanted import Wanted
    from edge_recog_devices.probing import Facts
    from edge_recog_devices.probing.facts import Python
    from edge_recog_devices.profiles import Profile

_HALF: Final = 32
"""Digits of a stamp that are about the device, and then of those about wheels."""
_GROUPS: Final = ("video", "render")
"""That every device gets; those of an accelerator only where they exist already, or it is there."""
_SYSTEMDS: Final = (OLDEST_SYSTEMD, 999)
"""Versions between which a unit differs."""
_RULES: Final = {
    "coral-usb": (
        "65-edge-recog-coral-usb.rules",
        "plugdev",
        'SUBSYSTEM=="usb", ATTRS{idVendor}=="1a6e", ATTRS{idProduct}=="089a", MODE="0660", '
        'GROUP="plugdev"\n'
        'SUBSYSTEM=="usb", ATTRS{idVendor}=="18d1", ATTRS{idProduct}=="9302", MODE="0660", '
        'GROUP="plugdev"\n',
    ),
    "coral-pci": (
        "65-edge-recog-coral-pci.rules",
        "apex",
        'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"\n',
    ),
}
"""Accelerator → name of its rules for udev, the group they give it to, the rules.

They are those of https://coral.ai/docs/, for the two faces of the USB stick and the driver gasket.
"""


@dataclass(frozen=True)
class Device:
    """All that is known of a device."""

    places: Places
    facts: Facts
    profile: Profile
    python: Python
    """To install with."""
    installed: Installed

    @property
    def constraints(self) -> tuple[str, ...]:
        """For pip, so that the system's own packages stay usable."""
        system = system_of(self.profile, self.facts)
        own = chosen_python(self.facts)
        # They are about what the system has for its own Python.
        if system is None or own != self.python or system.python_version != self.python.minor:
            return ()
        return system.constraints


def plan(device: Device, wanted: Wanted) -> Iterator[Step]:
    """Yield the steps that make a device run what is wanted; none if it does.

    All that can be taken back by forgetting it comes first: until the first file of the service is
    written, the one that runs notices nothing.

    Raises:
        UsageError: The configuration cannot be used, or not on this device.
    """
    installed = device.installed
    text = config_text(device, wanted)
    config = settings.checked(text, where=_config_origin(device, wanted))
    is_told = wanted.config is not None
    refuse_unanchored(
        config, device.places, wanted.anchor, is_there=bool(installed.anchor_digest) or not is_told
    )
    name = environment_name(device, wanted)
    files = [
        one
        for one in _files(device, wanted, text, config)
        if _digest_there(installed, one) != one.digest
    ]
    is_new_model = not _has_model(installed, wanted)
    if device.places.scope == "system" and not (installed.has_user and installed.has_models):
        yield MakeUser(SERVICE_USER, groups_of(device.profile, device.facts.known_groups))
    if name != installed.environment and name not in installed.complete:
        if wanted.runtime.manifest is not None:
            yield SendWheels(wanted.runtime)
        yield MakeEnvironment(
            name=name,
            python=device.python.path,
            python_version=device.python.version,
            requirement=wanted.runtime.requirement,
            from_wheels=wanted.runtime.manifest is not None,
            constraints=device.constraints,
        )
    if is_new_model:
        yield SendModel(wanted.model)
        yield InstallModel(
            model=wanted.model,
            environment=name,
            admission=wanted.admission,
            options=install_options(config, most_ms=wanted.admission.most_ms),
            is_new=wanted.model.digest not in installed.store.versions,
            active=installed.store.active,
            instead_of=installed.store.nominee,
        )
    yield from files
    if name != installed.environment:
        yield UseEnvironment(name)
    if not installed.runs or installed.enabled != "enabled":
        yield RunService("start")
    elif files or name != installed.environment or installed.is_pending:
        yield RunService("restart")
    elif is_new_model:
        yield RunService("reload")
    else:
        return
    yield AwaitHealthy(wanted.model.digest, wanted.model.name, wanted.patience_s, wanted.healthy_s)


def stamp_of(places: Places, installed: Installed, wanted: Wanted, python: object) -> str:
    """Return by what is known later that what follows from the device's facts was done: 64 digits.

    It changes with all that a plan depends on besides model, configuration and service: those are
    looked at each time, since they are quickly seen, and facts take seconds on a small device.

    Args:
        places: On the device.
        installed: What is there.
        wanted: What it is to run.
        python: What was said about which Python to use.
    """
    parts = [
        __version__,
        *(render_unit(program="/program", systemd=version) for version in _SYSTEMDS),
        *(
            render_user_unit(program="", config="", state_home="", memory_max="", systemd=version)
            for version in _SYSTEMDS
        ),
        places.scope,
        installed.environment,
        installed.version,
        installed.unit_digest,
        *sorted(installed.rule_digests.values()),
        wanted.runtime.version,
        repr(python),
    ]
    manifest = wanted.runtime.manifest
    wheels = "" if manifest is None else manifest.requirements()
    return _half("\0".join(parts)) + _half(wheels)


def _half(text: str) -> str:
    return _digest(text.encode())[:_HALF]


def is_settled(places: Places, installed: Installed, wanted: Wanted, python: object) -> bool:
    """Tell whether there is nothing to do, as far as that is known without the device's facts.

    Raises:
        UsageError: The configuration is no TOML.
    """
    text = wanted.config if wanted.config is not None else installed.config
    stamp = stamp_of(places, installed, wanted, python)
    # Whoever names no wheels takes those that are installed.
    counts = _HALF if wanted.runtime.manifest is None else 2 * _HALF
    return (
        installed.stamp[:counts] == stamp[:counts]
        and text is not None
        and settings.adapted(text, source=wanted.source) == installed.config
        and _has_model(installed, wanted)
        and (wanted.anchor is None or installed.anchor_digest == _digest(wanted.anchor))
        and installed.runs
        and installed.enabled == "enabled"
        and not installed.is_pending
        and not wanted.runtime.reinstall
    )


def environment_name(device: Device, wanted: Wanted) -> str:
    """Return the name of the environment that is to be in use."""
    installed, runtime = device.installed, wanted.runtime
    if needs_runtime(installed, wanted) or runtime.manifest is not None:
        name = runtime.environment(device.python, device.constraints)
        again = runtime.reinstall and name == installed.environment
        return f"{name}-again" if again else name
    return installed.environment


def needs_runtime(installed: Installed, wanted: Wanted) -> bool:
    """Tell whether edge_recog itself has to be installed, whatever wheels there are."""
    runtime = wanted.runtime
    return runtime.reinstall or not installed.environment or installed.version != runtime.version


def config_text(device: Device, wanted: Wanted) -> str:
    """Return the configuration that the device is to have.

    Raises:
        UsageError: It is no TOML.
    """
    text = wanted.config if wanted.config is not None else device.installed.config
    if text is None:
        return settings.first_config(device.profile, wanted.source)
    return settings.adapted(text, source=wanted.source)


def _config_origin(device: Device, wanted: Wanted) -> str:
    return "the configuration" if wanted.config is not None else device.places.config


def _has_model(installed: Installed, wanted: Wanted) -> bool:
    """Tell whether it is the active one with no other on trial, or itself on trial."""
    store, digest = installed.store, wanted.model.digest
    return (store.nominee or store.active) == digest


def groups_of(profile: Profile, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the groups that the service is to be in.

    Args:
        profile: Of the device.
        known: Groups that own devices and exist there.
    """
    accelerators = [_RULES[kind][1] for kind in profile.hardware.accelerators]
    return tuple(dict.fromkeys([*_GROUPS, *known, *accelerators]))


def rules_of(profile: Profile) -> dict[str, str]:
    """Return the rules for udev that a device needs: name → text."""
    rules = [_RULES[kind] for kind in profile.hardware.accelerators]
    return {name: text for name, _, text in rules}


def _files(device: Device, wanted: Wanted, config: str, loaded: Config) -> Iterator[WriteFile]:
    places, installed = device.places, device.installed
    if wanted.anchor is not None:
        is_new = not installed.anchor_digest
        yield WriteFile("anchor", places.anchor, wanted.anchor, 0o644, is_new=is_new)
    yield WriteFile(
        "config", places.config, config.encode(), 0o644, is_new=installed.config is None
    )
    for name, text in rules_of(device.profile).items() if places.rules else ():
        is_new = name not in installed.rule_digests
        path = f"{places.rules}/{name}"
        yield WriteFile(f"rule-{name}", path, text.encode(), 0o644, is_new=is_new)
    unit = _unit(device, loaded)
    yield WriteFile("unit", places.unit, unit.encode(), 0o644, is_new=not installed.unit_digest)


def _unit(device: Device, config: Config) -> str:
    places = device.places
    memory = f"{device.profile.budgets.memory_mb}M"
    if places.scope == "user":
        return render_user_unit(
            program=places.program,
            config=places.config,
            state_home=places.state.rpartition("/")[0],
            memory_max=memory,
            systemd=device.facts.systemd or OLDEST_SYSTEMD,
        )
    return render_unit(
        program=places.program,
        config=places.config,
        credentials=settings.credentials(config),
        groups=groups_of(device.profile, device.facts.known_groups),
        memory_max=memory,
        systemd=device.facts.systemd or OLDEST_SYSTEMD,
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_there(installed: Installed, file: WriteFile) -> str:
    if file.key == "config":
        text = installed.config
        return "" if text is None else _digest(text.encode())
    if file.key == "unit":
        return installed.unit_digest
    if file.key == "anchor":
        return installed.anchor_digest
    return installed.rule_digests.get(file.path.rpartition("/")[2], "")
