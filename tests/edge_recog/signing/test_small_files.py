from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_recog.signing.small_files import read_small


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")

    assert read_small(tmp_path / "a", most_bytes=5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes") as caught:
        read_small(tmp_path / "a", most_bytes=4)
    assert caught.value.errno == errno.EFBIG


def test_what_is_refused_is_closed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a file"):
            read_small(path, most_bytes=5)

    assert len(list(Path("/proc/self/fd").iterdir())) == before
