"""Which Raspberry Pi OS a boot partition belongs to, told by the files on it.

The system itself is on the ext4 partition, where nobody looks. What pi-gen, which makes the images
(<https://github.com/RPi-Distro/pi-gen>), puts on the boot partition tells:

- `issue.txt`: "Raspberry Pi reference DATE / Generated using pi-gen, …" (in `export-image`). It
  names no release, and images of the release before go on being made, so the date decides nothing.
- `config.txt`, `cmdline.txt` with `root=`, kernels `kernel*.img`, device trees `bcm27*.dtb`:
  what the firmware needs.
- `user-data`, `meta-data`, `network-config`: cloud-init's NoCloud seed, in images of trixie
  (`stage2/04-cloud-init`; "Cloud-init on Raspberry Pi OS", raspberrypi.com, November 2025). The
  images' own configuration of cloud-init looks for it there (`seedfrom: file:///boot/firmware`).
- `initramfs*`: from bookworm on (`auto_initramfs=1` in `config.txt`); it mounts this partition at
  /boot/firmware, and Imager customises it by `firstrun.sh` and `systemd.run=` in `cmdline.txt`.
- `kernel.img`, `kernel7.img`, `kernel7l.img`: kernels for 32 bits, in images of 32 bits only.
  (Those have `kernel8.img` as well, so a 64-bit kernel tells nothing.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from edge_recog.errors import UsageError
from edge_recog_devices.boot.cmdline import read_cmdline

if TYPE_CHECKING:
    from edge_recog_devices.boot.card import Card

CLOUD_INIT_FILES: Final = ("network-config", "meta-data", "user-data")
CMDLINE: Final = "cmdline.txt"

_ISSUE = re.compile(r"Raspberry Pi reference (\d{4}-\d{2}-\d{2})\s+Generated using pi-gen")
_KERNEL = re.compile(r"kernel[a-z0-9_]*\.img")
_KERNELS_32: Final = frozenset(("kernel.img", "kernel7.img", "kernel7l.img"))
_TREE = re.compile(r"bcm27[a-z0-9._-]*\.dtb")
_OTHERS: Final = {
    "vmlinuz": "Ubuntu",
    "kernel": "LibreELEC",
    "haos-config.txt": "Home Assistant OS",
    "dietpi.txt": "DietPi",
    "recovery.cmdline": "NOOBS or PINN",
}
"""A file → whose it is."""
_WANTED: Final = "Raspberry Pi OS bookworm or trixie is needed"


@dataclass(frozen=True)
class System:
    """What a card will boot."""

    name: Literal["bookworm", "trixie"]
    date: str
    """Of the image."""
    bits: Literal[32, 64]

    @property
    def title(self) -> str:
        """In words."""
        return f"Raspberry Pi OS {self.name}, {self.bits}-bit, image of {self.date}"

    @property
    def python(self) -> tuple[int, int]:
        """Version of its Python, for which wheels must be."""
        return (3, 11) if self.name == "bookworm" else (3, 13)

    @property
    def systemd(self) -> int:
        """Version of its systemd."""
        return 252 if self.name == "bookworm" else 257


def recognise(card: Card) -> System:
    """Return which system a card boots.

    Raises:
        UsageError: It is no boot partition of a Raspberry Pi OS that we know.
    """
    files = card.listing().files
    for name, system in _OTHERS.items():
        if name in files and not any(map(_KERNEL.fullmatch, files)):
            raise UsageError(f"{card.where}: the boot partition of {system}; {_WANTED}")
    lacking = [name for name in ("config.txt", CMDLINE, "issue.txt") if name not in files]
    if not any(map(_KERNEL.fullmatch, files)):
        lacking.append("kernel (kernel*.img)")
    if not any(map(_TREE.fullmatch, files)):
        lacking.append("device tree (bcm27*.dtb)")
    if lacking:
        raise UsageError(
            f"{card.where}: no boot partition of Raspberry Pi OS: there is no "
            f"{', no '.join(lacking)}"
        )
    issue = card.read("issue.txt")[:4096].decode("utf-8", "replace")
    told = _ISSUE.match(issue)
    if told is None:
        raise UsageError(
            f"{card.where}: no boot partition of Raspberry Pi OS: issue.txt names another maker"
        )
    try:
        read_cmdline(card.read(CMDLINE))
    except UsageError as error:
        raise UsageError(f"{card.where}: {error}") from error
    bits: Literal[32, 64] = 32 if files & _KERNELS_32 else 64
    if files.issuperset(CLOUD_INIT_FILES):
        return System("trixie", told[1], bits)
    if any(name.startswith("initramfs") for name in files):
        return System("bookworm", told[1], bits)
    raise UsageError(
        f"{card.where}: a Raspberry Pi OS of {told[1]} that is older than bookworm, whose Python "
        "is too old; write a newer image to the card"
    )
