"""MLPerf Tiny's INT8 files beside ours of the same networks: who says what the float network says.

    python converter/studies/mlperf_tiny.py --data ../shared/data/mlperf_tiny

For each network, real pictures are shown to the float file as published, to the INT8 file as
published and to INT8 files made here of the `.h5` file. Told are the share of pictures of which the
best label is the float file's; of how many only one of the two INT8 files has it; and how far the
scores are from the float file's: half the sum of their differences (total variation), the mean over
pictures, which sees more than labels where nearly all of them are one.

The pictures are not those that the networks were made for (CIFAR-10, Visual Wake Words), so nothing
is said of accuracy. Neither were the published files calibrated on pictures like these, and ours
were; so ours are also calibrated on two collections and judged by the third. Which way of ours is
called best is decided by the scores of pictures that are not judged by. Further seeds divide the
pictures anew, for that way and a few more; what they say is not independent, but shows what chance
does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from edge_recog_benchmarks.arguments import add_out, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.acceptance.paired import mcnemar_p_value
from edge_recog_converter.calibration import calibration_inputs, normalize
from edge_recog_converter.errors import PretrainedError
from edge_recog_converter.ptq import (
    Method,
    calibrated_ranges,
    correct_biases,
    equalize,
    post_training_model,
    quantize_post_training,
)
from edge_recog_converter.qat import convert_fake_quantized, freeze_ranges
from edge_recog_converter.qat.inserting import with_ranges
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.quantization import quantize_full_int8, rounded_copy
from edge_recog_converter.report.headline import wilson
from legacy_keras import load_legacy_network
from real_pictures import load_shared

from edge_recog.errors import EdgeRecogError
from edge_recog.interpreters.opening import open_interpreter
from edge_recog.preprocessing import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from real_pictures import RealPictures, Shared

    Quantize = Callable[[Any, Sequence[NDArray[np.float32]]], bytes]

_SCHEMA_VERSION: Final = 1
_SEEDS: Final = (7, 8, 9)
_FLOAT_ROUNDING: Final = 1e-5
"""Most that a score may differ between the network rebuilt and the float file as published."""
_COMPARED: Final = 64
"""Pictures that this is looked at on."""
_THEIRS: Final = "published"
_OURS: Final = "adaptive rounding"
"""What `quantize_full_int8` does unless told otherwise."""
_THIRD_STEP: Final = {
    f"third step of acceptance, {method.value}": method
    for method in (Method.MIN_MAX, Method.MEAN_SQUARED_ERROR)
}
"""Equalised, adaptive rounding, bias-corrected: what `accept` comes to where the steps before are
not good enough, by the method that was best until then."""

_TRAINED: Final = "training by the float network"


@dataclass(frozen=True, slots=True)
class Network:
    """The files of one network, below MLPerf Tiny's folder."""

    folder: str
    weights: str
    float: str
    int8: str


NETWORKS: Final[Mapping[str, Network]] = {
    "resnet-8": Network(
        "image_classification/trained_models",
        "pretrainedResnet.h5",
        "pretrainedResnet.tflite",
        "pretrainedResnet_quant.tflite",
    ),
    "visual-wake-words": Network(
        "visual_wake_words/trained_models",
        "vww_96.h5",
        "vww_96_float.tflite",
        "vww_96_int8.tflite",
    ),
}


def _post_training(**wishes: Any) -> Quantize:
    return lambda network, inputs: quantize_post_training(network, inputs, **wishes)


def _rounded_then(**wishes: Any) -> Quantize:
    return lambda network, inputs: quantize_post_training(
        rounded_copy(network, inputs), inputs, **wishes
    )


def _equalized_rounded(method: Method) -> Quantize:
    """Return what the third step of acceptance does, by one method."""

    def quantize(network: Any, inputs: Sequence[NDArray[np.float32]]) -> bytes:
        plain = equalize(simplified(network))
        rounded = rounded_copy(plain, inputs)
        rounding = with_ranges(rounded, calibrated_ranges(rounded, inputs, method=method))
        correct_biases(rounding, plain, inputs)
        return convert_fake_quantized(rounding)

    return quantize


