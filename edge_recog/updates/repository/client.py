"""The client of The Update Framework: what is signed now, and the files that belong to it.

https://theupdateframework.github.io/specification/latest/#detailed-client-workflow, as python-tuf
does it. What it has seen stays in a folder, so that nothing older is believed afterwards.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tuf.api import exceptions
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

from edge_recog.files import write_file
from edge_recog.signing.small_files import make_durable
from edge_recog.updates.errors import RefusedError, UnreachableError, UnusableUpdatesError
from edge_recog.updates.release import (
    SCHEMA_VERSION,
    Offer,
    Offers,
    Stops,
    decode_release,
    decode_stops,
    latest_path,
    settled_path,
    stops_path,
)
from edge_recog.updates.repository.fetcher import Fetcher, HttpStatusError
from edge_recog.updates.repository.protocol import MOST_MODEL_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog.updates.errors import Refusal

_CONFIG: Final = UpdaterConfig(
    # One role beside the four: that of stops.
    max_delegations=1,
    root_max_length=65_536,
    timestamp_max_length=16_384,
    snapshot_max_length=65_536,
    targets_max_length=2**20,
)
_REASONS: Final[tuple[tuple[type[Exception], Refusal], ...]] = (
    (exceptions.UnsignedMetadataError, "unsigned"),
    (exceptions.ExpiredMetadataError, "expired"),
    (exceptions.BadVersionNumberError, "rollback"),
    (exceptions.LengthOrHashMismatchError, "altered"),
    (exceptions.DownloadLengthMismatchError, "oversized"),
    (exceptions.RepositoryError, "malformed"),
)
"""Subclasses before what they are subclasses of."""


class TufRepository:
    """Static files on a web server. One at a time may use a folder."""

    def __init__(self, folder: Path, url: str, root: bytes, fetcher: Fetcher) -> None:
        """Touch nothing yet.

        Args:
            folder: For what was seen, and for parts of files.
            url: Of the folder that the publisher writes.
            root: The publisher's root.json, which is trusted.
            fetcher: Is closed with this.
        """
        self._metadata = folder / "metadata"
        self._downloads = folder / "downloads"
        self._url = url.rstrip("/")
        self._root = root
        self._fetcher = fetcher

    def look(self, channel: str) -> Offers:
        """See `Repository`."""
        try:
            self._metadata.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="edge-recog-updates.") as folder:
                _copy(self._metadata, Path(folder))
                try:
                    latest, settled, stops = self._asked(Path(folder), channel)
                finally:
                    # What was verified before a refusal counts, too.
                    _keep(Path(folder), self._metadata)
        except OSError as error:
            raise UnusableUpdatesError(
                f"{self._metadata}: cannot be read or written: {error.strerror or error}"
            ) from error
        return Offers(
            latest=None if latest is None else _offer(latest, channel),
            settled=None if settled is None else _offer(settled, channel),
            stops=(
                Stops(schema_version=SCHEMA_VERSION, channel=channel)
                if stops is None
                else decode_stops(_custom(stops), channel=channel)
            ),
        )

    def fetch(self, offer: Offer) -> bytes:
        """See `Repository`."""
        return self.fetch_file(offer).read_bytes()

    def fetch_file(self, offer: Offer) -> Path:
        """Return the path of the file of an offer, which was checked; see `fetch`."""
        digest = offer.release.model
        folder, _, name = offer.target.rpartition("/")
        url = f"{self._url}/targets/{quote(folder)}/{digest}.{quote(name)}"
        path = self._downloads / f"{digest}.part"
        try:
            self._downloads.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._drop_others(digest)
            had_part = path.exists()
            for is_last in (not had_part, True):
                with _translated(url):
                    self._fetcher.download(url, path, offer.size_bytes)
                if _sha256(path) == digest:
                    return path
                # A part of before may have been damaged on the disk: once more, from the start.
                path.unlink()
                if is_last:
                    break
        except OSError as error:
            raise UnusableUpdatesError(
                f"{path}: cannot be read or written: {error.strerror or error}"
            ) from error
        raise RefusedError(f"{url}: another file than was signed", "altered")

    def forget(self, model: str) -> None:
        """See `Repository`."""
        (self._downloads / f"{model}.part").unlink(missing_ok=True)

    def close(self) -> None:
        """See `Repository`."""
        self._fetcher.close()

    def _drop_others(self, digest: str) -> None:
        """Keep parts of one file only."""
        for path in self._downloads.glob("*.part"):
            if path.name != f"{digest}.part":
                path.unlink(missing_ok=True)

    def _asked(self, folder: Path, channel: str) -> tuple[Any, Any, Any]:
        """Return the targets latest, settled and stops of a channel; None for each there is not."""
        with _translated(self._url):
            client = Updater(
                str(folder),
                f"{self._url}/metadata",
                fetcher=self._fetcher,
                config=_CONFIG,
                bootstrap=self._root,
            )
            client.refresh()
            return (
                client.get_targetinfo(latest_path(channel)),
                client.get_targetinfo(settled_path(channel)),
                client.get_targetinfo(stops_path(channel)),
            )


def _copy(kept: Path, work: Path) -> None:
    """Give python-tuf a copy to work on: it writes at each look, which flash would have to bear."""
    for path in _files(kept):
        target = work / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((kept / path).read_bytes())


def _keep(work: Path, kept: Path) -> None:
    """Write down what has changed, so that it outlasts a power cut."""
    # Roots first, the timestamp last.
    for path in sorted(_files(work), key=lambda path: (path.parent.name == "", path.name)):
        data = (work / path).read_bytes()
        if not (kept / path).exists() or (kept / path).read_bytes() != data:
            write_file(kept / path, data, force=True)
            make_durable((kept / path).parent)


def _files(folder: Path) -> list[Path]:
    """Return the metadata in a folder, as paths in it; without the link to the newest root."""
    found = [*folder.glob("*.json"), *folder.glob("root_history/*.json")]
    return [path.relative_to(folder) for path in found if not path.is_symlink()]


def _offer(target: Any, channel: str) -> Offer:
    digest = target.hashes.get("sha256", "")
    if target.length > MOST_MODEL_BYTES:
        raise RefusedError(
            f"the release of {channel} has {target.length} bytes, more than any model", "oversized"
        )
    release = decode_release(_custom(target), channel=channel, digest=digest)
    return Offer(release, target.path, target.length)


def _custom(target: Any) -> Any:
    """Return what a publisher says of a target; nothing, if that is of the wrong form."""
    return target.unrecognized_fields.get("custom")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Raise UpdateErrors in the place of python-tuf's."""
    try:
        yield
    except HttpStatusError as error:
        raise UnreachableError(str(error), retry_after_s=error.retry_after_s) from error
    except (exceptions.RepositoryError, exceptions.DownloadLengthMismatchError) as error:
        reason = next(reason for kind, reason in _REASONS if isinstance(error, kind))
        told = str(error)[:300].encode("unicode_escape").decode()
        raise RefusedError(f"{where}: refused ({reason}): {told}", reason) from error
    except exceptions.DownloadError as error:
        raise UnreachableError(str(error)) from error
