"""What the publisher signs about a model on a channel, and about releases that were stopped.

Both stand in the `custom` member of a TUF target. They are read strictly, by `schema_version`.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

import msgspec

from edge_recog.updates.cohort import WHOLE_PPM
from edge_recog.updates.errors import RefusedError

SCHEMA_VERSION: Final = 1
MOST_RELEASE: Final = 2**53
MOST_STOPPED: Final = 64
"""Stopped releases that a channel's list may have."""
CHANNEL: Final = r"[a-z0-9][a-z0-9-]{0,31}"
VERSION: Final = r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){0,3}"
"""Of edge-recog, without what comes before a release."""
_PROFILE: Final = r"[a-z0-9][a-z0-9-]{0,63}"
_DIGEST: Final = r"[0-9a-f]{64}"

_Document = TypeVar("_Document", bound=msgspec.Struct)
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Number = Annotated[int, msgspec.Meta(ge=1, le=MOST_RELEASE)]
_Sentence = Annotated[str, msgspec.Meta(max_length=400)]


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model on one channel."""

    schema_version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    channel: Annotated[str, msgspec.Meta(pattern=rf"\A{CHANNEL}\Z")]
    number: _Number
    """Grows with every release of the channel."""
    model: Annotated[str, msgspec.Meta(pattern=rf"\A{_DIGEST}\Z")]
    """SHA-256 of the file."""
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """The model's."""
    share_ppm: Annotated[int, msgspec.Meta(ge=0, le=WHOLE_PPM)]
    """Of the channel's devices that get it now, in millionths."""
    created_at: _Time
    minimum_version: Annotated[str, msgspec.Meta(pattern=rf"\A{VERSION}\Z")]
    """Of edge-recog, that it needs."""
    profiles: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=rf"\A{_PROFILE}\Z")], ...],
        msgspec.Meta(max_length=64),
    ] = ()
    """Kinds of devices that it is for; all if there are none."""
    signature: Annotated[str, msgspec.Meta(max_length=32_768)] = ""
    """The model's detached signature file in Base64; empty if there is none."""

    def __post_init__(self) -> None:
        """Refuse what could not be shown, or means nothing."""
        if not self.name.isprintable():
            raise ValueError("the model's name has characters without a shape")
        if self.created_at.utcoffset() != timedelta():
            raise ValueError("its time is not in UTC")
        _ = self.signature_file

    @property
    def id(self) -> str:
        """Stays the same while the share grows: `stable/7`."""
        return f"{self.channel}/{self.number}"

    @property
    def signature_file(self) -> bytes | None:
        """Content of the detached signature's file; None if there is none."""
        if not self.signature:
            return None
        try:
            return base64.b64decode(self.signature, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("its signature is no Base64") from error


class Stopped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release that nobody is to get any more."""

    number: _Number
    reason: _Sentence
    at: _Time


class Stops(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The releases of one channel that were stopped, the latest last."""

    schema_version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    channel: Annotated[str, msgspec.Meta(pattern=rf"\A{CHANNEL}\Z")]
    stopped: Annotated[tuple[Stopped, ...], msgspec.Meta(max_length=MOST_STOPPED)] = ()

    def __post_init__(self) -> None:
        """Refuse what could not be shown."""
        if not all(one.reason.isprintable() for one in self.stopped):
            raise ValueError("a reason has characters without a shape")

    def reason_for(self, number: int) -> str | None:
        """Return why a release was stopped; None if it was not."""
        return next((one.reason for one in self.stopped if one.number == number), None)


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release, and the file that was signed with it."""

    release: Release
    target: str
    """Path of the file as TUF has it, without the hash in front of its name."""
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]


class Offers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the publisher has signed for a channel now."""

    latest: Offer | None
    """None: nothing was ever published there."""
    settled: Offer | None = None
    """The release before it, for devices that the latest is not for, or not yet."""
    stops: Stops


class _AnyVersion(msgspec.Struct):
    """All that is known of a document of any version."""

    schema_version: int


def latest_path(channel: str) -> str:
    """Return the TUF target of a channel's newest release."""
    return f"{channel}/latest.tflite"


def settled_path(channel: str) -> str:
    """Return the TUF target of the release before it that all devices may have."""
    return f"{channel}/settled.tflite"


def stops_path(channel: str) -> str:
    """Return the TUF target of a channel's stopped releases."""
    return f"stops/{channel}"


def decode_release(custom: Any, *, channel: str, digest: str) -> Release:
    """Return what is signed about a target.

    Args:
        custom: Of the target, as TUF gives it.
        channel: That the device has asked for.
        digest: The target's SHA-256.

    Raises:
        RefusedError: It cannot be read, or belongs to another channel or file.
    """
    release = _decode(custom, Release, f"release of {channel}")
    if (release.channel, release.model) != (channel, digest):
        raise RefusedError(
            f"the release of {channel} is signed as one of {release.channel} with model "
            f"{release.model[:12]}, and its file is {digest[:12]}: parts of two were mixed up",
            "mixed",
        )
    return release


def decode_stops(custom: Any, *, channel: str) -> Stops:
    """Return the releases that were stopped.

    Raises:
        RefusedError: The list cannot be read, or belongs to another channel.
    """
    stops = _decode(custom, Stops, f"list of stopped releases of {channel}")
    if stops.channel != channel:
        raise RefusedError(
            f"the list of stopped releases of {channel} is signed as one of {stops.channel}",
            "mixed",
        )
    return stops


def to_custom(document: Release | Stops) -> dict[str, Any]:
    """Return what stands in a target's `custom`.

    Raises:
        ValueError: No device would read it, since a value is out of range.
    """
    data = msgspec.json.encode(document)
    # Building a Struct checks neither types nor ranges; reading it does.
    msgspec.json.decode(data, type=type(document))
    custom: dict[str, Any] = msgspec.json.decode(data)
    return custom


def version_tuple(text: str) -> tuple[int, ...]:
    """Return a version's numbers, to be compared; what comes before a release counts as it."""
    found = re.match(VERSION, text)
    numbers = tuple(map(int, found[0].split("."))) if found else (0,)
    return numbers + (0,) * (4 - len(numbers))


def _decode(custom: Any, kind: type[_Document], what: str) -> _Document:
    try:
        version = msgspec.convert(custom, _AnyVersion).schema_version
        if version == SCHEMA_VERSION:
            return msgspec.convert(custom, kind)
    except (ValueError, RecursionError) as error:
        text = str(error)[:200].encode("unicode_escape").decode()
        raise RefusedError(f"the {what} cannot be read: {text}", "malformed") from error
    raise RefusedError(
        f"the {what} has schema_version {version}, of which this edge-recog reads "
        f"{SCHEMA_VERSION}: upgrade edge-recog",
        "malformed",
    )
