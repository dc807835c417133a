"""Putting a plan on a card: all of it, or nothing.

New files are written under other names and read back; then they get their names, each by one rename
in the place of what was there, `cmdline.txt` last. Until that one has changed, the card boots as
before: nothing else makes the firmware or systemd look at what is new. (A card of trixie that was
never booted would act on the new `user-data` already, which is what is wanted.) If something fails,
what was renamed is named back. If the program or the machine dies in between, preparing again puts
things in order first.

What is not ours is kept beside, as `NAME.before-edge-recog`.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog_devices.boot.cmdline import is_ours, read_cmdline
from edge_recog_devices.boot.documents import PAYLOAD, SIGN
from edge_recog_devices.boot.folder import FolderCard
from edge_recog_devices.boot.image import ImageCard
from edge_recog_devices.boot.payload import FIRSTRUN, SUMS, Payload, digest_of, payload_of, size_of
from edge_recog_devices.boot.systems import CMDLINE, recognise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from edge_recog_devices.boot.card import Card, Content, Listing, Space
    from edge_recog_devices.boot.plan import FirstBoot
    from edge_recog_devices.boot.systems import System

BACKUP: Final = ".before-edge-recog"
_NEW: Final = ".edge-recog-new"
_OLD: Final = ".edge-recog-old"
_TOML: Final = "custom.toml"
_SLACK_BYTES: Final = 1 << 20
"""For what the system writes there itself, such as the log of the first boot."""


@dataclass(frozen=True)
class Written:
    """What was done, or would be."""

    where: str
    system: System
    files: Mapping[str, int]
    """Of what changes: name on the card → size in bytes; empty if it was like this already."""
    backups: tuple[str, ...]
    """Names of what was kept of others."""
    cmdline_before: str
    cmdline: str

    @property
    def changed(self) -> bool:
        """Whether anything is different now."""
        return bool(self.files)

    def lines(self) -> list[str]:
        """Return it for people. No secret is in it."""
        told = [f"{self.where}: {self.system.title}"]
        if not self.files:
            return [*told, "prepared like this already"]
        told += [f"{name}  {size:,} bytes" for name, size in self.files.items()]
        told += [f"{name}  keeps what was there" for name in self.backups]
        if self.cmdline != self.cmdline_before:
            told += [f"{CMDLINE} before: {self.cmdline_before}", f"{CMDLINE} then: {self.cmdline}"]
        return told


def open_card(*, boot: Path | None = None, image: Path | None = None) -> Card:
    """Open the one that is named: a mounted boot partition, or an image of a card.

    Raises:
        UsageError: It cannot be opened, is a raw disk, or not one of the two is named.
    """
    if boot is not None and image is None:
        return FolderCard(boot)
    if image is not None and boot is None:
        return ImageCard(image)
    raise UsageError("name either a mounted boot partition with --boot or an image with --image")


def describe(card: Card, plan: FirstBoot, *, force: bool = False) -> Written:
    """Return what `prepare` would do, and refuse what it would refuse. Nothing is written."""
    return _look(card, plan, force=force)[0]


def prepare(card: Card, plan: FirstBoot, *, force: bool = False) -> Written:
    """Put a plan on a card.

    Args:
        card: An open card.
        plan: What the device shall be.
        force: Replace a customisation of somebody else's, such as Raspberry Pi Imager's.

    Raises:
        UsageError: The card is none of Raspberry Pi OS, is customised already, or too full; the
            plan cannot work on it; or writing failed, in which case it boots as before.
    """
    recognise(card)
    _put_in_order(card)
    written, payload, stale = _look(card, plan, force=force)
    if not written.changed:
        return written
    try:
        with ExitStack() as cleaning:
            cleaning.callback(_remove_all, card, _OLD)
            cleaning.callback(_remove_all, card, _NEW)
            _stage(card, payload, written, stale)
            _commit(card, written, stale)
    except UsageError as error:
        raise UsageError(f"{error}; the card boots as before") from error
    card.flush()
    return written


def _look(card: Card, plan: FirstBoot, *, force: bool) -> tuple[Written, Payload, frozenset[str]]:
    """Return what to write, and what of it is at the top or the payload."""
    system = recognise(card)
    plan.check(system)
    top = card.listing()
    _refuse_others(card, top, system, force=force)
    before = card.read(CMDLINE)
    network = "network-config"
    # Without a Wi-Fi to join, what somebody has set up there is left alone.
    is_kept = plan.wifi is None and network in top.files and _is_others(network, card.read(network))
    payload = payload_of(plan, system, before, keep_network=is_kept)
    stale = {
        name
        for name, data in payload.outer.items()
        if name not in top.files or card.read(name) != data
    }
    files = {name: len(data) for name, data in payload.outer.items() if name in stale}
    if not _is_there(card, top, payload.inner):
        stale.add(PAYLOAD)
        files = {f"{PAYLOAD}/{path}": size_of(data) for path, data in payload.inner.items()} | files
    backups = tuple(
        f"{name}{BACKUP}"
        for name in payload.outer
        if name in stale and name in top.files and _is_others(name, card.read(name))
    )
    written = Written(
        card.where,
        system,
        files,
        backups,
        " ".join(read_cmdline(before)),
        " ".join(read_cmdline(payload.outer[CMDLINE])),
    )
    if files:
        _refuse_full(card, files, card.space())
    return written, payload, frozenset(stale)


def _refuse_others(card: Card, top: Listing, system: System, *, force: bool) -> None:
    """Refuse a card that somebody else has told what to do at its first boot."""
    # The image's own first boot reads it, whatever else happens (raspberrypi-sys-mods, firstboot).
    if system.name == "bookworm" and _TOML in top.files:
        raise UsageError(
            f"{card.where}: {_TOML} customises the first boot as well; remove it, or write the "
            "image anew without customising it"
        )
    name = FIRSTRUN if system.name == "bookworm" else "user-data"
    if not force and name in top.files and _is_customised(name, card.read(name)):
        raise UsageError(
            f"{card.where}: {name} has settings of somebody else's, as Raspberry Pi Imager writes "
            "them; write the image anew without customising it, or add --force to replace them "
            f"(they are kept as {name}{BACKUP})"
        )


def _is_customised(name: str, data: bytes) -> bool:
    if SIGN.encode() in data[:200]:
        return False
    if name != "user-data":
        return True
    # In the images all but one line are comments (pi-gen, stage2/04-cloud-init/files/user-data).
    lines = (line.strip() for line in data.decode("utf-8", "replace").splitlines())
    return any(
        line and not line.startswith("#") and not line.startswith("ssh_pwauth:") for line in lines
    )


def _is_others(name: str, data: bytes) -> bool:
    if name != CMDLINE:
        return SIGN.encode() not in data[:200]
    return not is_ours(read_cmdline(data))


def _is_there(card: Card, top: Listing, inner: Mapping[str, Content]) -> bool:
    """Return whether the payload lies there, every byte of it."""
    if PAYLOAD not in top.folders or SUMS.lower() not in card.listing(PAYLOAD).files:
        return False
    if card.read(f"{PAYLOAD}/{SUMS}") != inner[SUMS]:
        return False
    return all(_is_same(card, f"{PAYLOAD}/{path}", data) for path, data in inner.items())


def _is_same(card: Card, path: str, content: Content) -> bool:
    try:
        data = card.read(path, size_of(content))
    except UsageError:
        return False
    return len(data) == size_of(content) and digest_of(data) == digest_of(content)


def _refuse_full(card: Card, files: Mapping[str, int], space: Space) -> None:
    cluster = space.cluster_bytes
    # Long names take an entry of 32 bytes for each 13 letters, besides one more, in their folder.
    entries = sum(32 * (3 + len(name) // 13) for name in files)
    needed = _SLACK_BYTES + entries + sum(-(-size // cluster) * cluster for size in files.values())
    needed += 8 * cluster
    if needed > space.free_bytes:
        raise UsageError(
            f"{card.where}: {needed / 1e6:.1f} MB are needed and {space.free_bytes / 1e6:.1f} MB "
            "are free; remove what does not belong there, or leave out wheels that the system has"
        )


def _stage(card: Card, payload: Payload, written: Written, stale: frozenset[str]) -> None:
    """Write everything under other names, and read it back."""
    if PAYLOAD in stale:
        folder = f"{PAYLOAD}{_NEW}"
        card.make_folder(folder)
        for name in sorted({path.partition("/")[0] for path in payload.inner if "/" in path}):
            card.make_folder(f"{folder}/{name}")
        for path, content in payload.inner.items():
            _write(card, f"{folder}/{path}", content)
    files = card.listing().files
    for name, data in payload.outer.items():
        if name not in stale:
            continue
        _write(card, f"{name}{_NEW}", data)
        if name in files:
            _write(card, f"{name}{_OLD}", card.read(name))
    for backup in written.backups:
        _write(card, f"{backup}{_NEW}", card.read(backup.removesuffix(BACKUP)))
    card.flush()


def _write(card: Card, path: str, content: Content) -> None:
    card.write(path, content)
    if not _is_same(card, path, content):
        raise UsageError(f"{card.where}: {path} reads otherwise than it was written; is it worn?")


def _commit(card: Card, written: Written, stale: frozenset[str]) -> None:
    """Give everything its name, or nothing."""
    with ExitStack() as undoing:
        top = card.listing()
        for backup in written.backups:
            card.rename(f"{backup}{_NEW}", backup)
        if PAYLOAD in stale:
            if PAYLOAD in top.folders:
                card.rename(PAYLOAD, f"{PAYLOAD}{_OLD}")
                undoing.callback(card.rename, f"{PAYLOAD}{_OLD}", PAYLOAD)
            card.rename(f"{PAYLOAD}{_NEW}", PAYLOAD)
            undoing.callback(card.rename, PAYLOAD, f"{PAYLOAD}{_NEW}")
        for name in sorted(stale - {PAYLOAD, CMDLINE}, key=_order):
            card.rename(f"{name}{_NEW}", name)
            if name in top.files:
                undoing.callback(card.rename, f"{name}{_OLD}", name)
            else:
                undoing.callback(card.remove, name)
        card.flush()
        if CMDLINE in stale:
            card.rename(f"{CMDLINE}{_NEW}", CMDLINE)
        undoing.pop_all()


def _order(name: str) -> tuple[bool, str]:
    """Sort user-data, by which cloud-init acts, after what it needs."""
    return name == "user-data", name


def _put_in_order(card: Card) -> None:
    """Mend what a run left that was killed."""
    folders = card.listing().folders
    if PAYLOAD not in folders and f"{PAYLOAD}{_OLD}" in folders:
        card.rename(f"{PAYLOAD}{_OLD}", PAYLOAD)
    _remove_all(card, _NEW)
    _remove_all(card, _OLD)


def _remove_all(card: Card, suffix: str) -> None:
    with suppress(UsageError):
        top = card.listing()
        for name in _ending(top, suffix):
            card.remove(name)


def _ending(top: Listing, suffix: str) -> Iterable[str]:
    return sorted(name for name in (*top.files, *top.folders) if name.endswith(suffix))
