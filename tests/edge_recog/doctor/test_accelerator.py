"""The Edge TPU and what it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_recog.doctor.accelerator import (
    EdgeTpu,
    EdgeTpus,
    UsbPower,
    judge_compiled,
    judge_library,
    judge_permission,
    judge_usb,
    read_edge_tpus,
    read_usb_power,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.doctor.probes import Machine

_NODE = "/dev/bus/usb/002/003"
_LIBRARY = "/usr/lib/aarch64-linux-gnu/libedgetpu.so.1"
_USB = EdgeTpu("USB", _NODE, True, True, True, 5000)
_PCI = EdgeTpu("PCI", "/dev/apex_0", True, True, True)
_NONE = EdgeTpus((), ())
_STICK = "/sys/bus/usb/devices/2-1"
_STICK_FILES: dict[str, str | bytes] = {
    f"{_STICK}/idVendor": "18d1\n",
    f"{_STICK}/idProduct": "9302\n",
    f"{_STICK}/busnum": "2\n",
    f"{_STICK}/devnum": "3\n",
    f"{_STICK}/speed": "5000\n",
    "/sys/bus/usb/devices/usb2/idVendor": "1d6b\n",
    "/sys/bus/usb/devices/usb2/idProduct": "0003\n",
}


def _one(device: EdgeTpu, *libraries: str) -> EdgeTpus:
    return EdgeTpus((device,), libraries)


def test_a_stick_is_found_by_its_numbers(build: Callable[..., Machine]) -> None:
    machine = build(
        _STICK_FILES
        | {
            _NODE: "",
            _LIBRARY: "",
            "/usr/lib/udev/rules.d/60-libedgetpu1-std.rules": 'ATTRS{idVendor}=="1a6e"',
        }
    )

    assert read_edge_tpus(machine) == _one(_USB, _LIBRARY)


def test_a_stick_before_its_first_use_has_another_number(build: Callable[..., Machine]) -> None:
    fresh = {f"{_STICK}/idVendor": "1a6e\n", f"{_STICK}/idProduct": "089a\n"}
    (device,) = read_edge_tpus(build(_STICK_FILES | fresh)).devices

    assert device == EdgeTpu("USB", _NODE, False, False, False, 5000)


def test_a_rule_for_android_phones_is_none_for_a_stick(build: Callable[..., Machine]) -> None:
    rules = {"/etc/udev/rules.d/51-android.rules": 'ATTR{idVendor}=="18d1"'}
    (device,) = read_edge_tpus(build(_STICK_FILES | rules)).devices

    assert not device.has_rule


def test_a_card_is_found_by_its_numbers(build: Callable[..., Machine]) -> None:
    folder = "/sys/bus/pci/devices/0000:01:00.0"
    machine = build(
        {
            f"{folder}/vendor": "0x1ac1\n",
            f"{folder}/device": "0x089a\n",
            "/dev/apex_0": "",
            "/etc/udev/rules.d/65-apex.rules": 'SUBSYSTEM=="apex", MODE="0660"',
        }
    )

    assert read_edge_tpus(machine) == _one(_PCI)


@pytest.mark.parametrize("name", ["Pi 3", "Pi 4", "Pi 5", "PC"])
def test_a_machine_without_one_has_none(
    build: Callable[..., Machine], board_files: dict[str, dict[str, str | bytes]], name: str
) -> None:
    assert read_edge_tpus(build(board_files[name])) == _NONE


@pytest.mark.parametrize(
    ("found", "needs", "outcome", "fix"),
    [
        (_one(_USB, _LIBRARY), False, "good", ""),
        (_one(_USB), False, "bad", "libedgetpu1-std"),
        (_NONE, True, "bad", "plug it in"),
        (_NONE, False, "skipped", ""),
    ],
    ids=["both", "no library", "no device", "neither"],
)
def test_device_and_library_belong_together(
    found: EdgeTpus, needs: bool, outcome: str, fix: str
) -> None:
    finding = judge_library(found, model_needs_it=needs)

    assert finding.outcome == outcome
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("device", "outcome", "fix"),
    [
        (_USB, "good", ""),
        (replace(_USB, accessible=False), "bad", "sudo usermod -aG plugdev pi"),
        (replace(_USB, accessible=False, has_rule=False), "bad", 'ATTRS{idVendor}=="1a6e"'),
        (_PCI, "good", ""),
        (replace(_PCI, accessible=False), "bad", "sudo usermod -aG apex pi"),
        (replace(_PCI, accessible=False, has_rule=False), "bad", "65-apex.rules"),
        (replace(_PCI, node_exists=False, accessible=False), "bad", "gasket-dkms"),
    ],
)
def test_the_user_must_be_let_to_the_accelerator(device: EdgeTpu, outcome: str, fix: str) -> None:
    finding = judge_permission(_one(device), "pi")

    assert finding.outcome == outcome
    assert fix in finding.fix
    assert judge_permission(_NONE, "pi").outcome == "skipped"


@pytest.mark.parametrize(
    ("device", "power", "throttled", "outcome", "word"),
    [
        (_USB, UsbPower(5000, True), 0, "good", "USB 3"),
        (_USB, UsbPower(None, None), None, "good", "no lack"),
        (_USB, UsbPower(3000, False), 0, "warning", "3000 mA"),
        (_USB, UsbPower(3000, True), 0, "good", "no lack"),
        (_USB, UsbPower(5000, True), 0x50005, "bad", "under-voltage now"),
        (_USB, UsbPower(5000, True), 0x50000, "good", "no lack"),
        (replace(_USB, speed_mbit=480), UsbPower(None, None), 0, "warning", "480 Mbit/s"),
        (replace(_USB, speed_mbit=None), UsbPower(None, None), 0, "good", "no lack"),
        (_PCI, UsbPower(3000, False), 1, "skipped", "no Edge TPU on USB"),
    ],
)
def test_a_stick_needs_current_and_speed(
    device: EdgeTpu, power: UsbPower, throttled: int | None, outcome: str, word: str
) -> None:
    finding = judge_usb(_one(device), power, throttled)

    assert finding.outcome == outcome
    assert word in finding.evidence


def test_the_supply_of_a_pi_5_is_known(
    build: Callable[..., Machine], board_files: dict[str, dict[str, str | bytes]]
) -> None:
    assert read_usb_power(build(board_files["Pi 5"])) == UsbPower(5000, True)


def test_the_supply_of_others_is_not(
    build: Callable[..., Machine], board_files: dict[str, dict[str, str | bytes]]
) -> None:
    assert read_usb_power(build(board_files["Pi 4"])) == UsbPower(None, None)
    odd = {"/proc/device-tree/chosen/power/max_current": b"\1\2"}
    assert read_usb_power(build(odd)) == UsbPower(None, None)


@pytest.mark.parametrize(
    ("found", "needs", "outcome"),
    [
        (_one(_USB), True, "good"),
        (_NONE, False, "good"),
        (_one(_USB), False, "warning"),
        (_NONE, True, "bad"),
        (_one(_USB), None, "skipped"),
    ],
)
def test_model_and_accelerator_belong_together(
    found: EdgeTpus, needs: bool | None, outcome: str
) -> None:
    assert judge_compiled(found, model_needs_it=needs).outcome == outcome