def _trained(network: Any, inputs: Sequence[NDArray[np.float32]]) -> bytes:
    """Return what training comes to that knows of the rounding: a short one, without labels.

    The float network teaches, on the calibration pictures and their mirror images: nobody says what
    is on them. Ranges stay as they were calibrated.
    """
    keras.utils.set_random_seed(0)
    student = post_training_model(
        network, inputs, method=Method.MEAN_SQUARED_ERROR, equalize=True, correct_biases=True
    )
    freeze_ranges(student, frozen=True)
    pictures = np.concatenate(inputs)
    pictures = np.concatenate([pictures, pictures[:, :, ::-1]])
    taught = np.asarray(network.predict(pictures, verbose=0))
    steps = math.ceil(len(pictures) / _BATCH) * _EPOCHS
    student.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_RATE, steps)),
        loss=keras.losses.KLDivergence(),
    )
    student.fit(pictures, taught, batch_size=_BATCH, epochs=_EPOCHS, verbose=0)
    return convert_fake_quantized(student)


WAYS: Final[Mapping[str, Quantize]] = {
    _OURS: quantize_full_int8,
    "nearest rounding": lambda network, inputs: quantize_full_int8(
        network, inputs, adapt_rounding=False
    ),
    **{method.value: _post_training(method=method) for method in Method},
    "equalised and bias-corrected": _post_training(equalize=True, correct_biases=True),
    "equalised and bias-corrected, mean-squared-error": _post_training(
        method=Method.MEAN_SQUARED_ERROR, equalize=True, correct_biases=True
    ),
    "adaptive rounding, mean-squared-error": _rounded_then(method=Method.MEAN_SQUARED_ERROR),
    **{way: _equalized_rounded(method) for way, method in _THIRD_STEP.items()},
    _TRAINED: _trained,
}
"""Of ours: `quantize_full_int8`, then `quantize_post_training`, the third step of acceptance, and
one that trains."""
_EPOCHS: Final = 10
_RATE: Final = 1e-5
_BATCH: Final = 32
_SOME: Final = (
    *(_OURS, Method.MIN_MAX.value, Method.MEAN_SQUARED_ERROR.value),
    *_THIRD_STEP,
    _TRAINED,
)
"""Ways that are also calibrated on other collections than they are judged by, and with other
seeds."""


def main() -> None:
    """Compare, print and keep if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="MLPerf Tiny's folder")
    parser.add_argument("--pictures", type=Path, help="folder of pictures; that of --data if none")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(_SEEDS))
    add_out(parser)
    arguments = parser.parse_args()
    try:
        pictures = arguments.pictures or arguments.data.resolve().parent
        document = {
            "schema_version": _SCHEMA_VERSION,
            "benchmark": "mlperf-tiny",
            "networks": {
                name: study(name, NETWORKS[name], arguments.data, pictures, arguments.seeds)
                for name in arguments.networks
            },
            "machine": machine_facts(),
        }
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def study(
    name: str, network: Network, data: Path, pictures: Path, seeds: Sequence[int]
) -> dict[str, Any]:
    """Return what is told of one network: all of the first seed, less of the others.

    Args:
        name: For progress.
        network: Its files.
        data: MLPerf Tiny's folder.
        pictures: Folder of the collections.
        seeds: Of how the pictures are divided; at least one.

    Raises:
        EdgeRecogError: A file or the pictures cannot be used, or the files are not of one network.
    """
    published, theirs = (
        (data / network.folder / file).read_bytes() for file in (network.float, network.int8)
    )
    preprocessing = convention(theirs)
    model = load_legacy_network(data / network.folder / network.weights)
    files = Files(model, published, theirs, preprocessing)
    told: dict[str, Any] = {}
    for seed in seeds:
        shared = load_shared(pictures, preprocessing, seed=seed)
        if not told:
            difference = float_difference(model, published, shared.judged.pixels, preprocessing)
            told = {
                "input": {"mean": preprocessing.mean[0], "std": preprocessing.std[0]},
                "largest_score_difference_to_published_float": difference,
                "pictures": {
                    part: counted(getattr(shared, part))
                    for part in ("calibration", "selection", "judged")
                },
                **compared(f"{name}, seed {seed}", files, shared),
                "other_seeds": {},
            }
        else:
            told["other_seeds"][str(seed)] = compared(
                f"{name}, seed {seed}", files, shared, best=told["best_by_selection"]
            )
    return told


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """One network in three forms, and how it is fed."""

    model: Any
    """Float, rebuilt of the published weights."""
    float: bytes
    int8: bytes
    preprocessing: Preprocessing


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What an INT8 file says beside the float file."""

    same: NDArray[np.bool_]
    """(pictures,): whether the best label, the first of equals, is the same."""
    distance: float
    """Total variation of the scores, 0-1, the mean over pictures."""
    ties: int
    """Pictures of which the INT8 file has several best labels."""


