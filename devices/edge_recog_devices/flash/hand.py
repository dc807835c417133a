"""A hand on a device: runs our scripts there with the rights that they need, one at a time.

Of two flashes of one device the later one counts: it may be that of somebody whose connection was
lost, and who types the command again. The earlier one is told so at its next step. Neither works
while a program of the other is at work, or one that was left behind.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
from importlib import resources
from typing import IO, TYPE_CHECKING, Final, Literal

from edge_recog_devices.errors import FlashError, SupersededError
from edge_recog_devices.remote.failures import visible

if TYPE_CHECKING:
    from edge_recog_devices.flash.places import Places
    from edge_recog_devices.remote import Answer, Remote

_SCRIPT_S: Final = 120.0
_SEND_S: Final = 1800.0
_BECOME_ROOT: Final = ("sudo", "-n", "--")
_SUPERSEDED: Final = 76
"""Exit status of alone.sh."""


class Hand:
    """Works on one device; each method raises DeviceError."""

    def __init__(self, remote: Remote, places: Places, *, with_sudo: bool) -> None:
        """Take hold.

        Args:
            remote: The device, connected.
            places: Where things are there.
            with_sudo: Whether to become root for all that is done.
        """
        self.remote = remote
        self.places = places
        self._before = _BECOME_ROOT if with_sudo else ()
        self._flash = secrets.token_hex(8)

    def begin(self, name: str, *words: str) -> None:
        """Be the flash that counts from here on, and run the script that begins it.

        Args:
            name: Of the script.
            words: Its arguments.

        Raises:
            FlashError: It fails.
            SupersededError: Another flash is at work, for longer than one waits.
        """
        self._script(self._alone("begin"), name, words)

    def script(self, name: str, *words: str, timeout_s: float = _SCRIPT_S) -> Answer:
        """Run one of our scripts that change something.

        Args:
            name: Of it.
            words: Its arguments.
            timeout_s: After which it is given up.

        Raises:
            FlashError: It fails; its last words are the message.
            SupersededError: Another flash has begun.
        """
        return self._script(self._alone("go-on"), name, words, timeout_s=timeout_s)

    def look(self, name: str, *words: str, most_bytes: int = 1 << 20) -> bytes:
        """Run one of our scripts that only look, and return what it says.

        Args:
            name: Of it.
            words: Its arguments.
            most_bytes: It may say.

        Raises:
            FlashError: It fails; its last words are the message.
        """
        return self._script(self._before, name, words, most_bytes=most_bytes).out

    def put(
        self, path: str, data: bytes | IO[bytes], *, digest: str, mode: int = 0o644, key: str = ""
    ) -> None:
        """Write a file there, whole or not at all.

        Args:
            path: There, absolute.
            data: What will be in it; bytes travel compressed, a file as it is.
            digest: SHA-256 that it has.
            mode: That a new file gets.
            key: Under which the journal keeps what was there before; empty for nothing.
        """
        packed = gzip.compress(data, mtime=0) if isinstance(data, bytes) else data
        kind = "gzip" if isinstance(data, bytes) else "plain"
        words = (self.places.root, key, path, f"{mode:o}", digest, kind)
        answer = self.remote.run(
            *(*self._alone("go-on"), "sh", "-c", _text("put.sh"), "put.sh", *words),
            given=packed,
            timeout_s=_SEND_S,
        )
        self._required(answer)

    def put_bytes(self, path: str, data: bytes, *, mode: int = 0o644, key: str = "") -> None:
        """Write a file of which the digest is that of its data; see `put`."""
        digest = hashlib.sha256(data).hexdigest()
        self.put(path, data, digest=digest, mode=mode, key=key)

    def run(self, *words: str, timeout_s: float = _SCRIPT_S) -> Answer:
        """Run a program that changes something; its exit status is for the caller to judge.

        Raises:
            SupersededError: Another flash has begun.
        """
        answer = self.remote.run(*self._alone("go-on"), *words, timeout_s=timeout_s)
        return self._required(answer) if answer.code == _SUPERSEDED else answer

    def observe(
        self, *words: str, given: bytes, timeout_s: float, most_bytes: int = 1 << 20
    ) -> Answer:
        """Run a program that only looks; its exit status is for the caller to judge."""
        return self.remote.run(
            *self._before, *words, given=given, timeout_s=timeout_s, most_bytes=most_bytes
        )

    def _script(
        self,
        before: tuple[str, ...],
        name: str,
        words: tuple[str, ...],
        *,
        timeout_s: float = _SCRIPT_S,
        most_bytes: int = 1 << 20,
    ) -> Answer:
        command = (*before, "sh", "-s", "--", *words)
        text = _text(name).encode()
        return self._required(
            self.remote.run(*command, given=text, timeout_s=timeout_s, most_bytes=most_bytes)
        )

    def _alone(self, how: Literal["begin", "go-on"]) -> tuple[str, ...]:
        """Return the beginning of a command that waits until no other is at work."""
        patience = {"begin": "10", "go-on": "60"}[how]
        words = (how, self._flash, self.places.lock, patience)
        return (*self._before, "sh", "-c", _text("alone.sh"), "alone.sh", *words)

    def _required(self, answer: Answer) -> Answer:
        if answer.code == 0:
            return answer
        kind = SupersededError if answer.code == _SUPERSEDED else FlashError
        raise kind(f"{self.remote.address}: {_complaint(answer)}")


def _complaint(answer: Answer) -> str:
    """Return what a script says last, and why: what a program said just before."""
    lines = [line for line in map(visible, answer.err.splitlines()) if line]
    if not lines:
        return answer.last_words
    told = lines[-1].removeprefix("ERROR: ").removeprefix("edge-recog: ")
    return f"{told} ({lines[-2]})" if len(lines) > 1 and told.startswith("cannot ") else told


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("scripts", name).read_text(encoding="utf-8")
