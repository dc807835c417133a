"""Versions to work with: some are always there, and the one that is needed is installed."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Final

from edge_recog_benchmarks.studies.store_faults import operations
from edge_recog_benchmarks.studies.store_faults.verdict import BrokenError

if TYPE_CHECKING:
    from edge_recog_benchmarks.studies.store_faults.stand import Stand

KEPT: Final = 8
"""Versions, between faults; a fault adds some."""
_LEAST: Final = 3


def keep_some(stand: Stand) -> None:
    """See to it that there is something to work with, and not more and more."""
    chance = random.Random(stand.models.made)
    while len(stand.state().versions) < _LEAST:
        stand.calm(operations.install(*new_model(stand, chance)))
        stand.calm(operations.commit)
    state = stand.state()
    spare = [digest for digest in state.oldest_first if digest not in state.protected]
    for digest in spare[: max(0, len(state.versions) - KEPT)]:
        stand.calm(operations.remove(digest))


def new_model(stand: Stand, chance: random.Random) -> tuple[bytes, bytes | None]:
    """Return a model that was never installed, and its signature if it has one."""
    signature = chance.randbytes(300) if chance.random() < 0.5 else None
    return stand.models.another(), signature


def spare_version(stand: Stand, chance: random.Random) -> str:
    """Return a version that may go."""
    state = stand.state()
    spare = [digest for digest in state.oldest_first if digest not in state.protected]
    return chance.choice(spare) if spare else _install_spare(stand, chance)


def other_version(stand: Stand, chance: random.Random) -> str:
    """Return a version that can become the candidate and is not."""
    state = stand.state()
    taken = {state.active, state.nominee}
    others = [
        digest for digest in state.oldest_first if digest not in taken and not state.is_bad(digest)
    ]
    return chance.choice(others) if others else _install_spare(stand, chance)


def need_candidate(stand: Stand, chance: random.Random) -> str:
    """Return the candidate, which does not run; nominate one if there is none.

    Raises:
        BrokenError: There is none then either.
    """
    nominee = stand.state().nominee
    if nominee is None:
        if chance.random() < 0.5:
            stand.calm(operations.install(*new_model(stand, chance)))
        else:
            stand.calm(operations.activate(other_version(stand, chance)))
        nominee = stand.state().nominee
    if nominee is None:
        raise BrokenError("there is no candidate after one was nominated")
    return nominee


def _install_spare(stand: Stand, chance: random.Random) -> str:
    model, signature = new_model(stand, chance)
    stand.calm(operations.install(model, signature, nominate=False))
    return hashlib.sha256(model).hexdigest()