def compared(name: str, files: Files, shared: Shared, *, best: str | None = None) -> dict[str, Any]:
    """Return how alike the float file the published INT8 file and ours are.

    Args:
        name: For progress.
        files: Of the network.
        shared: Pictures.
        best: The way that was found best of all before, which is judged beside some others, in
            brief; None judges all of them, finds it and tells more.
    """
    expected = {
        part: scores(files.float, getattr(shared, part).pixels, files.preprocessing)
        for part in ("selection", "judged")
    }
    inputs = list(calibration_inputs(shared.calibration.pixels, files.preprocessing))
    rows: list[dict[str, Any]] = []
    same: dict[str, NDArray[np.bool_]] = {}
    ways = WAYS if best is None else dict.fromkeys((*_SOME, best))
    for way in (_THEIRS, *ways):
        since = time.monotonic()
        content = files.int8 if way == _THEIRS else WAYS[way](files.model, inputs)
        seconds = round(time.monotonic() - since, 1)
        selection, judged = (
            likeness(content, getattr(shared, part).pixels, files.preprocessing, expected[part])
            for part in ("selection", "judged")
        )
        same[way] = judged.same
        row = {"way": way, **figures(judged.same), "distance": round(judged.distance, 5)}
        sys.stdout.write(f"{name}: {json.dumps(row)}\n")
        sys.stdout.flush()
        row |= {"selection_distance": round(selection.distance, 5)}
        if best is None:
            row |= {
                "ties": judged.ties,
                "seconds": seconds,
                "bytes": len(content),
                "agree_by_collection": by_collection(judged.same, shared.judged.collections),
                "beside_published": paired(judged.same, same[_THEIRS]),
            }
        rows.append(row)
    lines = {
        "line_met_by_default": _met(same, _OURS),
        "line_met_by_third_step": _met(same, _third_step(rows)),
        "line_met_by_training": _met(same, _TRAINED),
    }
    if best is not None:
        # A line a way: how many agree, and the distance.
        brief = {row["way"]: f"{row['agree']} {row['distance']}" for row in rows}
        lines["line_met_by_best"] = _met(same, best)
        return {**lines, "of": len(same[_THEIRS]), "agree_and_distance": brief}
    best = min(rows[1:], key=lambda row: float(row["selection_distance"]))["way"]
    lines["line_met_by_best"] = _met(same, best)
    said = expected["judged"].argmax(axis=1)
    counts = np.bincount(said, minlength=expected["judged"].shape[1])
    apart = calibrated_apart(files, shared, expected["judged"], same[_THEIRS])
    return {
        "labels_said_by_float": " ".join(map(str, counts)),
        "best_by_selection": best,
        **lines,
        "rows": rows,
        "calibrated_apart": apart,
    }


