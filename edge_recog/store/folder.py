"""The store's folder: files in it are whole or not there, and what is done lasts.

All names are relative to a folder that is opened before root becomes whom it belongs to, since the
service's own folder is behind one that only root may enter.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

PART: Final = ".part"
"""How the names of files end that are being written."""
_CHUNK_BYTES: Final = 2**20
_POLL_S: Final = 0.02


class Folder:
    """An open folder; its methods raise OSError."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open it.

        Args:
            path: Where it is.
            create: Whether to make it, with those above it.
        """
        self.path = path
        if create:
            _make_with_parents(path)
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._root)

    @contextlib.contextmanager
    def as_owner(self) -> Iterator[None]:
        """Be whom the folder belongs to, if root: so that all that is made in it is theirs.

        That is true of the whole process meanwhile, as the C library has it.
        """
        owner = os.fstat(self._root)
        if os.geteuid() != 0 or owner.st_uid == 0:
            yield
            return
        group = os.getegid()
        os.setegid(owner.st_gid)
        try:
            os.seteuid(owner.st_uid)
            yield
        finally:
            os.seteuid(0)
            os.setegid(group)

    # Reading

    def read(self, name: str, *, most_bytes: int) -> bytes:
        """Return what is in a file that has no more than so many bytes."""
        descriptor = self._open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a file")
            if found.st_size > most_bytes:
                raise OSError(errno.EFBIG, f"larger than {most_bytes} bytes")
            return _read_all(descriptor)
        finally:
            os.close(descriptor)

    def names(self, folder: str = ".") -> list[str]:
        """Return what is in a folder, sorted; nothing if it is not there."""
        try:
            descriptor = self._open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return []
        try:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - of a descriptor
        finally:
            os.close(descriptor)

    # Writing

    def make_folder(self, name: str) -> None:
        """Make a folder that lasts, unless it is there."""
        try:
            os.mkdir(name, dir_fd=self._root)
        except FileExistsError:
            return
        self._sync_folder(_parent(name))

    def write(self, name: str, data: bytes) -> None:
        """Write a new file that lasts once its folder does, and read it back from the disk."""
        descriptor = self._open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left[:_CHUNK_BYTES]) :]
            os.fsync(descriptor)
            # What is read then comes from the disk and not from memory.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            if not _holds(descriptor, memoryview(data)):
                raise OSError(errno.EIO, "the disk gives back something else than was written")
        finally:
            os.close(descriptor)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file in the place of another one; it lasts when this returns.

        After an error either of the two is there, whole.
        """
        part = f"{name}.{secrets.token_hex(4)}{PART}"
        try:
            self.write(part, data)
            os.rename(part, name, src_dir_fd=self._root, dst_dir_fd=self._root)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part, dir_fd=self._root)
            raise
        self._sync_folder(_parent(name))

    def move(self, name: str, target: str) -> None:
        """Give a file or folder another name, under which nothing is yet; that lasts."""
        os.rename(name, target, src_dir_fd=self._root, dst_dir_fd=self._root)
        for folder in sorted({_parent(name), _parent(target)}):
            self._sync_folder(folder)

    def sync(self, folder: str) -> None:
        """Have the names in a folder last."""
        self._sync_folder(folder)

    def discard(self, name: str) -> None:
        """Remove a file, or a folder with what is in it; it need not be there."""
        try:
            os.unlink(name, dir_fd=self._root)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            # POSIX has EPERM for folders, Linux EISDIR.
            for inner in self.names(name):
                self.discard(f"{name}/{inner}")
            os.rmdir(name, dir_fd=self._root)

    # Locks

    def lock(self, name: str, *, wait_s: float) -> int | None:
        """Return a descriptor by which this process alone has a lock; None if another one has it.

        The lock is given back when the descriptor is closed, by the system if the process dies.

        Args:
            name: Of its file.
            wait_s: For others to give it back.
        """
        descriptor = self._open(name, os.O_RDWR | os.O_CREAT)
        deadline_s = time.monotonic() + wait_s
        try:
            while not _is_locked(descriptor):
                if time.monotonic() >= deadline_s:
                    os.close(descriptor)
                    return None
                time.sleep(_POLL_S)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666, dir_fd=self._root)

    def _sync_folder(self, name: str) -> None:
        descriptor = self._open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parent(name: str) -> str:
    return name.rpartition("/")[0] or "."


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_all(descriptor: int) -> bytes:
    # As much as there is, whatever somebody says of its size meanwhile.
    chunks = []
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        chunks.append(chunk)
    return b"".join(chunks)


def _holds(descriptor: int, data: memoryview) -> bool:
    """Tell whether a file holds exactly this."""
    position = 0
    while chunk := os.pread(descriptor, _CHUNK_BYTES, position):
        if data[position : position + len(chunk)] != chunk:
            return False
        position += len(chunk)
    return position == len(data)


def _make_with_parents(path: Path) -> None:
    """Make a folder and those above it, all of which last."""
    if path.is_dir():
        return
    _make_with_parents(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
