from __future__ import annotations

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_recog.signing import (
    AlteredError,
    MalformedSignatureError,
    PublicKey,
    Statement,
    ed25519,
    new_statement,
    sign,
    signature_path,
)
from edge_recog.signing.signatures import DOMAIN, MOST_BYTES, decode_signature

if TYPE_CHECKING:
    from collections.abc import Callable

# The secret key of RFC 8032's TEST 1, a model of five bytes, and what both must come to for ever.
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
MODEL = b"model"
MODEL_ID = "sha256:9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
GOLDEN_STATEMENT = (
    b'{"schema_version":1,"model":"sha256:9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f'
    b'70d652b6b825e4","size_bytes":5,"name":"d\xc3\xa9mo","sequence":7,"signed_at":"2026-03-'
    b'04T05:06:07Z","expires_at":"2026-06-02T05:06:07Z"}'
)
GOLDEN_SIGNATURE = bytes.fromhex(
    "f0898e521b47057fee45b4929d99ebb3443d75f590030efec82fc362abe6530e"
    "a13622ff69c4f8959af4c7ac6b1408741f891d056b2dbbc0147bcd9be2db7a0b"
)
GOLDEN_FILE = (
    b'{"schema_version":1,"key":"21fe31dfa154a261626bf854046fd227","statement":"'
    + base64.b64encode(GOLDEN_STATEMENT)
    + b'","signature":"'
    + base64.b64encode(GOLDEN_SIGNATURE)
    + b'"}\n'
)


@pytest.fixture(scope="module")
def private() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(SECRET)


@pytest.fixture(scope="module")
def key(private: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(ed25519.public_bytes(private), "rfc")


@pytest.fixture(scope="module")
def statement() -> Statement:
    return new_statement(
        model=MODEL_ID,
        size_bytes=len(MODEL),
        name="démo",
        now=NOW,
        sequence=7,
        expires_at=NOW + timedelta(days=90),
    )


def test_the_signature_is_beside_the_model() -> None:
    assert signature_path(Path("a/demo.tflite")) == Path("a/demo.tflite.sig")


def test_the_golden_file_is_what_is_written(
    private: Ed25519PrivateKey, statement: Statement
) -> None:
    assert sign(private, statement) == GOLDEN_FILE


def test_the_golden_file_is_read(key: PublicKey, statement: Statement) -> None:
    signature = decode_signature(GOLDEN_FILE)

    assert (signature.key_id, signature.statement) == (key.id, GOLDEN_STATEMENT)
    assert signature.verified(key) == statement


def test_openssl_verifies_the_golden_file(
    tmp_path: Path, key: PublicKey, missing: Callable[[str], NoReturn]
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl is not installed")
    # RFC 8410, section 10.1: what comes before the 32 bytes of a public key.
    (tmp_path / "key").write_bytes(bytes.fromhex("302a300506032b6570032100") + key.raw)
    (tmp_path / "signed").write_bytes(b"edge_recog model statement v1\n" + GOLDEN_STATEMENT)
    (tmp_path / "signature").write_bytes(GOLDEN_SIGNATURE)
    arguments = "-verify -rawin -pubin -keyform DER -inkey key -in signed -sigfile signature"
    command = [openssl, "pkeyutl", *arguments.split(" ")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "Signature Verified Successfully\n"), done.stderr


def test_a_signature_of_the_bare_statement_is_none(
    private: Ed25519PrivateKey, key: PublicKey
) -> None:
    bare = base64.b64encode(ed25519.sign(private, GOLDEN_STATEMENT))
    data = GOLDEN_FILE.replace(base64.b64encode(GOLDEN_SIGNATURE), bare)

    assert data != GOLDEN_FILE
    with pytest.raises(AlteredError):
        decode_signature(data).verified(key)


@pytest.mark.parametrize(
    "signed",
    [b"", b"{}", b"[" * 4000, b"\xff", b'"\\ud800"', b"null", GOLDEN_STATEMENT + b"x"],
    ids=["empty", "object", "deep", "no-text", "half", "null", "more"],
)
def test_nonsense_stays_nonsense_though_it_is_signed(
    private: Ed25519PrivateKey, key: PublicKey, signed: bytes
) -> None:
    data = _document(
        statement=base64.b64encode(signed).decode(),
        signature=base64.b64encode(ed25519.sign(private, DOMAIN + signed)).decode(),
    )
    with pytest.raises(MalformedSignatureError):
        decode_signature(data).verified(key)


def _document(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(GOLDEN_FILE) | changes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no signature file"),
        (b"\xff\xfe", "no signature file"),
        (b"[" * MOST_BYTES, "no signature file"),
        (b'{"x":' * (MOST_BYTES // 5), "no signature file"),
        (b" " * (MOST_BYTES + 1), "more than 16384 bytes"),
        (b"[]", "no signature file"),
        (_document(schema_version=2), "schema_version 2, of which this edge-recog reads 1"),
        (_document(schema_version=0), "schema_version 0"),
        (_document(more=1), "unknown field"),
        (_document(key="21FE31DFA154A261626BF854046FD227"), "matching regex"),
        (_document(key="21fe31dfa154a261626bf854046fd227\n"), "matching regex"),
        (_document(key=None), "Expected `str`"),
        (_document(statement="e30"), "its statement is no Base64"),
        (_document(statement="é30="), "its statement is no Base64"),
        (_document(statement="e3 0="), "its statement is no Base64"),
        (_document(statement="e31="), "its statement is no Base64"),
        (_document(statement=base64.b64encode(b" " * 4097).decode()), "more than 4096 bytes"),
        (_document(signature=""), "its signature has 0 bytes instead of 64"),
        (_document(signature="e30="), "its signature has 2 bytes instead of 64"),
        (GOLDEN_FILE + GOLDEN_FILE, "no signature file"),
    ],
    ids=[
        *("empty", "no-text", "deep", "deep-unknown", "large", "list", "newer", "older", "more"),
        *("case", "line-end", "null", "unpadded", "beyond-ascii", "space", "spare-bits"),
        *("long-statement", "no-signature", "short", "twice"),
    ],
)
def test_what_is_no_signature_file_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(MalformedSignatureError) as caught:
        decode_signature(data)

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
LIKE_OURS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("schema_version", "key", "statement", "signature"), JSON),
)


@given(
    st.one_of(
        st.binary(max_size=400),
        JSON.map(msgspec.json.encode),
        LIKE_OURS.map(lambda change: _document(**change)),
        st.tuples(st.integers(0, len(GOLDEN_FILE)), st.integers(0, 80), st.binary(max_size=80)).map(
            lambda cut: GOLDEN_FILE[: cut[0]] + cut[2] + GOLDEN_FILE[cut[0] + cut[1] :]
        ),
    )
)
@example(b'{"schema_version":1e400}')
@example(b'{"schema_version":1,"key":"\\ud800"}')
@settings(derandomize=True, deadline=None, max_examples=400)
def test_whatever_strangers_send_is_refused_in_one_line_or_is_the_golden_file(data: bytes) -> None:
    key = PublicKey(ed25519.public_bytes(Ed25519PrivateKey.from_private_bytes(SECRET)), "rfc")
    try:
        found = decode_signature(data)
        found.verified(key)
    except (AlteredError, MalformedSignatureError) as error:
        message = str(error)
    else:
        message = ""
    assert message.isprintable()
    assert len(message) < 500
    if message:
        return
    assert (found.statement, found.signature) == (GOLDEN_STATEMENT, GOLDEN_SIGNATURE)
