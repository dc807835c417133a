"""What somebody does who has some of the keys, or none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Snapshot, Targets, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES = {"targets": Targets, "stops": Targets, "snapshot": Snapshot, "timestamp": Timestamp}


class Forger:
    """Writes metadata signed by the roles whose keys he has stolen, and by his own key else."""

    def __init__(self, fleet: Any, *stolen: str) -> None:
        self._fleet = fleet
        self._stolen = stolen
        self._own = CryptoSigner.generate_ed25519()

    def newest(self, role: str) -> int:
        numbers = [
            int(path.name.split(".")[0]) for path in self._fleet.metadata.glob(f"*.{role}.json")
        ]
        return max(numbers)

    def read(self, role: str, number: int | None = None) -> Metadata[Any]:
        if role == "timestamp":
            name = "timestamp.json"
        else:
            name = f"{self.newest(role) if number is None else number}.{role}.json"
        return Metadata.from_file(str(self._fleet.metadata / name))

    def write(self, role: str, change: Callable[[Any], None], *, number: int | None = None) -> None:
        """Change metadata, sign it as well as he can, and put it where the old one was."""
        metadata = self.read(role, number)
        change(metadata.signed)
        metadata.signatures.clear()
        for signer in self._signers(role):
            metadata.sign(signer, append=True)
        version = "" if role == "timestamp" else f"{metadata.signed.version}."
        (self._fleet.metadata / f"{version}{role}.json").write_bytes(metadata.to_bytes())

    def announce(self, **versions: int) -> None:
        """Have a new snapshot and timestamp lead to the newest of all roles, or those given."""
        metas = {
            f"{role}.json": self._meta(role, versions.get(role)) for role in ("targets", "stops")
        }
        number = self.newest("snapshot") + 1

        def renew(snapshot: Snapshot) -> None:
            snapshot.version = number
            snapshot.meta = metas

        self.write("snapshot", renew)
        self.point(number)

    def point(self, snapshot: int) -> None:
        """Have a new timestamp lead to a snapshot."""

        def renew(timestamp: Timestamp) -> None:
            timestamp.version += 1
            timestamp.snapshot_meta = self._meta("snapshot", snapshot)

        self.write("timestamp", renew)

    def _meta(self, role: str, number: int | None) -> MetaFile:
        number = self.newest(role) if number is None else number
        data = (self._fleet.metadata / f"{number}.{role}.json").read_bytes()
        return MetaFile(number, len(data), {"sha256": hashlib.sha256(data).hexdigest()})

    def _signers(self, role: str) -> list[CryptoSigner]:
        if role not in self._stolen:
            return [self._own]
        holder = self.read("targets" if role == "stops" else "root").signed
        return list(self._fleet.keys.signers(role, holder.get_delegated_role(role)))
