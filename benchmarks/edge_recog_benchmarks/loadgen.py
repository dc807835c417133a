"""Our single-stream figure beside the referee's: `python -m edge_recog_benchmarks.loadgen MODEL…`.

MLPerf's LoadGen asks our classifier, in performance mode and in accuracy mode. Blocks of it and of
our own conductor alternate in an order drawn anew for each pair, every block in fresh processes; of
each figure the median over the blocks is told, and of the two figures' ratio the median over the
pairs, which lie side by side in time, with the interval of their mean.

What is compared is the 90th percentile from end to end, in both of the forms that LoadGen writes:

- *early stopping*: the estimate that MLPerf reports for single-stream, no lower than the true
  percentile with confidence 99 %; LoadGen's `early_stopping_latency_ss` with
  `edge_recog_benchmarks.statistics.early_stopping`. It needs 64 queries, and is higher the fewer
  there are: blocks of both last alike.
- *plain*: LoadGen's `result_90.00_percentile_latency_ns`, the nearest rank of a block's queries,
  with numpy's percentile, which interpolates.

And they are compared twice: in the same queries, with our clock around each answer inside LoadGen's
process, where only clock and arithmetic can differ; and between the blocks, where the harnesses
differ in all but the runner, and the machine's noise counts. LoadGen's own work for each query
takes a microsecond or two, and some of the caches: of a model that answers in 0.1 ms that shows.

In performance mode both get one picture, over and over. LoadGen draws pictures at random, with
replacement, and the conductor takes them in turn: of eight camera frames that alone made LoadGen's
90th percentile of a 0.15 ms model 8 % higher, all of it in resizing, where the caches were shared.

In accuracy mode LoadGen has every picture answered once; its log must have the best labels that the
conductor's answers have.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics as standard
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np

from edge_recog.bundle import Bundle
from edge_recog.cameras.images import image_paths
from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.connections import find_device
from edge_recog_benchmarks.device.frames import load_frames
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.device.plan import PictureFrames
from edge_recog_benchmarks.environments import default_folder, make_environment, site_packages
from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.loadgen_referee import (
    TARGET,
    Latencies,
    LoadGenError,
    Referee,
    latencies_of,
)
from edge_recog_benchmarks.measuring import measure
from edge_recog_benchmarks.planning import Wish, prepare
from edge_recog_benchmarks.statistics import least_samples, mean_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog_benchmarks.device.plan import Plan
    from edge_recog_benchmarks.planning import Prepared

REQUIREMENTS = ("mlcommons-loadgen>=5,<7",)
"""Of the environment of which LoadGen's module is taken; it needs no other package."""
BLOCKS = 31
SECONDS = 0.5
FORMS = ("early_stopping", "plain")
TOLERANCE = 0.05
"""Of the ratio, for the figures to count as the same."""


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help="model files")
    parser.add_argument("--data", type=Path, help="folder of pictures; a test card otherwise")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="of each block (default 0.5)"
    )
    parser.add_argument("--blocks", type=count, default=BLOCKS, help="of each (default 31)")
    parser.add_argument("--threads", type=count, default=1)
    parser.add_argument(
        "--environments", type=Path, default=default_folder(), help="where LoadGen is installed"
    )
    add_out(parser)
    arguments = parser.parse_args()
    try:
        python = make_environment(
            "peers-loadgen", *REQUIREMENTS, folder=arguments.environments, say=_say
        )
        referee = Referee(site_packages(python))
        document: dict[str, Any] = {"schema_version": 1, "benchmark": "loadgen", "models": []}
        for path in arguments.models:
            wish = Wish(
                models=[path],
                data=arguments.data,
                accuracy=False,
                threads=(arguments.threads,),
                seconds=arguments.seconds,
                generations=1,
                burst_s=arguments.seconds,
            )
            told = compare(wish, referee, blocks=arguments.blocks)
            document["models"].append(told)
            sys.stdout.write("\n".join(lines(told)) + "\n")
        write_result({**document, "machine": machine_facts()}, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def compare(wish: Wish, referee: Referee, *, blocks: int) -> dict[str, Any]:
    """Return what LoadGen and the conductor say of a model.

    Raises:
        BundleError: The model cannot be used.
        LoadGenError: LoadGen failed.
    """
    Bundle.open(wish.models[0])  # One without a contract would be measured on random input.
    prepared = prepare(wish)
    single = replace(prepared, plan=_with_one_picture(prepared.plan))
    order = random.Random(wish.seed)
    theirs: list[Latencies] = []
    own_clock: list[Latencies] = []
    ours: list[Latencies] = []
    for block in range(blocks):
        for name in order.sample(["LoadGen", "conductor"], 2):
            _say(f"{prepared.plan.contestants[0].name}: block {block + 1} of {blocks}, {name}")
            if name == "LoadGen":
                found, own = referee.performance(single)
                theirs.append(found)
                own_clock.append(own)
            else:
                ours.append(_conducted(single, seed=block))
    same, pictures = _answers_alike(wish, prepared, referee)
    return {
        "name": prepared.plan.contestants[0].name,
        "id": next(iter(prepared.models.values())).id,
        "milliseconds": {
            "loadgen": [asdict(one) for one in theirs],
            "own clock in the same queries": [asdict(one) for one in own_clock],
            "conductor": [asdict(one) for one in ours],
        },
        "medians": {
            form: {"loadgen": _median(theirs, form), "conductor": _median(ours, form)}
            for form in FORMS
        },
        "loadgen to conductor": {form: ratio_of_pairs(theirs, ours, form) for form in FORMS},
        "loadgen to own clock": {form: ratio_of_pairs(theirs, own_clock, form) for form in FORMS},
        "accuracy": {"same": same, "pictures": pictures},
    }


def _with_one_picture(plan: Plan) -> Plan:
    frames = plan.frames
    if isinstance(frames, PictureFrames):
        return msgspec.structs.replace(plan, frames=PictureFrames(paths=frames.paths[:1]))
    return msgspec.structs.replace(plan, frames=msgspec.structs.replace(frames, count=1))


def lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield what is told of a model, for people."""
    between, within = told["loadgen to conductor"], told["loadgen to own clock"]
    blocks = len(told["milliseconds"]["loadgen"])
    yield f"{told['name']}: p90 in ms, medians of {blocks} blocks each"
    yield f"{'':<16}{'LoadGen':>10}{'conductor':>12}{'ratio':>8}{'mean in':>16}{'same queries':>14}"
    for form, values in told["medians"].items():
        ratio = between[form]
        span = f"[{ratio['low']:.3f}, {ratio['high']:.3f}]" if ratio["high"] else ""
        apart = abs(ratio["median"] - 1) > TOLERANCE
        yield (
            f"{form.replace('_', ' '):<16}{values['loadgen']:>10.3f}{values['conductor']:>12.3f}"
            f"{ratio['median']:>8.3f}{span:>16}{within[form]['median']:>14.4f}"
            + (f"  more than {TOLERANCE:.0%} apart" if apart else "")
        )
    accuracy = told["accuracy"]
    yield f"accuracy mode: the same best label on {accuracy['same']} of {accuracy['pictures']}"


def _median(blocks: Sequence[Latencies], form: str) -> float:
    return float(standard.median(getattr(block, form) for block in blocks))


def ratio_of_pairs(
    theirs: Sequence[Latencies], ours: Sequence[Latencies], form: str
) -> dict[str, float | None]:
    """Return the median of the pairs' ratios, and the 95 % interval of their geometric mean."""
    logarithms = [
        math.log(getattr(one, form) / getattr(other, form))
        for one, other in zip(theirs, ours, strict=True)
    ]
    mean = mean_interval(logarithms)
    median = round(math.exp(standard.median(logarithms)), 4)
    if not mean.bounded:  # A single pair.
        return {"median": median, "low": None, "high": None}
    return {
        "median": median,
        "low": round(math.exp(mean.low), 4),
        "high": round(math.exp(mean.high), 4),
    }


def _conducted(prepared: Prepared, *, seed: int) -> Latencies:
    """Return what one block of our own says.

    Raises:
        LoadGenError: It failed, or took too few samples.
    """
    plan = msgspec.structs.replace(prepared.plan, seed=seed, least_samples=least_samples(TARGET))
    result = measure(plan, find_device("local"), models=prepared.models)
    found = result.contestants[0]
    if found.failed:
        raise LoadGenError(f"{found.contestant.model}: {found.failed.reason}")
    return latencies_of(found.samples(END_TO_END))


def _answers_alike(wish: Wish, prepared: Prepared, referee: Referee) -> tuple[int, int]:
    """Return on how many pictures accuracy mode and the conductor agree, and how many there are."""
    with tempfile.TemporaryDirectory(prefix="edge-recog-loadgen.") as folder:
        paths = _pictures(wish, prepared, Path(folder))
        plan = msgspec.structs.replace(
            prepared.plan,
            frames=PictureFrames(paths=paths),
            accuracy=paths,
            burst_s=1e-3,
            warm_up_s=0.0,
        )
        prepared = replace(prepared, plan=plan)
        _say(f"{plan.contestants[0].name}: accuracy mode on {len(paths)} pictures")
        theirs = referee.accuracy(prepared)
        result = measure(plan, find_device("local"), models=prepared.models)
    ours = {answer.picture: answer.top[0] for answer in result.contestants[0].answers}
    return sum(theirs.get(number) == label for number, label in ours.items()), len(paths)


def _pictures(wish: Wish, prepared: Prepared, folder: Path) -> tuple[str, ...]:
    """Return the pictures of accuracy mode; a test card is written into `folder`."""
    if wish.data is not None:
        return tuple(map(str, image_paths(wish.data)))
    paths = []
    for number, card in enumerate(load_frames(msgspec.to_builtins(prepared.plan.frames))):
        paths.append(str(folder / f"{number}.png"))
        cv2.imwrite(paths[-1], np.asarray(card)[..., ::-1])  # OpenCV writes BGR.
    return tuple(paths)


def _say(text: str) -> None:
    sys.stderr.write(f"loadgen: {text}\n")


if __name__ == "__main__":
    main()
