from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import BundleError, EdgeRecogError
from edge_recog.signing import (
    AlteredError,
    ClockError,
    DowngradeError,
    ExpiredError,
    MalformedSignatureError,
    OtherModelError,
    RevokedKeyError,
    SignatureError,
    Trust,
    UnknownKeyError,
    UnsignedError,
    UnusableTrustError,
    errors,
    sign,
    signature_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = b"a model file"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)


def test_where_nobody_is_trusted_nothing_is_asked(device: Any, ada: Any, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"

    assert device.takes(MODEL, None) is None
    assert device.takes(MODEL, b"nonsense") is None
    assert device.takes(MODEL, ada.sign(b"another model")) is None
    assert device.trust.check(nowhere, nowhere) is None


def test_what_a_trusted_key_has_signed_is_taken(wary: Any, ada: Any) -> None:
    assert wary.takes(MODEL, ada.sign(MODEL)) == ada.statement(MODEL)


@pytest.mark.parametrize("where", [0, 1], ids=["own", "system"])
def test_a_key_counts_in_each_folder(device: Any, ada: Any, where: int) -> None:
    folders = device.folders
    device.folders = (folders[where],)
    device.trusts(ada)
    device.folders = folders

    assert device.takes(MODEL, ada.sign(MODEL)) is not None
    with pytest.raises(UnsignedError):
        device.takes(MODEL, None)


def test_what_is_not_signed_is_refused_unless_it_is_allowed_here(wary: Any) -> None:
    with pytest.raises(UnsignedError) as caught:
        wary.takes(MODEL, None)

    assert str(caught.value) == (
        "m.tflite: it is not signed, and this device takes only what a trusted key has signed: "
        "bring the file NAME.tflite.sig with it, or allow it here with --allow-unsigned"
    )
    assert wary.takes(MODEL, None, allow_unsigned=True) is None


def test_what_is_signed_by_somebody_else_is_refused(wary: Any, bob: Any) -> None:
    with pytest.raises(UnknownKeyError, match=f"by key {bob.key.id}, which is not trusted here"):
        wary.takes(MODEL, bob.sign(MODEL))


def test_what_a_revoked_key_has_signed_is_refused(wary: Any, ada: Any, bob: Any) -> None:
    wary.trusts(bob)
    wary.revokes(ada)

    with pytest.raises(RevokedKeyError, match=rf"{ada.key.id} \(ada\), which was revoked here"):
        wary.takes(MODEL, ada.sign(MODEL))
    assert wary.takes(MODEL, bob.sign(MODEL)) is not None


def test_whose_only_key_is_revoked_takes_nothing(wary: Any, ada: Any) -> None:
    wary.revokes(ada)

    with pytest.raises(UnsignedError):
        wary.takes(MODEL, None)
    with pytest.raises(RevokedKeyError):
        wary.takes(MODEL, ada.sign(MODEL))


def test_a_revocation_reaches_who_asked_before(wary: Any, ada: Any) -> None:
    trust = wary.trust
    assert trust.check_data(MODEL, ada.sign(MODEL), where="m") is not None
    wary.revokes(ada)

    with pytest.raises(RevokedKeyError):
        trust.check_data(MODEL, ada.sign(MODEL), where="m")


def test_a_signature_under_another_keys_id_is_refused(wary: Any, ada: Any, bob: Any) -> None:
    forged = bob.sign(MODEL).replace(bob.key.id.encode(), ada.key.id.encode())

    with pytest.raises(AlteredError, match=rf"not one by key {ada.key.id} \(ada\)"):
        wary.takes(MODEL, forged)


def test_what_is_no_signature_is_refused_though_unsigned_ones_are_allowed(
    wary: Any, bob: Any
) -> None:
    with pytest.raises(MalformedSignatureError, match=r"^m\.tflite: no signature file"):
        wary.takes(MODEL, b"", allow_unsigned=True)
    with pytest.raises(UnknownKeyError):
        wary.takes(MODEL, bob.sign(MODEL), allow_unsigned=True)
    wary.trusts(bob)
    with pytest.raises(OtherModelError):
        wary.takes(MODEL, bob.sign(b"other"), allow_unsigned=True)


@pytest.mark.parametrize("other", [b"", b"a model filE", b"a model file ", b"a model fil"])
def test_a_good_signature_is_of_no_other_file(wary: Any, ada: Any, other: bytes) -> None:
    with pytest.raises(OtherModelError, match=r"its signature is for another file \(demo, sha256"):
        wary.takes(other, ada.sign(MODEL))


def test_it_is_installed_until_it_expires(wary: Any, ada: Any) -> None:
    expires_at = NOW + timedelta(days=30)
    signature = ada.sign(MODEL, expires_at=expires_at)

    wary.now = expires_at - timedelta(seconds=1)
    assert wary.takes(MODEL, signature).expires_at == expires_at
    wary.now = expires_at
    with pytest.raises(ExpiredError, match="to be installed before 2026-04-03 05:06 UTC"):
        wary.takes(MODEL, signature, allow_downgrade=True)


@pytest.mark.parametrize(
    "told",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2025, 12, 31, 23, 59, tzinfo=UTC),
        NOW - timedelta(days=1, seconds=1),
    ],
    ids=["never-set", "before-this-was-written", "before-it-was-signed"],
)
def test_an_expiry_is_not_judged_by_a_clock_that_is_not_set(
    wary: Any, ada: Any, told: datetime
) -> None:
    wary.now = told
    with pytest.raises(ClockError, match="timedatectl set-ntp true"):
        wary.takes(MODEL, ada.sign(MODEL, expires_at=NOW + timedelta(days=30)))
    assert wary.takes(MODEL, ada.sign(MODEL)) is not None


