"""A candidate whose process dies each time: it goes, and after three times it is tried no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog_benchmarks.studies.store_faults import operations
from edge_recog_benchmarks.studies.store_faults.versions import need_candidate

if TYPE_CHECKING:
    import random

    from edge_recog_benchmarks.studies.store_faults.stand import Stand
    from edge_recog_benchmarks.studies.store_faults.verdict import Verdict


def die_three_times(stand: Stand, chance: random.Random, verdict: Verdict) -> None:
    """Kill the process that runs a candidate, three times in a row.

    Raises:
        BrokenError: Something fails to which nothing was done.
    """
    digest = need_candidate(stand, chance)
    active = stand.state().active
    verdict.what = f"{digest[:12]} dies three times while on trial"
    verdict.has_happened = True
    before = stand.state().troubles.get(digest)
    for failures in range(1 + (before.failures if before else 0), 4):
        died = stand.calm(operations.die)
        verdict.expect(died["on_trial"], "the candidate is not tried")
        again = stand.calm(operations.start)
        state = stand.state()
        verdict.expect(again["model"] == active, "the active model does not come back")
        trouble = state.troubles.get(digest)
        verdict.expect(
            state.candidate is None and trouble is not None and trouble.failures == failures,
            "the failure was not counted",
        )
        nominated = stand.begin(operations.activate(digest)).wait()
        is_refused = "times in a row" in nominated.error
        verdict.expect(is_refused == (failures >= 3), "it is refused too early or too late")
    verdict.expect(stand.state().is_bad(digest), "the version is not marked as bad")
