"""Signing what has changed, and putting it where it is served: the timestamp last."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    TargetFile,
    Targets,
    Timestamp,
)

from edge_recog.errors import UsageError
from edge_recog.signing.statements import EARLIEST_CLOCK
from edge_recog_devices.publishing.roles import OFFLINE, expiry, is_due
from edge_recog_devices.publishing.site import STOPS, Signed, Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from edge_recog_devices.publishing.keys import KeyFolders


class Signatory:
    """The keys of a repository, and what they do to it."""

    def __init__(self, site: Site, keys: KeyFolders, now: Callable[[], datetime]) -> None:
        """Touch nothing yet."""
        self._site = site
        self._keys = keys
        self._now = now

    def clock(self) -> datetime:
        """Return the time.

        Raises:
            UsageError: It is not set.
        """
        now = self._now()
        if now < EARLIEST_CLOCK:
            raise UsageError(
                f"the clock says {now:%Y-%m-%d}: set it before signing: sudo timedatectl set-ntp "
                "true"
            )
        return now

    def changed(
        self,
        signed: Signed,
        role: str,
        now: datetime,
        *,
        targets: dict[str, TargetFile] | None = None,
        signed_part: Targets | None = None,
    ) -> Signed:
        """Return it with the next version of targets or stops, not signed yet."""
        held: Targets = getattr(signed, role).signed
        part = copy.deepcopy(held) if signed_part is None else signed_part
        part.version = self._site.next_version(role, held.version)
        part.expires = expiry(role, now)  # type: ignore[arg-type]
        if targets is not None:
            part.targets = targets
        parts: dict[str, Any] = {role: Metadata(part)}
        return replace(signed, **parts)

    def new_root_of(self, signed: Signed, root: Root, now: datetime) -> Signed:
        """Return it with a new root, signed by the keys before and after."""
        root.version = signed.root.signed.version + 1
        root.expires = expiry("root", now)
        metadata = Metadata(root)
        signers = self._keys.signers("root", signed.root.signed.roles["root"])
        for signer in [*signers, *self._keys.signers("root", root.roles["root"])]:
            metadata.sign(signer, append=True)
        return replace(signed, root=metadata)

    def exchange(self, holder: Root | Targets, role: str, key: str | None) -> None:
        """Put new keys in the place of a role's, or of the one whose id begins so.

        Raises:
            UsageError: There is no such key.
        """
        held = list(holder.get_delegated_role(role).keyids)
        old = held if key is None else [one for one in held if one.startswith(key)]
        if not old:
            raise UsageError(f"{role}: no key starts with {key}: {', '.join(held)}")
        for one in old:
            holder.revoke_key(one, role)
            signer = self._keys.new(role, encrypted=role in OFFLINE)
            holder.add_key(signer.public_key, role)

    def sign(self, metadata: Metadata[Any], signed: Signed, role: str) -> None:
        """Sign it with the keys that a role has, in the place of whatever signatures it had.

        Raises:
            MissingKeyError: Too few of them are here.
        """
        holder = signed.targets.signed if role == STOPS else signed.root.signed
        metadata.signatures.clear()
        for signer in self._keys.signers(role, holder.get_delegated_role(role)):
            metadata.sign(signer, append=True)

    def announce(
        self,
        signed: Signed,
        renewed: set[str],
        *,
        new_snapshot: bool = False,
        new_root: bool = False,
    ) -> Signed:
        """Write what is new, the timestamp last; return what holds then."""
        now = self.clock()
        snapshot = copy.deepcopy(signed.snapshot.signed)
        if renewed or new_snapshot or is_due("snapshot", snapshot.expires, now):
            for role in ("targets", STOPS):
                snapshot.meta[f"{role}.json"] = _meta(getattr(signed, role))
            snapshot.version = self._site.next_version("snapshot", snapshot.version)
            snapshot.expires = expiry("snapshot", now)
            signed = replace(signed, snapshot=Metadata(snapshot))
            self.sign(signed.snapshot, signed, "snapshot")
        timestamp = Timestamp(
            signed.timestamp.signed.version + 1,
            expires=expiry("timestamp", now),
            snapshot_meta=_meta(signed.snapshot),
        )
        signed = replace(signed, timestamp=Metadata(timestamp))
        self.sign(signed.timestamp, signed, "timestamp")
        # All is signed: now it can only be interrupted.
        for role in ("targets", STOPS):
            if role in renewed:
                self._site.write_metadata(getattr(signed, role), role)
        self._site.write_metadata(signed.snapshot, "snapshot")
        if new_root:
            self._site.write_metadata(signed.root, "root")
        self._site.write_metadata(signed.timestamp, "timestamp")
        return signed


def _meta(metadata: Metadata[Any]) -> MetaFile:
    data = metadata.to_bytes()
    return MetaFile(
        metadata.signed.version, len(data), {"sha256": hashlib.sha256(data).hexdigest()}
    )