@pytest.mark.parametrize("signed_at", [datetime(2025, 12, 31, 12, tzinfo=UTC), EARLIEST])
def test_an_expiry_is_not_judged_where_the_signers_clock_was_not_set_either(
    wary: Any, ada: Any, signed_at: datetime
) -> None:
    statement = msgspec.structs.replace(
        ada.statement(MODEL), signed_at=signed_at, expires_at=datetime(2026, 5, 1, tzinfo=UTC)
    )
    wary.now = datetime(2025, 12, 31, 13, tzinfo=UTC)

    with pytest.raises(ClockError):
        wary.takes(MODEL, sign(ada.private, statement))


def test_the_signers_clock_may_be_a_little_ahead(wary: Any, ada: Any) -> None:
    wary.now = NOW - timedelta(days=1)

    assert wary.takes(MODEL, ada.sign(MODEL, expires_at=NOW + timedelta(days=30))) is not None


@pytest.mark.parametrize(("sequence", "is_taken"), [(6, False), (7, True), (8, True)])
def test_nothing_older_than_what_was_here_is_taken(
    wary: Any, ada: Any, sequence: int, is_taken: bool
) -> None:
    wary.trust.raise_floor(ada.statement(b"what is here"))
    signature = ada.sign(MODEL, sequence=sequence)

    if is_taken:
        assert wary.takes(MODEL, signature).sequence == sequence
        return
    with pytest.raises(DowngradeError, match="release 6 of demo is older than 7"):
        wary.takes(MODEL, signature)
    assert wary.takes(MODEL, signature, allow_downgrade=True).sequence == 6


def test_models_of_other_names_have_floors_of_their_own(wary: Any, ada: Any) -> None:
    wary.trust.raise_floor(ada.statement(MODEL))

    assert wary.takes(MODEL, ada.sign(MODEL, name="other", sequence=0)) is not None


def test_looking_raises_no_floor(wary: Any, ada: Any) -> None:
    wary.takes(MODEL, ada.sign(MODEL, sequence=9))

    assert wary.takes(MODEL, ada.sign(MODEL, sequence=8)) is not None
    assert not wary.state.exists()


def test_a_floor_stays_where_a_downgrade_was_allowed(wary: Any, ada: Any) -> None:
    wary.trust.raise_floor(ada.statement(MODEL, sequence=9))
    wary.trust.raise_floor(wary.takes(MODEL, ada.sign(MODEL, sequence=2), allow_downgrade=True))

    with pytest.raises(DowngradeError):
        wary.takes(MODEL, ada.sign(MODEL, sequence=8))


def test_a_floor_holds_whoever_signs(wary: Any, ada: Any, bob: Any) -> None:
    wary.trusts(bob)
    wary.trust.raise_floor(ada.statement(MODEL, sequence=9))

    with pytest.raises(DowngradeError):
        wary.takes(MODEL, bob.sign(MODEL, sequence=8))


def test_damaged_floors_let_nothing_pass(wary: Any, ada: Any) -> None:
    wary.trust.raise_floor(ada.statement(MODEL))
    wary.trust.floors.path.write_text("")

    with pytest.raises(UnusableTrustError):
        wary.takes(MODEL, ada.sign(MODEL))


def test_damaged_keys_let_nothing_pass(wary: Any, ada: Any) -> None:
    (wary.folders[1]).mkdir(parents=True)
    (wary.folders[1] / "vendor.pub").write_text("")

    for signature, allowed in ((ada.sign(MODEL), False), (None, True)):
        with pytest.raises(UnusableTrustError):
            wary.takes(MODEL, signature, allow_unsigned=allowed)


@pytest.fixture
def signed(tmp_path: Path, ada: Any) -> Path:
    """Return a model file with its signature beside it."""
    path = tmp_path / "demo.tflite"
    path.write_bytes(MODEL)
    signature_path(path).write_bytes(ada.sign(MODEL))
    return path


