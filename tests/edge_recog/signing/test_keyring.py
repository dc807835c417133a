from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.errors import UsageError
from edge_recog.signing import UnusableTrustError
from edge_recog.signing.keyring import (
    Keyring,
    find_key,
    read_keyring,
    read_public_key,
    revoke_key,
    trust_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "config" / "trust"


def test_where_there_is_no_folder_nobody_is_trusted(folder: Path) -> None:
    assert read_keyring([folder]) == Keyring(())
    assert not read_keyring([folder]).wants_signatures


def test_an_empty_folder_trusts_nobody(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "README.txt").write_text("keys go here")

    assert not read_keyring([folder]).wants_signatures


def test_a_trusted_key_is_a_file_that_all_can_read(folder: Path, ada: Any) -> None:
    before = os.umask(0o077)
    try:
        path = trust_key([folder], ada.key, force=False)
    finally:
        os.umask(before)

    assert path == folder / f"{ada.key.id}.pub"
    assert path.read_text() == f"{ada.key.line}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent)} == {0o755}
    assert read_keyring([folder]).trusted(ada.key.id) == ada.key


def test_a_key_may_be_put_there_by_hand_under_any_name(folder: Path, ada: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "vendor.pub").write_text(f"\n {ada.key.line} \r\n")
    keyring = read_keyring([folder])

    assert keyring.trusted(ada.key.id) == ada.key
    assert keyring.name_of(ada.key.id) == "ada"


def test_a_revoked_key_stays_as_a_tombstone(folder: Path, ada: Any, bob: Any) -> None:
    for signer in (ada, bob):
        trust_key([folder], signer.key, force=False)
    path = revoke_key([folder], ada.key.id, ada.key)
    keyring = read_keyring([folder])

    assert sorted(folder.iterdir()) == sorted([path, folder / f"{bob.key.id}.pub"])
    assert keyring.trusted(ada.key.id) is None
    assert keyring.is_revoked(ada.key.id)
    assert keyring.name_of(ada.key.id) == "ada"
    assert keyring.trusted(bob.key.id) == bob.key


def test_a_revoked_key_is_trusted_again_only_by_force(folder: Path, ada: Any) -> None:
    tomb = revoke_key([folder], ada.key.id, ada.key)

    with pytest.raises(UsageError, match="was revoked; if that was a mistake, add --force"):
        trust_key([folder], ada.key, force=False)
    assert read_keyring([folder]).trusted(ada.key.id) is None

    trust_key([folder], ada.key, force=True)
    assert read_keyring([folder]).trusted(ada.key.id) == ada.key
    assert not tomb.exists()


def test_a_key_that_is_put_beside_its_tombstone_stays_revoked(folder: Path, ada: Any) -> None:
    revoke_key([folder], ada.key.id, ada.key)
    (folder / "ada.pub").write_text(ada.key.line)

    assert read_keyring([folder]).trusted(ada.key.id) is None


@pytest.mark.parametrize("content", [b"", b"revoked\n", b"\xff\0", b"x" * 5000])
def test_a_tombstone_holds_whatever_became_of_its_content(
    folder: Path, ada: Any, content: bytes
) -> None:
    trust_key([folder], ada.key, force=False)
    (folder / f"{ada.key.id}.revoked").write_bytes(content)
    if len(content) > 1024:
        with pytest.raises(UnusableTrustError, match="larger than 1024 bytes"):
            read_keyring([folder])
        return

    assert read_keyring([folder]).trusted(ada.key.id) is None


def test_a_tombstone_with_another_keys_content_holds_for_its_name(
    folder: Path, ada: Any, bob: Any
) -> None:
    trust_key([folder], bob.key, force=False)
    (folder / f"{ada.key.id}.revoked").write_text(bob.key.line)
    keyring = read_keyring([folder])

    assert keyring.is_revoked(ada.key.id)
    assert keyring.trusted(bob.key.id) == bob.key


def test_a_key_is_revoked_by_hand_by_renaming_it(folder: Path, ada: Any) -> None:
    trust_key([folder], ada.key, force=False).rename(folder / "ada.revoked")

    assert read_keyring([folder]).is_revoked(ada.key.id)


def test_whoever_has_only_revoked_keys_wants_signatures_still(folder: Path, ada: Any) -> None:
    revoke_key([folder], ada.key.id, ada.key)

    assert read_keyring([folder]).wants_signatures


def test_what_one_folder_revokes_the_other_does_not_bring_back(tmp_path: Path, ada: Any) -> None:
    own, system = tmp_path / "own", tmp_path / "system"
    trust_key([own, system], ada.key, force=False)
    revoke_key([system], ada.key.id, ada.key)

    assert read_keyring([own, system]).trusted(ada.key.id) is None
    with pytest.raises(UsageError, match="revoked there, for everybody here"):
        trust_key([own, system], ada.key, force=True)


def test_a_user_revokes_for_himself_what_the_system_trusts(tmp_path: Path, ada: Any) -> None:
    own, system = tmp_path / "own", tmp_path / "system"
    trusted = trust_key([system], ada.key, force=False)
    revoke_key([own, system], ada.key.id, ada.key)

    assert trusted.exists()
    assert read_keyring([own, system]).trusted(ada.key.id) is None
    assert read_keyring([system]).trusted(ada.key.id) == ada.key


def _damage(path: Path) -> None:
    path.write_text(path.read_text().replace("=", ""))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o644)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_damage, "second word is damaged: copy it anew; no model is accepted until this is"),
        (lambda path: path.write_bytes(b""), "not a public key"),
        (lambda path: path.write_bytes(b"x" * 2000), "larger than 1024 bytes"),
        (lambda path: path.chmod(0o664), "others can write it (mode 0664), so no key in it can"),
        (lambda path: path.parent.chmod(0o757), "others can write it (mode 0757)"),
        (_folder, "not a file"),
        (_dangling, "No such file or directory"),
        (_pipe, "not a file"),
    ],
    ids=["damaged", "empty", "large", "open", "open-folder", "folder", "dangling", "pipe"],
)
def test_a_key_that_cannot_be_read_is_not_passed_over(
    folder: Path, ada: Any, bob: Any, harm: Callable[[Path], Any], message: str
) -> None:
    trust_key([folder], bob.key, force=False)
    path = trust_key([folder], ada.key, force=False)
    harm(path)

    with pytest.raises(UnusableTrustError) as caught:
        read_keyring([folder])
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_in_the_place_of_the_folder_is_not_passed_over(folder: Path, kind: str) -> None:
    folder.parent.mkdir()
    if kind == "file":
        folder.write_text("")
    else:
        folder.symlink_to("nowhere")

    with pytest.raises(UnusableTrustError, match="no model is accepted until they can"):
        read_keyring([folder])


