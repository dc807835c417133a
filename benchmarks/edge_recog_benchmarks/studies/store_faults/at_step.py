"""A fault that happens to a process at one of the steps by which it changes the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_recog_benchmarks.studies.store_faults.arranging import arranged
from edge_recog_benchmarks.studies.store_faults.cutting import expect_safe
from edge_recog_benchmarks.studies.store_faults.looking import expect_no_crash, looked
from edge_recog_benchmarks.studies.store_faults.powercut import after_power_cut, read_tree
from edge_recog_benchmarks.studies.store_faults.states import allowed, comparable
from edge_recog_benchmarks.studies.store_faults.verdict import BrokenError

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from edge_recog.store import State
    from edge_recog_benchmarks.studies.store_faults.drawing import Fault, Operation
    from edge_recog_benchmarks.studies.store_faults.injections import Injections
    from edge_recog_benchmarks.studies.store_faults.operations import Doing
    from edge_recog_benchmarks.studies.store_faults.shim import Injection
    from edge_recog_benchmarks.studies.store_faults.stand import Rehearsal, Stand
    from edge_recog_benchmarks.studies.store_faults.verdict import Verdict

_ATTEMPTS: Final = 50
"""To arrange something in which there is a step to be hit."""


def hit_step(
    stand: Stand, fault: Fault, injections: Injections, chance: random.Random, verdict: Verdict
) -> None:
    """Have an operation done, with the fault, and look at what it leaves.

    Raises:
        BrokenError: Something fails to which nothing was done.
    """
    do, rehearsal = _with_steps(stand, fault.operation, chance, verdict)
    states = allowed(fault, rehearsal.states)
    injection = injections.draw(fault, chance, rehearsal.seen)
    verdict.step, verdict.steps = injection.step, rehearsal.seen.steps
    if fault.kind == "power cut":
        _cut_power(stand, do, injection, states, chance, verdict)
    else:
        _do(stand, do, injection, verdict)
    if fault.kind == "clock jump":
        verdict.has_happened = True
        verdict.expect(not verdict.told, f"the clock stops it: {verdict.told}")
    after = _expect_one_of(states, stand, verdict)
    if not verdict.has_happened or fault.kind == "clock jump":
        is_same = comparable(after) == comparable(rehearsal.after)
        verdict.expect(is_same, "it did not do what it does otherwise")


def _with_steps(
    stand: Stand, operation: Operation, chance: random.Random, verdict: Verdict
) -> tuple[Doing, Rehearsal]:
    """Arrange an operation that has a step, and rehearse it."""
    # Who was killed before the first step has left nothing to clean up.
    for _ in range(_ATTEMPTS):
        one = arranged(stand, operation, chance)
        verdict.what = one.what
        rehearsal = stand.rehearsed(one.do)
        if rehearsal.seen.steps:
            return one.do, rehearsal
    raise BrokenError(f"it changes nothing: {rehearsal.error}")


def _do(stand: Stand, do: Doing, injection: Injection, verdict: Verdict) -> None:
    heard = stand.begin(do, injection, is_traced=True).wait()
    verdict.told = heard.error
    verdict.has_happened = heard.signal != 0 or (heard.seen is not None and heard.seen.has_happened)
    expect_no_crash(heard, verdict)


def _cut_power(
    stand: Stand,
    do: Doing,
    injection: Injection,
    states: Sequence[State],
    chance: random.Random,
    verdict: Verdict,
) -> None:
    """Cut it at every step in thought, then at one; the disk has what that leaves."""
    before = read_tree(stand.root)
    expect_safe(before, stand.trace(), states, chance, verdict)
    _do(stand, do, injection, verdict)
    stand.replace(after_power_cut(before, stand.trace(), chance))


def _expect_one_of(states: Sequence[State], stand: Stand, verdict: Verdict) -> State:
    """Look whether the store is in one of these states; return its state."""
    chosen, after = looked(stand, verdict)
    known = [comparable(state) for state in states]
    verdict.expect(comparable(after) in known, "the state is none that it should ever be")
    actives = {state.active for state in states}
    verdict.expect(
        chosen in actives and chosen == after.active,
        f"{chosen[:12]} is chosen, and not the active model",
    )
    return after
