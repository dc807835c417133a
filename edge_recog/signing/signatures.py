"""The signature file: JSON with the exact bytes that were signed, who signed, and the signature.

What is verified are bytes, before anything reads them: no document is put into a canonical form.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from edge_recog.signing import ed25519
from edge_recog.signing.errors import AlteredError, MalformedSignatureError
from edge_recog.signing.public_keys import PublicKey
from edge_recog.signing.statements import (
    MOST_STATEMENT_BYTES,
    SCHEMA_VERSION,
    Statement,
    decode_statement,
    decode_strictly,
    encode_statement,
)

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUFFIX: Final = ".sig"
MOST_BYTES: Final = 16_384
"""Of a signature file."""
DOMAIN: Final = b"edge_recog model statement v1\n"
"""Comes before the statement in what is signed: no signature made for something else fits."""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file."""

    schema_version: int
    key: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    """Id of the public key."""
    statement: str
    """Base64 of the bytes that were signed, after `DOMAIN`."""
    signature: str
    """Base64 of 64 bytes."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was read and not verified: nothing of it can be believed."""

    key_id: str
    """Of whom it says that they signed."""
    statement: bytes
    signature: bytes

    def verified(self, key: PublicKey) -> Statement:
        """Return what was signed, by the key whose id it has.

        Raises:
            AlteredError: The key did not sign this.
            MalformedSignatureError: It did, and it is no statement that can be read.
            UsageError: The library for it is missing.
        """
        if not ed25519.verify(key.raw, self.signature, DOMAIN + self.statement):
            raise AlteredError(
                f"its signature is not one by key {key.id} ({key.name}): either was changed, or "
                "somebody else made it; fetch model and signature again"
            )
        return decode_statement(self.statement)


def signature_path(model: Path) -> Path:
    """Return where the signature of a model file is: beside it, `.sig` added to its name."""
    return model.with_name(model.name + SUFFIX)


def sign(private: Ed25519PrivateKey, statement: Statement) -> bytes:
    """Return the content of a signature file.

    Args:
        private: Of the signer.
        statement: As `new_statement` makes it.

    Raises:
        ValueError: The statement has a value out of range.
    """
    signed = encode_statement(statement)
    document = _Document(
        schema_version=SCHEMA_VERSION,
        key=PublicKey(ed25519.public_bytes(private), "signer").id,
        statement=base64.b64encode(signed).decode(),
        signature=base64.b64encode(ed25519.sign(private, DOMAIN + signed)).decode(),
    )
    return msgspec.json.encode(document) + b"\n"


def decode_signature(data: bytes) -> Signature:
    """Return what is in a signature file.

    Raises:
        MalformedSignatureError: It is none.
    """
    if len(data) > MOST_BYTES:
        raise MalformedSignatureError(f"no signature file: it has more than {MOST_BYTES} bytes")
    document = decode_strictly(data, _Document, what="signature file")
    statement = _bytes_of(document.statement, "statement")
    signature = _bytes_of(document.signature, "signature")
    if len(statement) > MOST_STATEMENT_BYTES:
        raise MalformedSignatureError(
            f"no signature file: its statement has more than {MOST_STATEMENT_BYTES} bytes"
        )
    if len(signature) != ed25519.SIGNATURE_BYTES:
        raise MalformedSignatureError(
            f"no signature file: its signature has {len(signature)} bytes instead of "
            f"{ed25519.SIGNATURE_BYTES}"
        )
    return Signature(document.key, statement, signature)


def _bytes_of(text: str, what: str) -> bytes:
    """Return what Base64 stands for; one spelling only, though it has bits to spare at its end.

    Raises:
        MalformedSignatureError: It is no Base64.
    """
    try:
        data = base64.b64decode(text, validate=True)
    # Characters beyond ASCII are a ValueError of its own.
    except (binascii.Error, ValueError) as error:
        raise MalformedSignatureError(f"no signature file: its {what} is no Base64") from error
    if base64.b64encode(data).decode() != text:
        raise MalformedSignatureError(f"no signature file: its {what} is no Base64")
    return data
