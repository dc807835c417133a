from __future__ import annotations

import base64
import os
import shutil
import struct
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from edge_recog_devices.boot import FirstBoot, Login, join, open_card

from edge_recog.models import default_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_recog_devices.boot.card import Card

SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"
KIND = b"ssh-ed25519"
BLOB = struct.pack(">I", len(KIND)) + KIND + struct.pack(">I", 32) + bytes(range(32))
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()} you@workstation"
ISSUE = (
    b"Raspberry Pi reference 2025-10-01\n"
    b"Generated using pi-gen, https://github.com/RPi-Distro/pi-gen, 0123abcd, stage2\n"
)
CMDLINE = (
    b"console=serial0,115200 console=tty1 root=PARTUUID=4d8fd085-02 rootfstype=ext4 "
    b"fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
)
BOOKWORM = {
    "config.txt": b"auto_initramfs=1\narm_64bit=1\n",
    "cmdline.txt": CMDLINE,
    "issue.txt": ISSUE,
    "kernel8.img": b"kernel",
    "kernel_2712.img": b"kernel",
    "initramfs8": b"initramfs",
    "bcm2712-rpi-5-b.dtb": b"tree",
    "overlays/README": b"overlays",
}
TRIXIE = {
    **BOOKWORM,
    "cmdline.txt": b"console=tty1 root=PARTUUID=4d8fd085-02 rootfstype=ext4 rootwait resize\n",
    "user-data": b"#cloud-config\n\n# comments\n#hostname: raspberrypi\nssh_pwauth: false\n",
    "meta-data": b"# comments\ndsmode: local\ninstance_id: rpios-image\n",
    "network-config": b"network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n",
}
FILES = {"bookworm": BOOKWORM, "trixie": TRIXIE}
PACKAGES = {
    "bwrap": "bubblewrap",
    "cloud-init": "cloud-init",
    "fsck.vfat": "dosfstools",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "netplan": "netplan.io",
    "sfdisk": "fdisk",
    "shellcheck": "shellcheck",
}
STAND_IN = """
import pathlib, sys
def main():
    with pathlib.Path("/var/log/edge-recog-calls").open("a") as file:
        file.write(" ".join(sys.argv[1:]) + "\\n")
"""


@pytest.fixture(scope="session")
def need(missing: Callable[[str], NoReturn]) -> Callable[[str], str]:
    """Return what gives the path of a program, and ends the test where it is not installed."""

    def find(program: str) -> str:
        found = shutil.which(program, path=SBIN)
        if found is None:
            missing(f"{program} is not installed ({PACKAGES[program]})")
        return found

    return find


@pytest.fixture(scope="session")
def public_key() -> str:
    return KEY


@pytest.fixture(scope="session")
def system_files() -> dict[str, dict[str, bytes]]:
    """What is on the boot partition of bookworm and of trixie, in short."""
    return {name: dict(files) for name, files in FILES.items()}


def make_wheel(folder: Path, name: str, *, tag: str = "py3-none-any", script: str = "") -> Path:
    """Write a wheel that pip installs, with one module and maybe a command."""
    module = name.replace("-", "_")
    path = folder / f"{module}-0.1.0-{tag}.whl"
    info = f"{module}-0.1.0.dist-info"
    needs = "Provides-Extra: daemon\nRequires-Dist: beside; extra == 'daemon'\n" if script else ""
    files = {
        f"{module}.py": script,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {module}:main\n"
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return path


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Two small wheels, one of them in our name, with a command that writes down its arguments."""
    folder = tmp_path_factory.mktemp("wheels")
    return make_wheel(folder, "edge-recog", script=STAND_IN), make_wheel(folder, "beside")


@pytest.fixture(scope="session")
def refusing_wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The same, whose command fails."""
    folder = tmp_path_factory.mktemp("refusing")
    script = "import sys\ndef main():\n    sys.exit(1)\n"
    return make_wheel(folder, "edge-recog", script=script), make_wheel(folder, "beside")


@pytest.fixture(scope="session")
def make_plan(wheels: tuple[Path, ...]) -> Callable[..., FirstBoot]:
    def make(**changes: Any) -> FirstBoot:
        values: dict[str, Any] = {
            "hostname": "kitchen",
            "model": default_model(),
            "wheels": wheels,
            "config": 'source = "picamera2:0"\n',
            "anchor": b'{"signed": {}}',
            "login": Login("ada", (KEY,)),
            "wifi": join("Caf\"é's 😀", "correct horse battery", country="DE"),
            "constraints": ("numpy<2",),
            "udev_rules": {"65-coral.rules": 'SUBSYSTEM=="apex", GROUP="apex"\n'},
        }
        return FirstBoot(**{**values, **changes})

    return make


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def partition_table(*entries: tuple[int, int, int]) -> bytes:
    """Return an MBR of kinds, first sectors and numbers of sectors."""
    table = b"".join(
        struct.pack("<B3sB3sII", 0, bytes(3), kind, bytes(3), start, count)
        for kind, start, count in entries
    )
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


def write_image(path: Path, files: Mapping[str, bytes], *, mib: int = 40) -> Path:
    """Write an image of a card: an MBR, a FAT32 with files, and a second partition of zeros."""
    fat = path.with_suffix(".fat")
    with fat.open("wb") as file:
        file.truncate(mib << 20)
    run = {"check": True, "capture_output": True, "env": {**os.environ, "PATH": SBIN}}
    subprocess.run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", "BOOTFS", fat], **run)
    for name, data in files.items():
        source = path.with_suffix(".content")
        source.write_bytes(data)
        if "/" in name:
            subprocess.run(["mmd", "-D", "s", "-i", fat, f"::/{name.partition('/')[0]}"], **run)
        subprocess.run(["mcopy", "-i", fat, source, f"::/{name}"], **run)
    start, sectors = 2048, (mib << 20) // 512
    with path.open("wb") as file:
        file.write(partition_table((0x0C, start, sectors), (0x83, start + sectors, 2048)))
        file.truncate((start + sectors + 2048) * 512)
        file.seek(start * 512)
        file.write(fat.read_bytes())
    fat.unlink()
    return path


@pytest.fixture
def make_image(need: Callable[[str], str]) -> Callable[..., Path]:
    need("mcopy")
    need("mkfs.vfat")
    return write_image


def read_card(card: Card, folder: str = "") -> dict[str, bytes]:
    """Return everything that is on a card."""
    prefix = f"{folder}/" if folder else ""
    listing = card.listing(folder)
    found = {f"{prefix}{name}": card.read(f"{prefix}{name}", 1 << 26) for name in listing.files}
    for name in listing.folders:
        found |= read_card(card, f"{prefix}{name}")
    return found


@pytest.fixture
def files_of() -> Callable[[Card], dict[str, bytes]]:
    return read_card


@pytest.fixture(params=["folder", "image"])
def make_card(
    request: pytest.FixtureRequest, tmp_path: Path, make_image: Callable[..., Path]
) -> Callable[[Mapping[str, bytes]], Card]:
    """Return what makes a card with files: mounted, or as an image."""

    def make(files: Mapping[str, bytes]) -> Card:
        if request.param == "folder":
            card = open_card(boot=write_folder(tmp_path / "bootfs", files))
        else:
            card = open_card(image=make_image(tmp_path / "raspios.img", files))
        request.addfinalizer(card.close)
        return card

    return make
