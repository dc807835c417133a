"""What a device accepts: the one question asked before a model is installed."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from edge_recog.errors import BundleError
from edge_recog.signing.errors import (
    ClockError,
    DowngradeError,
    ExpiredError,
    MalformedSignatureError,
    OtherModelError,
    RevokedKeyError,
    SignatureError,
    UnknownKeyError,
    UnsignedError,
)
from edge_recog.signing.floors import Floors
from edge_recog.signing.keyring import Keyring, read_keyring
from edge_recog.signing.places import trust_folders
from edge_recog.signing.signatures import MOST_BYTES, decode_signature
from edge_recog.signing.small_files import read_small
from edge_recog.signing.statements import EARLIEST_CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edge_recog.signing.statements import Statement

CLOCK_TOLERANCE: Final = timedelta(days=1)
"""By which the signer's clock may be ahead of ours. Behind that, ours is not set: on a board
without a clock battery it goes on from where it was switched off."""
_CHUNK_BYTES: Final = 2**20


class Trust:
    """The keys and floors of a device.

    They are read at each question, so a key that is revoked is refused at once, by processes that
    run already too.
    """

    def __init__(
        self, folders: Sequence[Path], state: Path, *, clock_s: Callable[[], float] = time.time
    ) -> None:
        """Read nothing yet.

        Args:
            folders: With keys, as `trust_folders` returns them.
            state: Directory in which the floors are kept.
            clock_s: Unix time in seconds.
        """
        self.folders = tuple(folders)
        self.floors = Floors(state)
        self._clock_s = clock_s

    @classmethod
    def open(cls, state: Path, environ: Mapping[str, str] = os.environ) -> Trust:
        """Return that of this machine.

        Args:
            state: Directory in which the floors are kept.
            environ: Variables, which say where the keys are.
        """
        return cls(trust_folders(environ), state)

    def keyring(self) -> Keyring:
        """Return the keys as they are now.

        Raises:
            UnusableTrustError: They cannot be read.
        """
        return read_keyring(self.folders)

    def check(
        self,
        model: Path,
        signature: Path | None,
        *,
        allow_unsigned: bool = False,
        allow_downgrade: bool = False,
    ) -> Statement | None:
        """Return what a trusted signer says of a model file; None if nobody needs to say anything.

        Who goes on to use the file must use the bytes whose id is `Statement.model`: a file may be
        replaced after this has read it. `check_data` takes the bytes themselves.

        Args:
            model: The file.
            signature: Its signature's file; None, or one that does not exist: it is unsigned.
            allow_unsigned: Accept a file without signature; a wrong one is refused all the same.
            allow_downgrade: Accept a release older than one that was installed.

        Raises:
            SignatureError: It is not accepted; the subclass and the message say why.
            BundleError: The model file cannot be read.
            UsageError: The library for signatures is missing.
        """
        where = str(model)
        keyring = self.keyring()
        if not keyring.wants_signatures:
            return None
        data = None if signature is None else _read_signature(signature, where)
        statement = self._verified(keyring, data, where, allow_unsigned=allow_unsigned)
        if statement is None:
            return None
        _require_same(statement, *_size_and_id(model, most_bytes=statement.size_bytes), where)
        self._require_timely(statement, where, allow_downgrade=allow_downgrade)
        return statement

    def check_data(
        self,
        model: bytes,
        signature: bytes | None,
        *,
        where: str,
        allow_unsigned: bool = False,
        allow_downgrade: bool = False,
    ) -> Statement | None:
        """Return what a trusted signer says of the bytes of a model file; see `check`.

        Args:
            model: The whole file.
            signature: Its signature's whole file; None: it is unsigned.
            where: Its path or another name for it, for messages.
            allow_unsigned: As in `check`.
            allow_downgrade: As in `check`.
        """
        keyring = self.keyring()
        if not keyring.wants_signatures:
            return None
        statement = self._verified(keyring, signature, where, allow_unsigned=allow_unsigned)
        if statement is None:
            return None
        digest = hashlib.sha256(model).hexdigest()
        _require_same(statement, len(model), f"sha256:{digest}", where)
        self._require_timely(statement, where, allow_downgrade=allow_downgrade)
        return statement

    def raise_floor(self, statement: Statement) -> None:
        """Remember a release that is in use now, so that none older comes after; for the store.

        Args:
            statement: As `check` returned it.

        Raises:
            UnusableTrustError: The floors so far cannot be read.
            UsageError: They cannot be written.
        """
        self.floors.raise_to(statement.name, statement.sequence)

    def _verified(
        self, keyring: Keyring, data: bytes | None, where: str, *, allow_unsigned: bool
    ) -> Statement | None:
        """Return what a trusted key has signed, whatever it is about.

        Raises:
            SignatureError: There is nothing of the kind.
        """
        if data is None:
            if allow_unsigned:
                return None
            raise UnsignedError(
                f"{where}: it is not signed, and this device takes only what a trusted key has "
                "signed: bring the file NAME.tflite.sig with it, or allow it here with "
                "--allow-unsigned"
            )
        try:
            signature = decode_signature(data)
            key = keyring.trusted(signature.key_id)
            if key is None:
                raise _stranger(keyring, signature.key_id)
            return signature.verified(key)
        except SignatureError as error:
            raise type(error)(f"{where}: {error}") from error

    def _require_timely(self, statement: Statement, where: str, *, allow_downgrade: bool) -> None:
        """Refuse what is too old.

        Raises:
            ExpiredError: It was to be installed earlier.
            ClockError: Nobody knows.
            DowngradeError: A newer one was here.
        """
        if statement.expires_at is not None:
            now = datetime.fromtimestamp(self._clock_s(), UTC)
            told = now.strftime("%Y-%m-%d %H:%M UTC")
            if now < EARLIEST_CLOCK or now + CLOCK_TOLERANCE < statement.signed_at:
                raise ClockError(
                    f"{where}: it expires, and the clock says {told}, before it was signed, so "
                    "that cannot be judged: connect the network and type sudo timedatectl set-ntp "
                    "true"
                )
            if now >= statement.expires_at:
                raise ExpiredError(
                    f"{where}: it was to be installed before {statement.expires_at:%Y-%m-%d %H:%M} "
                    f"UTC, and it is {told}: have it signed anew, or take a newer release"
                )
        if allow_downgrade:
            return
        floor = self.floors.read().get(statement.name, 0)
        if statement.sequence < floor:
            raise DowngradeError(
                f"{where}: release {statement.sequence} of {statement.name} is older than "
                f"{floor}, which was installed here: take a newer one, or allow it here with "
                "--allow-downgrade"
            )


def _stranger(keyring: Keyring, key_id: str) -> SignatureError:
    """Return why a key does not count."""
    if keyring.is_revoked(key_id):
        name = keyring.name_of(key_id)
        shown = f"{key_id} ({name})" if name else key_id
        return RevokedKeyError(
            f"it is signed by key {shown}, which was revoked here: have it signed by another key"
        )
    return UnknownKeyError(
        f"it is signed by key {key_id}, which is not trusted here: if you know whose it is, "
        "edge-recog keys trust FILE.pub"
    )


def _read_signature(path: Path, where: str) -> bytes | None:
    """Return what is in a signature file; None if there is none.

    Raises:
        MalformedSignatureError: It cannot be read.
    """
    try:
        return read_small(path, most_bytes=MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or error
        raise MalformedSignatureError(f"{where}: its signature {path}: {reason}") from error


def _size_and_id(path: Path, *, most_bytes: int) -> tuple[int, str]:
    """Return size and id of a file; no more than one byte too many of it is read."""
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        if path.exists() and not path.is_file():
            raise BundleError(f"{path}: a folder or device, not a model file")
        with path.open("rb") as file:
            while size_bytes <= most_bytes and (chunk := file.read(_CHUNK_BYTES)):
                size_bytes += len(chunk)
                digest.update(chunk)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error
    return size_bytes, f"sha256:{digest.hexdigest()}"


def _require_same(statement: Statement, size_bytes: int, model: str, where: str) -> None:
    """Refuse another file than the one that was signed.

    Raises:
        OtherModelError: It is another.
    """
    if (size_bytes, model) != (statement.size_bytes, statement.model):
        raise OtherModelError(
            f"{where}: its signature is for another file ({statement.name}, {statement.model[:19]}…"
            f", {statement.size_bytes} bytes), or it was changed: fetch model and signature "
            "together"
        )
