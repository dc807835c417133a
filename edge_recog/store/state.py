"""What the store is: which version is active, previous, on trial, and what else is kept."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from edge_recog.store.rules import MOST_FAILURES

BUILT_IN: Final = "built-in"
"""Stands for the model that comes with the package, which is always there."""
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
"""A version's name: SHA-256 of its content, see `identity.Files`."""

Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Model = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64}|built-in)\Z")]
"""A digest, or `BUILT_IN`."""
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Amount = Annotated[float, msgspec.Meta(ge=0, le=1e15)]


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which release of which model a signer says that a file is."""

    name: str
    sequence: _Count


class Twin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file of a version that is compiled for the Edge TPU, beside the model."""

    model: Digest
    """SHA-256 of the model."""
    compiled: Digest
    """SHA-256 of the compiled file."""
    size_bytes: _Count
    """Of the compiled file and its signature."""
    is_signed: bool = False
    runtime: str = ""
    """What it was tried with on this device; empty if it was not, for want of an accelerator."""
    p50_ms: _Amount | None = None
    memory_mb: _Amount | None = None


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model that is kept. The store goes by `order`, `size_bytes`, `pinned` and `release`."""

    order: _Count
    """Of installing: the oldest has the least. No clock is asked, which may jump."""
    name: str
    size_bytes: _Count
    """Of all its files: models and signatures."""
    is_signed: bool = False
    """Whether a signature's file was installed with it."""
    release: Release | None = None
    pinned: bool = False
    installed_at: str = ""
    """RFC 3339, UTC; empty if it is not known."""
    runtime: str = ""
    """What it was tried with on this device; empty if it is not known, and so are these:"""
    p50_ms: _Amount | None = None
    memory_mb: _Amount | None = None
    twin: Twin | None = None
    """Its compiled twin. Then the version's name is no file's: see `identity.Files`."""


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version on trial, and how far it has come by its last orderly end."""

    version: Digest
    is_running: bool = False
    """Whether a process has begun with it and not ended in order: written before it is loaded."""
    starts: _Count = 0
    frames: _Count = 0
    healthy_s: _Amount = 0.0
    ran_s: _Amount = 0.0


class Trouble(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Failures of a version in a row; remembered for some time after its files are gone."""

    failures: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    reason: str
    """Of the last one, a sentence."""
    order: _Count
    """The oldest has the least."""

    @property
    def is_bad(self) -> bool:
        """Whether the version is not to be tried again."""
        return self.failures >= MOST_FAILURES


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that the store knows."""

    generation: _Count = 0
    """Grows with every change."""
    active: Model = BUILT_IN
    previous: Model | None = None
    """What was active before."""
    candidate: Candidate | None = None
    versions: dict[Digest, Version] = {}
    troubles: dict[Digest, Trouble] = {}

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: It does.
        """
        # The candidate may be the previous one, which is then tried anew.
        if self.active in {self.previous, self.nominee}:
            raise ValueError("the active model is another one than the previous or the candidate")
        for name in (self.active, self.previous, self.nominee):
            if name not in {None, BUILT_IN, *self.versions}:
                raise ValueError(f"{name} is in use and not kept")
        orders = [version.order for version in self.versions.values()]
        if len(set(orders)) != len(orders):
            raise ValueError("two versions have the same order")

    @property
    def nominee(self) -> str | None:
        """Digest of the candidate."""
        return None if self.candidate is None else self.candidate.version

    @property
    def protected(self) -> frozenset[str]:
        """Digests of the versions that no clean-up touches: the three, and those pinned."""
        three = {self.active, self.previous, self.nominee}
        pinned = {digest for digest, version in self.versions.items() if version.pinned}
        return frozenset(digest for digest in self.versions if digest in three | pinned)

    @property
    def used_bytes(self) -> int:
        """Of all versions together."""
        return sum(version.size_bytes for version in self.versions.values())

    @property
    def oldest_first(self) -> list[str]:
        """Digests in the order of installing."""
        return sorted(self.versions, key=lambda digest: self.versions[digest].order)

    def is_bad(self, digest: str) -> bool:
        """Tell whether a version failed too often."""
        trouble = self.troubles.get(digest)
        return trouble is not None and trouble.is_bad
