"""Looking at a store after a fault: what must hold whatever was done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_recog.store import BUILT_IN
from edge_recog.store.reading import COPY, INCOMING, MODEL, SIGNATURE, STATE, VERSIONS
from edge_recog_benchmarks.studies.store_faults import operations
from edge_recog_benchmarks.studies.store_faults.states import next_start
from edge_recog_benchmarks.studies.store_faults.versions import KEPT

if TYPE_CHECKING:
    from edge_recog.store import State
    from edge_recog_benchmarks.studies.store_faults.children import Heard
    from edge_recog_benchmarks.studies.store_faults.stand import Stand
    from edge_recog_benchmarks.studies.store_faults.verdict import Verdict

_ROOT_NAMES: Final = {STATE, COPY, VERSIONS, INCOMING, "store.lock", "trial.lock"}
_SPARE_BYTES: Final = 200_000
"""For state files, beside models."""
_ADDED: Final = 6
"""Versions at most, by a fault."""


def expect_no_crash(heard: Heard, verdict: Verdict) -> None:
    """Look whether a process ended in a way that somebody foresaw."""
    verdict.expect(not heard.is_crash, f"a crash: {heard.error.strip()[-400:]}")


def opened(stand: Stand, verdict: Verdict) -> dict[str, Any]:
    """Open the store as whoever only reads it; return what was seen, see `operations.look`."""
    seen: dict[str, Any] = stand.calm(operations.look)
    is_known = seen["model"] == BUILT_IN or seen["id"] == f"sha256:{seen['model']}"
    verdict.expect(is_known, "what is chosen has another id")
    return seen


def looked(stand: Stand, verdict: Verdict) -> tuple[str, State]:
    """Look whether all is there that is to be, and not much else.

    Returns:
        The model that is chosen, and the state.
    """
    _expect_bounded(stand, verdict)
    chosen = opened(stand, verdict)["model"]
    state = stand.state()
    broken = [digest[:12] for digest in stand.damaged(state.versions)]
    verdict.expect(not broken, f"the state names what is not there: {broken}")
    return chosen, state


def expect_good_start(stand: Stand, verdict: Verdict) -> None:
    """Start the live classifier, clean up, and look at what is left."""
    expected = next_start(stand.without_damaged(stand.state()))
    started = stand.calm(operations.start)
    verdict.expect(
        (started["model"], started["on_trial"]) == (expected.model, expected.on_trial),
        f"the next start runs {started['model'][:12]}, and not {expected.model[:12]}",
    )
    state = stand.state()
    verdict.expect(
        (state.active, state.nominee) == (expected.after.active, expected.after.nominee),
        "the next start leaves another active model or candidate than it should",
    )
    stand.calm(operations.tidy)
    _expect_tidy(stand, verdict)
    _expect_damage_is_seen(stand, verdict)


def _expect_bounded(stand: Stand, verdict: Verdict) -> None:
    most_bytes = stand.state().used_bytes + 2 * stand.models.largest_bytes + _SPARE_BYTES
    used_bytes = sum(path.stat().st_size for path in stand.root.rglob("*") if path.is_file())
    verdict.expect(used_bytes <= most_bytes, f"{used_bytes} bytes lie there")


def _expect_tidy(stand: Stand, verdict: Verdict) -> None:
    """Look for what does not belong there."""
    names = {path.name for path in stand.root.iterdir()}
    verdict.expect(names <= _ROOT_NAMES, f"left behind: {sorted(names - _ROOT_NAMES)}")
    left = [path.name for path in (stand.root / INCOMING).iterdir()]
    verdict.expect(not left, f"left behind in {INCOMING}: {left}")
    states = stand.whole_states()
    verdict.expect(len(states) == 2 and states[0] == states[1], "the state was not mended")
    state = stand.state()
    kept = {path.name for path in (stand.root / VERSIONS).iterdir()}
    verdict.expect(kept == state.versions.keys(), "the versions are not those of the state")
    for digest in kept & state.versions.keys():
        files = {path.name for path in (stand.root / VERSIONS / digest).iterdir()}
        verdict.expect(MODEL in files and files <= {MODEL, SIGNATURE}, f"files: {files}")
    quota_bytes = (KEPT + _ADDED) * stand.models.largest_bytes
    verdict.expect(state.used_bytes <= quota_bytes, f"{state.used_bytes} bytes are kept")


def _expect_damage_is_seen(stand: Stand, verdict: Verdict) -> None:
    """Look whether what is still damaged is not in use and told on request; remove it."""
    state = stand.state()
    for digest in stand.damaged(state.versions):
        verdict.expect(digest not in state.protected, f"{digest[:12]} is in use and damaged")
        problems = stand.calm(operations.verify_files)
        verdict.expect(digest in problems, f"{digest[:12]} is damaged, and that is not seen")
        stand.calm(operations.remove(digest))
