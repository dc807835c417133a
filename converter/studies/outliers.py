"""Outlier channels: what they cost in INT8, and which ways of quantising get it back.

    python converter/studies/outliers.py --data FASHION-MNIST
    python converter/studies/outliers.py --data FASHION-MNIST --network runs/…/model.keras

A trained network is given outlier channels without a change of what it computes: between a layer,
ReLU and the next layer, some channels are multiplied by a factor in the first and divided by it in
the second. Networks such as MobileNets have them by nature: Nagel et al. 2019, section 3.1,
https://arxiv.org/abs/1906.04721. One scale for all channels of an activation then leaves few levels
to the other channels.

The factor, the percentile and how training goes are chosen by validation, which is not learned
from. Test pictures are looked at by the INT8 files themselves, once a seed, after all that. (The
float network looks better on validation than it is: its epoch was chosen by it.) Further seeds make
other channels outliers of the same network.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from edge_recog_benchmarks.arguments import add_out, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.acceptance.paired import drop_of_share
from edge_recog_converter.calibration import calibration_inputs, choose
from edge_recog_converter.datasets import SPLITS, find_dataset
from edge_recog_converter.decoded import decoded_split
from edge_recog_converter.errors import PretrainedError, TrainingError
from edge_recog_converter.learning.augmentation.augmenter import augmenter_of
from edge_recog_converter.learning.fitting import fit
from edge_recog_converter.learning.inference import inference_of
from edge_recog_converter.learning.optimizers import optimizer_of
from edge_recog_converter.learning.plans import Plan, Samples
from edge_recog_converter.learning.sections import Adam, Cosine
from edge_recog_converter.learning.teaching import Pupilage, TaughtBy
from edge_recog_converter.pretrained.saved import RUN_NETWORK, contract_beside, saved_network
from edge_recog_converter.ptq import Method, post_training_model, quantize_post_training
from edge_recog_converter.ptq.equalization import Pair, scalable_pairs
from edge_recog_converter.qat import convert_fake_quantized, fake_quantized, freeze_ranges
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.qat.walking import copied, rebuilt
from edge_recog_converter.quantization import convert_float, quantize_full_int8
from edge_recog_converter.recipe import load_recipe
from edge_recog_converter.stages import TrainStage
from edge_recog_converter.teachers import NetworkTeacher

from edge_recog.errors import EdgeRecogError
from edge_recog.interpreters.opening import open_interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_converter.datasets import Dataset
    from edge_recog_converter.learning.augmentation.sections import Augmentation
    from edge_recog_converter.recipe import Recipe
    from edge_recog_converter.report.document import Epoch
    from numpy.typing import NDArray

    from edge_recog.preprocessing import Preprocessing

_SCHEMA_VERSION: Final = 1
_SEEDS: Final = (7, 8, 9)
CHANNELS: Final = 0.125
"""Share of the channels between two layers that become outliers, rounded up."""
FACTORS: Final = (4.0, 8.0, 16.0, 32.0, 40.0, 48.0, 64.0)
"""By which outliers are larger; the first that loses enough on validation is taken."""
_ENOUGH: Final = 0.025
"""Share of validation pictures that min-max must lose: more than the 2 points wanted on test."""
_PERCENTILES: Final = (99.9, 99.99, 99.999)
_AVERAGE: Final = 0.998
"""Of the weights, in each step: the average is what is kept."""
_TEACHER_SHARE: Final = 0.9
"""Of the loss; the labels have the rest."""
_TEMPERATURE: Final = 4.0
_BATCH: Final = 128
_CALIBRATION: Final = 500
_CONFIDENCE: Final = 0.95
WANTED_LOSS: Final = 0.02
"""Of min-max, on test."""
ALLOWED_LOSS: Final = 0.003
"""Of training that knows of the rounding."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way to train a model that rounds."""

    percentile: float | None
    """That ranges are calibrated by and stay at: outliers are clipped, and the network learns to do
    without what is cut off. None begins with min-max, and learns ranges as moving averages."""
    epochs: int
    rate: float = 1e-3
    """Of Adam at the start; it falls to 0 along a cosine."""
    equalized: bool = False
    """Begin with channels scaled against each other, as the rung of acceptance does."""

    def __str__(self) -> str:
        """Say it in some words."""
        kept = f"ranges kept at percentile {self.percentile:g}" if self.percentile else ""
        begun = " from equalised channels" if self.equalized else ""
        return f"quantisation-aware training{begun}, {kept or 'ranges learned'}"


