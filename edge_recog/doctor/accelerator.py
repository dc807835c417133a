"""The Edge TPU: is one here, and what keeps it from being used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.doctor.power import UNDER_VOLTAGE
from edge_recog.doctor.probes import is_accessible, read_number, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog.doctor.probes import Machine

# 1a6e is what a USB accelerator says before its first use, 18d1 once it has its firmware:
# https://coral.ai/docs/accelerator/get-started/#runtime-on-linux
_FRESH_VENDOR = "1a6e"
_USB_IDS = frozenset({(_FRESH_VENDOR, "089a"), ("18d1", "9302")})
_PCI_ID = ("0x1ac1", "0x089a")
_LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib/*-linux-gnu*", "/usr/local/lib", "/lib", "/opt/*/lib")
_RULE_FOLDERS = ("/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_USB_3_MBIT = 5000
_DRAWS_MA = 900
"""At its peak: https://coral.ai/docs/accelerator/datasheet/, "Power"."""
_FULL_SUPPLY_MA = 5000
"""Of a Raspberry Pi 5, below which its USB ports together give 600 mA:
https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#power-supplies-and-raspberry-pi-os
"""
_POWER = "/proc/device-tree/chosen/power"
_INSTALL = (
    "sudo apt install libedgetpu1-std from Google's Coral repository "
    "(https://coral.ai/docs/accelerator/get-started), or a build for newer systems from "
    "https://github.com/feranick/libedgetpu/releases"
)


@dataclass(frozen=True)
class EdgeTpu:
    """One accelerator that is plugged in."""

    kind: str
    """`USB` or `PCI`."""
    node: str
    """The device file through which it is used."""
    node_exists: bool
    accessible: bool
    """Whether this user may read and write it."""
    has_rule: bool
    """Whether a udev rule is about such accelerators."""
    speed_mbit: int | None = None
    """Of its USB connection."""


@dataclass(frozen=True)
class EdgeTpus:
    """Accelerators, and what software there is for them."""

    devices: tuple[EdgeTpu, ...]
    libraries: tuple[str, ...]
    """Paths of libedgetpu that were found."""


def read_edge_tpus(machine: Machine) -> EdgeTpus:
    """Return the accelerators that are plugged in, and their software."""
    rules = "".join(
        read_text(path) or ""
        for folder in _RULE_FOLDERS
        for path in machine.paths(f"{folder}/*.rules")
    )
    devices = [
        _usb_device(machine, folder, rules)
        for folder in machine.paths("/sys/bus/usb/devices/*")
        if (read_text(folder / "idVendor"), read_text(folder / "idProduct")) in _USB_IDS
    ]
    pci = [
        folder
        for folder in machine.paths("/sys/bus/pci/devices/*")
        if (read_text(folder / "vendor"), read_text(folder / "device")) == _PCI_ID
    ]
    for index, _ in enumerate(pci):
        # The driver gasket/apex numbers them in the order in which it finds them.
        path = machine.path(f"/dev/apex_{index}")
        node = f"/dev/apex_{index}"
        devices.append(EdgeTpu("PCI", node, path.exists(), is_accessible(path), "apex" in rules))
    libraries = [
        machine.named(path)
        for folder in _LIBRARY_FOLDERS
        for path in machine.paths(f"{folder}/libedgetpu.so.1")
    ]
    return EdgeTpus(tuple(devices), tuple(dict.fromkeys(libraries)))


def _usb_device(machine: Machine, folder: Path, rules: str) -> EdgeTpu:
    bus, number = read_number(folder / "busnum") or 0, read_number(folder / "devnum") or 0
    node = f"/dev/bus/usb/{bus:03d}/{number:03d}"
    path = machine.path(node)
    return EdgeTpu(
        "USB",
        node,
        path.exists(),
        is_accessible(path),
        # Google's own vendor number stands in the rules of Android phones too.
        _FRESH_VENDOR in rules,
        read_number(folder / "speed"),
    )


def judge_library(found: EdgeTpus, *, model_needs_it: bool) -> Finding:
    """Judge whether an Edge TPU and its library are both here."""
    if not found.devices and not model_needs_it:
        return skipped("no Edge TPU is plugged in, and no model that needs one is named")
    if not found.devices:
        return bad(
            "the model is compiled for the Edge TPU, but none is plugged in",
            "plug it in (USB: lsusb shows 1a6e:089a or 18d1:9302), or use the file that was given "
            "to edgetpu_compiler",
        )
    kinds = ", ".join(device.kind for device in found.devices)
    if not found.libraries:
        return bad(f"Edge TPU ({kinds}), but no libedgetpu.so.1", _INSTALL)
    return good(f"Edge TPU ({kinds}) and {found.libraries[0]}")


