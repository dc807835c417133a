"""Collecting wheels with pip, from wherever this user's pip fetches packages."""

from __future__ import annotations

import datetime
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edge_recog.errors import UsageError
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels.archives import SUFFIX, Wheel, read_wheel, sha256_of
from edge_recog_devices.wheels.closure import close, first_requirements
from edge_recog_devices.wheels.manifest import MANIFEST, REQUIREMENTS, Manifest, WheelFile
from edge_recog_devices.wheels.project import PROJECT, ProjectWheel, project_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_recog_devices.wheels.target import Target

_logger = logging.getLogger(__name__)

_MOST_ROUNDS: Final = 5
"""Each finds what the one before turned out to need."""
_PIP_TIMEOUT_S = 1800
_NOT_FOUND = re.compile(r"No matching distribution found for ([^\n(]+)")
_CONFLICT = re.compile(r"Cannot install (.+?) because these package versions have conflicting")
_UNREACHABLE = re.compile(
    r"Failed to establish a new connection|Could not fetch URL|NewConnectionError|ProxyError|"
    r"Name or service not known|Temporary failure in name resolution|Read timed out"
)


def collect(
    target: Target,
    out: Path,
    *,
    extras: Sequence[str] = (),
    wheel: Path | None = None,
    force: bool = False,
) -> Manifest:
    """Collect all that installing edge-recog on a device needs, and write a manifest.

    The folder appears whole or not at all.

    Args:
        target: The device.
        out: A folder that is made.
        extras: Of edge-recog, such as `daemon`.
        wheel: Of edge-recog; made of the one in use here if None.
        force: Replace a folder of collected wheels.

    Raises:
        UsageError: The folder cannot be made or replaced, or there is no such extra.
        WheelsError: Some wheels are not to be had.
    """
    _refuse_occupied(out, force=force)
    _require_pip()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UsageError(f"{out}: cannot be made: {error.strerror or error}") from error
    try:
        (folder / "own").mkdir()
        if wheel is None:
            own = project_wheel(folder / "own")
        else:
            own = ProjectWheel(wheel, f"the file {wheel}")
        ready = folder / "ready"
        wheels = _gather(target, folder, read_wheel(own.path), tuple(extras))
        manifest = _write(ready, target, wheels, own, extras)
        _put_in_place(ready, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def _gather(target: Target, folder: Path, own: Wheel, extras: tuple[str, ...]) -> dict[str, Wheel]:
    """Download until nothing that the target needs is missing; return what it needs."""
    if own.name != PROJECT:
        raise UsageError(f"{own.path}: a wheel of {own.name}, not of {PROJECT}")
    _require_extras(own, extras)
    environment = target.marker_environment
    wanted = [str(one) for one in first_requirements(own, extras, environment)]
    for number in range(_MOST_ROUNDS):
        place = folder / f"round-{number}"
        _download(target, wanted, place)
        wheels = {PROJECT: own, **_wheels_in(place, target)}
        closure = close(PROJECT, extras, wheels, environment)
        if not closure.missing:
            return {name: wheels[name] for name in sorted(closure.needed)}
        _logger.debug("the target needs also: %s", ", ".join(map(str, closure.missing)))
        wanted += [str(one) for one in closure.missing]
    names = ", ".join(map(str, closure.missing))
    raise WheelsError(f"no set of wheels is complete for {target}: {names}")


def _download(target: Target, wanted: Sequence[str], place: Path) -> None:
    """Have pip download wheels for the target.

    Raises:
        WheelsError: One is not to be had, or the index does not answer.
    """
    place.mkdir()
    lists = {"requirements": wanted, "constraints": target.constraints}
    for name, lines in lists.items():
        place.with_name(f"{name}.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    command += ["--no-input", "--progress-bar", "off", *target.pip_options, "--dest", str(place)]
    command += ["--constraint", str(place.with_name("constraints.txt"))]
    command += ["--requirement", str(place.with_name("requirements.txt"))]
    _logger.debug("%s", " ".join(command))
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"},
            timeout=_PIP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WheelsError(f"pip is not done after {_PIP_TIMEOUT_S} s; try again") from error
    if done.returncode != 0:
        raise WheelsError(_complaint(done.stderr or done.stdout, target))


def _complaint(said: str, target: Target) -> str:
    """Return in one sentence why pip failed."""
    # A mirror that answers at the second try is no reason; one that knows no version at all may be.
    if _UNREACHABLE.search(said) and ("from versions: none" in said or not _NOT_FOUND.search(said)):
        return "pip does not reach its package index: see the network, and pip config list"
    if found := _NOT_FOUND.search(said):
        return (
            f"there is no wheel of {found[1].strip()} for {target}; packages without one are not "
            "built here: see whether the index of your pip has it (pip config list)"
        )
    if found := _CONFLICT.search(said):
        return f"no versions go together for {target}: {found[1]}"
    lines = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.strip()]
    return f"pip failed: {lines[-1] if lines else 'it says nothing'}"


def _wheels_in(place: Path, target: Target) -> dict[str, Wheel]:
    """Return the wheels of a folder by name.

    Raises:
        WheelsError: Something is no wheel, or not one for the target.
    """
    found: dict[str, Wheel] = {}
    tags = target.tags
    for path in sorted(place.iterdir()):
        if path.suffix != SUFFIX:
            raise WheelsError(f"{path.name} is no wheel; packages are not built on devices")
        wheel = read_wheel(path)
        if not wheel.tags & tags:
            raise WheelsError(f"{path.name} cannot be installed on {target}")
        found[wheel.name] = wheel
    return found


def _write(
    ready: Path, target: Target, wheels: dict[str, Wheel], own: ProjectWheel, extras: Iterable[str]
) -> Manifest:
    ready.mkdir()
    files = []
    for name, wheel in wheels.items():
        place = ready / wheel.path.name
        shutil.copyfile(wheel.path, place)
        files.append(
            WheelFile(
                file=place.name,
                distribution=name,
                version=wheel.version,
                size=place.stat().st_size,
                sha256=sha256_of(place),
            )
        )
    asked = ",".join(sorted(map(canonicalize_name, extras)))
    manifest = Manifest(
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        target=target,
        project=f"{PROJECT}[{asked}]" if asked else PROJECT,
        version=wheels[PROJECT].version,
        project_from=own.origin,
        files=tuple(files),
    )
    (ready / REQUIREMENTS).write_text(manifest.requirements(), encoding="utf-8")
    (ready / MANIFEST).write_bytes(manifest.encode())
    return manifest


def _put_in_place(ready: Path, out: Path) -> None:
    """Let the finished folder take the place of an old one."""
    try:
        ready.chmod(0o755)
        if out.exists():
            out.rename(ready.with_name("old"))  # Goes with the temporary folder.
        ready.rename(out)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error.strerror or error}") from error


