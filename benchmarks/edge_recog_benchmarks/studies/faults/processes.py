"""The processes of a lane: the live classifier, its broker, and what the system says of them."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog_benchmarks.studies.native import build_library

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTEN_S: Final = 20.0
_NATIVE: Final = Path(__file__).with_name("native.c")
_FIELDS: Final = struct.Struct("=qii")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a process holds, its children's processes aside."""

    threads: int
    sockets: int
    descriptors: int
    """Sockets among them."""
    children: int
    rss_kb: int

    def document(self) -> dict[str, int]:
        """Return it as plain values."""
        return asdict(self)


def holdings(pid: int) -> Holdings:
    """Return what a process holds.

    Raises:
        OSError: It is gone.
    """
    folder = Path("/proc") / str(pid)
    kinds = []
    for link in (folder / "fd").iterdir():
        try:
            kinds.append(str(link.readlink()))
        except OSError:
            continue  # Closed meanwhile.
    pages = int((folder / "statm").read_text().split()[1])
    tasks = [task.name for task in (folder / "task").iterdir()]
    children = 0
    for task in tasks:
        try:
            children += len((folder / "task" / task / "children").read_text().split())
        except OSError:
            continue
    return Holdings(
        threads=len(tasks),
        sockets=sum(kind.startswith("socket:") for kind in kinds),
        descriptors=len(kinds),
        children=children,
        rss_kb=pages * os.sysconf("SC_PAGE_SIZE") // 1024,
    )


def build_native(folder: Path) -> Path:
    """Return the library that does faults within a process, built here; see native.c.

    Raises:
        UsageError: There is no gcc, or it fails.
    """
    return build_library(_NATIVE, folder / "libfaults.so")


class Control:
    """The page of memory through which faults are done within a process."""

    def __init__(self, path: Path) -> None:
        """Make it; nothing is broken yet.

        Args:
            path: Of its file.
        """
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.clock_offset_ns = 0
        self.disk_hangs = False
        self.invoke_fails = False

    def set(
        self,
        *,
        clock_offset_ns: int | None = None,
        disk_hangs: bool | None = None,
        invoke_fails: bool | None = None,
    ) -> None:
        """Change what is named."""
        if clock_offset_ns is not None:
            self.clock_offset_ns = clock_offset_ns
        if disk_hangs is not None:
            self.disk_hangs = disk_hangs
        if invoke_fails is not None:
            self.invoke_fails = invoke_fails
        _FIELDS.pack_into(self._page, 0, self.clock_offset_ns, self.disk_hangs, self.invoke_fails)

    def close(self) -> None:
        """Let go of the memory."""
        self._page.close()


def free_port() -> int:
    """Return a port of the loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Broker:
    """A mosquitto of our own, on the loopback, that keeps nothing."""

    def __init__(self, folder: Path) -> None:
        """Start it.

        Args:
            folder: For its configuration.

        Raises:
            UsageError: mosquitto is not installed, or does not start.
        """
        found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            raise UsageError("mosquitto, the broker, is not installed (Debian: mosquitto)")
        self.port = free_port()
        config = folder / "mosquitto.conf"
        # Root would become another user, who cannot read these files.
        user = "user root\n" if os.geteuid() == 0 else ""
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n{user}"
        )
        self._command = [found, "-c", str(config)]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            UsageError: It does not.
        """
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # A Ctrl-C is meant for the campaign.
        )
        deadline = time.monotonic() + _LISTEN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise UsageError(f"mosquitto does not listen at {self.port}") from error
                time.sleep(0.02)

    def kill(self) -> None:
        """End it without a goodbye. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


class LiveProcess:
    """`edge-recog run`, as a user starts it."""

    def __init__(self, config: Path, *, log: Path, environment: Mapping[str, str]) -> None:
        """Start it.

        Args:
            config: TOML.
            log: Takes what it says on stderr.
            environment: Set beside what is set.
        """
        self.log = log
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("edge-recog")), "run", "--config", str(config)],
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """With what it ended; None while it runs."""
        return self._process.poll()

    def stop(self, timeout_s: float = 10.0) -> int:
        """Tell it to end and return its exit code; it is killed if it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")