def judge_permission(found: EdgeTpus, user: str) -> Finding:
    """Judge whether this user may use the Edge TPU."""
    if not found.devices:
        return skipped("no Edge TPU is plugged in")
    for device in found.devices:
        if not device.node_exists and device.kind == "PCI":
            return bad(
                f"the kernel has no driver for the Edge TPU on PCI: no {device.node}",
                "sudo apt install gasket-dkms, then restart",
            )
        if not device.accessible:
            group = "apex" if device.kind == "PCI" else "plugdev"
            why = "" if device.has_rule else "no udev rule names it, and "
            rule = (
                ""
                if device.has_rule
                else "install libedgetpu1-std, which brings the rule, or write "
                + _rule(device.kind)
                + "; then "
            )
            return bad(
                f"{why}{user} may not use {device.node}",
                f"{rule}sudo usermod -aG {group} {user}, log out and in again, and plug it in anew",
            )
    return good(f"{user} may use {', '.join(device.node for device in found.devices)}")


def _rule(kind: str) -> str:
    if kind == "PCI":
        return """SUBSYSTEM=="apex", MODE="0660", GROUP="apex" to /etc/udev/rules.d/65-apex.rules"""
    return (
        """SUBSYSTEM=="usb", ATTRS{idVendor}=="1a6e", GROUP="plugdev" and the same with 18d1 to """
        "/etc/udev/rules.d/99-edgetpu.rules"
    )


@dataclass(frozen=True)
class UsbPower:
    """What a Raspberry Pi 5 knows of its supply; elsewhere all None."""

    supply_ma: int | None
    """What the supply said it can give."""
    ports_full: bool | None
    """Whether its USB ports may give 1.6 A together, not 600 mA."""


def read_usb_power(machine: Machine) -> UsbPower:
    """Return what the firmware wrote into the device tree: numbers of four bytes, big end first."""
    supply = _cell(machine.path(f"{_POWER}/max_current"))
    full = _cell(machine.path(f"{_POWER}/usb_max_current_enable"))
    return UsbPower(supply, None if full is None else bool(full))


def _cell(path: Path) -> int | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return int.from_bytes(data, "big") if len(data) == 4 else None


def judge_usb(found: EdgeTpus, power: UsbPower, throttled: int | None) -> Finding:
    """Judge whether a USB accelerator gets the current and the speed that it needs."""
    usb = [device for device in found.devices if device.kind == "USB"]
    if not usb:
        return skipped("no Edge TPU on USB")
    if throttled is not None and any(throttled >> bit & 1 for bit in UNDER_VOLTAGE):
        return bad(
            f"under-voltage now, and the accelerator draws up to {_DRAWS_MA} mA",
            "give it a hub with its own supply",
        )
    supply = power.supply_ma
    if power.ports_full is False and supply is not None and supply < _FULL_SUPPLY_MA:
        return warning(
            f"the supply gives {supply} mA, so all USB ports together get 600 mA; the accelerator "
            f"draws up to {_DRAWS_MA} mA",
            "use the 27 W supply of the Raspberry Pi 5, or a hub with its own supply",
        )
    speeds = [device.speed_mbit for device in usb if device.speed_mbit is not None]
    if speeds and min(speeds) < _USB_3_MBIT:
        return warning(
            f"connected at {min(speeds)} Mbit/s (USB 2)",
            "use a blue USB 3 port and the cable it came with; every picture and, for large "
            "models, every parameter goes over it",
        )
    return good("no lack of power is known" + (", USB 3" if speeds else ""))


def judge_compiled(found: EdgeTpus, *, model_needs_it: bool | None) -> Finding:
    """Judge whether model and accelerator go together.

    Args:
        found: What is plugged in.
        model_needs_it: Whether the model is compiled for the Edge TPU; None without a model.
    """
    if model_needs_it is None:
        return skipped("no model that can be read")
    if model_needs_it and not found.devices:
        return bad(
            "compiled for the Edge TPU, but none is plugged in",
            "use the file that was given to edgetpu_compiler, or plug one in",
        )
    if not model_needs_it and found.devices:
        return warning(
            "an Edge TPU is plugged in, but the model is not compiled for it and runs on the CPU",
            "compile it on an x86 computer with edgetpu_compiler -s MODEL",
        )
    if model_needs_it:
        return good("compiled for the Edge TPU, and one is plugged in")
    return good("made for the CPU, and no Edge TPU is plugged in")
