"""Devices that cannot be flashed: each is told in one clear sentence, and nothing is half done."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = "mount -t tmpfs -o size={size},mode=0777 tmpfs {home}"


def refused(outcome: Any, *words: str) -> None:
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("edge-recog: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err


def test_a_device_that_is_down(flash: Callable[..., Any], make_pi: Any, models: Any) -> None:
    pi = make_pi()
    pi.device.port = 1
    refused(flash(models["good"], pi), "ssh://tester@127.0.0.1:1: ", "nothing listens for ssh")


def test_a_device_that_refuses_the_key(
    flash: Callable[..., Any], make_pi: Any, models: Any
) -> None:
    pi = make_pi()
    (pi.device.folder / "id").unlink()
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(pi.device.folder / "id2")]
    subprocess.run(command, check=True)
    (pi.device.folder / "id2").rename(pi.device.folder / "id")
    refused(flash(models["good"], pi), "it refuses to let tester in", "ssh-copy-id")


def test_a_device_without_python(
    flash: Callable[..., Any], make_pi: Any, models: Any, tmp_path: Path
) -> None:
    found = [path for path in Path("/usr/bin").glob("python3*") if not path.is_symlink()]
    hidden = " && ".join(f"mount --bind /dev/null {path}" for path in found) or "true"
    pi = make_pi(setup=hidden, path="/usr/bin:/bin")
    refused(flash(models["good"], pi), "no Python", "sudo apt install python3 python3-venv")
    assert pi.files() == set()


def test_a_device_without_space(flash: Callable[..., Any], make_pi: Any, models: Any) -> None:
    pi = make_pi(setup=SMALL.replace("{size}", "20m"))
    refused(flash(models["good"], pi), "21 MB free for", "make room")


def test_a_device_with_a_read_only_root(
    flash: Callable[..., Any], make_pi: Any, models: Any
) -> None:
    pi = make_pi(setup="mount -t tmpfs -o ro tmpfs {home}")
    refused(flash(models["good"], pi), "on a file system that is read-only", "remount,rw")


def test_a_device_of_the_wrong_architecture(
    flash: Callable[..., Any], make_pi: Any, models: Any
) -> None:
    pi = make_pi()
    program = pi.programs / "uname"
    program.write_text(
        '#!/bin/sh\n[ "$1" != -m ] || { echo riscv64; exit; }\nexec /bin/uname "$@"\n'
    )
    program.chmod(0o755)
    refused(flash(models["good"], pi), "riscv64: no profile is about it", "64-bit processor")
    assert pi.files() == set()


def test_a_device_without_a_service_manager(
    flash: Callable[..., Any], make_pi: Any, models: Any
) -> None:
    pi = make_pi()
    (pi.programs / "systemctl").write_text(
        "#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n"
    )
    refused(flash(models["good"], pi), "its service manager does not answer", "Failed to connect")
    assert pi.files() == set()


def test_a_user_who_may_not_become_root(
    edge_recog: Callable[..., Any],
    make_pi: Any,
    models: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pi = make_pi()
    sudo = pi.programs / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{pi.device.programs}:{os.environ['PATH']}")
    outcome = edge_recog("flash", models["good"], pi.address, "--wheels", pi.wheels)
    refused(outcome, "tester may not become root: sudo asks for a password", "--user")
    assert pi.files() == set()


def test_an_installation_that_fails_is_taken_back(
    flash: Callable[..., Any], make_pi: Any, models: Any
) -> None:
    pi = make_pi()
    (pi.programs / "gzip").write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
    (pi.programs / "gzip").chmod(0o755)
    outcome = flash(models["good"], pi)
    refused(outcome, "(No space left on device)", "everything is as it was before")
    assert pi.files() == set()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a device, such as pi@kitchen.local"),
        (["pi@host; reboot"], "write it like pi@kitchen.local"),
        (["pi@k", "--boot", "/boot"], "name either devices, or a card"),
        (["--boot", "/nowhere"], "--profile raspberry-pi-5 --hostname kitchen"),
        (["pi@a", "pi@b", "--picture", "x.jpg"], "--picture is of one device"),
        (["pi@k", "--python", "2.7"], "write one from 3.11"),
        (["pi@k", "--config", "/nowhere.toml"], "/nowhere.toml: cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_in_usage(
    edge_recog: Callable[..., Any], models: Any, arguments: list[str], words: str
) -> None:
    outcome = edge_recog("flash", models["good"], *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err


def test_help_has_an_example(edge_recog: Callable[..., Any]) -> None:
    outcome = edge_recog("flash", "--help")
    assert outcome.code == 0
    assert "Example: edge-recog flash model.tflite pi@kitchen.local" in outcome.out
