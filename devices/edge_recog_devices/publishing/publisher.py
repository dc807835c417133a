"""Publishing: releases, stops, new signatures and new keys. Devices see each as a whole."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tuf.api.metadata import (  # type: ignore[attr-defined]
    DelegatedRole,
    Delegations,
    Metadata,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edge_recog.errors import UsageError
from edge_recog.files import write_file
from edge_recog.signing.small_files import read_small
from edge_recog.updates.release import (
    MOST_STOPPED,
    SCHEMA_VERSION,
    Release,
    Stopped,
    Stops,
    latest_path,
    settled_path,
    stops_path,
    to_custom,
)
from edge_recog_devices.publishing.channels import Channel, channel_of, is_settled, newest_number
from edge_recog_devices.publishing.errors import MissingKeyError, PublishError
from edge_recog_devices.publishing.roles import OFFLINE, ROLES, Role, expiry, is_due
from edge_recog_devices.publishing.signatory import Signatory
from edge_recog_devices.publishing.site import STOPS, TARGETS, Signed, Site, refuse_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_devices.publishing.keys import KeyFolders

_MOST_ROOT_BYTES: Final = 2**20


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
        self._signatory = Signatory(self._site, keys, now)

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
        now = self._signatory.clock()
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
            self._signatory.sign(signed.root, signed, "root")
            self._signatory.sign(signed.targets, signed, "targets")
            self._signatory.sign(signed.stops, signed, STOPS)
            write_file(self._keys.anchor, signed.root.to_bytes(), force=False)
            self._site.write_metadata(signed.root, "root")
            self._signatory.announce(signed, {"targets", STOPS})

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
            signed, now = self._read(), self._signatory.clock()
            before = channel_of(signed, channel)
            digest = hashlib.sha256(model).hexdigest()
            number, created_at = 1 + newest_number(before), now.replace(microsecond=0)
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
            if before is not None and not is_same and is_settled(before):
                self._settle(files, channel)
            path = latest_path(channel)
            self._place(path, digest, model)
            files[path] = _target(path, model, custom)
            signed = self._signatory.changed(signed, "targets", now, targets=files)
            self._signatory.sign(signed.targets, signed, "targets")
            self._signatory.announce(signed, {"targets"})
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
            signed, now = self._read(), self._signatory.clock()
            known = channel_of(signed, channel)
            if known is None or not 1 <= (number or 1) <= newest_number(known):
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
            signed = self._signatory.changed(signed, STOPS, now, targets=files)
            self._signatory.sign(signed.stops, signed, STOPS)
            self._signatory.announce(signed, {STOPS})
            return stopped

    def refresh(self) -> dict[Role, datetime]:
        """Sign anew what has half of its time behind it, and always the timestamp.

        Returns:
            Until when each role holds. Where keys are not here, that is as before.

        Raises:
            PublishError: Not even the timestamp can be signed.
        """
        with self._site.alone():
            signed, now = self._read(), self._signatory.clock()
            renewed: set[str] = set()
            for role in ("targets", STOPS):
                part: Metadata[Any] = getattr(signed, role)
                if is_due(role, part.signed.expires, now):
                    after = self._signatory.changed(signed, role, now)
                    with contextlib.suppress(MissingKeyError):
                        self._signatory.sign(getattr(after, role), after, role)
                        signed = after
                        renewed.add(role)
            if is_due("root", signed.root.signed.expires, now):
                with contextlib.suppress(MissingKeyError):
                    signed = self._signatory.new_root_of(
                        signed, copy.deepcopy(signed.root.signed), now
                    )
                    self._site.write_metadata(signed.root, "root")
            return _expiries(self._signatory.announce(signed, renewed))

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
            signed, now = self._read(), self._signatory.clock()
            if role == STOPS:
                targets = copy.deepcopy(signed.targets.signed)
                self._signatory.exchange(targets, role, key)
                signed = self._signatory.changed(signed, "targets", now, signed_part=targets)
                signed = self._signatory.changed(signed, STOPS, now)
                self._signatory.sign(signed.targets, signed, "targets")
                self._signatory.sign(signed.stops, signed, STOPS)
                self._signatory.announce(signed, {"targets", STOPS})
                return
            root = copy.deepcopy(signed.root.signed)
            self._signatory.exchange(root, role, key)
            signed = self._signatory.new_root_of(signed, root, now)
            renewed: set[str] = set()
            if role == "targets":
                signed = self._signatory.changed(signed, role, now)
                self._signatory.sign(signed.targets, signed, role)
                renewed.add(role)
            self._signatory.announce(
                signed, renewed, new_snapshot=role == "snapshot", new_root=True
            )

    def channels(self) -> dict[str, Channel]:
        """Return how the channels stand.

        Raises:
            PublishError: The files cannot be believed.
        """
        signed = self._read()
        names = {path.split("/")[0] for path in signed.targets.signed.targets}
        found = {name: channel_of(signed, name) for name in sorted(names)}
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


def _target(path: str, data: bytes, custom: dict[str, Any]) -> TargetFile:
    hashes = {"sha256": hashlib.sha256(data).hexdigest()}
    return TargetFile(len(data), hashes, path, {"custom": custom})


def _expiries(signed: Signed) -> dict[Role, datetime]:
    return {role: getattr(signed, role).signed.expires for role in ROLES}
