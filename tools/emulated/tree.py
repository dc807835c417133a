"""Which state of the checkout is tested, and what the tests of one file depend on."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import msgspec

PARTS = ("edge_recog", "tests/conftest.py", "tests/edge_recog", "tests/native", "pyproject.toml")
"""What a run depends on."""
WHEEL = ("README.md", "LICENSE", "CHANGELOG.md")
"""What else is needed to build the wheel; no test looks at it."""


class Tree(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state of the checkout."""

    commit: str
    """In full."""
    changed: tuple[str, ...] = ()
    """Of `PARTS`, what differs from that commit; paths from the checkout's root."""


def export(checkout: Path, folder: Path, *, committed: bool) -> Tree:
    """Copy `PARTS` and `WHEEL` to an empty folder: as committed last, or as they are.

    Raises:
        subprocess.CalledProcessError: git failed; what it said is on stderr.
    """
    commit = _git(checkout, "rev-parse", "HEAD").strip()
    if committed:
        archive = folder / "archive.tar"
        _git(checkout, "archive", f"--output={archive}", commit, "--", *PARTS, *WHEEL)
        shutil.unpack_archive(archive, folder, filter="data")
        archive.unlink()
        return Tree(commit)
    listed = _git(
        checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--",
        *PARTS, *WHEEL,
    )  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (checkout / name).is_file():  # Not where it was removed and that is not committed yet.
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, folder / name)
    status = _git(checkout, "status", "-z", "--porcelain", "--no-renames", "-uall", "--", *PARTS)
    return Tree(commit, tuple(sorted(entry[3:] for entry in status.split("\0") if entry)))


def test_files(folder: Path) -> list[str]:
    """Return the runtime's test files in an exported tree, those at the top first."""
    found = (folder / "tests" / "edge_recog").rglob("test_*.py")
    names = [path.relative_to(folder).as_posix() for path in found]
    return sorted(names, key=lambda name: (name.count("/"), name))


def inputs(folder: Path) -> dict[str, str]:
    """Return a digest for each test file, which changes with what its tests depend on.

    That is the runtime, what is said to pytest, the file, and what is no test file in its folder
    and in those above it.
    """
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in PARTS
        for path in ([folder / part] if (folder / part).is_file() else (folder / part).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {name: _digest(name, digests) for name in test_files(folder)}


def _digest(test_file: str, digests: dict[str, str]) -> str:
    said = [f"{digests[test_file]} {test_file}"]
    above = PurePosixPath(test_file).parents
    for name, digest in sorted(digests.items()):
        path = PurePosixPath(name)
        is_test = name.startswith("tests/edge_recog/") and path.name.startswith("test_")
        if not is_test and (not name.startswith("tests/edge_recog/") or path.parent in above):
            said.append(f"{digest} {name}")
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
