from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519 as library
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge_recog.errors import UsageError
from edge_recog.signing import ed25519

# RFC 8032, section 7.1: TEST 1, TEST 2, TEST 3 and TEST SHA(abc).
RFC_8032 = {
    "test-1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "test-2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "test-3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
        "4dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "test-sha-abc": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3"
        "feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c664"
        "31e0303dca179c138ac17ad9bef1177331a704",
    ),
}
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the base point: RFC 8032, section 5.1."""


@pytest.fixture(params=RFC_8032.values(), ids=RFC_8032)
def vector(request: pytest.FixtureRequest) -> tuple[bytes, ...]:
    """Return secret key, public key, message and signature."""
    return tuple(map(bytes.fromhex, request.param))


def test_signatures_are_those_of_rfc_8032(vector: tuple[bytes, ...]) -> None:
    secret, public, message, signature = vector
    private = library.Ed25519PrivateKey.from_private_bytes(secret)

    assert ed25519.public_bytes(private) == public
    assert ed25519.sign(private, message) == signature
    assert ed25519.verify(public, signature, message)


def test_a_signature_of_rfc_8032_is_of_no_other_message_or_key(vector: tuple[bytes, ...]) -> None:
    _, public, message, signature = vector
    other = bytes.fromhex(RFC_8032["test-1"][1])
    if other == public:
        other = bytes.fromhex(RFC_8032["test-2"][1])

    assert not ed25519.verify(public, signature, message + b"\0")
    assert not ed25519.verify(other, signature, message)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_none(length: int) -> None:
    _, public, message, signature = map(bytes.fromhex, RFC_8032["test-3"])

    assert not ed25519.verify(public, (signature + b"\0")[:length], message)


def test_the_second_spelling_of_a_signature_is_refused() -> None:
    _, public, message, signature = map(bytes.fromhex, RFC_8032["test-3"])
    scalar = int.from_bytes(signature[32:], "little") + ORDER

    assert not ed25519.verify(public, signature[:32] + scalar.to_bytes(32, "little"), message)


@pytest.mark.parametrize("passphrase", [None, "correct horse", "Grüße"])
def test_a_private_key_is_read_as_it_was_written(passphrase: str | None) -> None:
    private = ed25519.new_private_key()
    text = ed25519.encode_private_key(private, passphrase=passphrase).decode()
    found = ed25519.decode_private_key(text, passphrase=passphrase, where="a.key")

    assert ed25519.sign(found, b"x") == ed25519.sign(private, b"x")
    assert text.startswith("-----BEGIN ENCRYPTED PRIVATE" if passphrase else "-----BEGIN PRIVATE")


def test_two_new_keys_differ() -> None:
    made = {ed25519.public_bytes(ed25519.new_private_key()) for _ in range(2)}

    assert len(made) == 2


@pytest.mark.parametrize(
    ("written", "given", "message"),
    [
        ("secret", None, "the key is encrypted: name the passphrase's file"),
        ("secret", "guess", "the passphrase is wrong, or the file is damaged"),
        (None, "secret", "the key is not encrypted: leave out the passphrase"),
    ],
    ids=["missing", "wrong", "needless"],
)
def test_a_passphrase_must_fit(written: str | None, given: str | None, message: str) -> None:
    text = ed25519.encode_private_key(ed25519.new_private_key(), passphrase=written).decode()
    with pytest.raises(UsageError) as caught:
        ed25519.decode_private_key(text, passphrase=given, where="a.key")

    assert str(caught.value) == f"a.key: {message}"


def _of_another_kind() -> str:
    private = x25519.X25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hunter2", "not a private key"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2=\n-----END PRIVATE KEY-----", "not a private key"),
        (_of_another_kind(), "a key of another kind than Ed25519"),
    ],
    ids=["text", "damaged", "x25519"],
)
def test_what_is_no_private_key_is_refused_and_not_repeated(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        ed25519.decode_private_key(text, passphrase=None, where="a.key")

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "cryptography.hazmat.primitives.asymmetric.ed25519"
    monkeypatch.setitem(sys.modules, name, None)

    for call in (ed25519.new_private_key, lambda: ed25519.verify(b"", b"", b"")):
        with pytest.raises(UsageError, match=r'pip install "edge-recog\[daemon\]"'):
            call()


def test_without_a_key_the_library_is_not_loaded() -> None:
    script = (
        "import sys; from pathlib import Path; from edge_recog.signing import Trust\n"
        "import edge_recog.cli.keys\n"
        "nowhere = Path('/nonexistent')\n"
        "assert Trust((nowhere,), nowhere).check(nowhere, nowhere) is None\n"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("False\n", "")
