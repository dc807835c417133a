"""A boot partition in an image of a card: read and written by mtools, without root.

mtools (<https://www.gnu.org/software/mtools/>, GPL-3, in every distribution, released several times
a year since 1992) is run as a program. Of PyPI's libraries for writing FAT, pyfatfs (MIT; 1.1.0 of
March 2024 is its last) needs `fs`, which its authors have left and which cannot be imported beside
setuptools 82 (PyFilesystem/pyfilesystem2#577); fatfs (0.1.2, 2024) is a binding for one author's
firmware, and dissect.fat only reads. None of them is tested as much as mtools is by its use.

An image comes from anywhere, so its partition table and FAT are checked before mtools sees them
(`partitions`, `fat`), and mtools gets the very file that was checked, as a descriptor: a link that
is turned to another file or disk meanwhile changes nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog_devices.boot.card import MOST_SMALL_BYTES, Listing, Space
from edge_recog_devices.boot.fat import Fat, free_bytes, read_fat
from edge_recog_devices.boot.partitions import read_partitions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from edge_recog_devices.boot.card import Content

_LONGEST_S: Final = 600.0
_MOST_TOLD_BYTES: Final = 1 << 24
"""Of what a folder holds."""


class ImageCard:
    """The first FAT partition of an image file."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            UsageError: It is no regular file with such a partition, or mtools is missing.
        """
        self.where = str(path)
        self._file: int | None = None
        self._scratch: Path | None = None
        if shutil.which("mcopy") is None:
            raise UsageError(
                "writing into an image needs mtools: sudo apt install mtools; or write the image "
                "to a card and name its mounted boot partition with --boot"
            )
        try:
            # Not even opened, or the system would look at the disk anew.
            _refuse_device(path.stat())
            # A pipe or a drive without a disk would make it wait.
            self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise UsageError(f"{path}: cannot be opened: {said}") from error
        try:
            self._offset, self._fat = self._looked_into()
            self._scratch = Path(tempfile.mkdtemp(prefix="edge-recog-"))
        except UsageError as error:
            self.close()
            raise UsageError(f"{path}: {error}") from error
        except BaseException:
            self.close()
            raise

    def listing(self, folder: str = "") -> Listing:
        """Return what lies in a folder."""
        prefix = f"::/{folder}/" if folder else "::/"
        said = self._mtools("mdir", "-b", prefix).decode("utf-8", "replace")
        names = [line.removeprefix(prefix) for line in said.splitlines() if line]
        folders = frozenset(name[:-1].lower() for name in names if name.endswith("/"))
        files = frozenset(name.lower() for name in names if name and not name.endswith("/"))
        return Listing(files, folders)

    def read(self, path: str, most_bytes: int = MOST_SMALL_BYTES) -> bytes:
        """Return what a file holds, and at most one byte more than `most_bytes`."""
        return self._mtools("mcopy", f"::/{path}", "-", most_bytes=most_bytes)

    def space(self) -> Space:
        """Return what is free."""
        free = free_bytes(self._read, self._offset, self._fat)
        return Space(free, self._fat.cluster_bytes)

    def write(self, path: str, content: Content) -> None:
        """Make a file that is not there yet."""
        assert self._scratch is not None
        source = self._scratch / "content"
        try:
            if isinstance(content, bytes):
                source.write_bytes(content)
            else:
                # Under a name that is no option and no pattern.
                source.symlink_to(content.absolute())
            self._mtools("mcopy", "-D", "s", str(source), f"::/{path}")
        except OSError as error:
            raise UsageError(f"{source}: {error.strerror or error}") from error
        finally:
            source.unlink(missing_ok=True)

    def make_folder(self, path: str) -> None:
        """Make a folder that is not there yet."""
        self._mtools("mmd", "-D", "s", f"::/{path}")

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder another name in the same folder; a file there is replaced.

        mtools changes both entries of the folder in its memory and then writes its sectors, mostly
        one (seen with strace, 4.0.32).
        """
        self._mtools("mren", "-D", "o", f"::/{old}", f"::/{new}")

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        parent, _, name = path.rpartition("/")
        program = "mdeltree" if name in self.listing(parent).folders else "mdel"
        self._mtools(program, f"::/{path}")

    def flush(self) -> None:
        """Return when everything is on the medium."""
        try:
            os.fsync(self._descriptor())
        except OSError as error:
            raise UsageError(f"{self.where}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

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

    def _looked_into(self) -> tuple[int, Fat]:
        found = os.fstat(self._descriptor())
        _refuse_device(found)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError("not a file")
        partitions = read_partitions(self._read, found.st_size)
        for partition in partitions:
            if partition.may_be_fat:
                return partition.offset, read_fat(self._read, partition.offset, partition.size)
        raise UsageError("none of its partitions is FAT, so it boots no Raspberry Pi")

    def _descriptor(self) -> int:
        if self._file is None:
            raise UsageError(f"{self.where}: closed already")
        return self._file

    def _read(self, offset: int, length: int) -> bytes:
        parts = []
        while length > 0:
            try:
                part = os.pread(self._descriptor(), length, offset)
            except OSError as error:
                raise UsageError(f"cannot be read: {error.strerror}") from error
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def _mtools(self, program: str, *arguments: str, most_bytes: int = _MOST_TOLD_BYTES) -> bytes:
        descriptor = self._descriptor()
        if self._scratch is None:
            raise UsageError(f"{self.where}: closed already")
        image = f"/proc/self/fd/{descriptor}@@{self._offset}"
        code, told, said = _run(
            [program, "-i", image, *arguments], descriptor, self._scratch, most_bytes
        )
        if code != 0 and len(told) <= most_bytes:
            lines = said.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
            raise UsageError(f"{self.where}: {program} says: {lines[-1][:200]}")
        return told


def _refuse_device(found: os.stat_result) -> None:
    if stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode):
        raise UsageError(
            "a device; nothing is ever written to a raw disk. Mount the card and name the folder "
            "with --boot"
        )


def _run(
    command: Sequence[str], descriptor: int, home: Path, most_bytes: int
) -> tuple[int, bytes, bytes]:
    """Return a program's status, output and errors; it is stopped once it has told too much.

    A damaged file system can say that a file is as large as the disk, or has no end.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        # Nobody's settings; and a partition need not end with a cylinder any more.
        "HOME": str(home),
        "MTOOLS_SKIP_CHECK": "1",
    }
    try:
        with (
            tempfile.TemporaryFile(dir=home) as errors,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=(descriptor,),
                env=environment,
            ) as process,
        ):
            timer = threading.Timer(_LONGEST_S, process.kill)
            timer.start()
            try:
                assert process.stdout is not None
                told = process.stdout.read(most_bytes + 1)
                if len(told) > most_bytes:
                    process.kill()
                code = process.wait()
            finally:
                timer.cancel()
                process.kill()
            errors.seek(0)
            return code, told, errors.read(4096)
    except OSError as error:
        raise UsageError(f"{command[0]} (mtools) could not be run: {error}") from error
