"""Wheels as files: what they are called, and what they say of themselves."""

from __future__ import annotations

import hashlib
import zipfile
from email.parser import HeaderParser
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from edge_recog_devices.errors import WheelsError

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.tags import Tag

SUFFIX = ".whl"
_MOST_METADATA = 4_000_000


class Wheel(NamedTuple):
    """A wheel that was looked into."""

    path: Path
    name: str
    """Of its distribution, in the form in which names are compared."""
    version: str
    tags: frozenset[Tag]
    requires: tuple[Requirement, ...]


def read_wheel(path: Path) -> Wheel:
    """Return what a wheel says of itself.

    Raises:
        WheelsError: It is no wheel, or is damaged.
    """
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            (metadata,) = (
                one
                for one in archive.infolist()
                if one.filename.count("/") == 1 and one.filename.endswith(".dist-info/METADATA")
            )
            if metadata.file_size > _MOST_METADATA:
                raise WheelsError(f"{path.name}: its metadata is larger than any")
            message = HeaderParser().parsestr(archive.read(metadata).decode())
        requires = tuple(map(Requirement, message.get_all("Requires-Dist", [])))
    except (InvalidWheelFilename, InvalidRequirement, zipfile.BadZipFile) as error:
        raise WheelsError(f"{path.name}: no wheel: {error}") from error
    except ValueError as error:
        raise WheelsError(f"{path.name}: no wheel: it has not one METADATA of text") from error
    except OSError as error:
        raise WheelsError(f"{path}: cannot be read: {error.strerror or error}") from error
    return Wheel(path, canonicalize_name(name), str(version), frozenset(tags), requires)


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
