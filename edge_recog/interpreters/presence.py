"""Why an Edge TPU cannot be opened, as far as the system tells: libedgetpu does not say.

Of a device that is missing, forbidden or in another program's hands it says the same: nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from edge_recog.processes import Holder, read_holders

if TYPE_CHECKING:
    from collections.abc import Sequence

_USB_IDS: Final = frozenset({("1a6e", "089a"), ("18d1", "9302")})
"""Vendor and product, before and after the device has got its firmware: the rules that
libedgetpu1-std brings name both."""
_USB_HINT: Final = (
    "install libedgetpu1-std, which brings the udev rule, add this user to the group plugdev, and "
    "plug it in again"
)
_PCI_HINT: Final = "add this user to the group apex, and log in again"


@dataclass(frozen=True, slots=True)
class Node:
    """An Edge TPU that the system knows."""

    kind: Literal["usb", "pci"]
    path: str
    """E.g. `/dev/bus/usb/002/003` or `/dev/apex_0`."""
    is_allowed: bool
    """Whether this user may read and write it."""
    holders: tuple[Holder, ...] = ()
    """Other programs that have it open; those of other users are seen by root alone."""


def read_nodes(root: Path = Path("/")) -> tuple[Node, ...]:
    """Return the Edge TPUs that Linux knows; none on other systems.

    Args:
        root: In place of `/`, for tests.
    """
    found: list[tuple[Literal["usb", "pci"], str]] = []
    for folder in sorted(root.glob("sys/bus/usb/devices/*")):
        if (_read(folder / "idVendor"), _read(folder / "idProduct")) in _USB_IDS:
            bus, device = _read(folder / "busnum"), _read(folder / "devnum")
            found.append(("usb", f"/dev/bus/usb/{bus:0>3}/{device:0>3}"))
    found += [("pci", f"/dev/{path.name}") for path in sorted(root.glob("dev/apex_[0-9]*"))]
    if not found:
        return ()
    paths = {path for _, path in found}
    holders = read_holders(paths.__contains__, proc=root / "proc").found
    return tuple(
        Node(
            kind,
            path,
            is_allowed=os.access(root / path[1:], os.R_OK | os.W_OK),
            holders=tuple(holder for holder in holders if holder.target == path),
        )
        for kind, path in found
    )


def why_unusable(nodes: Sequence[Node], device: str) -> str:
    """Return what keeps an Edge TPU from being used, and what to do: a sentence, no full stop.

    Args:
        nodes: Those that the system knows.
        device: `usb`, `usb:0`, `pci`, `pci:0`, `:0`; empty for any.
    """
    kind, _, index = device.partition(":")
    wanted = [node for node in nodes if kind in {"", node.kind}]
    where = {"usb": " on USB", "pci": " on PCI"}.get(kind, "")
    if not wanted:
        others = f", but one on {nodes[0].kind.upper()}" if nodes else ""
        driver = "" if kind == "usb" else " (one on PCI needs the driver gasket/apex as well)"
        return f"the system knows none{where}{others}: is it plugged in and powered{driver}?"
    if index and int(index) >= len(wanted):
        return f"the system knows {len(wanted)}{where}, and they are counted from 0"
    # libedgetpu's own order is not known: only what is true of all can be said of one.
    if all(node.holders for node in wanted):
        others = ", ".join(str(holder) for node in wanted for holder in node.holders)
        return f"{wanted[0].path} is in use by {others}: one program at a time can have it"
    if not any(node.is_allowed for node in wanted):
        hint = _USB_HINT if wanted[0].kind == "usb" else _PCI_HINT
        return f"this user may not use {wanted[0].path}: {hint}"
    return (
        f"{wanted[0].path} is there and did not answer: another user's program may have it, or it "
        "hangs: stop that program, or unplug it and plug it in again"
    )


def _read(path: Path) -> str:
    """Return what a small file of the kernel's says; empty if it is not there."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
