from __future__ import annotations

import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

from edge_recog.errors import UsageError
from edge_recog.signing.ed25519 import decode_private_key, public_bytes
from edge_recog.signing.keyring import read_public_key
from edge_recog.signing.private_keys import make_key_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(params=[0o000, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    # In a folder that was there before.
    assert tmp_path.is_dir()
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_private_key_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    made = make_key_pair(tmp_path, "ada", passphrase=None)

    assert stat.S_IMODE(made.private.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.key", "ada.pub"]


def test_both_halves_belong_together(tmp_path: Path) -> None:
    made = make_key_pair(tmp_path / "new" / "folder", "ada", passphrase="secret")
    private = decode_private_key(made.private.read_text(), passphrase="secret", where="ada.key")

    assert read_public_key(made.public) == made.key
    assert public_bytes(private) == made.key.raw


@pytest.mark.parametrize("name", ["ada.key", "ada.pub"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(UsageError, match=f"{name}: exists already"):
        make_key_pair(tmp_path, "ada", passphrase=None)

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_of_two_who_make_the_same_key_the_first_ones_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_key_pair(tmp_path, "ada", passphrase=None)
    kept = first.private.read_bytes()
    # As if the other's files appeared just after we looked.
    monkeypatch.setattr("os.path.lexists", lambda _: False)

    with pytest.raises(UsageError, match=r"ada\.key: cannot be written: File exists"):
        make_key_pair(tmp_path, "ada", passphrase=None)
    assert first.private.read_bytes() == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.key", "ada.pub"]


@pytest.mark.parametrize("name", ["../ada", "", ".ada", "a/b", "a b"])
def test_a_name_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a key"):
        make_key_pair(tmp_path, name, passphrase=None)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"ada\.key: cannot be written: "):
        make_key_pair(tmp_path / "file", "ada", passphrase=None)


def test_openssl_reads_a_key(tmp_path: Path, missing: Callable[[str], NoReturn]) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl is not installed")
    made = make_key_pair(tmp_path, "ada", passphrase="secret")
    command = [openssl, "pkey", "-in", made.private, "-passin", "pass:secret", "-pubout"]
    done = subprocess.run([*command, "-outform", "DER"], check=True, capture_output=True)

    assert done.stdout[-32:] == made.key.raw
