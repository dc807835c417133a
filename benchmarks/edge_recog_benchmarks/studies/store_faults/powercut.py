"""What a power cut leaves of a trace of calls: what was synced, and of the rest what chance has.

Looser than any file system is: a name lasts once its folder was synced (for a renamed one: both),
content once its file was. What was not may be there or not, the later without the earlier; content
may be missing, cut off, or zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(eq=False, slots=True)
class File:
    """Content, and how much of it is on the disk for good."""

    data: bytearray
    durable: bytes | None
    """None if it was never synced."""


Tree = dict[str, File | None]
"""Path from the root on → file; None for a folder."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of names."""

    what: str
    path: str
    other: str
    file: File | None
    """That was created."""


def read_tree(root: Path) -> Tree:
    """Return what is in a folder, all of it on the disk for good."""
    tree: Tree = {}
    for path in sorted(root.rglob("*")):
        name = f"/{path.relative_to(root)}"
        if path.is_dir():
            tree[name] = None
        else:
            data = path.read_bytes()
            tree[name] = File(bytearray(data), data)
    return tree


def write_tree(tree: Mapping[str, File | None], root: Path) -> None:
    """Write what is in a tree into a new folder."""
    root.mkdir()
    for name in sorted(tree):
        file, path = tree[name], root / name.lstrip("/")
        if file is None:
            path.mkdir()
        else:
            path.write_bytes(file.data)


def after_power_cut(before: Tree, trace: Iterable[str], chance: random.Random) -> Tree:
    """Return what may be on the disk.

    Args:
        before: On the disk for good; its files are changed.
        trace: Lines of the library.
        chance: Draws what is lost.
    """
    changes, durable = _replay(before, trace)
    mode = chance.choice(("nothing", "prefix", "some", "all"))
    cut = chance.randrange(len(changes) + 1)
    tree: Tree = dict(before)
    for index, change in enumerate(changes):
        is_kept = {
            "nothing": False,
            "prefix": index < cut,
            "some": chance.random() < 0.5,
            "all": True,
        }[mode]
        if index in durable or is_kept:
            _apply(tree, change)
    for file in {id(file): file for file in tree.values() if file is not None}.values():
        _lose(file, chance)
    return tree


def _replay(before: Tree, trace: Iterable[str]) -> tuple[list[Change], set[int]]:
    """Return all changes of names, and which of them last."""
    tree: Tree = dict(before)
    changes: list[Change] = []
    pending: dict[int, set[str]] = {}
    """Change → folders of it that were not synced since."""
    for line in trace:
        what, path, *rest = line.rstrip("\n").split("\t")
        if what == "write":
            file = tree[path]
            assert file is not None
            at, data = int(rest[0]), bytes.fromhex(rest[1])
            file.data[at : at + len(data)] = data
        elif what == "sync":
            synced = tree.get(path)
            if synced is not None:
                synced.durable = bytes(synced.data)
            else:
                for folders in pending.values():
                    folders.discard(path)
        else:
            other = rest[0] if rest else ""
            change = Change(
                what, path, other, File(bytearray(), None) if what == "create" else None
            )
            pending[len(changes)] = {_parent(name) for name in (path, other) if name}
            changes.append(change)
            _apply(tree, change)
    return changes, {index for index, folders in pending.items() if not folders}


def _apply(tree: Tree, change: Change) -> None:
    """Change names; what makes no sense without a change that was lost is lost with it."""
    target = change.other or change.path
    if _parent(target) and tree.get(_parent(target), False) is not None:
        return
    if change.what == "create":
        tree[change.path] = change.file
    elif change.what == "mkdir":
        tree.setdefault(change.path, None)
    elif change.what == "remove":
        is_empty = not any(name.startswith(f"{change.path}/") for name in tree)
        if change.path in tree and is_empty:
            del tree[change.path]
    elif change.what == "rename" and change.path in tree:
        inner = f"{change.other}/"
        if any(name.startswith(inner) for name in tree):
            return
        for name in [name for name in tree if f"{name}/".startswith(f"{change.path}/")]:
            tree[change.other + name.removeprefix(change.path)] = tree.pop(name)


def _lose(file: File, chance: random.Random) -> None:
    if file.durable is not None and file.durable == bytes(file.data):
        return
    whole, safe = bytes(file.data), file.durable or b""
    kept = chance.randrange(len(whole) + 1)
    file.data[:] = chance.choice((safe, whole, whole[:kept], bytes(len(whole))))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
