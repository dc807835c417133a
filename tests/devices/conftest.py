"""A device to log in to: this machine, through a real sshd on the loopback."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.probing.asking import script
from edge_recog_devices.probing.facts import Facts, Folder, Python, parse_facts
from edge_recog_devices.remote import Address, Remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UID = 12345
"""Of the user on the device, where the tests run as root: nobody's, so that it has no rights."""


@dataclass
class Device:
    """An sshd that runs, and lets its user in by a key."""

    folder: Path
    port: int
    user: str
    home: Path
    programs: Path
    """A folder for the front of PATH: `ssh` in it has a configuration for this device."""
    log: Path

    @property
    def address(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        """Of ssh, as a user would write one."""
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def remote(self, **options: Any) -> Remote:
        return Remote(Address.parse(self.address), **options)


@dataclass
class _Devices:
    """Starts devices, and stops them all."""

    sshd: str
    ssh: str
    missing: Callable[[str], Any]
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    listening: list[threading.Thread] = field(default_factory=list)

    def start(self, *, setup: str = "", shell: str = "/bin/sh", path: str = "") -> Device:
        """Start one.

        Args:
            setup: Commands that change mounts before, with `{home}` in the place of the user's
                folder; only the device sees that.
            shell: Of the user.
            path: Where its user finds programs; the system's own if empty.
        """
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        folder.chmod(0o755)
        for key in ("host_key", "id"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(command, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        home = folder / "home"
        home.mkdir()
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {folder}/id.pub\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n"
            + (f"SetEnv PATH={path}\n" if path else "")
        )
        user, command = self._as_user(folder, home, setup.replace("{home}", str(home)), shell)
        command += [self.sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
        (folder / "ssh_config").write_text(
            f"Host *\nIdentityFile {folder}/id\nIdentitiesOnly yes\n"
            f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile /dev/null\n"
        )
        key = " ".join((folder / "host_key.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}\n")
        programs = folder / "bin"
        programs.mkdir()
        (programs / "ssh").write_text(f'#!/bin/sh\nexec {self.ssh} -F {folder}/ssh_config "$@"\n')
        (programs / "ssh").chmod(0o755)
        log = folder / "log"
        with log.open("wb") as file:
            server = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE)
        self.running.append(server)
        self._await_listening(server, log)
        return Device(folder, port, user, home, programs, log)

    def stop(self) -> None:
        for server in self.running:
            server.terminate()
            server.wait(30)
        for thread in self.listening:
            thread.join(30)

    def _as_user(self, folder: Path, home: Path, setup: str, shell: str) -> tuple[str, list[str]]:
        """Return who will log in, and what starts a program as that user, seeing these mounts."""
        prepare = f"{setup}\n" if setup else ""
        if os.geteuid() != 0:
            if not setup and shell == "/bin/sh":
                return getpass.getuser(), []
            if shell != "/bin/sh":
                self.missing("another shell needs another user, and so root")
            self._require("--user", "--map-root-user", "--mount")
            inner = f"--map-user={os.getuid()} --map-group={os.getgid()}"
            run = f'set -e\n{prepare}exec unshare --user {inner} -- "$@"'
            namespaces = ["--user", "--map-root-user", "--mount"]
            return getpass.getuser(), ["unshare", *namespaces, "sh", "-c", run, "sh"]
        self._require("--mount")
        for owned in (folder / "host_key", home):
            os.chown(owned, _UID, _UID)
        user = f"tester:x:{_UID}:{_UID}::{home}:{shell}\n"
        (folder / "passwd").write_text(Path("/etc/passwd").read_text() + user)
        run = f'set -e\nmount --bind {folder}/passwd /etc/passwd\n{prepare}exec setpriv "$@"'
        rights = [f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups"]
        return "tester", ["unshare", "--mount", "sh", "-c", run, "sh", *rights]

    def _require(self, *namespaces: str) -> None:
        unshare = shutil.which("unshare")
        if (
            unshare is None
            or subprocess.run(
                [unshare, *namespaces, "true"], capture_output=True, check=False
            ).returncode
        ):
            self.missing("this system allows no mounts of one's own (unshare --mount)")

    def _await_listening(self, server: subprocess.Popen[bytes], log: Path) -> None:
        """Wait for what sshd says when it listens; keep what it says later."""
        assert server.stderr is not None
        first = server.stderr.readline()
        assert b"listening" in first, first + server.stderr.read()
        self.listening.append(
            threading.Thread(target=_copy, args=(server.stderr, log), daemon=True)
        )
        self.listening[-1].start()


def _copy(pipe: Any, log: Path) -> None:
    with pipe, log.open("ab", buffering=0) as file:
        for line in pipe:
            file.write(line)


@pytest.fixture(scope="session")
def devices(missing: Callable[[str], Any]) -> Iterator[_Devices]:
    """Return what starts devices."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    sshd, ssh = shutil.which("sshd", path=path), shutil.which("ssh")
    if sshd is None or ssh is None:
        missing("OpenSSH is not installed (openssh-server, openssh-client)")
    # Not in pytest's own folder, which other users, such as the device's, may not enter.
    with tempfile.TemporaryDirectory(prefix="edge-recog-devices.") as folder:
        Path(folder).chmod(0o755)
        started = _Devices(str(sshd), str(ssh), missing, Path(folder))
        yield started
        started.stop()


@pytest.fixture(scope="session")
def shared_device(devices: _Devices) -> Device:
    return devices.start()


@pytest.fixture
def device(shared_device: Device, monkeypatch: pytest.MonkeyPatch) -> Device:
    """Return a device that `ssh` finds, with known host key."""
    use(shared_device, monkeypatch)
    return shared_device


@pytest.fixture
def make_device(devices: _Devices, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Device]:
    """Return what starts a device of one's own; see `_Devices.start`."""

    def make(**options: str) -> Device:
        made = devices.start(**options)
        use(made, monkeypatch)
        return made

    return make


def use(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{device.programs}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def own_temp(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that temporary files go to, which is short enough for sockets."""
    folder = Path(tmp_path_factory.mktemp("t"))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def run_probe(tmp_path: Path) -> Callable[..., Facts]:
    """Return what runs the probe's script in a shell here, on a folder with a machine's files."""

    def run(
        root: Path,
        *,
        shell: str = "sh",
        folder: str = "/opt/edge-recog",
        programs: Path | None = None,
    ) -> Facts:
        path = "/usr/bin:/bin" if programs is None else f"{programs}:/usr/bin:/bin"
        done = subprocess.run(
            [*shlex.split(shell), "-s", "--", folder, str(root)],
            input=script().encode(),
            capture_output=True,
            check=True,
            env={"PATH": path, "HOME": "/home/pi"},
        )
        assert done.stderr == b""
        return parse_facts(done.stdout)

    return run


def pi_facts(**changes: Any) -> Facts:
    """Return the facts of a Raspberry Pi 5 on which all is well, with changes."""
    facts: dict[str, Any] = {
        "hostname": "kitchen",
        "board": "Raspberry Pi 5 Model B Rev 1.0",
        "kernel": "aarch64",
        "userland": "aarch64",
        "libc": "glibc 2.41",
        "os_id": "debian",
        "os_version": "13",
        "os_name": "Debian GNU/Linux 13 (trixie)",
        "raspberry_pi_os": True,
        "cores": 4,
        "memory_total_kib": 8_245_000,
        "memory_available_kib": 7_500_000,
        "pythons": (pi_python(),),
        "folder": Folder(
            path="/opt/edge-recog",
            existing="/opt",
            free_kib=20_000_000,
            read_only=False,
            writable=False,
        ),
        "libcamera": True,
        "cameras": (),
        "user": "pi",
        "groups": ("pi", "video"),
        "known_groups": ("video", "render"),
        "sudo": "free",
        "systemd": 257,
        "service": "inactive",
        "clock_now_s": 1_795_000_000,
        "clock_synchronized": True,
        "accelerators": (),
        "apex": False,
        "edgetpu_library": "",
        "installed": (),
        "model": "",
        "model_id": "",
        "config_readable": None,
    }
    return Facts(**facts | changes)


def pi_python(**changes: Any) -> Python:
    told: dict[str, Any] = {
        "path": "/usr/bin/python3.13",
        "version": "3.13.5",
        "implementation": "CPython",
        "bits": 64,
        "venv": True,
        "picamera2": True,
        "free_threaded": False,
    }
    return Python(**told | changes)


@pytest.fixture
def make_facts() -> Callable[..., Facts]:
    """Return what makes the facts of a Raspberry Pi 5, with changes."""
    return pi_facts


@pytest.fixture
def make_python() -> Callable[..., Python]:
    """Return what makes a fit Python, with changes."""
    return pi_python
