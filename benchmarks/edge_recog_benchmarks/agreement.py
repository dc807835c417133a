"""Where two models differ: `python -m edge_recog_benchmarks.agreement FLOAT INT8 PATH...`.

Both see every picture or video frame through the runtime, and the share on which they name the
same label is told for each path.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge_recog import Classifier, open_source
from edge_recog.files import write_file
from edge_recog_benchmarks.machine import machine_facts


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", help="a model file")
    parser.add_argument("other", help="another with the same labels")
    parser.add_argument("paths", nargs="+", help="pictures, folders, videos")
    parser.add_argument("--every", type=int, default=1, help="take each N-th frame only")
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    arguments = parser.parse_args()
    document = measure(
        arguments.reference, arguments.other, arguments.paths, every=arguments.every
    )
    for row in [*document["sets"], document["all"]]:
        sys.stdout.write(
            f"{row['name']:<28} {row['agreement']:7.2%} of {row['count']:>5}   where the "
            f"reference is sure (margin >= 0.1): {row['sure_agreement']:7.2%} of "
            f"{row['sure_count']}\n"
        )
    if arguments.out:
        write_file(arguments.out, json.dumps(document, indent=2).encode() + b"\n", force=True)


def measure(reference: str, other: str, paths: list[str], *, every: int) -> dict[str, Any]:
    """Return agreement for each path and over all."""
    with Classifier.open(reference) as first, Classifier.open(other) as second:
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
    return pairs


def _summary(name: str, pairs: list[tuple[bool, float]]) -> dict[str, Any]:
    sure = [same for same, margin in pairs if margin >= 0.1]
    return {
        "name": name,
        "count": len(pairs),
        "agreement": round(sum(same for same, _ in pairs) / len(pairs), 4),
        "sure_count": len(sure),
        "sure_agreement": round(sum(sure) / len(sure), 4) if sure else 1.0,
    }


if __name__ == "__main__":
    main()
