"""Signers whose keys are always the same, and devices that trust them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_recog.signing import PublicKey, Statement, Trust, new_statement, sign
from edge_recog.signing.ed25519 import public_bytes
from edge_recog.signing.keyring import revoke_key, trust_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Signer:
    """Somebody with a key."""

    def __init__(self, name: str) -> None:
        seed = hashlib.sha256(f"test key of {name}".encode()).digest()
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = PublicKey(public_bytes(self.private), name)

    def statement(self, model: bytes, **values: Any) -> Statement:
        digest = hashlib.sha256(model).hexdigest()
        values = {"name": "demo", "sequence": 7, "now": NOW} | values
        return new_statement(model=f"sha256:{digest}", size_bytes=len(model), **values)

    def sign(self, model: bytes, **values: Any) -> bytes:
        return sign(self.private, self.statement(model, **values))


@dataclass
class Device:
    """A folder of keys, floors and a clock that can be set."""

    folders: tuple[Path, ...]
    state: Path
    now: datetime = NOW + timedelta(hours=1)

    @property
    def trust(self) -> Trust:
        return Trust(self.folders, self.state, clock_s=lambda: self.now.timestamp())

    def trusts(self, *signers: Signer, force: bool = False) -> None:
        for signer in signers:
            trust_key(self.folders, signer.key, force=force)

    def revokes(self, signer: Signer) -> None:
        revoke_key(self.folders, signer.key.id, signer.key)

    def takes(self, model: bytes, signature: bytes | None, **allowed: bool) -> Statement | None:
        return self.trust.check_data(model, signature, where="m.tflite", **allowed)


@pytest.fixture(scope="session")
def ada() -> Signer:
    return Signer("ada")


@pytest.fixture(scope="session")
def bob() -> Signer:
    return Signer("bob")


@pytest.fixture(scope="session")
def signer() -> type[Signer]:
    """Return what makes a signer of a name."""
    return Signer


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Return a device that trusts nobody yet."""
    return Device((tmp_path / "own" / "trust", tmp_path / "system" / "trust"), tmp_path / "state")


@pytest.fixture
def wary(device: Device, ada: Signer) -> Device:
    """Return a device that trusts Ada."""
    device.trusts(ada)
    return device


@pytest.fixture(scope="session")
def new_device(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Device]:
    """Return what makes a device that trusts nobody yet."""

    def make() -> Device:
        folder = tmp_path_factory.mktemp("device")
        return Device((folder / "trust",), folder / "state")

    return make
