"""Publishing: releases, stops, new signatures and new keys. Devices see each as a whole."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tuf.api.metadata import (  # type: ignore[attr-defined]
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edge_recog.errors import UsageError
from edge_recog.files import write_file
from edge_recog.signing.small_files import read_small
from edge_recog.signing.statements import EARLIEST_CLOCK
from edge_recog.updates.cohort import WHOLE_PPM
from edge_recog.updates.release import (
    MOST_STOPPED,
    SCHEMA_VERSION,
    Release,
    Stopped,
    Stops,
    decode_release,
    decode_stops,
    latest_path,
    settled_path,
    stops_path,
    to_custom,
)
from edge_recog_devices.publishing.errors import MissingKeyError, PublishError
from edge_recog_devices.publishing.roles import OFFLINE, ROLES, Role, expiry, is_due
from edge_recog_devices.publishing.site import STOPS, TARGETS, Signed, Site, refuse_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_devices.publishing.keys import KeyFolders

_MOST_ROOT_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Channel:
    """How a channel stands."""

    latest: Release
    settled: Release | None
    stops: Stops


class Publisher:
    """A repository and the keys that sign it."""

    def __init__(
        self,
        folder: Path,
        keys: KeyFolders,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait_s: float = 10.0,
    ) -> None:
        """Touch nothing yet.

        Args:
            folder: To be served.
            keys: Private ones; elsewhere.
            now: The time, in UTC.
            wait_s: For another publisher to be done.

        Raises:
            UsageError: The keys would be served as well.
        """
        for one in keys.folders:
            refuse_inside(one, folder)
        self._site = Site(folder, wait_s)
        self._keys = keys
        self._now = now

    def create(self, *, root_keys: int = 1, root_threshold: int = 1) -> None:
        """Make keys and an empty repository.

        Args:
            root_keys: How many keys the root has.
            root_threshold: How many of them must sign.

        Raises:
            UsageError: There is one, or it cannot be written.
        """
        if not 1 <= root_threshold <= root_keys:
            raise UsageError(f"{root_threshold} of {root_keys} keys cannot sign")
        if self._keys.anchor.exists() or (self._site.folder / "metadata").exists():
            raise UsageError(f"{self._site.folder}: there is a repository or its keys already")
        now = self._clock()
        self._site.folder.mkdir(parents=True, exist_ok=True)
        with self._site.alone():
            root = Root(version=1, expires=expiry("root", now), consistent_snapshot=True)
            delegation = DelegatedRole(STOPS, [], 1, True, paths=[f"{STOPS}/*"])
            delegations = Delegations(keys={}, roles={STOPS: delegation})
            targets = Targets(1, expires=expiry("targets", now), delegations=delegations)
            for role in ROLES:
                for _ in range(root_keys if role == "root" else 1):
                    signer = self._keys.new(role, encrypted=role in OFFLINE)
                    if role == STOPS:
                        targets.add_key(signer.public_key, STOPS)
                    else:
                        root.add_key(signer.public_key, role)
            root.roles["root"].threshold = root_threshold
            signed = Signed(
                Metadata(root),
                Metadata(Timestamp(1, expires=expiry("timestamp", now))),
                Metadata(Snapshot(1, expires=expiry("snapshot", now))),
                Metadata(targets),
                Metadata(Targets(1, expires=expiry("stops", now))),
            )
            self._sign(signed.root, signed, "root")
            self._sign(signed.targets, signed, "targets")
            self._sign(signed.stops, signed, STOPS)
            write_file(self._keys.anchor, signed.root.to_bytes(), force=False)
            self._site.write_metadata(signed.root, "root")
            self._announce(signed, {"targets", STOPS})

    def publish(
        self,
        model: bytes,
        *,
        name: str,
        channel: str,
        share_ppm: int,
        signature: bytes | None = None,
        minimum_version: str = "0",
        profiles: tuple[str, ...] = (),
        again: bool = False,
    ) -> Release:
        """Give a model to a share of a channel's devices; of the same model, to a larger share.

        Args:
            model: The file.
            name: The model's.
            channel: A name that devices follow.
            share_ppm: In millionths.
            signature: Its detached signature's file.
            minimum_version: Of edge-recog, that it needs.
            profiles: Kinds of devices; all if there are none.
            again: Whether to make a new release of a model that is the newest already.

        Returns:
            What is signed about it.

        Raises:
            UsageError: A value is out of range, or the share would shrink.
            PublishError: It is not published.
        """
        with self._site.alone():
            signed, now = self._read(), self._clock()
            before = self._channel(signed, channel)
            digest = hashlib.sha256(model).hexdigest()
            number, created_at = 1 + _newest(before), now.replace(microsecond=0)
            is_same = before is not None and before.latest.model == digest and not again
            if before is not None and is_same:
                number, created_at = before.latest.number, before.latest.created_at
                self._require_larger(before, share_ppm)
            try:
                release = Release(
                    schema_version=SCHEMA_VERSION,
                    channel=channel,
                    number=number,
                    model=digest,
                    name=name,
                    share_ppm=share_ppm,
                    created_at=created_at,
                    minimum_version=minimum_version,
                    profiles=profiles,
                    signature="" if signature is None else base64.b64encode(signature).decode(),
                )
                custom = to_custom(release)
            except ValueError as error:
                raise UsageError(f"this cannot be published: {error}") from error
            files = dict(signed.targets.signed.targets)
            if before is not None and not is_same and _is_settled(before):
                self._settle(files, channel)
            path = latest_path(channel)
            self._place(path, digest, model)
            files[path] = _target(path, model, custom)
            signed = self._changed(signed, "targets", now, targets=files)
            self._sign(signed.targets, signed, "targets")
            self._announce(signed, {"targets"})
            return release

    def stop(self, channel: str, reason: str, *, number: int | None = None) -> Stopped:
        """Let no device get a release any more; those that have it on trial give it up.

        Args:
            channel: Its name.
            reason: A sentence, for people.
            number: Of the release; the latest if None.

        Raises:
            UsageError: There is no such release.
            PublishError: It is not stopped.
        """
        with self._site.alone():
            signed, now = self._read(), self._clock()
            known = self._channel(signed, channel)
            if known is None or not 1 <= (number or 1) <= _newest(known):
                raise UsageError(f"{channel}: there is no such release")
            stopped = Stopped(
                number=number or known.latest.number,
                reason=" ".join(reason.split())[:400],
                at=now.replace(microsecond=0),
            )
            others = [one for one in known.stops.stopped if one.number != stopped.number]
            stops = Stops(
                schema_version=SCHEMA_VERSION,
                channel=channel,
                stopped=(*others, stopped)[-MOST_STOPPED:],
            )
            try:
                custom = to_custom(stops)
            except ValueError as error:
                raise UsageError(f"this cannot be published: {error}") from error
            path = stops_path(channel)
            files = {**signed.stops.signed.targets, path: _target(path, b"", custom)}
            signed = self._changed(signed, STOPS, now, targets=files)
            self._sign(signed.stops, signed, STOPS)
            self._announce(signed, {STOPS})
            return stopped

    def refresh(self) -> dict[Role, datetime]:
        """Sign anew what has half of its time behind it, and always the timestamp.

        Returns:
            Until when each role holds. Where keys are not here, that is as before.

        Raises:
            PublishError: Not even the timestamp can be signed.
        """
        with self._site.alone():
            signed, now = self._read(), self._clock()
            renewed: set[str] = set()
            for role in ("targets", STOPS):
                part: Metadata[Any] = getattr(signed, role)
                if is_due(role, part.signed.expires, now):
                    after = self._changed(signed, role, now)
                    with contextlib.suppress(MissingKeyError):
                        self._sign(getattr(after, role), after, role)
                        signed = after
                        renewed.add(role)
            if is_due("root", signed.root.signed.expires, now):
                with contextlib.suppress(MissingKeyError):
                    signed = self._new_root(signed, copy.deepcopy(signed.root.signed), now)
                    self._site.write_metadata(signed.root, "root")
            return _expiries(self._announce(signed, renewed))

    def rotate(self, role: Role, *, key: str | None = None) -> None:
        """Replace a role's keys by new ones: what the old ones sign counts no more.

        Args:
            role: Of the five.
            key: Id of the only key to replace; all of them if None.

        Raises:
            UsageError: There is no such key.
            PublishError: Too few keys are here to sign that.
        """
        with self._site.alone():
            signed, now = self._read(), self._clock()
            if role == STOPS:
                targets = copy.deepcopy(signed.targets.signed)
                self._exchange(targets, role, key)
                signed = self._changed(signed, "targets", now, signed_part=targets)
                signed = self._changed(signed, STOPS, now)
                self._sign(signed.targets, signed, "targets")
                self._sign(signed.stops, signed, STOPS)
                self._announce(signed, {"targets", STOPS})
                return
            root = copy.deepcopy(signed.root.signed)
            self._exchange(root, role, key)
            signed = self._new_root(signed, root, now)
            renewed: set[str] = set()
            if role == "targets":
                signed = self._changed(signed, role, now)
                self._sign(signed.targets, signed, role)
                renewed.add(role)
            self._announce(signed, renewed, new_snapshot=role == "snapshot", new_root=True)

    def channels(self) -> dict[str, Channel]:
        """Return how the channels stand.

        Raises:
            PublishError: The files cannot be believed.
        """
        signed = self._read()
        names = {path.split("/")[0] for path in signed.targets.signed.targets}
        found = {name: self._channel(signed, name) for name in sorted(names)}
        return {name: one for name, one in found.items() if one is not None}

    def expiries(self) -> dict[Role, datetime]:
        """Return until when each role holds.

        Raises:
            PublishError: The files cannot be believed.
        """
        return _expiries(self._read())

    def _read(self) -> Signed:
        path = self._keys.anchor
        try:
            anchor = read_small(path, most_bytes=_MOST_ROOT_BYTES)
        except OSError as error:
            raise PublishError(
                f"{path}: cannot be read: {error.strerror or error}; edge-recog publish init makes "
                "it together with the keys: if they are elsewhere, name their folder with --keys"
            ) from error
        return self._site.read(anchor)

    def _clock(self) -> datetime:
        now = self._now()
        if now < EARLIEST_CLOCK:
            raise UsageError(
                f"the clock says {now:%Y-%m-%d}: set it before signing: sudo timedatectl set-ntp "
                "true"
            )
        return now

    def _channel(self, signed: Signed, channel: str) -> Channel | None:
        releases: list[Release | None] = []
        for path in (latest_path(channel), settled_path(channel)):
            target = signed.targets.signed.targets.get(path)
            releases.append(
                None
                if target is None
                else decode_release(target.custom, channel=channel, digest=target.hashes["sha256"])
            )
        latest, settled = releases
        if latest is None:
            return None
        listed = signed.stops.signed.targets.get(stops_path(channel))
        stops = (
            Stops(schema_version=SCHEMA_VERSION, channel=channel)
            if listed is None
            else decode_stops(listed.custom, channel=channel)
        )
        return Channel(latest, settled, stops)

    def _require_larger(self, before: Channel, share_ppm: int) -> None:
        latest = before.latest
        if share_ppm < latest.share_ppm:
            raise UsageError(
                f"release {latest.number} is for {latest.share_ppm / 1e4:g} % already, and a share "
                "does not shrink: edge-recog publish stop keeps others from it"
            )
        if before.stops.reason_for(latest.number) is not None:
            raise UsageError(
                f"release {latest.number} of this model was stopped; --again makes a new release"
            )

    def _settle(self, files: dict[str, TargetFile], channel: str) -> None:
        """Keep the latest release, which everybody may have, beside the one that comes."""
        latest = files[latest_path(channel)]
        digest = latest.hashes["sha256"]
        source = self._site.folder / TARGETS / channel / f"{digest}.latest.tflite"
        try:
            data = source.read_bytes()
        except OSError as error:
            raise PublishError(f"{source}: cannot be read: {error.strerror or error}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise PublishError(f"{source}: damaged; restore it from where it was copied to")
        path = settled_path(channel)
        self._place(path, digest, data)
        files[path] = _target(path, data, latest.custom)

    def _place(self, path: str, digest: str, data: bytes) -> None:
        folder, _, name = path.rpartition("/")
        place = f"{TARGETS}/{folder}/{digest}.{name}"
        if not (self._site.folder / place).exists():
            self._site.write(place, data)

    def _changed(
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

    def _new_root(self, signed: Signed, root: Root, now: datetime) -> Signed:
        """Return it with a new root, signed by the keys before and after."""
        root.version = signed.root.signed.version + 1
        root.expires = expiry("root", now)
        metadata = Metadata(root)
        signers = self._keys.signers("root", signed.root.signed.roles["root"])
        for signer in [*signers, *self._keys.signers("root", root.roles["root"])]:
            metadata.sign(signer, append=True)
        return replace(signed, root=metadata)

    def _exchange(self, holder: Root | Targets, role: str, key: str | None) -> None:
        held = list(holder.get_delegated_role(role).keyids)
        old = held if key is None else [one for one in held if one.startswith(key)]
        if not old:
            raise UsageError(f"{role}: no key starts with {key}: {', '.join(held)}")
        for one in old:
            holder.revoke_key(one, role)
            signer = self._keys.new(role, encrypted=role in OFFLINE)
            holder.add_key(signer.public_key, role)

    def _sign(self, metadata: Metadata[Any], signed: Signed, role: str) -> None:
        holder = signed.targets.signed if role == STOPS else signed.root.signed
        metadata.signatures.clear()
        for signer in self._keys.signers(role, holder.get_delegated_role(role)):
            metadata.sign(signer, append=True)

    def _announce(
        self,
        signed: Signed,
        renewed: set[str],
        *,
        new_snapshot: bool = False,
        new_root: bool = False,
    ) -> Signed:
        """Write what is new, the timestamp last; return what holds then."""
        now = self._clock()
        snapshot = copy.deepcopy(signed.snapshot.signed)
        if renewed or new_snapshot or is_due("snapshot", snapshot.expires, now):
            for role in ("targets", STOPS):
                snapshot.meta[f"{role}.json"] = _meta(getattr(signed, role))
            snapshot.version = self._site.next_version("snapshot", snapshot.version)
            snapshot.expires = expiry("snapshot", now)
            signed = replace(signed, snapshot=Metadata(snapshot))
            self._sign(signed.snapshot, signed, "snapshot")
        timestamp = Timestamp(
            signed.timestamp.signed.version + 1,
            expires=expiry("timestamp", now),
            snapshot_meta=_meta(signed.snapshot),
        )
        signed = replace(signed, timestamp=Metadata(timestamp))
        self._sign(signed.timestamp, signed, "timestamp")
        # All is signed: now it can only be interrupted.
        for role in ("targets", STOPS):
            if role in renewed:
                self._site.write_metadata(getattr(signed, role), role)
        self._site.write_metadata(signed.snapshot, "snapshot")
        if new_root:
            self._site.write_metadata(signed.root, "root")
        self._site.write_metadata(signed.timestamp, "timestamp")
        return signed


def _newest(channel: Channel | None) -> int:
    if channel is None:
        return 0
    settled = 0 if channel.settled is None else channel.settled.number
    return max(channel.latest.number, settled, *(one.number for one in channel.stops.stopped), 0)


def _is_settled(channel: Channel) -> bool:
    """Tell whether everybody may have the latest release."""
    is_stopped = channel.stops.reason_for(channel.latest.number) is not None
    return channel.latest.share_ppm == WHOLE_PPM and not is_stopped


def _target(path: str, data: bytes, custom: dict[str, Any]) -> TargetFile:
    hashes = {"sha256": hashlib.sha256(data).hexdigest()}
    return TargetFile(len(data), hashes, path, {"custom": custom})


def _meta(metadata: Metadata[Any]) -> MetaFile:
    data = metadata.to_bytes()
    return MetaFile(
        metadata.signed.version, len(data), {"sha256": hashlib.sha256(data).hexdigest()}
    )


def _expiries(signed: Signed) -> dict[Role, datetime]:
    return {role: getattr(signed, role).signed.expires for role in ROLES}
