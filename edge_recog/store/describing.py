"""What is written down of a version: from its files, and from its tryout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge_recog.store.state import Twin, Version

if TYPE_CHECKING:
    from edge_recog.interpreters.twins import Twins
    from edge_recog.store.tryout import Outcome


def described(
    twins: Twins, signature: bytes | None = None, compiled_signature: bytes | None = None
) -> Version:
    """Return what is to be said of a version by its files alone."""
    model, compiled = twins.bundle, twins.compiled
    size_bytes = len(model.data) + len(signature or b"")
    twin = None
    if compiled is not None:
        twin = Twin(
            model=model.id.removeprefix("sha256:"),
            compiled=compiled.id.removeprefix("sha256:"),
            size_bytes=len(compiled.data) + len(compiled_signature or b""),
            is_signed=compiled_signature is not None,
        )
        size_bytes += twin.size_bytes
    return Version(
        order=0,
        name=model.name,
        size_bytes=size_bytes,
        is_signed=signature is not None,
        twin=twin,
    )


def with_outcomes(version: Version, outcome: Outcome, accelerated: Outcome | None) -> Version:
    """Add what a model, and its compiled twin if that was tried, did on this device."""
    twin = version.twin
    if twin is not None and accelerated is not None:
        twin = replace(
            twin,
            runtime=accelerated.runtime,
            p50_ms=accelerated.p50_ms,
            memory_mb=accelerated.memory_mb,
        )
    return replace(
        version,
        runtime=outcome.runtime,
        p50_ms=outcome.p50_ms,
        memory_mb=outcome.memory_mb,
        twin=twin,
    )
