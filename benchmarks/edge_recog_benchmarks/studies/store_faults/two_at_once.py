"""Two processes that change the store at the same time, one of which may be killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog_benchmarks.studies.store_faults.arranging import arranged
from edge_recog_benchmarks.studies.store_faults.looking import expect_no_crash, looked
from edge_recog_benchmarks.studies.store_faults.shim import Injection
from edge_recog_benchmarks.studies.store_faults.states import comparable
from edge_recog_benchmarks.studies.store_faults.versions import keep_some

if TYPE_CHECKING:
    import random

    from edge_recog_benchmarks.studies.store_faults.drawing import Operation
    from edge_recog_benchmarks.studies.store_faults.stand import Stand
    from edge_recog_benchmarks.studies.store_faults.verdict import Verdict


def do_two(stand: Stand, chance: random.Random, verdict: Verdict) -> None:
    """Install a model while something else is done, and look whether both is as it should be.

    Raises:
        BrokenError: Something fails to which nothing was done.
    """
    keep_some(stand)
    first = arranged(stand, "install", chance)
    other: Operation = chance.choice(
        ("install", "install", "commit", "activate", "remove", "roll back", "pin")
    )
    second = arranged(stand, other, chance)
    verdict.what = f"{first.what}, and {second.what}"
    orders = [stand.rehearsed(*order) for order in ((first.do, second.do), (second.do, first.do))]
    is_killed = chance.random() < 0.5
    injection = Injection()
    if is_killed:
        verdict.steps = stand.rehearsed(first.do).seen.steps
        verdict.step = chance.randrange(1, verdict.steps + 1)
        injection = Injection("kill-before", verdict.step)
    children = [stand.begin(first.do, injection), stand.begin(second.do)]
    heard = [child.wait() for child in children]
    verdict.has_happened = True
    verdict.told = "; ".join(one.error for one in heard if one.error)
    for one in heard:
        expect_no_crash(one, verdict)
    verdict.expect(heard[1].signal == 0, "the other process died as well")
    chosen, after = looked(stand, verdict)
    verdict.expect(chosen == after.active, "what is chosen is not the active model")
    actives = {state.active for order in orders for state in order.states}
    verdict.expect(after.active in actives, "a model is active that nobody activated")
    # What classifies changes the store several times, and others may come in between.
    if not is_killed and other != "commit":
        verdict.expect(
            comparable(after) in [comparable(order.after) for order in orders],
            "both at once come to something else than one after the other",
        )
