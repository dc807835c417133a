"""What measuring costs: `python -m edge_recog_benchmarks.studies.overhead MODEL…`.

Each model runs through the classifier and through the interpreter alone, in turns and in fresh
processes as in `edge-recog bench --bare`. Told are

- the ratio of the `invoke` stage to the interpreter alone, at p50, with its 95 % interval: what
  surrounds an invocation must not slow it down;
- the median time of a picture that belongs to no stage: clocks, and calls between the stages;
- the median over bursts of the time between two samples: the harness's own bookkeeping;
- the median of each stage, the time to the first answer and the peak memory, as `bench` has them.
"""

from __future__ import annotations

import argparse
import statistics as standard
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.arguments import add_out, give_up, write_result
from edge_recog_benchmarks.connections import LocalDevice
from edge_recog_benchmarks.figures import END_TO_END, figures_of
from edge_recog_benchmarks.measuring import measure
from edge_recog_benchmarks.planning import Wish, prepare
from edge_recog_benchmarks.ratios import ratio_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog_benchmarks.results import ContestantResult, Result


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", type=Path, help="model files with a contract")
    parser.add_argument("--seconds", type=float, help="of each contestant (default 10)")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document = study(arguments.models, seconds=arguments.seconds)
        for row in document["models"]:
            ratio, invoke_ms = row["invoke_to_bare"], row["stages_p50_ms"]["invoke"]
            sys.stdout.write(
                f"{row['name']}: invoke takes {invoke_ms:.4g} ms, the interpreter alone "
                f"{row['bare_p50_ms']:.4g} ms: {ratio['estimate']:.3f} of it "
                f"[{ratio['low']:.3f}, {ratio['high']:.3f}]; outside the stages "
                f"{row['outside_stages_us']:.1f} us, between samples "
                f"{row['between_samples_us']:.1f} us\n"
            )
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def study(models: list[Path], *, seconds: float | None) -> dict[str, Any]:
    """Return what is told of each model.

    Raises:
        EdgeRecogError: A model cannot be measured.
    """
    prepared = prepare(Wish(models=models, seconds=seconds, bare=True))
    result = measure(prepared.plan, LocalDevice(), models=prepared.models)
    return {
        "schema_version": 1,
        "benchmark": "overhead",
        "complete": result.complete,
        "findings": [finding.reason for finding in result.findings],
        "models": [row(result, *pair) for pair in pairs(result)],
        "machine": result.system.machine,
    }


def pairs(result: Result) -> Iterator[tuple[ContestantResult, ContestantResult]]:
    """Yield the classifier and the bare interpreter of each model that has both."""
    bare = {
        one.contestant.model: one
        for one in result.contestants
        if one.contestant.runner == "bare" and one.bursts
    }
    for one in result.contestants:
        if one.contestant.runner == "classifier" and one.bursts and one.contestant.model in bare:
            yield one, bare[one.contestant.model]


def row(result: Result, classifier: ContestantResult, bare: ContestantResult) -> dict[str, Any]:
    """Return what is told of one model."""
    figures = figures_of(result, classifier)
    first_answer = figures.first_answer_ms
    ratio = ratio_of(bare, classifier, paired=True, metric="p50", stage="invoke")
    assert ratio is not None
    return {
        "name": classifier.name,
        "id": classifier.model.id,
        "bare_p50_ms": float(np.median(bare.samples("invoke"))) / 1e6,
        "invoke_to_bare": asdict(ratio),
        "outside_stages_us": outside_stages_us(classifier),
        "between_samples_us": between_samples_us(classifier),
        "stages_p50_ms": {name: one.p50_ms.estimate for name, one in figures.stages.items()},
        "first_answer_ms": None if first_answer is None else first_answer.estimate,
        "peak_rss_mb": figures.peak_rss_mb,
    }


def outside_stages_us(one: ContestantResult) -> float:
    """Return the median time from end to end that belongs to no stage, in microseconds."""
    stages = [one.samples(stage) for stage in one.stages if stage != END_TO_END]
    return float(np.median(one.samples(END_TO_END) - sum(stages))) / 1e3


def between_samples_us(one: ContestantResult) -> float:
    """Return the median over bursts of the mean time between two samples, in microseconds."""
    return standard.median(
        (burst.elapsed_ns - sum(burst.samples[END_TO_END])) / len(burst.samples[END_TO_END]) / 1e3
        for burst in one.bursts
    )


if __name__ == "__main__":
    main()
