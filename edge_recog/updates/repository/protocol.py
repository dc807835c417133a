"""What the updater needs of a repository, and what goes to and from the process that asks it."""

from __future__ import annotations

from typing import Annotated, Final, Protocol

import msgspec

from edge_recog.updates.errors import RefusedError, UnreachableError, UnusableUpdatesError
from edge_recog.updates.release import Offer, Offers

MOST_MODEL_BYTES: Final = 512 * 2**20
"""No model is larger: `edge_recog.bundle`."""


class Repository(Protocol):
    """Where releases come from."""

    def look(self, channel: str) -> Offers:
        """Return what is signed for a channel now.

        Raises:
            UpdateError: That is not known; the subclass says why.
        """
        ...

    def fetch(self, offer: Offer) -> bytes:
        """Return the file of an offer: its length and hash are those that were signed.

        Raises:
            UpdateError: It could not be fetched. What there is of it is kept.
        """
        ...

    def forget(self, model: str) -> None:
        """Delete what is kept of a file."""
        ...

    def close(self) -> None:
        """Give up what goes on in another thread. Safe to call twice."""
        ...


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of time; sizes are signed, or constants."""

    connect_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 15.0
    silence_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    """Without a byte."""
    slowest_bytes_s: Annotated[float, msgspec.Meta(ge=0)] = 1000.0
    """In the mean, after `grace_s`."""
    grace_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    look_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 180.0
    """For one look as a whole."""

    def fetch_s(self, size_bytes: int) -> float:
        """Return seconds for one file as a whole."""
        return self.look_s + 2 * size_bytes / max(self.slowest_bytes_s, 1.0)


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """To the process, on stdin: look at a channel, or fetch an offer."""

    folder: str
    url: str
    root: str
    """The publisher's root.json, its text."""
    ca_file: str | None = None
    limits: Limits = Limits()
    channel: str = ""
    offer: Offer | None = None


class Trouble(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An UpdateError on its way."""

    message: str
    refused: str = ""
    """Why, if it is a RefusedError."""
    unreachable: bool = False
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: Exception) -> Trouble:
        """Return what stands for an error."""
        message = str(error).encode(errors="replace").decode()
        if isinstance(error, RefusedError):
            return cls(message=message, refused=error.reason)
        if isinstance(error, UnreachableError):
            return cls(message=message, unreachable=True, retry_after_s=error.retry_after_s)
        return cls(message=message)

    def error(self) -> RefusedError | UnreachableError | UnusableUpdatesError:
        """Return the error that it stands for."""
        if self.refused:
            return RefusedError(self.message, self.refused)  # type: ignore[arg-type]
        if self.unreachable:
            return UnreachableError(self.message, retry_after_s=self.retry_after_s)
        return UnusableUpdatesError(self.message)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From the process, on stdout."""

    offers: Offers | None = None
    path: str = ""
    """Of the file that was fetched."""
    trouble: Trouble | None = None
