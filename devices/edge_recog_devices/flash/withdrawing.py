"""What has a device's store forget a model that it was given: values in, commands out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog_devices.flash.steps import InstallModel


class Named(msgspec.Struct, frozen=True):
    """A model there."""

    id: str


class Stored(msgspec.Struct, frozen=True):
    """What `edge-recog model list` says, as far as it is asked for."""

    active: str
    candidate: Named | None
    models: tuple[Named, ...]


def withdrawal(step: InstallModel, now: Stored) -> Iterator[tuple[str, ...]]:
    """Yield words for `edge-recog model` by which the store is as it was before a step.

    The step may have come to its end, have failed, or have been cut off: what is there says how far
    it came. A model that was committed meanwhile stays as the previous one.

    Args:
        step: That is taken back.
        now: What the store has.
    """
    mine = f"sha256:{step.model.digest}"
    nominee = now.candidate.id if now.candidate else None
    is_committed = now.active == mine and step.active != step.model.digest
    if nominee is not None and (nominee == mine or is_committed):
        yield ("rollback",)  # Withdraws the candidate alone.
        nominee = None
    if is_committed:
        yield ("rollback",)
    elif step.is_new and any(one.id == mine for one in now.models):
        yield "remove", step.model.digest
    if step.instead_of is not None and nominee != f"sha256:{step.instead_of}":
        yield "activate", step.instead_of