ATTEMPTS: Final = (
    Attempt(None, epochs=4),
    Attempt(99.9, epochs=10),
    Attempt(None, epochs=4, rate=2e-5, equalized=True),
)
"""The first does not gain by more epochs on validation: moving averages keep up with outliers."""


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A network and its pictures."""

    network: Any
    """Simplified, with outliers or not; to logits."""
    samples: Mapping[str, Samples]
    """By split."""
    inputs: Sequence[NDArray[np.float32]]
    """For calibration, of the training pictures."""
    preprocessing: Preprocessing
    augment: Sequence[Augmentation] = ()
    """Of the training pictures, as the float network learned from them."""


def main() -> None:
    """Measure, print and keep if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="as the recipe wants it")
    parser.add_argument("--recipe", type=Path, default=Path("recipes/fashion-mnist.toml"))
    parser.add_argument("--network", type=Path, help="model.keras of a build; built if left out")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="of the build")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(_SEEDS))
    parser.add_argument(
        "--attempts",
        type=int,
        nargs="+",
        choices=range(1, len(ATTEMPTS) + 1),
        default=list(range(1, len(ATTEMPTS) + 1)),
        help=f"ways of training: {', '.join(f'{n}: {one}' for n, one in enumerate(ATTEMPTS, 1))}",
    )
    parser.add_argument("--conditions", default="", help="what to know of this run")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        network = arguments.network or built(arguments.recipe, arguments.data, arguments.runs)
        with tempfile.TemporaryDirectory(prefix="edge-recog-outliers-") as cache:
            bench = bench_of(network, arguments.recipe, arguments.data, Path(cache))
            first, *others = arguments.seeds
            attempts = [ATTEMPTS[number - 1] for number in arguments.attempts]
            document = {
                "schema_version": _SCHEMA_VERSION,
                "benchmark": "outliers",
                "recipe": arguments.recipe.name,
                "seed": first,
                **study(bench, attempts, seed=first),
                "other_seeds": {
                    str(seed): brief(study(bench, attempts, seed=seed)) for seed in others
                },
                "conditions": arguments.conditions,
                "machine": machine_facts(),
            }
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def built(recipe: Path, data: Path, runs: Path) -> Path:
    """Build a recipe and return the network of its run.

    Raises:
        TrainingError: The build failed; it has said why on stderr.
    """
    command = [str(Path(sys.executable).with_name("edge-recog")), "build", str(recipe)]
    outcome = subprocess.run(
        [*command, "--data", str(data), "--out", str(runs), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if outcome.returncode:
        raise TrainingError(f"edge-recog build {recipe.name} failed")
    return Path(json.loads(outcome.stdout)["folder"]) / RUN_NETWORK


def bench_of(path: Path, recipe_path: Path, data: Path, cache: Path) -> Bench:
    """Return a network of a build and the pictures, split as that build had them.

    Args:
        path: `model.keras`, with the float model file beside it.
        recipe_path: Its seed and shares decide who is in which split.
        data: Folder of pictures.
        cache: Folder for decoded pictures.

    Raises:
        EdgeRecogError: The network, the recipe or the pictures cannot be used.
    """
    recipe, _ = load_recipe(recipe_path)
    preprocessing = contract_beside(path)
    if preprocessing is None:
        raise PretrainedError(f"{path}: no float model file of the same build lies beside it")
    dataset = find_dataset(data, recipe.data, seed=recipe.seed)
    shape = (preprocessing.height, preprocessing.width, preprocessing.channels)
    network = saved_network(path, input_shape=shape, classes=len(dataset.labels))
    samples: dict[str, Samples] = {
        split: Samples(decoded.pixels, np.asarray(decoded.targets, np.float32))
        for split in SPLITS
        for decoded in [
            decoded_split(
                dataset.splits[split], preprocessing, cache=cache, classes=len(dataset.labels)
            )
        ]
    }
    inputs = calibration_of(dataset, recipe, preprocessing, cache)
    augment = next((stage.augment for stage in recipe.stage if isinstance(stage, TrainStage)), ())
    return Bench(simplified(network), samples, inputs, preprocessing, augment)


def calibration_of(
    dataset: Dataset, recipe: Recipe, preprocessing: Preprocessing, cache: Path
) -> list[NDArray[np.float32]]:
    """Return calibration inputs, drawn from the training pictures as a build draws them."""
    chosen = choose(dataset.splits["train"], _CALIBRATION, seed=recipe.seed)
    decoded = decoded_split(chosen, preprocessing, cache=cache)
    return list(calibration_inputs(decoded.pixels, preprocessing))


def study(bench: Bench, attempts: Sequence[Attempt] = ATTEMPTS, *, seed: int) -> dict[str, Any]:
    """Return what is told of one set of outliers.

    Args:
        bench: Network and pictures.
        attempts: Ways of training.
        seed: Of which channels become outliers, and of training.

    Raises:
        EdgeRecogError: The network has no place for outliers, or cannot be quantised.
    """
    plain = bench.network
    swept, factor = sweep(bench, seed=seed)
    outliers, given = with_outliers(plain, factor=factor, share=CHANNELS, seed=seed)
    spoilt = replace(bench, network=outliers)
    _say(f"factor {factor:g} is taken: {given}")
    validation = bench.samples["validation"]

    percentiles = {
        percentile: _post(spoilt, method=Method.PERCENTILE, percentile=percentile)
        for percentile in _PERCENTILES
    }
    by_percentile = {
        percentile: top1(content, validation, bench.preprocessing)
        for percentile, content in percentiles.items()
    }
    percentile = max(by_percentile, key=lambda one: by_percentile[one])
    taught = {str(attempt): trained(spoilt, attempt, seed=seed) for attempt in attempts}
    tried = [row for _, row in taught.values()]
    chosen = max(tried, key=lambda row: float(row["top1"]))["kind"]
    files = {
        "float": convert_float(plain),
        "float, with outliers": convert_float(outliers),
        "min-max, before outliers": _post(bench),
        "min-max": _post(spoilt),
        "adaptive rounding": quantize_full_int8(outliers, bench.inputs),
        "mean-squared-error": _post(spoilt, method=Method.MEAN_SQUARED_ERROR),
        f"percentile {percentile:g}": percentiles[percentile],
        "equalised": _post(spoilt, equalize=True),
        "equalised and bias-corrected": _post(spoilt, equalize=True, correct_biases=True),
        **{kind: content for kind, (content, _) in taught.items()},
    }
    test = bench.samples["test"]
    wanted = test.targets.argmax(axis=1)
    said = {kind: labels(content, test, bench.preprocessing) for kind, content in files.items()}
    reference = said["float, with outliers"] == wanted
    rows = []
    for kind, content in files.items():
        rows.append(
            {"kind": kind, "bytes": len(content), **figures(said[kind] == wanted, reference)}
        )
        _say(f"test: {kind}: {rows[-1]['right']} of {rows[-1]['of']} ({rows[-1]['top1']:.2%})")
    drops = {row["kind"]: row["drop"] for row in rows}
    return {
        "pictures": {split: len(one.targets) for split, one in bench.samples.items()},
        "calibration": len(bench.inputs),
        "outliers": {
            "factor": factor,
            "channels": given,
            "largest_logit_difference": logit_difference(
                plain, outliers, test, bench.preprocessing
            ),
            "labels_changed": int((said["float"] != said["float, with outliers"]).sum()),
        },
        "chosen_by_validation": {
            "factor": swept,
            "percentile": {f"{one:g}": round(top, 5) for one, top in by_percentile.items()},
            "training": tried,
        },
        "test": rows,
        "min_max_loses_enough": drops["min-max"] >= WANTED_LOSS,
        "training_chosen": chosen,
        "line_met": drops[chosen] <= ALLOWED_LOSS,
    }


def brief(told: dict[str, Any]) -> dict[str, Any]:
    """Return the few figures of a study that are kept of seeds but the first."""
    return {
        "factor": told["outliers"]["factor"],
        "right": {row["kind"]: row["right"] for row in told["test"]},
        "drop": {row["kind"]: row["drop"] for row in told["test"]},
        **{name: told[name] for name in ("min_max_loses_enough", "training_chosen", "line_met")},
    }


def sweep(bench: Bench, *, seed: int) -> tuple[list[dict[str, float]], float]:
    """Return what min-max loses on validation by factor, and the first that loses enough.

    If none does, the last one is returned.
    """
    validation = bench.samples["validation"]
    before = top1(convert_float(bench.network), validation, bench.preprocessing)
    rows: list[dict[str, float]] = []
    for factor in FACTORS:
        outliers, _ = with_outliers(bench.network, factor=factor, share=CHANNELS, seed=seed)
        spoilt = replace(bench, network=outliers)
        loss = before - top1(_post(spoilt), validation, bench.preprocessing)
        rows.append({"factor": factor, "min_max_loses": round(loss, 5)})
        _say(f"validation: outliers of {factor:g} cost {loss:.2%}")
        if loss >= _ENOUGH:
            break
    return rows, rows[-1]["factor"]


def with_outliers(
    plain: Any, *, factor: float, share: float, seed: int
) -> tuple[Any, dict[str, list[int]]]:
    """Return a copy of a simplified model that computes the same, and the channels scaled in it.

    Args:
        plain: From `simplified`; left as it is.
        factor: That outliers are multiplied by in one layer and divided by in the next; > 0.
        share: Of the channels between each two layers, 0-1, rounded up.
        seed: Of which.

    Returns:
        The model; by layer, the channels of it that were scaled.

    Raises:
        PretrainedError: No two layers have only ReLU or pooling between them.
    """

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        copy = copied(layer)
        output = copy(*args, **kwargs)
        copy.set_weights(layer.get_weights())
        return output

    copy = rebuilt(plain, call)
    rng = np.random.default_rng(seed)
    given: dict[str, list[int]] = {}
    for pair in scalable_pairs(copy):
        channels = pair.first.bias.shape[0]
        chosen = np.sort(rng.choice(channels, int(np.ceil(share * channels)), replace=False))
        factors = np.ones(channels)
        factors[chosen] = factor
        scale(pair, factors)
        given[pair.first.name] = chosen.tolist()
    if not given:
        raise PretrainedError(
            f"{plain.name} has no two layers with only ReLU or pooling between them: no channel "
            "can be scaled without changing what it computes"
        )
    return copy, given


def scale(pair: Pair, factors: NDArray[np.float64]) -> None:
    """Multiply the channels between two layers, (channels,), in the first; divide in the second."""
    for layer, role, by in ((pair.first, "makes", factors), (pair.second, "takes", 1 / factors)):
        kernel = np.asarray(layer.kernel, np.float64)
        depthwise = type(layer) is keras.layers.DepthwiseConv2D
        if depthwise:
            shaped = by.reshape(kernel.shape[2:]) if role == "makes" else by[:, np.newaxis]
            layer.kernel.assign(kernel * shaped)
        elif role == "makes":
            layer.kernel.assign(kernel * by)
        else:
            # A dense layer after a flattened map takes each channel at every position.
            by_channel = kernel.reshape(-1, len(by), kernel.shape[-1])
            layer.kernel.assign((by_channel * by[:, np.newaxis]).reshape(kernel.shape))
    pair.first.bias.assign(np.asarray(pair.first.bias, np.float64) * factors)


def trained(bench: Bench, attempt: Attempt, *, seed: int) -> tuple[bytes, dict[str, Any]]:
    """Return the INT8 file of an attempt, and how it went on validation.

    Args:
        bench: Its network is the teacher, and what training begins with.
        attempt: How.
        seed: Of order and augmentation.
    """
    start = time.monotonic()
    if attempt.equalized:
        student = post_training_model(
            bench.network, bench.inputs, equalize=True, correct_biases=True
        )
    elif attempt.percentile is None:
        student = fake_quantized(bench.network, bench.inputs)
    else:
        student = post_training_model(
            bench.network, bench.inputs, method=Method.PERCENTILE, percentile=attempt.percentile
        )
    history = _learn(student, bench, attempt, seed=seed)
    content = convert_fake_quantized(student)
    score = top1(content, bench.samples["validation"], bench.preprocessing)
    _say(f"validation: {attempt}: {score:.2%}")
    return content, {
        "kind": str(attempt),
        "rate": attempt.rate,
        "epochs": " ".join(f"{epoch.score:.4f}" for epoch in history),
        "top1": round(score, 5),
        "seconds": round(time.monotonic() - start),
    }


def _learn(student: Any, bench: Bench, attempt: Attempt, *, seed: int) -> tuple[Epoch, ...]:
    """Train a model that rounds on what the float network says; the best epoch's weights stay."""
    train, validation = bench.samples["train"], bench.samples["validation"]
    mean, std = _scale(bench.preprocessing)
    shape = bench.preprocessing.input_shape[1:]
    augment = augmenter_of(bench.augment, image_shape=shape, seed=seed)
    teacher = NetworkTeacher(bench.network, bench.preprocessing, name="float")

    plan = Plan(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        optimizer=optimizer_of(
            Adam(learning_rate=attempt.rate, average=_AVERAGE),
            Cosine(),
            variables=student.trainable_variables,
            epochs=attempt.epochs,
            steps_per_epoch=math.ceil(len(train.targets) / _BATCH),
        ),
        epochs=attempt.epochs,
        batch_size=_BATCH,
        mean=mean,
        std=std,
        order=lambda epoch: np.random.default_rng([seed, epoch]).permutation(len(train.targets)),
        score=lambda logits, targets: float(
            np.mean(logits.argmax(axis=1) == targets.argmax(axis=1))
        ),
        augment=augment,
        teaching=TaughtBy(
            [Pupilage(teacher, train.pixels, augment)],
            activation="softmax",
            classes=train.targets.shape[1],
            share=_TEACHER_SHARE,
            temperature=_TEMPERATURE,
        ),
    )

    def on_epoch(epoch: Epoch) -> None:
        _say(f"epoch {epoch.number}: loss {epoch.loss:.4f}, validation {epoch.score:.2%}")

    freeze_ranges(student, frozen=attempt.percentile is not None)
    return fit(student, train, validation, plan, on_epoch=on_epoch).history


def labels(content: bytes, samples: Samples, preprocessing: Preprocessing) -> NDArray[np.intp]:
    """Return (pictures,) best labels that a TFLite file gives, the first of equals."""
    with contextlib.closing(open_interpreter(content)) as interpreter:
        (spec,) = interpreter.inputs
        table = preprocessing.table(spec.quantization, str(spec.dtype))
        channels = np.arange(preprocessing.channels)
        said = np.zeros(len(samples.targets), np.intp)
        for at in range(len(said)):
            interpreter.input_view()[0] = table[samples.pixels[at], channels]
            interpreter.invoke()
            said[at] = interpreter.read_output()[0].argmax()
    return said


def top1(content: bytes, samples: Samples, preprocessing: Preprocessing) -> float:
    """Return the share of pictures of which a TFLite file says the right label, 0-1."""
    return float(np.mean(labels(content, samples, preprocessing) == samples.targets.argmax(axis=1)))


def figures(right: NDArray[np.bool_], reference: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how many of (pictures,) are right, and what that is less than the reference.

    The drop has the 95 % interval of matched proportions.
    """
    lost, won = int((reference & ~right).sum()), int((right & ~reference).sum())
    drop = drop_of_share(lost, won, len(right), confidence=_CONFIDENCE)
    return {
        "right": int(right.sum()),
        "of": len(right),
        "top1": round(float(right.mean()), 5),
        "drop": round(drop.estimate, 5),
        "drop_low": round(drop.low, 5),
        "drop_high": round(drop.high, 5),
        "lost": lost,
        "won": won,
    }


def logit_difference(one: Any, other: Any, samples: Samples, preprocessing: Preprocessing) -> float:
    """Return the largest difference between the logits of two networks on some pictures."""
    mean, std = (np.array(values, np.float32) for values in (preprocessing.mean, preprocessing.std))
    before, after = (
        inference_of(network, mean=mean, std=std)(samples.pixels) for network in (one, other)
    )
    return float(np.abs(before - after).max())


def _scale(preprocessing: Preprocessing) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.array(preprocessing.mean, np.float32), np.array(preprocessing.std, np.float32)


def _post(bench: Bench, **wishes: Any) -> bytes:
    return quantize_post_training(bench.network, bench.inputs, **wishes)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
