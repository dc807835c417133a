"""Where two models differ: `python -m edge_recog_benchmarks.agreement FLOAT INT8 PATH...`.

Both see every picture or video frame through the runtime, and the share on which they name the
same label is told for each path.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge_recog import Classifier, EdgeRecogError, UsageError, open_source
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", help="a model file")
    parser.add_argument("other", help="another with the same labels")
    parser.add_argument("paths", nargs="+", help="pictures, folders, videos")
    parser.add_argument("--every", type=count, default=1, help="take each N-th frame only")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document = measure(
            arguments.reference, arguments.other, arguments.paths, every=arguments.every
        )
        print_result(document)
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def print_result(document: dict[str, Any]) -> None:
    """Write a line for each path, and one for all."""
    for row in [*document["sets"], document["all"]]:
        sure = row["sure_agreement"]
        sys.stdout.write(
            f"{row['name']:<28} {row['agreement']:7.2%} of {row['count']:>5}   where the "
            f"reference is sure (margin >= 0.1): {'-' if sure is None else f'{sure:.2%}':>7} of "
            f"{row['sure_count']}\n"
        )


def measure(reference: str, other: str, paths: list[str], *, every: int) -> dict[str, Any]:
    """Return agreement for each path and over all.

    Raises:
        EdgeRecogError: A model or path cannot be used.
        UsageError: The models have different labels, or a path has no frames.
    """
    with Classifier.open(reference) as first, Classifier.open(other) as second:
        if first.bundle.labels != second.bundle.labels:
            raise UsageError(f"{other}: its labels are not those of {reference}")
        rows = [(path, _compare(first, second, path, every)) for path in paths]
        models = [model.bundle for model in (first, second)]
    everything = [pair for _, pairs in rows for pair in pairs]
    return {
        "schema_version": 1,
        "benchmark": "agreement",
        "models": [{"name": bundle.name, "id": bundle.id} for bundle in models],
        "sets": [_summary(Path(path).name, pairs) for path, pairs in rows],
        "all": _summary("all", everything),
        "machine": machine_facts(),
    }


def _compare(
    first: Classifier, second: Classifier, path: str, every: int
) -> list[tuple[bool, float]]:
    """Return for each frame whether the models agree, and the reference's margin."""
    pairs = []
    with open_source(path) as source:
        for frame in source:
            if frame.index % every:
                continue
            one, two = first.trace(frame).scores, second.trace(frame).scores
            runner_up, best = np.sort(one)[-2:]
            pairs.append((bool(np.argmax(one) == np.argmax(two)), float(best - runner_up)))
    if not pairs:
        raise UsageError(f"{path}: it has no frames")
    return pairs


def _summary(name: str, pairs: list[tuple[bool, float]]) -> dict[str, Any]:
    sure = [same for same, margin in pairs if margin >= 0.1]
    return {
        "name": name,
        "count": len(pairs),
        "agreement": round(sum(same for same, _ in pairs) / len(pairs), 4),
        "sure_count": len(sure),
        "sure_agreement": round(sum(sure) / len(sure), 4) if sure else None,
    }


if __name__ == "__main__":
    main()
