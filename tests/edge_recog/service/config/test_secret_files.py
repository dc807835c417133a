from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.service.config.secret_files import is_secret_file, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def secret(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a file of a mode."""

    def write(data: bytes = b"hunter2\n", *, mode: int = 0o600) -> Path:
        path = tmp_path / "secret"
        path.write_bytes(data)
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" a b \n", " a b "),
        (b"a\n\n", "a\n"),
        ("Käse\n".encode(), "Käse"),
        (b"a" * 65_536, "a" * 65_536),
    ],
    ids=["bare", "line", "dos", "spaces", "two lines", "utf-8", "longest"],
)
def test_a_secret_is_the_file_without_the_last_line_end(
    secret: Callable[..., Path], data: bytes, expected: str
) -> None:
    assert read_secret(secret(data)) == expected


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700], ids=oct)
def test_what_only_the_owner_can_read_is_read(secret: Callable[..., Path], mode: int) -> None:
    assert read_secret(str(secret(mode=mode))) == "hunter2"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o644, 0o610], ids=oct)
def test_what_others_can_read_or_write_is_refused(secret: Callable[..., Path], mode: int) -> None:
    path = secret(mode=mode)
    with pytest.raises(UsageError) as refused:
        read_secret(path)

    assert str(refused.value) == (
        f"{path}: others can read or write it (mode {mode:04o}): chmod 600 {path}"
    )


@pytest.mark.parametrize(("mode", "is_read"), [(0o440, True), (0o444, False), (0o460, False)])
def test_systemd_may_give_the_right_to_a_credential_by_an_access_list(
    secret: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: int,
    is_read: bool,
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = secret(mode=mode)

    if is_read:
        assert read_secret(path) == "hunter2"
    else:
        with pytest.raises(UsageError, match="others can read"):
            read_secret(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b" \n", "empty"),
        (b"a" * 65_537, "larger than 65536 bytes"),
        (b"hunter2\xff", "not a text file"),
    ],
    ids=["nothing", "line end", "space", "large", "bytes"],
)
def test_what_is_no_secret_is_refused(
    secret: Callable[..., Path], data: bytes, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        read_secret(secret(data))

    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)

    with pytest.raises(UsageError, match="not a file"):
        read_secret(path)


@pytest.mark.parametrize("name", ["missing", ".", "a\0b"], ids=["missing", "folder", "zero"])
def test_what_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be read|not a file|no name of a file"):
        read_secret(f"{tmp_path}/{name}")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("web.token_file", True),
        ("mqtt.password_file", True),
        ("mqtt.key_file", True),
        ("mqtt.ca_file", False),
        ("mqtt.cert_file", False),
        ("web.listen", False),
    ],
)
def test_the_name_says_whether_a_file_has_a_secret(key: str, expected: bool) -> None:
    assert is_secret_file(key) is expected


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_every_text_with_something_in_it_survives(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-secret"
    path.touch(0o600)
    path.write_bytes(f"{text}x\n".encode())

    assert read_secret(path) == f"{text}x"


def test_nothing_stays_open_of_what_is_no_file(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(UsageError):
            read_secret(tmp_path)

    assert len(list(Path("/proc/self/fd").iterdir())) == before
