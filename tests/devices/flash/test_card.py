"""`edge-recog flash --boot`: a card, by the same verb. What is put on it is tested in `boot`."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.wheels import Manifest, Target, WheelFile
from edge_recog_devices.wheels.archives import sha256_of

from edge_recog import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()
KEY = f"ssh-ed25519 {BLOB} ada@desk"
TRIXIE = {
    "issue.txt": "Raspberry Pi reference 2025-11-24\nGenerated using pi-gen, x, abc, stage2\n",
    "config.txt": "auto_initramfs=1\narm_64bit=1\n",
    "cmdline.txt": "console=serial0,115200 root=PARTUUID=4f8b1c2d-02 rootfstype=ext4 rootwait\n",
    "kernel8.img": "kernel",
    "kernel_2712.img": "kernel",
    "initramfs8": "initramfs",
    "bcm2712-rpi-5-b.dtb": "tree",
    "user-data": "#cloud-config\n# ssh_pwauth: true\n",
    "meta-data": "instance-id: rpios-image\n",
    "network-config": "# nothing\n",
}


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    folder = tmp_path / "bootfs"
    folder.mkdir()
    for name, text in TRIXIE.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def small_wheels(tmp_path: Path, make_wheel_of: Callable[..., Path]) -> Path:
    folder = tmp_path / "wheels"
    wheel = make_wheel_of("edge-recog", __version__, folder)
    one = WheelFile(
        file=wheel.name,
        distribution="edge-recog",
        version=__version__,
        size=wheel.stat().st_size,
        sha256=sha256_of(wheel),
    )
    manifest = Manifest(
        created="2026-01-01T00:00:00Z",
        target=Target(architecture="aarch64", python=(3, 13), glibc=(2, 41)),
        project="edge-recog[daemon]",
        version=__version__,
        project_from="here",
        files=(one,),
    )
    (folder / "manifest.json").write_bytes(manifest.encode())
    return folder


@pytest.fixture
def prepare(
    edge_recog: Callable[..., Any], models: dict[str, Path], boot: Path, small_wheels: Path
) -> Callable[..., Any]:
    """Return what prepares the card for a Raspberry Pi 5, as it is typed."""

    def run(*more: object) -> Any:
        words = ["--boot", boot, "--wheels", small_wheels, "--profile", "raspberry-pi-5"]
        return edge_recog("flash", models["good"], *words, "--hostname", "kitchen", *more)

    return run


def test_a_dry_run_writes_nothing(prepare: Callable[..., Any], boot: Path) -> None:
    before = {path.name: path.read_text() for path in boot.iterdir()}
    outcome = prepare("--dry-run")
    assert (outcome.code, outcome.err) == (0, "")
    assert "edge-recog/models/good.tflite" in outcome.out
    assert outcome.out.endswith("nothing was written (--dry-run)\n")
    assert {path.name: path.read_text() for path in boot.iterdir()} == before


def test_a_card_is_prepared_with_model_configuration_and_who_may_log_in(
    prepare: Callable[..., Any], boot: Path, tmp_path: Path, models: dict[str, Path]
) -> None:
    key = tmp_path / "id.pub"
    key.write_text(f"{KEY}\n")
    passphrase = tmp_path / "wifi"
    passphrase.write_text("correct horse battery\n")
    passphrase.chmod(0o600)
    wifi = ["--wifi", "Home", "--wifi-country", "DE", "--wifi-passphrase-file", passphrase]
    outcome = prepare("--login", "ada", "--ssh-key", key, *wifi)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith("ready: start the device\n")
    assert (boot / "edge-recog/models/good.tflite").read_bytes() == models["good"].read_bytes()
    config = (boot / "edge-recog/config.toml").read_text()
    assert 'source = "picamera2:0' in config
    assert KEY in (boot / "user-data").read_text()
    assert "correct horse battery" not in (boot / "network-config").read_text()


def test_a_card_can_bring_whose_updates_the_device_trusts(
    prepare: Callable[..., Any], boot: Path, tmp_path: Path, updates_root: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('source = "picamera2:0"\n[updates]\nurl = "https://updates.example/fleet"\n')
    outcome = prepare("--config", config)
    assert outcome.code == 2
    assert "--updates-root FOLDER.keys/1.root.json" in outcome.err
    assert prepare("--config", config, "--updates-root", updates_root).code == 0
    assert (boot / "edge-recog/updates-root.json").read_bytes() == updates_root.read_bytes()


def test_what_is_no_root_of_updates_is_told(prepare: Callable[..., Any], tmp_path: Path) -> None:
    other = tmp_path / "root.json"
    other.write_text("{}")
    for path, words in ((other, "no root of updates"), (tmp_path / "none", "No such file")):
        outcome = prepare("--updates-root", path)
        assert (outcome.code, outcome.out) == (2, "")
        assert words in outcome.err


def test_a_card_is_prepared_for_programs_too(prepare: Callable[..., Any]) -> None:
    document = json.loads(prepare("--json").out)
    assert document["changed"] is True
    assert document["files"]["edge-recog/models/good.tflite"] > 0
    assert json.loads(prepare("--json").out)["changed"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--login", "ada"], "--login NAME --ssh-key FILE.pub"),
        (["--wifi", "Home"], "--wifi-country DE"),
        (["--profile", "raspberry-pi-6"], "did you mean raspberry-pi-5"),
        (["--image", "x.img"], "name either a mounted boot partition"),
    ],
)
def test_what_is_missing_is_told(
    prepare: Callable[..., Any], boot: Path, arguments: list[str], words: str
) -> None:
    outcome = prepare(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
    assert not (boot / "edge-recog").exists()
