"""Ed25519 (RFC 8032) and private key files (PKCS #8); nothing else knows which library does it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_ENCRYPTED_MARK: Final = "-----BEGIN ENCRYPTED PRIVATE KEY-----"


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a signature of a message is by the key.

    Args:
        public: The raw key, 32 bytes.
        signature: 64 bytes; of another length it is none.
        message: Of any length.

    Raises:
        UsageError: The library is missing.
    """
    with _library():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        key = Ed25519PublicKey.from_public_bytes(public)
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def sign(private: Ed25519PrivateKey, message: bytes) -> bytes:
    """Return the signature, which is always the same for the same key and message."""
    return private.sign(message)


def public_bytes(private: Ed25519PrivateKey) -> bytes:
    """Return the raw public key of a private one."""
    with _library():
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def new_private_key() -> Ed25519PrivateKey:
    """Return a new key, of the operating system's random numbers.

    Raises:
        UsageError: The library is missing.
    """
    with _library():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.generate()


def encode_private_key(private: Ed25519PrivateKey, *, passphrase: str | None) -> bytes:
    """Return a private key as the text of a file: PKCS #8 in PEM.

    Args:
        private: The key.
        passphrase: Needed to read it again; None to leave it in the clear.
    """
    with _library():
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            KeySerializationEncryption,
            NoEncryption,
            PrivateFormat,
        )

    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase.encode())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def decode_private_key(text: str, *, passphrase: str | None, where: str) -> Ed25519PrivateKey:
    """Return the private key that a file's text has.

    Args:
        text: PKCS #8 in PEM.
        passphrase: None if there is none.
        where: The file, for messages.

    Raises:
        UsageError: It is no Ed25519 key, or the passphrase is missing, wrong or needless; or the
            library is missing. The message repeats neither text nor passphrase.
    """
    is_encrypted = _ENCRYPTED_MARK in text
    if is_encrypted and passphrase is None:
        raise UsageError(f"{where}: the key is encrypted: name the passphrase's file")
    if passphrase is not None and not is_encrypted:
        raise UsageError(f"{where}: the key is not encrypted: leave out the passphrase")
    with _library():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

    password = None if passphrase is None else passphrase.encode()
    try:
        key = load_pem_private_key(text.encode(), password)
    except (TypeError, UnsupportedAlgorithm, ValueError):
        # Without the cause: nobody knows what of the key is in it.
        wrong = "the passphrase is wrong, or the file is damaged"
        if not is_encrypted:
            wrong = "not a private key (PEM, PKCS #8); edge-recog keys new makes one"
        raise UsageError(f"{where}: {wrong}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{where}: a key of another kind than Ed25519; edge-recog keys new makes one"
        )
    return key


@contextmanager
def _library() -> Iterator[None]:
    """Say how to get the library where it is missing.

    Raises:
        UsageError: It is.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(
            'signatures need cryptography: pip install "edge-recog[daemon]"'
        ) from error
