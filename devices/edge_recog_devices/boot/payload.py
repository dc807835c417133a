"""All files that go to the card, by their names there."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

from edge_recog.errors import UsageError
from edge_recog_devices.boot import documents
from edge_recog_devices.boot.cmdline import (
    INSTANCE_PREFIX,
    read_cmdline,
    with_cloud_init,
    with_firstrun,
)
from edge_recog_devices.boot.systems import CMDLINE

if TYPE_CHECKING:
    from edge_recog_devices.boot.card import Content
    from edge_recog_devices.boot.plan import FirstBoot
    from edge_recog_devices.boot.systems import System

FIRSTRUN: Final = "firstrun.sh"
SUMS: Final = "SHA256SUMS"
"""Of the payload: the device refuses a card that has been damaged."""


class Payload(NamedTuple):
    """What a card gets."""

    inner: dict[str, Content]
    """Path below the payload's folder → content."""
    outer: dict[str, bytes]
    """Name at the top → content, in the order in which they are put there; `cmdline.txt` last."""


def payload_of(
    plan: FirstBoot, system: System, cmdline: bytes, *, keep_network: bool = False
) -> Payload:
    """Return the files for a plan.

    Args:
        plan: A plan that was checked for the system.
        system: That the card boots.
        cmdline: What `cmdline.txt` holds now.
        keep_network: Leave out `network-config`.

    Raises:
        UsageError: A file cannot be read, or `cmdline.txt` takes no more.
    """
    inner: dict[str, Content] = {
        "setup.sh": _script("setup.sh"),
        "settings": documents.settings(plan).encode(),
        "install-options": "".join(f"{word}\n" for word in plan.install_options()).encode(),
        "config.toml": plan.checked_config().encode(),
        "edge-recog.service": plan.unit(system).encode(),
        "constraints.txt": "".join(f"{line}\n" for line in plan.constraints).encode(),
        f"models/{plan.model.name}": plan.model,
        **{f"wheels/{wheel.name}": wheel for wheel in plan.wheels},
        **{f"rules/{name}": text.encode() for name, text in (plan.udev_rules or {}).items()},
    }
    if plan.anchor is not None:
        inner["updates-root.json"] = plan.anchor
    if system.name == "bookworm":
        if plan.login is not None:
            inner["authorized_keys"] = "".join(f"{key}\n" for key in plan.login.keys).encode()
        if plan.wifi is not None:
            inner["edge-recog.nmconnection"] = documents.connection(plan.wifi).encode()
    sums = "".join(f"{digest_of(inner[path])}  {path}\n" for path in sorted(inner)).encode()
    inner[SUMS] = sums
    words = read_cmdline(cmdline)
    country = plan.wifi.country if plan.wifi else None
    if system.name == "bookworm":
        outer = {FIRSTRUN: _script(FIRSTRUN), CMDLINE: with_firstrun(words, country)}
    else:
        network, user = documents.network_config(plan.wifi), documents.user_data(plan)
        digest = hashlib.sha256(b"\0".join([sums, network.encode(), user.encode()])).hexdigest()
        instance = f"{INSTANCE_PREFIX}{digest[:16]}"
        outer = {
            "network-config": network.encode(),
            "meta-data": documents.meta_data(instance).encode(),
            "user-data": user.encode(),
            CMDLINE: with_cloud_init(words, instance, country),
        }
        if keep_network:
            del outer["network-config"]
    return Payload(inner, outer)


def size_of(content: Content) -> int:
    """Return how many bytes a file will have."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def digest_of(content: Content) -> str:
    """Return a file's SHA-256.

    Raises:
        UsageError: It cannot be read.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    try:
        with content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{content}: cannot be read: {error.strerror}") from error


def _script(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()
