"""A repository that is asked by a process of its own, and killed when it takes too long.

A server that hands out its answer's head byte by byte has no time limit of any library against it,
and neither do 20 MB of libraries belong into a daemon that looks once an hour.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from edge_recog.processes import module_command, same_packages
from edge_recog.signing.small_files import read_small
from edge_recog.updates.errors import RefusedError, UnreachableError, UnusableUpdatesError
from edge_recog.updates.repository.protocol import Answer, Limits, Order

if TYPE_CHECKING:
    from edge_recog.updates.release import Offer, Offers
    from edge_recog.updates.settings import UpdateSettings

_CHILD: Final = "edge_recog.updates.repository.child"
_MOST_ROOT_BYTES: Final = 65_536


class IsolatedRepository:
    """See `Repository`. One call at a time; `close` may come from another thread."""

    def __init__(
        self, settings: UpdateSettings, folder: Path, *, limits: Limits | None = None
    ) -> None:
        """Touch nothing yet.

        Args:
            settings: Where the files are, and whom to trust.
            folder: For what was seen, and for parts of files.
            limits: Those of the settings if None.
        """
        self._settings = settings
        self._folder = folder
        self._limits = limits or Limits(slowest_bytes_s=settings.slowest_kb_s * 1000)
        self._guard = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def look(self, channel: str) -> Offers:
        """See `Repository`."""
        answer = self._asked(self._order(channel=channel), self._limits.look_s)
        if answer.offers is None:
            raise UnusableUpdatesError("the process that looks for updates gave no answer")
        return answer.offers

    def fetch(self, offer: Offer) -> bytes:
        """See `Repository`."""
        answer = self._asked(self._order(offer=offer), self._limits.fetch_s(offer.size_bytes))
        path = Path(answer.path)
        try:
            data = read_small(path, most_bytes=offer.size_bytes)
        except OSError as error:
            raise UnusableUpdatesError(
                f"{path}: cannot be read: {error.strerror or error}"
            ) from error
        # What is handed on are these bytes, not the file.
        if hashlib.sha256(data).hexdigest() != offer.release.model:
            raise RefusedError(f"{path}: another file than was signed", "altered")
        return data

    def forget(self, model: str) -> None:
        """See `Repository`."""
        with contextlib.suppress(OSError):
            (self._folder / "downloads" / f"{model}.part").unlink(missing_ok=True)

    def close(self) -> None:
        """See `Repository`."""
        with self._guard:
            self._is_closed = True
            if self._child is not None:
                self._child.kill()

    def _order(self, *, channel: str = "", offer: Offer | None = None) -> Order:
        settings = self._settings
        path = Path(settings.root_file)
        try:
            root = read_small(path, most_bytes=_MOST_ROOT_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UnusableUpdatesError(
                f"{path}: cannot be read: {reason}; copy the publisher's metadata/1.root.json there"
            ) from error
        return Order(
            folder=str(self._folder),
            url=settings.url,
            root=root,
            ca_file=settings.ca_file,
            limits=self._limits,
            channel=channel,
            offer=offer,
        )

    def _asked(self, order: Order, timeout_s: float) -> Answer:
        with self._guard:
            if self._is_closed:
                raise UnusableUpdatesError("closed")
            self._child = subprocess.Popen(
                module_command(_CHILD),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | same_packages(),
            )
        with self._child as child:
            try:
                out, err = child.communicate(msgspec.json.encode(order), timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                raise UnreachableError(
                    f"{order.url}: the server was not done after {timeout_s:.0f} s"
                ) from error
            finally:
                child.kill()
        try:
            answer = msgspec.json.decode(out, type=Answer)
        except msgspec.DecodeError as error:
            lines = err.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise UnusableUpdatesError(
                "the process that looks for updates ended with status "
                f"{child.returncode}: {lines[-1][:300]}"
            ) from error
        if answer.trouble is not None:
            raise answer.trouble.error()
        return answer
