"""A Raspberry Pi that is not there: a whole Debian for ARM, emulated, with systemd and a camera."""

from __future__ import annotations

import json
import os
import platform
import shlex
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from edge_recog.adoption import adopt
from edge_recog.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOT = Path(__file__).parents[2]
_TOOLS = _ROOT / "tools" / "virtual_pi"
_BUILT = _ROOT / "build" / "virtual-pi"
_BOOT_S: Final = 400
_COMMAND_S: Final = 300
"""A busy machine emulates it a hundred times slower than it is."""
_SSH_FAILED: Final = 255
"""What ssh itself ends with, most of all because the machine is gone."""

UNIT: Final = "edge-recog"


class Pi:
    """The machine, by ssh."""

    def __init__(self, port: int, folder: Path, console: Path) -> None:
        self._console = console
        self.port = port
        key, known = _BUILT / "pi" / "key", _BUILT / "pi" / "known_hosts"
        options = {
            "IdentityFile": key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": known,
            "HostKeyAlias": "virtual-pi",
            "BatchMode": "yes",
            "ConnectTimeout": 10,
            "ControlMaster": "auto",
            "ControlPath": folder / "ssh",
            "ControlPersist": 600,
            "LogLevel": "ERROR",
        }
        self._ssh = ["ssh", "-F", "none", "-p", str(port)]
        for name, value in options.items():
            self._ssh += ["-o", f"{name}={value}"]
        self._ssh.append("root@127.0.0.1")
        self.address = f"ssh://root@127.0.0.1:{port}"
        self.ssh_config = "".join(
            f"{name} {options[name]}\n"
            for name in ("IdentityFile", "IdentitiesOnly", "UserKnownHostsFile", "HostKeyAlias")
        )
        """As a user would write one."""
        self.facts: dict[str, Any] = {}
        """What was measured; no time among it means anything on a real one."""

    def try_run(self, command: str, *, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self._ssh, command], input=given, capture_output=True, timeout=_COMMAND_S, check=False
        )

    def run(self, command: str, *, given: bytes = b"") -> str:
        """Run a command line and return what it said; it must not fail."""
        done = self.try_run(command, given=given)
        said = f"{command}: {done.stdout.decode()}{done.stderr.decode()}"
        assert done.returncode != _SSH_FAILED, f"{said}{self._console.read_text(errors='replace')}"
        assert done.returncode == 0, said
        return done.stdout.decode().strip()

    def write(self, path: str, data: bytes) -> None:
        """Replace a file at once, as whoever reads it may."""
        path = shlex.quote(path)
        self.run(
            f"mkdir -p $(dirname {path}) && cat >{path}.new && mv {path}.new {path}", given=data
        )

    def of_unit(self, name: str) -> str:
        """Return a property of the service."""
        return self.run(f"systemctl show --value -p {name} {UNIT}")

    def now(self) -> str:
        """Return a place in the journal."""
        return self.run("journalctl -n 0 --show-cursor -q").removeprefix("-- cursor: ")

    def wait_for_line(self, since: str, pattern: str) -> str:
        """Return the first line of the service, or of systemd about it, that a pattern matches.

        Args:
            since: As `now` returned it; nothing before counts.
            pattern: For grep -E.
        """
        # No pipe: that would end only when the journal gets yet another line.
        return self.run(
            f"grep -m 1 -E {shlex.quote(pattern)} < <(timeout {_COMMAND_S - 10} journalctl "
            f"-u {UNIT} -o cat -f -n all --after-cursor={shlex.quote(since)})"
        )

    def wait_for_answer(self, since: str, model: str = "") -> dict[str, Any]:
        """Return the first classification; by a model of an id, if one is given."""
        answer: dict[str, Any] = json.loads(
            self.wait_for_line(since, f'"id":"sha256:{model}.*"predictions"')
        )
        return answer

    @contextmanager
    def timed(self, fact: str) -> Iterator[None]:
        """Keep how long something took."""
        began = time.monotonic()
        yield
        self.facts[fact] = round(time.monotonic() - began, 1)


def _is_up(pi: Pi) -> bool:
    try:
        return pi.try_run("true").returncode == 0
    except subprocess.TimeoutExpired:
        return False


@pytest.fixture(scope="session")
def models(shared_data: Path) -> list[bytes]:
    """Return two model files of one network that differ in their names, and so in their ids."""
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"
    theirs = Bundle.from_bytes(path.read_bytes(), where=path.name)
    preprocessing = theirs.contract.preprocessing
    return [
        adopt(
            path.read_bytes(),
            where=path.name,
            labels=theirs.labels,
            mean=preprocessing.mean,
            std=preprocessing.std,
            name=name,
        )
        for name in ("first", "second")
    ]


@contextmanager
def switched_on(folder: Path, disk: Path | None = None, *, fact: str) -> Iterator[Pi]:
    """Yield the machine, until its power is cut.

    Args:
        folder: For its console and the connection to it.
        disk: A copy of one of those that make_pi.sh made, which keeps what is written; None for the
            one with our runtime, which forgets.
        fact: What to call how long it took.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    console = folder / "console"
    pi = Pi(port, folder, console)
    command = [str(_TOOLS / "boot_pi.sh"), str(port), *([] if disk is None else [str(disk)])]
    with (
        console.open("wb") as out,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as machine,
    ):
        try:
            with pi.timed(fact):
                end = time.monotonic() + _BOOT_S
                while not _is_up(pi):
                    assert machine.poll() is None, console.read_text(errors="replace")
                    assert time.monotonic() < end, console.read_text(errors="replace")
                    # There is nothing to wait for: before sshd, qemu answers by itself.
                    time.sleep(1)
            yield pi
        finally:
            machine.kill()


@pytest.fixture(scope="session")
def power() -> Callable[..., Any]:
    """Return `switched_on`."""
    return switched_on


@pytest.fixture(scope="session")
def made() -> Path:
    """Return the folder with the disks."""
    if os.environ.get("VIRTUAL_PI") != "1":
        pytest.skip("takes minutes: make virtual-pi")
    subprocess.run([str(_TOOLS / "make_pi.sh")], check=True)
    return _BUILT / "pi"


@pytest.fixture(scope="session")
def facts() -> Iterator[dict[str, Any]]:
    """Yield where to put what was measured: in build/virtual-pi/facts.json afterwards."""
    found: dict[str, Any] = {}
    yield found
    (_BUILT / "facts.json").write_text(json.dumps(_told(found), indent=1) + "\n")


@pytest.fixture(scope="module")
def pi(made: Path, facts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi]:
    """Switch one on that has our runtime."""
    with switched_on(tmp_path_factory.mktemp("pi"), fact="boot until ssh, s") as pi:
        try:
            yield pi
        finally:
            facts["service"] = pi.facts


def _told(facts: dict[str, Any]) -> dict[str, Any]:
    qemu = subprocess.run(
        ["qemu-system-aarch64", "--version"], capture_output=True, text=True, check=True
    )
    return {
        "schema_version": 1,
        "note": "emulated: times mean nothing",
        "made_by": "make virtual-pi",
        "host": {
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "load": round(os.getloadavg()[1], 1),
            "qemu": qemu.stdout.splitlines()[0],
        },
        "facts": facts,
    }
