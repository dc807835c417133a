"""A log-in to a device: one connection, over which commands run.

The system's `ssh` does it, so that its configuration, agent, jump hosts and known hosts hold. No
command is put together as text from what a user or a device says: words are quoted one by one, and
data goes over stdin.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Self

from edge_recog.errors import ClosedError, UsageError
from edge_recog_devices.errors import ConnectError, DeviceError, DroppedError
from edge_recog_devices.remote.failures import connect_error, last_line, visible
from edge_recog_devices.remote.talking import Spoken, talk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from edge_recog_devices.remote.address import Address

CONNECT_TIMEOUT_S: Final = 10
_LOG_IN_S = 30.0
"""From the connection to the first answer: a small device that is busy."""
_TYPING_S = 120.0
"""For somebody who types a password."""
_FAILED = 255
"""Exit status of ssh where it is not the command's."""
_MOST_BYTES = 1 << 20
# A started command is told by this first line: shells may greet whoever logs in.
_STARTED = 'printf "%s\\n" "$0"; exec "$@"'
_LONGEST_SOCKET = 80
"""Of a path, so that what ssh appends fits into the 104 bytes that sockets have on all systems."""
_HYGIENE = (
    "-T", "-a", "-x",
    "-o", "RemoteCommand=none",
    "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no",
    "-o", "LogLevel=ERROR",
)  # fmt: skip
"""What a user has configured for a terminal, but would be in the way of commands."""


class Answer(NamedTuple):
    """How a command ended there."""

    code: int
    """Exit status; 255 also for one that was killed by a signal."""
    out: bytes
    err: str

    @property
    def last_words(self) -> str:
        """What it said last, as it can be shown."""
        return last_line(self.err or self.out.decode(errors="replace"))


