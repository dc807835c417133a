"""Files that lose a bit or their end while nobody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.store import State
from edge_recog.store.reading import COPY, STATE
from edge_recog_benchmarks.studies.store_faults.looking import opened
from edge_recog_benchmarks.studies.store_faults.versions import keep_some, need_candidate

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from edge_recog_benchmarks.studies.store_faults.drawing import Fault
    from edge_recog_benchmarks.studies.store_faults.stand import Stand
    from edge_recog_benchmarks.studies.store_faults.verdict import Verdict


def damage(stand: Stand, fault: Fault, chance: random.Random, verdict: Verdict) -> None:
    """Damage a file, or both of the state, and look whether the right model is chosen.

    Raises:
        BrokenError: Something fails to which nothing was done.
    """
    keep_some(stand)
    if chance.random() < 0.5:
        need_candidate(stand, chance)
    before = stand.state()
    paths = _drawn(stand.root, chance)
    for path in paths:
        data = bytearray(path.read_bytes())
        at = chance.randrange(len(data))
        if fault.kind == "truncation":
            del data[at:]
        else:
            data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    names = [str(path.relative_to(stand.root)) for path in paths]
    verdict.what = f"{' and '.join(names)} damaged"
    verdict.has_happened = True
    is_lost = len(paths) == 2
    expected = State() if is_lost else stand.without_damaged(before)
    seen = opened(stand, verdict)
    verdict.expect(
        seen["model"] == expected.active,
        f"{seen['model'][:12]} is chosen, and not {expected.active[:12]}",
    )
    is_active_damaged = not is_lost and expected.active != before.active
    verdict.expect(
        bool(seen["notes"]) == (is_lost or is_active_damaged),
        "a model was passed over and nobody was told, or the other way round",
    )


def _drawn(root: Path, chance: random.Random) -> list[Path]:
    """Return a file with something in it; sometimes both of the state instead."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    files = [path for path in files if path.stat().st_size]
    one = chance.choice(files)
    # Twice at once: nothing is left of what was active.
    return [root / STATE, root / COPY] if chance.random() < 0.15 else [one]
