"""How the live classifier is, for people and machines."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["starting", "running", "standby", "degraded", "stopping"]
"""`starting`: no frame was answered yet; `running`: frames are answered; `standby`: told to rest;
`degraded`: something fails, and is tried again; `stopping`: for good."""


class Status(msgspec.Struct, frozen=True):
    """A state and why it is so."""

    state: State
    reason: str | None
    """A sentence, of `degraded` always; None where there is nothing to say."""
    since_ns: int
    """When the state began, monotonic. Another reason for the same state does not change it."""
