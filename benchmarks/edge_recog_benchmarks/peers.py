"""The same models and pictures through other programs: `python -m edge_recog_benchmarks.peers`.

All do the same work: an array of 640x480 RGB pixels comes in, the best five labels with scores go
out. Every program runs in processes of an environment of its own, with the same number of threads
and else with its defaults; `edge_recog_benchmarks.peers_setup` says how each is fed. What is told
is the ratio to our classifier with its 95 % interval: below 1 the peer is faster, or takes less
memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.bundle import Bundle
from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.connections import find_device
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.device.plan import Contestant
from edge_recog_benchmarks.environments import EnvironmentMissingError, default_folder
from edge_recog_benchmarks.measuring import measure
from edge_recog_benchmarks.peers_conversion import ConversionError
from edge_recog_benchmarks.peers_setup import PEERS, Setup
from edge_recog_benchmarks.planning import Wish, prepare
from edge_recog_benchmarks.progress import showing_progress
from edge_recog_benchmarks.ratios import ratio_of
from edge_recog_benchmarks.results import encode_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog_benchmarks.device.events import ModelFacts
    from edge_recog_benchmarks.results import ContestantResult, Result

OURS = "edge_recog"
METRICS = {"p50": "p50", "p90": "p90", "first_answer": "first answer", "rss": "peak memory"}
"""What is told of a peer, and its heading: latencies from end to end, the time from the start of a
process to its first answer, and its peak resident memory."""


@dataclass(frozen=True)
class Row:
    """A peer and a model; or why they did not come together."""

    model: str
    """Path."""
    peer: str
    """As tables name it."""
    contestant: Contestant | None
    reason: str = ""


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help="model files")
    parser.add_argument(
        "--peers", default=",".join(PEERS), help=f"some of {','.join(PEERS)} (default: all)"
    )
    parser.add_argument("--threads", type=count, default=1)
    parser.add_argument("--seconds", type=float, help="of each peer and model (default 10)")
    parser.add_argument("--generations", type=count, help="fresh processes (default 10)")
    parser.add_argument(
        "--picture",
        dest="pictures",
        action="append",
        default=[],
        type=Path,
        help="a photograph that all label after the timing: peers that are fed alike agree on the "
        "best label; may be given several times",
    )
    parser.add_argument(
        "--environments", type=Path, default=default_folder(), help="where peers are installed"
    )
    parser.add_argument("--result", type=Path, help="write all samples here, for bench report")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        wish = Wish(
            models=list(dict.fromkeys(arguments.models)),
            threads=(arguments.threads,),
            seconds=arguments.seconds,
            generations=arguments.generations,
        )
        result, rows = race(
            wish,
            peers=_chosen(arguments.peers),
            pictures=arguments.pictures,
            environments=arguments.environments,
        )
        document = document_of(result, rows)
        sys.stdout.write("\n".join(table(document)) + "\n")
        write_result(document, arguments.out)
        if arguments.result is not None:
            write_result(msgspec.json.decode(encode_result(result)), arguments.result)
    except EdgeRecogError as error:
        give_up(parser, error)


def race(
    wish: Wish, *, peers: Sequence[str], pictures: Sequence[Path], environments: Path
) -> tuple[Result, list[Row]]:
    """Measure models and peers side by side.

    Args:
        wish: Models and how long; of one number of threads.
        peers: Keys of `PEERS`.
        pictures: What all label afterwards.
        environments: Where peers are installed.

    Returns:
        The result, and what each peer is called in it: for each model ours, then the peers.

    Raises:
        BundleError: A model cannot be used.
        DeviceError: Nothing could be measured.
        UsageError: A model's contract asks for something that peers are not fed.
    """
    bundles = [Bundle.open(path) for path in wish.models]
    prepared = prepare(wish)
    rows: list[Row] = []
    facts: dict[str, ModelFacts] = dict(prepared.models)
    with tempfile.TemporaryDirectory(prefix="edge-recog-peers.") as folder:
        setup = Setup(environments=environments, folder=Path(folder), say=_say)
        for ours, bundle, path in zip(prepared.plan.contestants, bundles, wish.models, strict=True):
            name = f"{OURS} · {ours.name}"
            rows.append(Row(ours.model, OURS, msgspec.structs.replace(ours, name=name)))
            for runner in peers:
                title = PEERS[runner].title
                try:
                    ready = setup.ready(runner, bundle, path)
                except (ConversionError, EnvironmentMissingError) as error:
                    rows.append(Row(ours.model, title, None, str(error)))
                    continue
                facts[str(ready.model)] = msgspec.structs.replace(
                    prepared.models[ours.model],
                    file=ready.model.name,
                    size_bytes=ready.model.stat().st_size,
                )
                contestant = Contestant(
                    name=f"{title} · {ours.name}",
                    model=str(ready.model),
                    runner=runner,
                    threads=ours.threads,
                    python=ready.python,
                    options=ready.options,
                )
                rows.append(Row(ours.model, title, contestant))
        plan = msgspec.structs.replace(
            prepared.plan,
            contestants=tuple(row.contestant for row in rows if row.contestant),
            accuracy=tuple(str(picture.absolute()) for picture in pictures),
        )
        with showing_progress(plan, quiet=False) as listen:
            result = measure(plan, find_device("local"), models=facts, listen=listen)
    return result, rows


def document_of(result: Result, rows: Sequence[Row]) -> dict[str, Any]:
    """Return what is told: ratios to ours, by model and peer."""
    models: dict[str, dict[str, Any]] = {}
    ours: ContestantResult | None = None
    for row in rows:
        found = result.by_name[row.contestant.name] if row.contestant else None
        if row.peer == OURS and found is not None:
            ours = found
            models[row.model] = {"name": ours.model.name, "id": ours.model.id, "peers": []}
        models[row.model]["peers"].append(_told(row, found, ours))
    concerned: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for finding in result.findings:
        concerned[finding.severity, finding.kind].append(finding.contestant)
    return {
        "schema_version": 1,
        "benchmark": "peers",
        "threads": result.plan.contestants[0].threads,
        "generations": result.plan.generations,
        "models": list(models.values()),
        "findings": [
            {"severity": severity, "kind": kind, "contestants": sorted(filter(None, names))}
            for (severity, kind), names in concerned.items()
        ],
        "machine": machine_facts(),
    }


def _told(
    row: Row, found: ContestantResult | None, ours: ContestantResult | None
) -> dict[str, Any]:
    """Return what is told of one peer and model."""
    told: dict[str, Any] = {"peer": row.peer}
    if found is None or ours is None or found.failed:
        reason = found.failed.reason if found is not None and found.failed else row.reason
        return {**told, "reason": reason}
    told["runtime"] = found.runtime
    if found is not ours:
        for metric in METRICS:
            ratio = ratio_of(ours, found, paired=True, metric=metric)
            if ratio is not None:
                told[metric] = {"ratio": round(ratio.estimate, 3)}
                if ratio.bounded:
                    told[metric] |= {"low": round(ratio.low, 3), "high": round(ratio.high, 3)}
    best = {answer.picture: answer.top[0] for answer in found.answers}
    reference = {answer.picture: answer.top[0] for answer in ours.answers}
    if reference and found is not ours:
        same = sum(best.get(picture) == label for picture, label in reference.items())
        told["same_label"] = {"same": same, "of": len(reference)}
    return told


def table(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines for people."""
    heads = [*METRICS.values(), "same label"]
    threads = document["threads"]
    for model in document["models"]:
        yield f"{model['name']}, {threads} thread{'s' * (threads > 1)}: ratio to {OURS}"
        yield f"{'':<14}" + "".join(f"{head:>20}" for head in heads)
        for one in model["peers"]:
            if "reason" in one:
                yield f"{one['peer']:<14}  {one['reason']}"
            elif one["peer"] == OURS:
                yield f"{OURS:<14}" + f"{'1':>20}" * len(METRICS)
            else:
                cells = [*(_cell(one.get(metric)) for metric in METRICS), _same(one)]
                yield f"{one['peer']:<14}" + "".join(f"{cell:>20}" for cell in cells)
        for one in model["peers"]:
            if "runtime" in one:
                yield f"{one['peer']:<14}  {one['runtime']}"
        yield ""
    for finding in document["findings"]:
        names = f" ({', '.join(finding['contestants'])})" if finding["contestants"] else ""
        yield f"{finding['severity']}: {finding['kind']}{names}"


def _cell(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return "-"
    bounds = f" [{ratio['low']:.2f}, {ratio['high']:.2f}]" if "low" in ratio else ""
    return f"{ratio['ratio']:.2f}{bounds}"


def _same(one: dict[str, Any]) -> str:
    same = one.get("same_label")
    return f"{same['same']} of {same['of']}" if same else "-"


def _chosen(text: str) -> list[str]:
    """Return the peers that are named.

    Raises:
        UsageError: One is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PEERS:
            raise UsageError(f"no peer {name!r}: name some of {', '.join(PEERS)}")
    return names


def _say(text: str) -> None:
    sys.stderr.write(f"peers: {text}\n")


if __name__ == "__main__":
    main()
