"""The device a plan runs on: this machine, or another one through OpenSSH."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog_benchmarks.device.plan import PictureFrames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from edge_recog_benchmarks.device.plan import Plan

CONDUCTOR = "edge_recog_benchmarks.device.conductor"
_PACKAGE = Path(__file__).parent
_PYTHONS = ("/opt/edge-recog/venv/bin/python", "$HOME/.venv/bin/python", "python3")
"""Where a device may have the runtime, in the order tried."""
_REMOTE_FOLDER = re.compile(r"/[\w./-]+/edge-recog-bench\.\w+")


class DeviceError(EdgeRecogError, RuntimeError):
    """The device cannot be reached, or does not do what is asked."""


class Device(Protocol):
    """Something that runs plans."""

    @property
    def name(self) -> str:
        """As the user gave it."""
        ...

    def run(self, plan: Plan) -> AbstractContextManager[Lines]:
        """Start a plan, whose paths are those of this machine.

        Raises:
            DeviceError: It cannot be reached, or lacks something.
        """
        ...


def find_device(text: str) -> Device:
    """Return the device that `--device` names.

    Args:
        text: `local`, or `ssh://[user@]host[:port]` with, if need be, `?python=/path/of/python`.

    Raises:
        UsageError: It names none.
    """
    if text == "local":
        return LocalDevice()
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError as error:
        raise UsageError(f"device {text!r}: {error}") from error
    options = dict(parse_qsl(parts.query))
    if parts.scheme != "ssh" or not parts.hostname or parts.path.strip("/"):
        raise UsageError(f"no device {text!r}: use local, or ssh://user@host")
    if unknown := sorted(options.keys() - {"python"}):
        raise UsageError(f"device {text!r}: no option {unknown[0]!r}; there is python=/path")
    user = f"{parts.username}@" if parts.username else ""
    host = f"{user}{parts.hostname}"
    if host.startswith("-"):
        raise UsageError(f"no device {text!r}: a host's name does not start with a dash")
    if parts.password:
        raise UsageError("a password does not belong into an address: use a key or ssh-agent")
    return SshDevice(host=host, port=port, python=options.get("python", ""))


class Lines:
    """The events of a conductor under way, one JSON document each."""

    def __init__(self, process: subprocess.Popen[bytes], plan: bytes) -> None:
        """Give a started conductor its plan."""
        self._process = process
        self._said: list[str] = []
        self._overhearing = threading.Thread(target=self._overhear, daemon=True)
        self._overhearing.start()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(plan + b"\n")
            process.stdin.flush()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines until it ends; a line cut short by a crash is left out."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):
                yield line

    def stop(self) -> None:
        """Ask it to end soon. Safe to call twice."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def last_words(self) -> str:
        """Return what it last said on stderr."""
        self._process.wait()
        self._overhearing.join(timeout=5)
        return next((line for line in reversed(self._said) if line), "it said nothing")

    def _overhear(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = " ".join(line.decode(errors="replace").split())
            self._said[:] = [*self._said[-9:], text]


@contextlib.contextmanager
def _conducting(
    command: Sequence[str], plan: Plan, environment: Mapping[str, str] | None = None
) -> Iterator[Lines]:
    """Run a conductor; it is gone when the block ends."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C comes to us alone, and we ask it to stop.
    )
    try:
        lines = Lines(process, msgspec.json.encode(plan))
        yield lines
        lines.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()


@dataclass(frozen=True)
class LocalDevice:
    """This machine."""

    name: str = "local"

    def run(self, plan: Plan) -> AbstractContextManager[Lines]:
        """Start a plan in a process of its own."""
        path = os.pathsep.join(filter(None, [str(_PACKAGE.parent), *sys.path]))
        return _conducting(
            [sys.executable, "-P", "-m", CONDUCTOR], plan, {**os.environ, "PYTHONPATH": path}
        )


@dataclass(frozen=True)
class SshDevice:
    """Another machine that has the runtime. Nothing is left there.

    It is reached by the system's OpenSSH, so that its configuration, agent, jump hosts and known
    hosts hold.
    """

    host: str
    """`user@host`, or a name of ssh_config."""
    port: int | None = None
    python: str = ""
    """The Python that has the runtime; empty to look for one."""

    @property
    def name(self) -> str:
        """As the user gave it."""
        return f"ssh://{self.host}{f':{self.port}' if self.port else ''}"

    @contextlib.contextmanager
    def run(self, plan: Plan) -> Iterator[Lines]:
        """Send models, pictures and the measuring package, and start the plan."""
        with tempfile.TemporaryDirectory(prefix="edge-recog-ssh.") as sockets:
            ssh = self._ssh(sockets)
            try:
                python, folder = self._prepare(ssh)
                try:
                    moved, files = _moved(plan, folder)
                    self._send(ssh, folder, files)
                    start = f"cd {folder} && PYTHONPATH={folder} exec {python} -m {CONDUCTOR}"
                    with _conducting([*ssh, start], moved) as lines:
                        yield lines
                finally:
                    subprocess.run([*ssh, f"rm -rf {folder}"], capture_output=True, check=False)
            finally:
                leave = [*ssh[:-2], "-O", "exit", *ssh[-2:]]
                subprocess.run(leave, capture_output=True, check=False)

    def _ssh(self, sockets: str) -> list[str]:
        """Return the command that all of a run shares: one log-in, one connection."""
        share = ["-o", "ControlMaster=auto", "-o", f"ControlPath={sockets}/%C"]
        keep = ["-o", "ControlPersist=60", "-o", "ServerAliveInterval=15"]
        port = ["-p", str(self.port)] if self.port else []
        return ["ssh", "-T", *share, *keep, *port, "--", self.host]

    def _prepare(self, ssh: list[str]) -> tuple[str, str]:
        """Return the Python there that has the runtime, and a new folder.

        Raises:
            DeviceError: There is no connection, no such Python, or no room.
        """
        pythons = [shlex.quote(self.python)] if self.python else [f'"{p}"' for p in _PYTHONS]
        script = (
            f"for p in {' '.join(pythons)}; do "
            'if command -v "$p" >/dev/null 2>&1 && "$p" -c "import edge_recog" 2>/dev/null; then '
            'echo "$p"; exec mktemp -d "${TMPDIR:-/tmp}/edge-recog-bench.XXXXXXXX"; fi; done; '
            "exit 3"
        )
        done = self._call([*ssh, f"sh -c {shlex.quote(script)}"])
        if done.returncode == 3:
            raise DeviceError(
                f"{self.name}: {self.python or 'no Python found there'} cannot import edge_recog: "
                "pip install edge-recog there, or name the Python that has it: "
                f"{self.name}?python=/path/of/python"
            )
        lines = done.stdout.decode(errors="replace").split("\n")
        if done.returncode != 0 or len(lines) < 2 or not _REMOTE_FOLDER.fullmatch(lines[1]):
            raise DeviceError(f"{self.name}: {_complaint(done)}")
        return shlex.quote(lines[0]), shlex.quote(lines[1])

    def _send(self, ssh: list[str], folder: str, files: Mapping[str, Path]) -> None:
        """Unpack files there, and the measuring package.

        Raises:
            DeviceError: They did not arrive.
        """
        done = self._call([*ssh, f"tar -xf - -C {folder}"], _tar(files))
        if done.returncode != 0:
            raise DeviceError(f"{self.name}: files could not be sent: {_complaint(done)}")

    def _call(
        self, command: list[str], data: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                command,
                input=data,
                stdin=subprocess.DEVNULL if data is None else None,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise DeviceError("there is no ssh program here: install openssh-client") from error


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"ssh ended with status {done.returncode}"


def _moved(plan: Plan, folder: str) -> tuple[Plan, dict[str, Path]]:
    """Return a plan with the paths of a device, and which file lies where below the folder."""
    files: dict[str, Path] = {}
    places: dict[str, str] = {}

    def place(path: str, kind: str) -> str:
        if path not in places:
            name = f"{kind}/{len(places)}/{PurePosixPath(path).name}"
            files[name] = Path(path)
            places[path] = f"{folder}/{name}"
        return places[path]

    frames = plan.frames
    if isinstance(frames, PictureFrames):
        frames = PictureFrames(paths=tuple(place(path, "pictures") for path in frames.paths))
    contestants = tuple(
        msgspec.structs.replace(contestant, model=place(contestant.model, "models"))
        for contestant in plan.contestants
    )
    accuracy = tuple(place(path, "pictures") for path in plan.accuracy)
    moved = msgspec.structs.replace(plan, frames=frames, contestants=contestants, accuracy=accuracy)
    return moved, files


def _tar(files: Mapping[str, Path]) -> bytes:
    """Return an archive of files under other names, and of the measuring package."""
    buffer = io.BytesIO()
    package = {
        f"{_PACKAGE.name}/{path.relative_to(_PACKAGE).as_posix()}": path
        for path in [_PACKAGE / "__init__.py", *sorted((_PACKAGE / "device").rglob("*.py"))]
    }
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, path in {**files, **package}.items():
            data = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
