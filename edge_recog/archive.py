"""The ZIP at the end of a `.tflite` file, in which TFLite Metadata keeps its associated files.

Entries are stored, not compressed: MediaPipe reads no others. Offsets count from the start of the
whole file, as the TFLite Metadata library writes them.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from edge_recog.errors import NotATfliteModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILES = 64
MAX_FILE_BYTES = 16 * 2**20
MAX_TOTAL_BYTES = 64 * 2**20
"""Unpacked: a small ZIP must not fill the memory of a small device."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first date ZIP can write: the same content gives the same bytes."""


def split_archive(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the TFLite part of a model file and the files of the ZIP behind it.

    Returns:
        The bytes before the ZIP, and name → content; all of `data` and nothing where there is none.

    Raises:
        NotATfliteModelError: The ZIP is damaged, encrypted, or larger than any model's is.
    """
    if b"PK\x05\x06" not in data[-65_557:]:
        return data, {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES:
                raise NotATfliteModelError(f"the ZIP at its end has more than {MAX_FILES} files")
            if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
                raise NotATfliteModelError("the ZIP at its end unpacks to over 64 MiB")
            files: dict[str, bytes] = {}
            for entry in entries:
                if entry.file_size > MAX_FILE_BYTES:
                    raise NotATfliteModelError(f"{entry.filename!r} in its ZIP is over 16 MiB")
                if entry.filename in files:
                    raise NotATfliteModelError(f"{entry.filename!r} is in its ZIP twice")
                with archive.open(entry) as file:
                    files[entry.filename] = file.read(MAX_FILE_BYTES + 1)
            start = min((entry.header_offset for entry in entries), default=archive.start_dir)
    except (
        # What zipfile lets through on damaged input, as found by mutating files.
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        IndexError,
        KeyError,
        NotImplementedError,
        OSError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        if isinstance(error, NotATfliteModelError):
            raise
        raise NotATfliteModelError(f"the ZIP at its end is damaged: {error}") from error
    if not 0 <= start <= len(data):
        raise NotATfliteModelError("the ZIP at its end is damaged: an entry lies outside the file")
    return data[:start], files


def append_archive(flatbuffer: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return a model file with these files behind its TFLite part."""
    buffer = io.BytesIO(flatbuffer)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()