class Remote:
    """A device that somebody is logged in to. Closing it leaves nothing behind."""

    def __init__(
        self,
        address: Address,
        *,
        connect_timeout_s: int = CONNECT_TIMEOUT_S,
        interactive: bool = False,
    ) -> None:
        """Prepare; `open`, or entering the context, connects.

        Args:
            address: Of the device.
            connect_timeout_s: For the network.
            interactive: Let ssh ask for passwords and unknown host keys on the terminal.
        """
        self.address = address
        self._connect_timeout_s = connect_timeout_s
        self._interactive = interactive
        self._folder: Path | None = None
        # The same words in every language, here and there.
        self._environment = {**os.environ, "LC_ALL": "C"}

    def __enter__(self) -> Self:
        """Connect, see `open`."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log out."""
        self.close()

    def open(self) -> None:
        """Log in. Does nothing if that is done already.

        Raises:
            ConnectError: It cannot be reached, refuses the log-in, or runs no commands.
        """
        if self._folder is not None:
            return
        self._folder = _private_folder()
        try:
            self._log_in()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Log out. Safe to call twice."""
        if self._folder is None:
            return
        folder, self._folder = self._folder, None
        try:
            if (folder / "s").exists():
                self._talk(self._ssh(folder, "-O", "exit"), b"", 10)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(
        self,
        *words: str,
        given: bytes | IO[bytes] = b"",
        timeout_s: float = 60.0,
        most_bytes: int = _MOST_BYTES,
    ) -> Answer:
        """Run a command there; its exit status is for the caller to judge.

        Args:
            words: Program and arguments, which reach the program as they are.
            given: What it reads from stdin: bytes, or an open file.
            timeout_s: After this time the connection's end of it is closed.
            most_bytes: It may say.

        Raises:
            DroppedError: The connection ended.
            DeviceError: It does not end in time, or says too much.
        """
        if self._folder is None:
            raise ClosedError("the connection to the device is closed")
        # There is one connection; a new one could lead to another state of the device.
        alone = ("-o", "ControlMaster=no", "-o", "ProxyCommand=false")
        nonce = secrets.token_hex(8)
        command = [*self._ssh(self._folder, *alone), _line(nonce, words)]
        spoken = self._talk(command, given, timeout_s, most_bytes)
        name = shlex.join(words[:2])
        if spoken.overdue:
            raise DeviceError(f"{self.address}: {name} is not over after {timeout_s:g} s")
        if spoken.too_long:
            raise DeviceError(f"{self.address}: {name} says more than {most_bytes} bytes")
        if spoken.code == _FAILED and not self._is_alive():
            raise DroppedError(
                f"{self.address}: the connection ended in the middle ({last_line(spoken.err)}); "
                "see whether the device is switched on, and try again"
            )
        started, out = _after(nonce, spoken.out)
        if not started:
            raise DeviceError(f"{self.address}: {name} was not started: {_whole_word(spoken)}")
        return Answer(spoken.code, out, spoken.err)

    def script(
        self,
        text: str,
        *words: str,
        timeout_s: float = 60.0,
        most_bytes: int = _MOST_BYTES,
    ) -> Answer:
        """Run a shell script there, which needs no more than a POSIX sh.

        It should be one function that its last line calls: then nothing of it runs if only a part
        arrives.

        Args:
            text: The script; nothing is filled in.
            words: Its arguments.
            timeout_s: As for `run`.
            most_bytes: As for `run`.

        Raises:
            DeviceError: As for `run`.
        """
        data = text.encode()
        return self.run(
            "sh", "-s", "--", *words, given=data, timeout_s=timeout_s, most_bytes=most_bytes
        )

    def _log_in(self) -> None:
        assert self._folder is not None
        master = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
        master += ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]
        master += ["-o", f"ConnectTimeout={self._connect_timeout_s}"]
        master += ["-o", f"BatchMode={'no' if self._interactive else 'yes'}"]
        nonce = secrets.token_hex(8)
        command = [*self._ssh(self._folder, *master), _line(nonce, ("true",))]
        patience_s = self._connect_timeout_s + (_TYPING_S if self._interactive else _LOG_IN_S)
        spoken = self._talk(command, b"", patience_s)
        if spoken.overdue:
            raise ConnectError(
                f"{self.address}: it lets nobody in within {patience_s:g} s: see whether it is "
                "very busy, or start it anew",
                "timeout",
            )
        started, _ = _after(nonce, spoken.out)
        if started and spoken.code == 0:
            return
        if spoken.code == _FAILED and not started:
            raise connect_error(self.address, spoken.err)
        raise ConnectError(
            f"{self.address}: the log-in works, but no command runs: {_whole_word(spoken)}; give "
            "the user a shell, sudo chsh -s /bin/sh USER",
            "shell",
        )

    def _is_alive(self) -> bool:
        assert self._folder is not None
        return self._talk(self._ssh(self._folder, "-O", "check"), b"", 10).code == 0

    def _ssh(self, folder: Path, *options: str) -> list[str]:
        port = ["-p", str(self.address.port)] if self.address.port else []
        path = ["-o", f"ControlPath={folder}/s"]
        return ["ssh", *options, *_HYGIENE, *path, *port, "--", self.address.destination]

    def _talk(
        self,
        command: Sequence[str],
        given: bytes | IO[bytes],
        timeout_s: float,
        most_bytes: int = _MOST_BYTES,
    ) -> Spoken:
        """Run ssh.

        Raises:
            ConnectError: There is none.
        """
        try:
            return talk(
                command,
                given=given,
                timeout_s=timeout_s,
                most_bytes=most_bytes,
                environment=self._environment,
            )
        except FileNotFoundError as error:
            raise ConnectError(
                "there is no ssh program here: sudo apt install openssh-client", "program"
            ) from error


def _line(nonce: str, words: Sequence[str]) -> str:
    """Return what the user's shell there is told, whichever shell it is.

    Raises:
        UsageError: A word cannot be an argument.
    """
    if any("\0" in word for word in words):
        raise UsageError("an argument of a command has a NUL in it")
    return "exec " + shlex.join(["sh", "-c", _STARTED, nonce, *words])


def _after(nonce: str, out: bytes) -> tuple[bool, bytes]:
    """Return whether the command began, and what it said: all after the line that tells so."""
    before, mark, after = out.partition(f"{nonce}\n".encode())
    del before
    return bool(mark), after


def _whole_word(spoken: Spoken) -> str:
    text = visible(spoken.err) or visible(spoken.out.decode(errors="replace"))
    return text or f"it ends with status {spoken.code}"


def _private_folder() -> Path:
    """Return a new folder that only this user can look into, for the connection's socket."""
    folder = Path(tempfile.mkdtemp(prefix="edge-recog-ssh."))
    if len(os.fsencode(folder)) > _LONGEST_SOCKET:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="edge-recog-ssh.", dir="/tmp"))
    return folder
