"""Fixtures for the tests of all four distributions."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import logging
import os
import shutil
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest

from edge_recog.cli import main
from edge_recog.cli.output import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
_SHARED_DATA = ROOT.parent / "shared" / "data"
_ENVIRONMENTS = ROOT / ".venv" / "environments"


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def log_of_one_test() -> Iterator[None]:
    """Take away what a command set up for its process: it writes to a stream that pytest closes."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for name in OURS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)


class Outcome(NamedTuple):
    """What a command came to."""

    code: int
    """Exit status."""
    out: str
    err: str


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Return what calls a program's `main` with a command line."""

    def run(program: Callable[[], object], name: str, *arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        code: Any = 0
        try:
            program()
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def edge_recog(call: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Return what runs the command line in this process."""
    return partial(call, main, "edge-recog")


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """Return what ends a test whose part is not here: skipped for a user, failed in CI."""
    return _missing


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Pictures and models beside the checkout that are too large to keep in it."""
    if not _SHARED_DATA.is_dir():
        _missing(f"the shared data is not at {_SHARED_DATA}")
    return _SHARED_DATA


@pytest.fixture(scope="session")
def environment() -> Callable[..., Path]:
    """Return what makes an environment of a name and requirements, and returns its Python.

    Other versions than ours, and programs to compare with, live in environments of their own. They
    are made once and kept in .venv; of several test runs at a time, one makes it and the others
    wait.
    """

    def make(name: str, *requirements: str) -> Path:
        wanted = "\n".join([*sorted(requirements), sys.version])
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
        folder = _ENVIRONMENTS / f"{name}-{digest}"
        python = folder / "bin" / "python"
        complete = folder / "complete"
        _ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
        with (_ENVIRONMENTS / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Given back with the file, even after a crash.
            if not complete.exists():
                _uv("venv", "--clear", "--python", sys.executable, str(folder))
                _uv("pip", "install", "--python", str(python), *requirements)
                complete.touch()
        return python

    return make


@pytest.fixture(scope="session")
def tflite_runtime_python(environment: Callable[..., Path]) -> Path:
    """Return the Python of an environment as 32-bit Raspberry Pi OS gets it: older versions."""
    if sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14 has wheels up to Python 3.11 only")
    packages = ["numpy<2", "opencv-python-headless<5", "flatbuffers", "msgspec", "rich", "typer"]
    return environment("tflite-runtime", "tflite-runtime==2.14.0", *packages)


class SshHost(NamedTuple):
    """A machine to log in to: this one, through a real sshd on the loopback."""

    address: str
    """`ssh://user@127.0.0.1:port`."""
    programs: Path
    """A folder for the front of PATH: `ssh` in it knows key and host."""


@pytest.fixture(scope="session")
def ssh_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    """Run an sshd that lets this user in, and touches nothing outside its folder."""
    sshd, ssh = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin"), shutil.which("ssh")
    if sshd is None or ssh is None:
        _missing("OpenSSH is not installed (openssh-server, openssh-client)")
    folder = tmp_path_factory.mktemp("sshd")
    for key in ("host_key", "id"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/id.pub\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n"
    )
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder}/id\nIdentitiesOnly yes\nBatchMode yes\n"
        f"UserKnownHostsFile {folder}/known_hosts\nStrictHostKeyChecking accept-new\n"
    )
    programs = folder / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {ssh} -F {folder}/ssh_config "$@"\n')
    (programs / "ssh").chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # Where its unprivileged half lives.
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            said = server.stderr.readline()
            assert "listening" in said, said
            yield SshHost(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", programs)
        finally:
            server.terminate()


def _uv(*arguments: str) -> None:
    """Run uv as set-up does: packages come from where ours came from."""
    done = subprocess.run(
        [str(ROOT / "tools" / "uv.sh"), *arguments],
        env={"PYTHON": sys.executable, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        _missing(f"an environment could not be made: {done.stderr.strip()[-300:]}")