def test_a_file_that_is_being_written_does_not_count(folder: Path, ada: Any) -> None:
    trust_key([folder], ada.key, force=False)
    (folder / f".{ada.key.id}.pub").write_text("half of")

    assert len(read_keyring([folder]).entries) == 1


def test_a_key_that_vanishes_while_it_is_looked_for_is_looked_for_again(
    folder: Path, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_key([folder], ada.key, force=False)
    listed = Path.iterdir
    looks = []

    def list_and_revoke(path: Path) -> Any:
        found = list(listed(path))
        if not looks:
            monkeypatch.setattr(Path, "iterdir", listed)
            revoke_key([folder], ada.key.id, ada.key)
        looks.append(found)
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", list_and_revoke)
    keyring = read_keyring([folder])

    assert looks
    assert keyring.is_revoked(ada.key.id)


def test_a_key_is_found_by_what_people_have_of_it(
    folder: Path, tmp_path: Path, ada: Any, bob: Any
) -> None:
    trust_key([folder], ada.key, force=False)
    keyring = read_keyring([folder])
    file = tmp_path / "bob.pub"
    file.write_text(bob.key.line)

    for text in ("ada", ada.key.id, ada.key.id.upper(), ada.key.id[:8]):
        assert find_key(keyring, text) == (ada.key.id, ada.key)
    assert find_key(keyring, str(file)) == (bob.key.id, bob.key)
    assert find_key(keyring, bob.key.id) == (bob.key.id, None)


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_few_digits_name_no_key(folder: Path, ada: Any, length: int) -> None:
    trust_key([folder], ada.key, force=False)

    with pytest.raises(UsageError, match="no key here is called so, and no file"):
        find_key(read_keyring([folder]), ada.key.id[:length])


def test_of_two_with_the_same_name_none_is_guessed(folder: Path, signer: Any, ada: Any) -> None:
    other = signer("bob").key
    keys = [ada.key, type(other)(other.raw, "ada")]
    for key in keys:
        trust_key([folder], key, force=False)

    with pytest.raises(UsageError, match="several keys are called so") as caught:
        find_key(read_keyring([folder]), "ada")
    assert all(key.id in str(caught.value) for key in keys)


def test_a_key_can_be_revoked_that_nobody_trusted_yet(folder: Path, ada: Any) -> None:
    revoke_key([folder], ada.key.id, None)

    with pytest.raises(UsageError, match="was revoked"):
        trust_key([folder], ada.key, force=False)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, ada: Any) -> None:
    (tmp_path / "file").write_text("")

    for write in (
        lambda folder: trust_key([folder], ada.key, force=False),
        lambda folder: revoke_key([folder], ada.key.id, ada.key),
    ):
        with pytest.raises((UsageError, UnusableTrustError), match="file/trust"):
            write(tmp_path / "file" / "trust")


def test_a_file_of_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.pub: cannot be read: No such file"):
        read_public_key(tmp_path / "a.pub")
