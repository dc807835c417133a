"""What is said of an Edge TPU that cannot be opened: from what the system knows of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.interpreters.presence import Node, read_nodes, why_unusable
from edge_recog.processes import Holder

if TYPE_CHECKING:
    from pathlib import Path

STICK = Node("usb", "/dev/bus/usb/002/003", is_allowed=True)
CARD = Node("pci", "/dev/apex_0", is_allowed=True)
FORBIDDEN = Node("usb", "/dev/bus/usb/002/003", is_allowed=False)
FORBIDDEN_CARD = Node("pci", "/dev/apex_0", is_allowed=False)
TAKEN = Node("usb", STICK.path, is_allowed=True, holders=(Holder(7, "frigate", STICK.path),))


@pytest.mark.parametrize(
    ("nodes", "device", "said"),
    [
        ((), "", "the system knows none: is it plugged in and powered (one on PCI needs"),
        ((), "usb", "the system knows none on USB: is it plugged in and powered?"),
        ((CARD,), "usb:0", "none on USB, but one on PCI"),
        ((STICK,), "pci", "none on PCI, but one on USB"),
        ((STICK,), "usb:1", "the system knows 1 on USB, and they are counted from 0"),
        ((STICK, CARD), ":2", "the system knows 2, and they are counted from 0"),
        ((FORBIDDEN,), "", "may not use /dev/bus/usb/002/003: install libedgetpu1-std"),
        ((FORBIDDEN_CARD,), "pci:0", "may not use /dev/apex_0: add this user to the group apex"),
        ((TAKEN,), "usb", "/dev/bus/usb/002/003 is in use by frigate (process 7)"),
        ((TAKEN, CARD), "", "is there and did not answer"),
        ((STICK,), "", "unplug it and plug it in again"),
    ],
)
def test_the_reason_follows_from_what_the_system_knows(
    nodes: tuple[Node, ...], device: str, said: str
) -> None:
    assert said in why_unusable(nodes, device)


@given(
    st.lists(st.sampled_from([STICK, CARD, FORBIDDEN, FORBIDDEN_CARD, TAKEN])),
    st.from_regex(r"\A(?:usb|pci)?(?::[0-9]{1,3})?\Z"),
)
def test_there_is_always_one_sentence(nodes: list[Node], device: str) -> None:
    said = why_unusable(nodes, device)
    assert said
    assert "\n" not in said
    assert not said.endswith(".")


def plug_in(root: Path, vendor: str, product: str, bus: int, device: int) -> Path:
    """Put a USB device where Linux would, and return its node."""
    folder = root / "sys" / "bus" / "usb" / "devices" / f"{bus}-1"
    folder.mkdir(parents=True)
    facts = {"idVendor": vendor, "idProduct": product, "busnum": bus, "devnum": device}
    for name, value in facts.items():
        (folder / name).write_text(f"{value}\n")
    node = root / "dev" / "bus" / "usb" / f"{bus:03d}" / f"{device:03d}"
    node.parent.mkdir(parents=True)
    node.touch()
    return node


def test_sticks_are_known_with_and_without_their_firmware_and_others_are_not(
    tmp_path: Path,
) -> None:
    plug_in(tmp_path, "1a6e", "089a", 1, 12)
    plug_in(tmp_path, "18d1", "9302", 2, 3)
    plug_in(tmp_path, "18d1", "4ee7", 3, 4)  # A telephone of the same maker.
    (tmp_path / "dev" / "apex_0").touch()

    assert [(node.kind, node.path) for node in read_nodes(tmp_path)] == [
        ("usb", "/dev/bus/usb/001/012"),
        ("usb", "/dev/bus/usb/002/003"),
        ("pci", "/dev/apex_0"),
    ]


def test_who_has_one_open_is_named(tmp_path: Path) -> None:
    plug_in(tmp_path, "18d1", "9302", 2, 3)
    process = tmp_path / "proc" / "812"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("python3\n")
    (process / "fd" / "5").symlink_to("/dev/bus/usb/002/003")
    (node,) = read_nodes(tmp_path)

    assert [str(holder) for holder in node.holders] == ["python3 (process 812)"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every device")
def test_a_device_that_this_user_may_not_use_is_known_to_be_one(tmp_path: Path) -> None:
    plug_in(tmp_path, "18d1", "9302", 2, 3).chmod(0o400)

    assert not read_nodes(tmp_path)[0].is_allowed


def test_a_system_without_any_has_none(tmp_path: Path) -> None:
    assert read_nodes(tmp_path) == ()