def _refuse_occupied(out: Path, *, force: bool) -> None:
    """Refuse to replace a folder, and always one that has anything else in it.

    Raises:
        UsageError: There is something.
    """
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise UsageError(f"{out}: not a folder; name another")
    inside = {path.name for path in out.iterdir()}
    ours = all(name in {MANIFEST, REQUIREMENTS} or name.endswith(SUFFIX) for name in inside)
    if inside and not ours:
        raise UsageError(f"{out}: there are other files in it; name another folder")
    if inside and not force:
        raise UsageError(f"{out}: exists already; name another folder, or add --force")


def _require_pip() -> None:
    if find_spec("pip") is None:
        raise WheelsError(f"pip is not installed for this Python: {sys.executable} -m ensurepip")


def _require_extras(own: Wheel, extras: Iterable[str]) -> None:
    known = set()
    for requirement in own.requires:
        known |= set(re.findall(r"""extra == ["']([\w.-]+)["']""", str(requirement.marker)))
    for extra in extras:
        if canonicalize_name(extra) not in map(canonicalize_name, known):
            raise UsageError(f"{PROJECT} has no extra {extra!r}; it has {', '.join(sorted(known))}")


def parse_extras(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the extras that `--extra daemon` and `--extra daemon,devices` name.

    Raises:
        UsageError: One is no name.
    """
    found = [one.strip() for text in texts for one in text.split(",")]
    for one in found:
        try:
            Requirement(f"{PROJECT}[{one}]")
        except ValueError as error:
            raise UsageError(f"{one!r} is no name of an extra, such as daemon") from error
    return tuple(dict.fromkeys(map(str, map(canonicalize_name, found))))
