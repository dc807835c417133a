from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from edge_recog_devices.boot import open_card, recognise

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_recog_devices.boot.card import Card

    Make = Callable[[Mapping[str, bytes]], Card]
    Files = dict[str, dict[str, bytes]]


@pytest.mark.parametrize(
    ("name", "more", "bits"),
    [
        ("bookworm", {}, 64),
        ("trixie", {}, 64),
        ("bookworm", {"kernel7.img": b"k", "kernel.img": b"k"}, 32),
        ("trixie", {"kernel7l.img": b"k"}, 32),
    ],
)
def test_a_card_is_recognised(
    name: str, more: dict[str, bytes], bits: int, make_card: Make, system_files: Files
) -> None:
    system = recognise(make_card({**system_files[name], **more}))

    assert (system.name, system.bits, system.date) == (name, bits, "2025-10-01")


@pytest.mark.parametrize(
    ("drop", "add", "said"),
    [
        (["config.txt"], {}, "no config.txt"),
        (["cmdline.txt"], {}, "no cmdline.txt"),
        (["issue.txt"], {}, "no issue.txt"),
        (["kernel8.img", "kernel_2712.img"], {}, "no kernel"),
        (["bcm2712-rpi-5-b.dtb"], {}, "no device tree"),
        ([], {"issue.txt": b"DietPi"}, "another maker"),
        ([], {"cmdline.txt": b"quiet"}, "root="),
        (["initramfs8"], {}, "older than bookworm"),
        (["kernel8.img", "kernel_2712.img"], {"vmlinuz": b""}, "Ubuntu"),
        (["kernel8.img", "kernel_2712.img"], {"KERNEL": b""}, "LibreELEC"),
    ],
)
def test_what_is_no_boot_partition_of_ours_is_refused(
    drop: list[str],
    add: dict[str, bytes],
    said: str,
    tmp_path: Path,
    system_files: Files,
) -> None:
    files = {k: v for k, v in system_files["bookworm"].items() if k not in drop} | add
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)

    with open_card(boot=tmp_path) as card, pytest.raises(UsageError, match=said):
        recognise(card)
