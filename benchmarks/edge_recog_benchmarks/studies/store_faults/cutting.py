"""Cutting the power in thought, at each step of what a process did, and looking at what is left."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any, Final

from edge_recog.store.reading import COPY, MODEL, STATE, VERSIONS
from edge_recog_benchmarks.studies.store_faults.powercut import after_power_cut
from edge_recog_benchmarks.studies.store_faults.states import comparable, decoded, newest

if TYPE_CHECKING:
    import random
    from collections.abc import Container, Iterable, Sequence

    from edge_recog.store import State
    from edge_recog_benchmarks.studies.store_faults.powercut import Tree
    from edge_recog_benchmarks.studies.store_faults.verdict import Verdict

_CUTS: Final = 4
"""At each step."""


def expect_safe(
    before: Tree,
    trace: Sequence[str],
    allowed: Iterable[State],
    chance: random.Random,
    verdict: Verdict,
) -> None:
    """Cut the power several times at each step, until something is lost.

    Args:
        before: On the disk.
        trace: Lines of the library.
        allowed: States that may be left.
        chance: Draws what is lost.
        verdict: Takes what is not as it should be.
    """
    known = [comparable(state) for state in allowed]
    for end in range(len(trace) + 1):
        for _ in range(_CUTS):
            tree = after_power_cut(copy.deepcopy(before), trace[:end], chance)
            verdict.cuts += 1
            problem = _problem(tree, known)
            if problem:
                verdict.failures.append(f"power fails after step {end}: the state {problem}")
                return


def _problem(tree: Tree, known: Container[Any]) -> str:
    """Return what is wrong with the state in a tree; empty if nothing is."""
    files = {name: bytes(file.data) for name, file in tree.items() if file}
    state = newest(decoded(files.get(f"/{name}", b"") for name in (STATE, COPY)))
    for digest in state.versions:
        model = files.get(f"/{VERSIONS}/{digest}/{MODEL}", b"")
        if hashlib.sha256(model).hexdigest() != digest:
            return "names what is not there"
    return "" if comparable(state) in known else "is none that it had"