def test_files_are_judged_as_their_bytes_are(wary: Any, ada: Any, signed: Path) -> None:
    beside = signature_path(signed)
    assert wary.trust.check(signed, beside) == ada.statement(MODEL)

    with pytest.raises(UnsignedError, match="it is not signed"):
        wary.trust.check(signed, None)
    wary.trust.raise_floor(ada.statement(MODEL, sequence=9))
    with pytest.raises(DowngradeError):
        wary.trust.check(signed, beside)
    assert wary.trust.check(signed, beside, allow_downgrade=True) is not None
    signed.write_bytes(MODEL + b"!")
    with pytest.raises(OtherModelError):
        wary.trust.check(signed, beside)
    beside.unlink()
    with pytest.raises(UnsignedError):
        wary.trust.check(signed, beside)
    assert wary.trust.check(signed, beside, allow_unsigned=True) is None


def test_of_a_file_that_is_larger_than_the_signed_one_no_more_is_read(
    wary: Any, signed: Path
) -> None:
    # Nobody could read a file of 8 TiB in the time that this test has.
    with signed.open("r+b") as file:
        file.truncate(2**43)

    with pytest.raises(OtherModelError):
        wary.trust.check(signed, signature_path(signed))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.mkdir(), "not a file"),
        (_pipe, "not a file"),
        (lambda path: path.write_bytes(b" " * 16_385), "larger than 16384 bytes"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
    ids=["folder", "pipe", "large", "loop"],
)
def test_a_signature_that_cannot_be_read_is_told(
    wary: Any, signed: Path, harm: Callable[[Path], Any], message: str
) -> None:
    beside = signature_path(signed)
    beside.unlink()
    harm(beside)

    with pytest.raises(MalformedSignatureError, match=message):
        wary.trust.check(signed, beside, allow_unsigned=True)


def test_a_model_that_cannot_be_read_is_told(wary: Any, signed: Path) -> None:
    signed.unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        wary.trust.check(signed, signature_path(signed))
    os.mkfifo(signed)
    with pytest.raises(BundleError, match="a folder or device"):
        wary.trust.check(signed, signature_path(signed))


def test_this_machines_keys_are_looked_for(
    tmp_path: Path, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_recog.signing.places.SYSTEM", tmp_path / "system")
    trust = Trust.open(tmp_path / "state", {"CONFIGURATION_DIRECTORY": str(tmp_path / "config")})

    assert trust.folders == (tmp_path / "config" / "trust", tmp_path / "system")
    assert trust.floors.folder == tmp_path / "state"


def test_every_reason_is_named_once() -> None:
    kinds = SignatureError.__subclasses__()
    listed = errors.__doc__ or ""

    assert len({kind.reason for kind in kinds}) == len(kinds) == 10
    assert all(kind.__name__ in listed for kind in kinds)
    assert issubclass(SignatureError, EdgeRecogError)


def _flips(data: bytes) -> list[bytes]:
    """Return everything that differs from the data in a single bit."""
    whole = int.from_bytes(data, "big")
    return [(whole ^ (1 << bit)).to_bytes(len(data), "big") for bit in range(8 * len(data))]


def test_every_bit_of_the_model_counts(wary: Any, ada: Any) -> None:
    signature = ada.sign(MODEL)
    for changed in _flips(MODEL):
        with pytest.raises(OtherModelError):
            wary.takes(changed, signature)


def test_every_bit_of_the_signature_file_counts(wary: Any, ada: Any) -> None:
    signature = ada.sign(MODEL, expires_at=NOW + timedelta(days=30))
    assert wary.takes(MODEL, signature) is not None
    for changed in _flips(signature):
        with pytest.raises((AlteredError, MalformedSignatureError, UnknownKeyError)):
            wary.takes(MODEL, changed)


@pytest.mark.parametrize("part", ["statement", "signature"])
def test_every_bit_of_what_is_signed_and_of_the_signature_counts(
    wary: Any, ada: Any, part: str
) -> None:
    document = msgspec.json.decode(ada.sign(MODEL))
    for changed in _flips(base64.b64decode(document[part])):
        forged = document | {part: base64.b64encode(changed).decode()}
        with pytest.raises(AlteredError):
            wary.takes(MODEL, msgspec.json.encode(forged))


@given(data=st.data(), model=st.binary(min_size=1, max_size=3000))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_a_model_is_taken_with_its_own_signature_alone(
    new_device: Callable[[], Any], ada: Any, data: st.DataObject, model: bytes
) -> None:
    device = new_device()
    device.trusts(ada)
    other = data.draw(st.binary(max_size=3000) | st.just(model[:-1]) | st.just(model + b"\0"))
    bit = data.draw(st.integers(0, 8 * len(model) - 1))
    flipped = (int.from_bytes(model, "big") ^ (1 << bit)).to_bytes(len(model), "big")

    assert device.takes(model, ada.sign(model)) is not None
    for wrong in {other, flipped} - {model}:
        with pytest.raises(OtherModelError):
            device.takes(wrong, ada.sign(model))
        with pytest.raises(OtherModelError):
            device.takes(model, ada.sign(wrong))
