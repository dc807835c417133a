"""What a signer says about a model file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

import msgspec

from edge_recog.errors import UsageError
from edge_recog.signing.errors import MalformedSignatureError

SCHEMA_VERSION: Final = 1
MOST_STATEMENT_BYTES: Final = 4096
MOST_NAME_LENGTH: Final = 128
MOST_SEQUENCE: Final = 2**53 - 1
"""What every reader of JSON has exactly."""

EARLIEST_CLOCK: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is set shows less; the doctor judges by the same year."""

_Document = TypeVar("_Document")
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a file is release `sequence` of the model `name`."""

    schema_version: int
    model: Annotated[str, msgspec.Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
    """The file's id: `sha256:` and 64 hexadecimal digits, as everywhere."""
    size_bytes: Annotated[int, msgspec.Meta(ge=0, le=MOST_SEQUENCE)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_NAME_LENGTH)]
    """Of the model; releases of one name are in order, those of different names have none."""
    sequence: Annotated[int, msgspec.Meta(ge=0, le=MOST_SEQUENCE)]
    """Grows with each release; the UTC seconds of the signing if nobody chose another."""
    signed_at: _Time
    expires_at: _Time | None = None
    """From then on nobody may install it; None: never."""

    def __post_init__(self) -> None:
        """Refuse what could not be shown, or never be valid."""
        if not self.name.isprintable():
            raise ValueError(f"the model's name {self.name!a} has characters without a shape")
        for told in (self.signed_at, self.expires_at):
            if told is not None and told.utcoffset() != timedelta():
                raise ValueError("its times are not in UTC")
        if self.expires_at is not None and self.expires_at <= self.signed_at:
            raise ValueError("it expires before it is signed")


class _Version(msgspec.Struct):
    """All that is known of a document of any version."""

    schema_version: int


def new_statement(
    *,
    model: str,
    size_bytes: int,
    name: str,
    now: datetime,
    sequence: int | None = None,
    expires_at: datetime | None = None,
) -> Statement:
    """Return what will be signed about a file.

    Args:
        model: The file's id.
        size_bytes: Its size.
        name: The model's.
        now: The time, in UTC.
        sequence: Its place in the order of releases; None for the seconds since 1970.
        expires_at: When devices shall stop to install it.

    Raises:
        UsageError: A value is out of range, or the clock is not set.
    """
    if now < EARLIEST_CLOCK:
        raise UsageError(
            f"the clock says {now:%Y-%m-%d}: set it before signing: sudo timedatectl set-ntp true"
        )
    try:
        statement = Statement(
            schema_version=SCHEMA_VERSION,
            model=model,
            size_bytes=size_bytes,
            name=name,
            sequence=int(now.timestamp()) if sequence is None else sequence,
            signed_at=now.replace(microsecond=0),
            expires_at=expires_at,
        )
        encode_statement(statement)
    except ValueError as error:
        raise UsageError(f"this cannot be signed: {error}") from error
    return statement


def encode_statement(statement: Statement) -> bytes:
    """Return the bytes to sign.

    Raises:
        ValueError: No device would read them, since a value is out of range.
    """
    data = msgspec.json.encode(statement)
    # Building a Struct checks neither types nor ranges; reading it does.
    decode_statement(data)
    return data


def decode_statement(data: bytes) -> Statement:
    """Return the statement of bytes whose signature was verified.

    Raises:
        MalformedSignatureError: They are none, or one of a newer version.
    """
    if len(data) > MOST_STATEMENT_BYTES:
        raise MalformedSignatureError(f"a statement of more than {MOST_STATEMENT_BYTES} bytes")
    return decode_strictly(data, Statement, what="statement")


def decode_strictly(data: bytes, kind: type[_Document], *, what: str) -> _Document:
    """Return a document of strangers that has a schema_version.

    Raises:
        MalformedSignatureError: It does not fit the type, or has another version.
    """
    try:
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version == SCHEMA_VERSION:
            return msgspec.json.decode(data, type=kind)
    # Invalid UTF-8 and lone surrogates are ValueErrors, as DecodeErrors are.
    except (ValueError, RecursionError) as error:
        raise MalformedSignatureError(f"no {what}: {_shown(error)}") from error
    raise MalformedSignatureError(
        f"a {what} of schema_version {version}, of which this edge-recog reads {SCHEMA_VERSION}: "
        "upgrade edge-recog"
    )


def _shown(error: Any) -> str:
    """Return an error's text, which may repeat what strangers wrote, fit for a terminal."""
    return str(error)[:200].encode("unicode_escape").decode()