def _third_step(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return which method acceptance would take, by pictures that are not judged by."""
    found = [row for row in rows if row["way"] in _THIRD_STEP]
    return str(min(found, key=lambda row: float(row["selection_distance"]))["way"])


def _met(same: Mapping[str, NDArray[np.bool_]], way: str) -> bool:
    """Whether a way of ours agrees at least as often as the published file."""
    return bool(same[way].sum() >= same[_THEIRS].sum())


def calibrated_apart(
    files: Files, shared: Shared, expected: NDArray[np.float64], theirs: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return how ways of ours do that were calibrated on other collections than `clothing`.

    Args:
        files: Of the network.
        shared: Pictures.
        expected: (judged, labels) scores of the float network.
        theirs: (judged,) whether the published INT8 file has the same best label.
    """
    judged = shared.judged.collections == "clothing"
    others = shared.calibration.of("signs", "scenes")
    inputs = list(calibration_inputs(others.pixels, files.preprocessing))
    rows: list[dict[str, Any]] = [{"way": _THEIRS, **figures(theirs[judged])}]
    for way in _SOME:
        content = WAYS[way](files.model, inputs)
        pixels = shared.judged.pixels[judged]
        found = likeness(content, pixels, files.preprocessing, expected[judged])
        rows.append(
            {
                "way": way,
                **figures(found.same),
                "beside_published": paired(found.same, theirs[judged]),
            }
        )
    return {"calibrated_on": counted(others), "judged_by": "clothing", "rows": rows}


def convention(int8: bytes) -> Preprocessing:
    """Return how a network is fed, told by the input of its INT8 file: 8-bit pixels as they are.

    The integer of a pixel is `pixel - 128` and stands for `pixel / std`, so the input's scale is
    `1 / std` and its zero point -128.

    Raises:
        PretrainedError: It is fed otherwise.
    """
    with contextlib.closing(open_interpreter(int8)) as interpreter:
        (spec,) = interpreter.inputs
    quantization = spec.quantization
    if quantization is None or quantization.zero_point != -128 or len(spec.shape) != 4:
        raise PretrainedError(
            f"input {spec.name} of the INT8 file does not take pixels as they are"
        )
    _, height, width, _ = spec.shape
    std = round(1 / quantization.scale, 3)
    return Preprocessing(height=height, width=width, interpolation="area", std=(std,))


def float_difference(
    model: Any, published: bytes, pixels: NDArray[np.uint8], preprocessing: Preprocessing
) -> float:
    """Return the largest difference of a score between a rebuilt network and its float file.

    Raises:
        PretrainedError: It is more than rounding.
    """
    some = pixels[np.linspace(0, len(pixels) - 1, _COMPARED).astype(int)]
    rebuilt = np.asarray(model(normalize(some, preprocessing), training=False))
    difference = float(np.abs(rebuilt - scores(published, some, preprocessing)).max())
    if difference > _FLOAT_ROUNDING:
        raise PretrainedError(
            f"the .h5 file's scores differ from the float file's by {difference}: they are not "
            "of the same network"
        )
    return difference


def likeness(
    content: bytes,
    pixels: NDArray[np.uint8],
    preprocessing: Preprocessing,
    expected: NDArray[np.float64],
) -> Likeness:
    """Return how alike an INT8 file is to what is expected.

    Args:
        content: A TFLite file.
        pixels: (pictures, height, width, channels).
        preprocessing: Of the network.
        expected: (pictures, labels) scores, 0-1.
    """
    said = scores(content, pixels, preprocessing)
    best = said.max(axis=1, keepdims=True)
    return Likeness(
        same=said.argmax(axis=1) == expected.argmax(axis=1),
        distance=float(np.abs(said - expected).sum(axis=1).mean() / 2),
        ties=int(((said == best).sum(axis=1) > 1).sum()),
    )


def scores(
    content: bytes, pixels: NDArray[np.uint8], preprocessing: Preprocessing
) -> NDArray[np.float64]:
    """Return the (pictures, labels) scores of a TFLite file; arguments as `likeness`."""
    with contextlib.closing(open_interpreter(content)) as interpreter:
        (spec,), (output,) = interpreter.inputs, interpreter.outputs
        table = preprocessing.table(spec.quantization, str(spec.dtype))
        channels = np.arange(preprocessing.channels)
        said = []
        for picture in pixels:
            interpreter.input_view()[0] = table[picture, channels]
            interpreter.invoke()
            said.append(interpreter.read_output()[0])
    raw = np.stack(said).astype(np.float64)
    integers = output.quantization
    return raw if integers is None else (raw - integers.zero_point) * integers.scale


def figures(right: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how many of (pictures,) agree, and Wilson's 95 % interval of the share."""
    agree, count = int(right.sum()), len(right)
    low, high = wilson(agree, count)
    return {
        "agree": agree,
        "of": count,
        "agreement": round(agree / count, 5),
        "low": round(low, 5),
        "high": round(high, 5),
    }


def paired(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> dict[str, Any]:
    """Return who agrees where the other does not, and the chances of that if both were as good.

    Args:
        ours: (pictures,) whether the float network's label is said.
        theirs: The same.
    """
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return {
        "only_ours": only_ours,
        "only_published": only_theirs,
        "p_ours_better": float(f"{mcnemar_p_value(only_ours, only_theirs):.3g}"),
        "p_ours_worse": float(f"{mcnemar_p_value(only_theirs, only_ours):.3g}"),
    }


def by_collection(right: NDArray[np.bool_], collections: NDArray[np.str_]) -> dict[str, int]:
    """Return how many agree, by collection."""
    return {str(name): int(right[collections == name].sum()) for name in np.unique(collections)}


def counted(pictures: RealPictures) -> dict[str, int]:
    """Return how many pictures there are of each collection."""
    names, counts = np.unique(pictures.collections, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


if __name__ == "__main__":
    main()
