"""Draw faults, do them, and say what came of them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.studies.campaigns import named, progress, working_folder
from edge_recog_benchmarks.studies.faults import __doc__ as about
from edge_recog_benchmarks.studies.faults.campaign import Campaign
from edge_recog_benchmarks.studies.faults.drawing import draw
from edge_recog_benchmarks.studies.faults.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_benchmarks.studies.faults.drawing import Fault
    from edge_recog_benchmarks.studies.faults.kinds import SourceKind

_SOURCES: Final[tuple[SourceKind, ...]] = ("http", "rtsp")
_LANES_PER_CORE: Final = 2
"""A lane needs a fifth of a core, more while a model or a reader is started anew."""


def main() -> None:
    """Run; exit 0 if all was well, 1 if not, 130 if interrupted."""
    parser = argparse.ArgumentParser(
        prog="faults", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=count, default=500, help="of faults (default: 500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=count, help="side by side (default: 2 a core)")
    parser.add_argument("--sources", default=",".join(_SOURCES), help="http,rtsp or one of them")
    parser.add_argument("--kinds", default="", help=f"of {', '.join(KINDS)}; all if left out")
    parser.add_argument("--only", type=int, metavar="N", help="this fault alone, to see it again")
    parser.add_argument("--keep", type=Path, help="leave the lanes' files in this new folder")
    parser.add_argument("--conditions", default="", help="what else ran meanwhile")
    add_out(parser)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = _run(arguments)
    except EdgeRecogError as error:
        give_up(parser, error)
    sys.exit(code)


def _run(arguments: argparse.Namespace) -> int:
    faults = chosen(arguments)
    lanes = shared_out(arguments.lanes or _LANES_PER_CORE * (os.cpu_count() or 1), faults)
    campaign = Campaign(faults, lanes)
    begin_s = time.monotonic()
    is_interrupted = False
    with (
        working_folder(arguments.keep, prefix="faults-") as folder,
        progress(len(faults)) as tell,
    ):
        try:
            campaign.run(
                folder,
                tell=lambda one: tell(f"{one.number} {one.kind} ({one.source})", one.failures),
            )
        except KeyboardInterrupt:
            is_interrupted = True
        document = campaign.document(arguments.seed)
    document["minutes"] = round((time.monotonic() - begin_s) / 60, 1)
    document["conditions"] = arguments.conditions
    write_result(document, arguments.out)
    sys.stdout.write(summary(document))
    if is_interrupted:
        return 130
    return 0 if is_good(document) else 1


def chosen(arguments: argparse.Namespace) -> list[Fault]:
    """Return the faults that the arguments ask for.

    Raises:
        UsageError: There are none such.
    """
    sources = named(arguments.sources, _SOURCES, "--sources")
    kinds = named(arguments.kinds, tuple(KINDS), "--kinds")
    faults = draw(
        arguments.seed,
        arguments.count,
        sources=[source for source in _SOURCES if source in sources],
        kinds=kinds,
    )
    if arguments.only is not None:
        faults = [fault for fault in faults if fault.number == arguments.only]
    if not faults:
        raise UsageError("no fault is left: see --only, --count, --kinds and --sources")
    return faults


def shared_out(lanes: int, faults: Sequence[Fault]) -> dict[SourceKind, int]:
    """Return how many lanes each source gets: in proportion to its faults, at least one."""
    wanted = {
        source: number
        for source in _SOURCES
        if (number := sum(fault.source == source for fault in faults))
    }
    left = max(lanes, len(wanted))
    shares: dict[SourceKind, int] = {}
    for position, (source, number) in enumerate(wanted.items()):
        rest = sum(list(wanted.values())[position:])
        others = len(wanted) - position - 1
        shares[source] = max(1, min(left - others, round(left * number / rest)))
        left -= shares[source]
    return shares


def is_good(document: dict[str, Any]) -> bool:
    """Tell whether a campaign showed what is to be shown."""
    return bool(
        document["complete"]
        and document["good"] == document["done"]
        and not document["crashes"]
        and not document["problems"]
        and document["level"]
        and all(lane["exit_code"] == 0 for lane in document["lanes"])
    )


def summary(document: dict[str, Any]) -> str:
    """Return what is to be said of a campaign, as a few lines."""
    lines = []
    for name, kind in document["kinds"].items():
        told = kind.get("detected_s")
        back = kind["recovered_s"]
        seen = f"told {_times(told)}" if told else f"pause {kind.get('longest_pause_s')} s"
        lines.append(
            f"  {name:<12} {kind['good']:>3} of {kind['count']:>3}  {seen:<28} "
            f"answering again {_times(back)}"
        )
    lines.append(
        f"{document['good']} of {document['done']} faults as they should be "
        f"({document['drawn']} drawn, seed {document['seed']}), "
        f"{document['answers_of_bad_pictures']} answers of bad pictures, "
        f"{document['crashes']} crashes, holdings {'' if document['level'] else 'NOT '}level"
    )
    lines += [
        f"  --only {one['number']}: {one['kind']} ({one['source']}): {'; '.join(one['failures'])}"
        for one in document["failed"]
    ]
    lines += [f"  {problem}" for problem in document["problems"]]
    return "\n".join(lines) + "\n"


def _times(spread: dict[str, float] | None) -> str:
    return f"p50 {spread['p50']:.2f} max {spread['max']:.2f} s" if spread else "never"


if __name__ == "__main__":
    main()
