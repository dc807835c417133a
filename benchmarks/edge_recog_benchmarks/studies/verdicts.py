"""How often the comparison is right: `python -m edge_recog_benchmarks.studies.verdicts`.

Runs of 10 generations of 10 turns are simulated, in which the truth is known, and given to
`edge_recog_benchmarks.comparison.compare`: two identical models, and one that is 5 % slower. A
latency is the product of

- the model's time: 20 ms, or 21 ms for the slower;
- a factor of the process, lognormal: where its memory landed;
- a factor of the moment, the same for all: a straight line over the whole run, up or down, and a
  random walk besides;
- a factor of a neighbour, busy for a geometric number of bursts, which hits what happens to run;
- a factor of the sample, lognormal, and for a share of samples a tail, exponential.

`LEVELS` has the sizes. `ordinary` is what a computer with little else to do is taken for.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog import EdgeRecogError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.comparison import compare
from edge_recog_benchmarks.device.events import Burst, ModelFacts
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.device.plan import Contestant
from edge_recog_benchmarks.ratios import log_ratios
from edge_recog_benchmarks.results import ContestantResult
from edge_recog_benchmarks.statistics import bootstrap_mean, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL_MS = 20.0
SLOWER = 1.05
SAMPLES = 5
"""In a burst: 100 ms of 20 ms each."""


@dataclass(frozen=True)
class Noise:
    """Standard deviations of logarithms, and shares."""

    process: float
    sample: float
    drift: float
    """Of the straight line at most, over the whole run; the random walk ends half as far."""
    tail_share: float
    """Of samples that take longer, by half on average."""
    busy_share: float
    """Of bursts at which a neighbour begins; it stays for 2.5 on average."""
    busy: float
    """How much longer everything takes meanwhile, on average."""


LEVELS = {
    "quiet": Noise(
        process=0.005, sample=0.01, drift=0.02, tail_share=0.005, busy_share=0.0, busy=0.0
    ),
    "ordinary": Noise(
        process=0.01, sample=0.03, drift=0.05, tail_share=0.01, busy_share=0.02, busy=0.3
    ),
    "busy": Noise(
        process=0.02, sample=0.05, drift=0.10, tail_share=0.02, busy_share=0.08, busy=0.5
    ),
    "hopeless": Noise(
        process=0.03, sample=0.10, drift=0.15, tail_share=0.05, busy_share=0.20, busy=0.8
    ),
}


def main() -> None:
    """Simulate and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=count, default=1000, help="of each kind")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document = study(runs=arguments.runs)
        for row in document["rates"]:
            rates = ", ".join(f"{name} {rate:.1%}" for name, rate in row["verdicts"].items())
            sys.stdout.write(
                f"{row['noise']}, {row['generations']} generations, ratio {row['ratio']}: {rates}; "
                f"the interval holds the truth in {row['covered']:.1%}, a bootstrap in "
                f"{row['covered_by_bootstrap']:.1%}\n"
            )
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def study(*, runs: int, seed: int = 1) -> dict[str, Any]:
    """Return how often each verdict was given, by noise, number of generations and true ratio."""
    return {
        "schema_version": 1,
        "benchmark": "verdicts",
        "runs": runs,
        "turns": 10,
        "samples_in_a_burst": SAMPLES,
        "levels": {name: asdict(noise) for name, noise in LEVELS.items()},
        "rates": [
            {
                "noise": name,
                "generations": generations,
                "ratio": ratio,
                **rates(noise, ratio, runs=runs, generations=generations, seed=seed),
            }
            for name, noise in LEVELS.items()
            for generations in (10, 5)
            for ratio in (1.0, SLOWER)
        ],
        "machine": machine_facts(),
    }


def rates(
    noise: Noise, ratio: float, *, runs: int, generations: int = 10, turns: int = 10, seed: int = 1
) -> dict[str, Any]:
    """Return the share of runs with each verdict, and of intervals that hold the true ratio.

    The `expected` verdict ("no difference" for equal models, else "slower") has Wilson's 95 %
    interval of its share. `covered_by_bootstrap` is of the interval that a percentile bootstrap of
    the same generations gives.
    """
    rng = np.random.default_rng(seed)
    verdicts: Counter[str] = Counter()
    covered = by_bootstrap = 0
    for _ in range(runs):
        pair = simulate(noise, ratio, generations=generations, turns=turns, rng=rng)
        comparison = compare(*pair, paired=True)
        verdicts[comparison.verdict] += 1
        interval = comparison.ratio
        covered += interval is not None and interval.low <= ratio <= interval.high
        naive = bootstrap_mean(log_ratios(*pair, "p50"))
        by_bootstrap += bool(naive.low <= np.log(ratio) <= naive.high)
    expected = "no difference" if ratio == 1 else "slower"
    share = wilson(verdicts[expected], runs)
    return {
        "verdicts": {verdict: times / runs for verdict, times in verdicts.most_common()},
        "expected": expected,
        "expected_share": [round(value, 4) for value in (share.estimate, share.low, share.high)],
        "covered": covered / runs,
        "covered_by_bootstrap": by_bootstrap / runs,
    }


def simulate(
    noise: Noise, ratio: float, *, generations: int, turns: int, rng: np.random.Generator
) -> tuple[ContestantResult, ContestantResult]:
    """Return two contestants of one run, the second slower by `ratio`."""
    bursts = 2 * generations * turns
    moment = noise.drift * rng.uniform(-1, 1) * np.linspace(0, 1, bursts)
    moment += np.cumsum(rng.normal(0, noise.drift / 2 / bursts**0.5, bursts))
    for start in np.flatnonzero(rng.random(bursts) < noise.busy_share):
        moment[start : start + rng.geometric(0.4)] += np.log1p(rng.exponential(noise.busy))
    # In each turn one of the two comes first, by lot.
    place = rng.permuted(np.tile([0, 1], (bursts // 2, 1)), axis=1).T
    logarithms = np.log(MODEL_MS * np.array([1, ratio]))[:, None, None, None] + np.zeros(
        (2, generations, turns, SAMPLES)
    )
    logarithms += rng.normal(0, noise.process, (2, generations))[:, :, None, None]
    logarithms += moment[place + 2 * np.arange(bursts // 2)].reshape(2, generations, turns, 1)
    logarithms += rng.normal(0, noise.sample, logarithms.shape)
    tail = rng.random(logarithms.shape) < noise.tail_share
    logarithms += tail * np.log1p(rng.exponential(0.5, logarithms.shape))
    samples_ns = np.exp(logarithms) * 1e6
    return _contestant("first", samples_ns[0]), _contestant("second", samples_ns[1])


def _contestant(name: str, samples_ns: NDArray[np.float64]) -> ContestantResult:
    """Return a contestant with latencies (generations, turns, samples)."""
    bursts = tuple(
        Burst(
            contestant=name,
            generation=generation,
            turn=turn,
            started_ns=0,
            elapsed_ns=sum(samples),
            samples={"end_to_end": tuple(samples)},
            pictures=len(samples),
        )
        for generation, those in enumerate(samples_ns.astype(np.int64).tolist())
        for turn, samples in enumerate(those)
    )
    return ContestantResult(
        contestant=Contestant(name=name, model=f"{name}.tflite"),
        model=ModelFacts(file=f"{name}.tflite", name=name, id="", size_bytes=0),
        bursts=bursts,
    )


if __name__ == "__main__":
    main()
