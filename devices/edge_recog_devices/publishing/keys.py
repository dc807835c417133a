"""The publisher's private keys: files as `edge-recog keys new` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from edge_recog.errors import UsageError
from edge_recog.service.config.secret_files import read_secret
from edge_recog.signing.ed25519 import decode_private_key
from edge_recog.signing.keyring import read_public_key
from edge_recog.signing.private_keys import PRIVATE_SUFFIX, make_key_pair
from edge_recog.signing.public_keys import SUFFIX
from edge_recog_devices.publishing.errors import MissingKeyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuf.api.metadata import Role  # type: ignore[attr-defined]

ANCHOR: Final = "1.root.json"
"""Beside the keys: the first root, from which all others follow. Devices get the same file."""


@dataclass(frozen=True)
class KeyFolders:
    """Where private keys are: on this machine, on sticks that are plugged in."""

    folders: tuple[Path, ...]
    """The first one gets new keys, and has the anchor."""
    passphrase: str | None = None
    """Of those that are encrypted."""

    @property
    def anchor(self) -> Path:
        """Return the file of the first root."""
        return self.folders[0] / ANCHOR

    def new(self, role: str, *, encrypted: bool) -> CryptoSigner:
        """Make a key for a role; return what signs with it.

        Args:
            role: Its files are called after it, with a number.
            encrypted: Whether with the passphrase, if there is one.

        Raises:
            UsageError: It cannot be written.
        """
        number = 1
        while self._names(f"{role}-{number}"):
            number += 1
        passphrase = self.passphrase if encrypted else None
        made = make_key_pair(self.folders[0], f"{role}-{number}", passphrase=passphrase)
        return self._signer(made.private, _public(made.key.raw))

    def signers(self, role_name: str, role: Role) -> list[CryptoSigner]:
        """Return what signs for a role: as many keys as are here of those that count.

        Raises:
            MissingKeyError: They are fewer than it takes.
        """
        found: list[CryptoSigner] = []
        problems: list[str] = []
        for path in self._public_files():
            public = _public(read_public_key(path).raw)
            if public.keyid not in role.keyids or public.keyid in {
                one.public_key.keyid for one in found
            }:
                continue
            try:
                found.append(self._signer(path.with_suffix(PRIVATE_SUFFIX), public))
            except UsageError as error:
                problems.append(str(error))
        if len(found) < role.threshold:
            told = "; ".join(problems) or "plug in what has the others, and name it with --keys"
            where = ", ".join(map(str, self.folders))
            raise MissingKeyError(
                f"{role_name}: {len(found)} of the {role.threshold} keys that must sign are in "
                f"{where}: {told}"
            )
        return found

    def _signer(self, path: Path, public: SSlibKey) -> CryptoSigner:
        text = read_secret(path)
        encrypted = "ENCRYPTED" in text.partition("\n")[0]
        passphrase = self.passphrase if encrypted else None
        return CryptoSigner(
            decode_private_key(text, passphrase=passphrase, where=str(path)), public
        )

    def _public_files(self) -> Sequence[Path]:
        return [path for folder in self.folders for path in sorted(folder.glob(f"*{SUFFIX}"))]

    def _names(self, name: str) -> bool:
        return any(
            (folder / f"{name}{suffix}").exists()
            for folder in self.folders
            for suffix in (SUFFIX, PRIVATE_SUFFIX)
        )


def _public(raw: bytes) -> SSlibKey:
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))
