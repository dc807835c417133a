"""Reading profiles: strictly, with all that is wrong told at once."""

from __future__ import annotations

import difflib
import functools
import tomllib
from importlib import resources
from pathlib import Path
from typing import Final

from edge_recog.errors import UsageError
from edge_recog.service.config.checking import check
from edge_recog.service.config.places import line_of
from edge_recog.service.config.problems import Problem
from edge_recog_devices.errors import ProfileError
from edge_recog_devices.profiles.schema import SCHEMA_VERSION, Profile

SUFFIX: Final = ".toml"
_MOST_BYTES = 262_144
_MOST_LINES_TOLD = 20


@functools.cache
def shipped_profiles() -> tuple[Profile, ...]:
    """Return the profiles that come with the package, by name."""
    folder = resources.files(__package__)
    files = sorted((one for one in folder.iterdir() if one.name.endswith(SUFFIX)), key=_name)
    return tuple(parse_profile(one.read_bytes(), one.name) for one in files)


def _name(file: resources.abc.Traversable) -> str:
    return file.name


def find_profile(name: str) -> Profile:
    """Return a shipped profile by its name, or one of a file that ends in `.toml`.

    Raises:
        UsageError: There is none of this name; the nearest is told.
        ProfileError: The file is no profile.
    """
    if name.endswith(SUFFIX):
        return load_profile(Path(name))
    known = {profile.name: profile for profile in shipped_profiles()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"no profile {name!r}; {hint}")
    return known[name]


def load_profile(path: Path) -> Profile:
    """Return the profile that a file holds.

    Raises:
        ProfileError: It cannot be read, or something in it is wrong. All that is is told.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_profile(data, str(path))


def parse_profile(data: bytes, where: str) -> Profile:
    """Return the profile that a TOML text holds.

    Args:
        data: The text.
        where: For messages.

    Raises:
        ProfileError: It is none.
    """
    if len(data) > _MOST_BYTES:
        raise ProfileError(f"{where}: larger than {_MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8")
        tree = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ProfileError(f"{where}: not a text file in UTF-8") from error
    except ValueError as error:
        raise ProfileError(f"{where}: not TOML: {error}") from error
    except RecursionError as error:
        raise ProfileError(f"{where}: not TOML: nested too deeply") from error
    _require_version(tree.get("schema_version"), where)
    profile, mistakes = check(tree, Profile)
    if profile is None:
        problems = []
        for number, mistake in enumerate(mistakes):
            key = mistake.key.partition("[")[0]
            line = line_of(text, key) if key and number < _MOST_LINES_TOLD else None
            place = where if line is None else f"{where}:{line}"
            problems.append(str(Problem(place, mistake.text)))
        raise ProfileError("\n".join(problems))
    return profile


def _require_version(version: object, where: str) -> None:
    """Refuse what a later program wrote before anything else of it is judged.

    Raises:
        ProfileError: The version is not one that this program reads.
    """
    if version != SCHEMA_VERSION or isinstance(version, bool):
        told = "no schema_version" if version is None else f"schema_version {version!r}"
        raise ProfileError(f"{where}: {told}; this program reads {SCHEMA_VERSION}")
