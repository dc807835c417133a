"""A device through any order of trusting, revoking, installing and changing its clock."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge_recog.errors import UsageError
from edge_recog.signing import (
    DowngradeError,
    ExpiredError,
    RevokedKeyError,
    SignatureError,
    UnknownKeyError,
    UnsignedError,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NAMES = ("ada", "bob", "eve")
MODELS = ("cats", "dogs")

signers = st.sampled_from(NAMES)
allowances = st.fixed_dictionaries(
    {"allow_unsigned": st.booleans(), "allow_downgrade": st.booleans()}
)


class DeviceMachine(RuleBasedStateMachine):
    """The device, beside a description of it that knows neither files nor signatures."""

    make_signer: Any
    make_device: Any

    @initialize()
    def begin(self) -> None:
        self.signers = {name: self.make_signer(name) for name in NAMES}
        self.folder = Path(tempfile.mkdtemp())
        self.device = self.make_device((self.folder / "trust",), self.folder / "state", NOW)
        self.trusted: set[str] = set()
        self.revoked: set[str] = set()
        self.floors: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @rule(name=signers, force=st.booleans())
    def trust(self, name: str, force: bool) -> None:
        if name in self.revoked and not force:
            with pytest.raises(UsageError, match="was revoked"):
                self.device.trusts(self.signers[name])
            return
        self.device.trusts(self.signers[name], force=force)
        self.trusted.add(name)
        self.revoked.discard(name)

    @rule(name=signers)
    def revoke(self, name: str) -> None:
        self.device.revokes(self.signers[name])
        self.trusted.discard(name)
        self.revoked.add(name)

    @rule(days=st.integers(0, 20))
    def wait(self, days: int) -> None:
        self.device.now += timedelta(days=days)

    @rule(
        by=signers | st.none(),
        model=st.sampled_from(MODELS),
        sequence=st.integers(0, 5),
        days=st.none() | st.integers(1, 60),
        allowed=allowances,
    )
    def install(
        self,
        by: str | None,
        model: str,
        sequence: int,
        days: int | None,
        allowed: dict[str, bool],
    ) -> None:
        data = f"{model} {sequence}".encode()
        expires_at = None if days is None else NOW + timedelta(days=days)
        signature = None
        if by is not None:
            signature = self.signers[by].sign(
                data, name=model, sequence=sequence, expires_at=expires_at
            )
        refusal = self._refusal(by, model, sequence, expires_at, allowed)
        if refusal is not None:
            with pytest.raises(SignatureError) as caught:
                self.device.takes(data, signature, **allowed)
            assert type(caught.value) is refusal
            return
        statement = self.device.takes(data, signature, **allowed)
        if statement is None:
            return
        assert (statement.name, statement.sequence) == (model, sequence)
        self.device.trust.raise_floor(statement)
        self.floors[model] = max(sequence, self.floors.get(model, 0))

    def _refusal(
        self,
        by: str | None,
        model: str,
        sequence: int,
        expires_at: datetime | None,
        allowed: dict[str, bool],
    ) -> type[SignatureError] | None:
        if not self.trusted | self.revoked:
            return None
        if by is None:
            return None if allowed["allow_unsigned"] else UnsignedError
        if by in self.revoked:
            return RevokedKeyError
        if by not in self.trusted:
            return UnknownKeyError
        if expires_at is not None and self.device.now >= expires_at:
            return ExpiredError
        if sequence < self.floors.get(model, 0) and not allowed["allow_downgrade"]:
            return DowngradeError
        return None

    @invariant()
    def what_is_kept_is_what_was_told(self) -> None:
        if not hasattr(self, "device"):
            return
        keyring = self.device.trust.keyring()
        found = {
            name: (keyring.trusted(one.key.id) is not None, keyring.is_revoked(one.key.id))
            for name, one in self.signers.items()
        }
        assert found == {name: (name in self.trusted, name in self.revoked) for name in NAMES}
        assert self.device.trust.floors.read() == self.floors


def test_a_device_is_as_it_was_told(signer: Any, device: Any) -> None:
    class Machine(DeviceMachine):
        make_signer = staticmethod(signer)
        make_device = staticmethod(type(device))

    case = Machine.TestCase
    case.settings = settings(
        derandomize=True, deadline=None, max_examples=60, stateful_step_count=25
    )
    case().runTest()
