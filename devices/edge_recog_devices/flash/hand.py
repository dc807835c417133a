"""A hand on a device: runs our scripts there with the rights that they need."""

from __future__ import annotations

import gzip
import hashlib
from importlib import resources
from typing import IO, TYPE_CHECKING, Final

from edge_recog_devices.errors import FlashError
from edge_recog_devices.remote.failures import visible

if TYPE_CHECKING:
    from edge_recog_devices.flash.places import Places
    from edge_recog_devices.remote import Answer, Remote

_SCRIPT_S: Final = 120.0
_SEND_S: Final = 1800.0
_BECOME_ROOT: Final = ("sudo", "-n", "--")


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

    def script(
        self, name: str, *words: str, timeout_s: float = _SCRIPT_S, most_bytes: int = 1 << 20
    ) -> Answer:
        """Run one of our scripts.

        Args:
            name: Of it.
            words: Its arguments.
            timeout_s: After which it is given up.
            most_bytes: It may say.

        Raises:
            FlashError: It fails; its last words are the message.
        """
        command = (*self._before, "sh", "-s", "--", *words)
        text = _text(name).encode()
        return self._required(
            self.remote.run(*command, given=text, timeout_s=timeout_s, most_bytes=most_bytes)
        )

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
            *(*self._before, "sh", "-c", _text("put.sh"), "put.sh", *words),
            given=packed,
            timeout_s=_SEND_S,
        )
        self._required(answer)

    def put_bytes(self, path: str, data: bytes, *, mode: int = 0o644, key: str = "") -> None:
        """Write a file of which the digest is that of its data; see `put`."""
        digest = hashlib.sha256(data).hexdigest()
        self.put(path, data, digest=digest, mode=mode, key=key)

    def run(
        self,
        *words: str,
        given: bytes = b"",
        timeout_s: float = _SCRIPT_S,
        most_bytes: int = 1 << 20,
    ) -> Answer:
        """Run a program with the same rights; its exit status is for the caller to judge."""
        return self.remote.run(
            *self._before, *words, given=given, timeout_s=timeout_s, most_bytes=most_bytes
        )

    def _required(self, answer: Answer) -> Answer:
        if answer.code == 0:
            return answer
        raise FlashError(f"{self.remote.address}: {_complaint(answer)}")


def _complaint(answer: Answer) -> str:
    """Return what a script says last, and why: what a program said just before."""
    lines = [line for line in map(visible, answer.err.splitlines()) if line]
    if not lines:
        return answer.last_words
    told = lines[-1].removeprefix("ERROR: ").removeprefix("edge-recog: ")
    return f"{told} ({lines[-2]})" if len(lines) > 1 and told.startswith("cannot ") else told


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("scripts", name).read_text(encoding="utf-8")
