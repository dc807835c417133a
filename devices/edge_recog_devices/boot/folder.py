"""A boot partition that is mounted: a folder."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from edge_recog.errors import UsageError
from edge_recog_devices.boot.card import MOST_SMALL_BYTES, Listing, Space

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from edge_recog_devices.boot.card import Content

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderCard:
    """A card's mounted boot partition. Nothing outside it is touched: no link is followed."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            UsageError: It is no folder that can be read.
        """
        self.where = str(path)
        self._root: int | None = None
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: {getattr(error, 'strerror', error)}") from error
        if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
            raise UsageError(
                f"{path}: a device; nothing is ever written to a raw disk. Take the card out and "
                "in again so that it is mounted, and name the folder, as in /media/you/bootfs"
            )
        if not stat.S_ISDIR(mode):
            raise UsageError(
                f"{path}: not a folder; name the mounted boot partition, or an image with --image"
            )
        try:
            # The folder itself may be named by a link; what is in it may not be one.
            self._root = os.open(path.resolve(), _FOLDER)
        except OSError as error:
            raise UsageError(f"{path}: cannot be opened: {error.strerror}") from error

    def listing(self, folder: str = "") -> Listing:
        """Return what lies in a folder."""
        files, folders = set(), set()
        with (
            self._told("cannot be read", folder),
            self._opened(folder) as opened,
            os.scandir(opened) as entries,
        ):
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name.lower())
                elif entry.is_file(follow_symlinks=False):
                    files.add(entry.name.lower())
                else:
                    raise UsageError(
                        f"{self.where}: {entry.name} is a link or no file; FAT has none of these, "
                        "so it is no boot partition"
                    )
        return Listing(frozenset(files), frozenset(folders))

    def read(self, path: str, most_bytes: int = MOST_SMALL_BYTES) -> bytes:
        """Return what a file holds, and at most one byte more than `most_bytes`."""
        with self._told("cannot be read", path), self._holding(path) as (folder, name):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._spelled(folder, name), flags, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(most_bytes + 1)

    def space(self) -> Space:
        """Return what is free."""
        with self._told("cannot be read", ""), self._opened("") as opened:
            found = os.statvfs(opened)
        return Space(found.f_bavail * found.f_frsize, found.f_frsize)

    def write(self, path: str, content: Content) -> None:
        """Make a file that is not there yet."""
        with self._told("cannot be written", path), self._holding(path) as (folder, name):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o644, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                os.fsync(descriptor)
            os.fsync(folder)

    def make_folder(self, path: str) -> None:
        """Make a folder that is not there yet."""
        with self._told("cannot be made", path), self._holding(path) as (folder, name):
            os.mkdir(name, dir_fd=folder)
            os.fsync(folder)

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder another name in the same folder; a file there is replaced."""
        with self._told("cannot be renamed", old), self._holding(old) as (folder, name):
            before, after = self._spelled(folder, name), PurePosixPath(new).name
            os.replace(before, self._spelled(folder, after), src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        with self._told("cannot be removed", path), self._holding(path) as (folder, name):
            name = self._spelled(folder, name)
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)

    def flush(self) -> None:
        """Return when everything is on the medium."""
        with self._told("cannot be written", ""), self._opened("") as opened:
            os.fsync(opened)

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        root, self._root = self._root, None
        if root is not None:
            os.close(root)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    @contextmanager
    def _opened(self, folder: str) -> Iterator[int]:
        if self._root is None:
            raise UsageError(f"{self.where}: closed already")
        opened = os.open(".", _FOLDER, dir_fd=self._root)
        try:
            for part in PurePosixPath(folder).parts:
                deeper = os.open(self._spelled(opened, part), _FOLDER, dir_fd=opened)
                os.close(opened)
                opened = deeper
            yield opened
        finally:
            os.close(opened)

    @contextmanager
    def _holding(self, path: str) -> Iterator[tuple[int, str]]:
        pure = PurePosixPath(path)
        with self._opened("" if pure.parent == PurePosixPath() else str(pure.parent)) as folder:
            yield folder, pure.name

    @contextmanager
    def _told(self, what: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = f"{self.where}/{path}" if path else self.where
            raise UsageError(f"{place}: {what}: {error.strerror or error}") from error

    @staticmethod
    def _spelled(folder: int, name: str) -> str:
        """Return how the name is spelled there: FAT does not tell capitals from small letters."""
        found = [entry for entry in os.listdir(folder) if entry.lower() == name.lower()]
        return found[0] if found and name not in found else name
