"""Draw faults, do them to stores, and say what came of them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.studies.campaigns import named, progress, working_folder
from edge_recog_benchmarks.studies.store_faults import __doc__ as about
from edge_recog_benchmarks.studies.store_faults.campaign import Campaign
from edge_recog_benchmarks.studies.store_faults.drawing import KINDS, draw

if TYPE_CHECKING:
    from edge_recog_benchmarks.studies.store_faults.drawing import Kind


def main() -> None:
    """Run; exit 0 if all was well, 1 if not, 130 if interrupted."""
    parser = argparse.ArgumentParser(
        prog="store-faults", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=count, default=1000, help="of faults (default: 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=count, help="side by side (default: one a core)")
    parser.add_argument("--kinds", default="", help=f"of {', '.join(KINDS)}; all if left out")
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
    faults = draw(arguments.seed, arguments.count, kinds=_kinds(arguments.kinds))
    campaign = Campaign(faults, arguments.lanes or os.cpu_count() or 1)
    begin_s = time.monotonic()
    is_interrupted = False
    with (
        working_folder(arguments.keep, prefix="store-faults-") as folder,
        progress(len(faults)) as tell,
    ):
        try:
            campaign.run(
                folder,
                tell=lambda one: tell(
                    f"{one['number']} {one['kind']} ({one['what']})", one["failures"]
                ),
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


def is_good(document: dict[str, Any]) -> bool:
    """Tell whether a campaign showed what is to be shown."""
    return bool(
        document["complete"]
        and document["good"] == document["done"] > 0
        and not document["problems"]
    )


def summary(document: dict[str, Any]) -> str:
    """Return what is to be said of a campaign, as a few lines."""
    lines = [
        f"  {name:<15} {kind['done'] - kind['failed']:>4} of {kind['done']:>4} good, "
        f"{kind['happened']:>4} happened"
        for name, kind in document["kinds"].items()
    ]
    lines += [
        f"  killed at {hit['killed_at']} of {hit['steps']} steps of: {operation}"
        for operation, hit in document["killed_at"].items()
    ]
    lines.append(
        f"{document['good']} of {document['done']} faults left one active, verified model and "
        f"nothing else ({document['drawn']} drawn, seed {document['seed']})"
    )
    lines += [
        f"  {one['number']}: {one['kind']}, {one['what']}, step {one['step']} of {one['steps']}: "
        f"{'; '.join(one['failures'])}"
        for one in document["failed"]
    ]
    lines += [f"  {problem}" for problem in document["problems"]]
    return "\n".join(lines) + "\n"


def _kinds(text: str) -> tuple[Kind, ...]:
    names = named(text, KINDS, "--kinds")
    return tuple(kind for kind in KINDS if kind in names)


if __name__ == "__main__":
    main()
