"""A card for a device that has never been started, from the same words as a flash over ssh."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.errors import UsageError
from edge_recog_devices.boot import (
    FirstBoot,
    Login,
    describe,
    join,
    open_card,
    parse_keys,
    prepare,
    read_passphrase,
    recognise,
)
from edge_recog_devices.flash import settings
from edge_recog_devices.flash.places import SYSTEM
from edge_recog_devices.flash.planning import groups_of, rules_of
from edge_recog_devices.flash.refusing import refuse_unanchored
from edge_recog_devices.flash.wanted import EXTRAS, ModelFile, Runtime
from edge_recog_devices.profiles import find_profile
from edge_recog_devices.wheels.cache import collected
from edge_recog_devices.wheels.target import target_of_profile

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_devices.boot import System, Wifi, Written
    from edge_recog_devices.profiles import Profile


@dataclass(frozen=True)
class Card:
    """What was said about one. None: nothing was."""

    model: Path
    boot: Path | None = None
    image: Path | None = None
    hostname: str | None = None
    profile: str | None = None
    config: str | None = None
    anchor: bytes | None = None
    """The root of updates that the device is to trust, JSON."""
    source: str | None = None
    wheels: Path | None = None
    """Collected ones; collected now if None."""
    login: str | None = None
    ssh_key: Path | None = None
    wifi: str | None = None
    wifi_country: str | None = None
    wifi_passphrase_file: Path | None = None


def write_card(card: Card, *, dry_run: bool, force: bool) -> Written:
    """Prepare a card, or tell what would be written.

    Args:
        card: What is wanted.
        dry_run: Write nothing.
        force: Replace settings of somebody else's for the first boot.

    Raises:
        EdgeRecogError: It cannot be; the card is as it was.
    """
    if card.hostname is None or card.profile is None:
        raise UsageError(
            "a card needs to know what device it is for: --profile raspberry-pi-5 --hostname "
            "kitchen"
        )
    profile = find_profile(card.profile)
    ModelFile.read(card.model)
    login, wifi, config = _login(card), _wifi(card), _config(card, profile)
    checked = settings.checked(settings.adapted(config), where="the configuration")
    refuse_unanchored(checked, SYSTEM, card.anchor, is_there=False)
    with open_card(boot=card.boot, image=card.image) as opened:
        system = recognise(opened)
        runtime = Runtime.from_wheels(card.wheels or _collected(profile, system))
        assert runtime.folder is not None
        assert runtime.manifest is not None
        plan = FirstBoot(
            hostname=card.hostname,
            model=card.model,
            wheels=tuple(runtime.folder / one.file for one in runtime.manifest.files),
            config=config,
            anchor=card.anchor,
            login=login,
            wifi=wifi,
            constraints=runtime.manifest.target.constraints,
            udev_rules=rules_of(profile),
            groups=groups_of(profile),
            memory_max=f"{profile.budgets.memory_mb}M",
        )
        return (
            describe(opened, plan, force=force) if dry_run else prepare(opened, plan, force=force)
        )


def _collected(profile: Profile, system: System) -> Path:
    return collected(target_of_profile(profile, system.python), EXTRAS)


def _config(card: Card, profile: Profile) -> str:
    """Return the configuration without its model, which the card names."""
    if card.config is not None:
        return card.config
    return settings.without_model(settings.first_config(profile, card.source))


def _login(card: Card) -> Login | None:
    if card.login is None and card.ssh_key is None:
        return None
    if card.login is None or card.ssh_key is None:
        raise UsageError("name both who may log in and the key: --login NAME --ssh-key FILE.pub")
    try:
        text = card.ssh_key.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{card.ssh_key}: cannot be read: {error}") from error
    return Login(card.login, parse_keys(text))


def _wifi(card: Card) -> Wifi | None:
    if card.wifi is None:
        return None
    if card.wifi_country is None:
        raise UsageError("say in which country the Wi-Fi is: --wifi-country DE")
    passphrase = read_passphrase(card.wifi_passphrase_file, os.environ)
    return join(card.wifi, passphrase, country=card.wifi_country)
