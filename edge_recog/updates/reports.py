"""What a device tells about its updates, e.g. by MQTT at `edge_recog/<node>/updates`."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal[
    "current",
    "waiting",
    "downloading",
    "trial",
    "committed",
    "failed",
    "withdrawn",
    "refused",
    "unreachable",
    "unusable",
]
"""current: nothing newer is for this device. waiting: something newer is, and not yet. downloading,
trial, committed: how far a release has come. failed: it was rejected by the store's checks, or
rolled back from its trial. withdrawn: it was stopped, or somebody activated another model. refused,
unreachable, unusable: the look itself failed, see `errors`."""

SCHEMA = 1


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One document; the newest one holds. Readers ignore members that they do not know."""

    schema: int = SCHEMA
    channel: str
    state: State
    number: int | None = None
    """Of the release that it is about."""
    model: str | None = None
    """`sha256:` and 64 digits."""
    name: str | None = None
    reason: str = ""
    """A sentence; empty if all is well."""
    kind: str = ""
    """Of a refusal, see `errors.Refusal`."""
    attempt: int = 0
    """Which one it was on this device, of this model, from 1."""
    at: str
    """RFC 3339, UTC."""
