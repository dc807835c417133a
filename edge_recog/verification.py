"""Self-test of a model on the machine that will run it: frame to scores, against golden vectors.

Tolerances, and where they come from:

- input samples: resizing with `linear` and `nearest` gives the same bytes on x86 and ARM and with
  OpenCV 4 and 5; `area` and `cubic` may round differently. A wrong mean or std moves every sample a
  little, hence the bound on the average besides the one on the worst.
- raw output, in steps of an 8-bit output: XNNPACK's kernels were seen to differ by at most 1 step
  between x86 and ARM, TFLite's built-in ones by up to 9, and by up to 26 between LiteRT 2.3 and
  tflite-runtime 2.14 (networks with ADD). Each kind is compared with its own expected output.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import msgspec
import numpy as np

from edge_recog.classifier import Classifier
from edge_recog.colour_card import golden_cards
from edge_recog.contract import labels_digest
from edge_recog.errors import DelegateError, InterpreterError, VerificationError
from edge_recog.frames import Frame
from edge_recog.golden import Golden, sample_positions
from edge_recog.preprocessing import Crop, Interpolation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from numpy.typing import NDArray

    from edge_recog.bundle import Bundle
    from edge_recog.classifier import Trace
    from edge_recog.preprocessing import Preprocessing

INPUT_TOLERANCE = {
    "linear": (1.0, 0.02),
    "nearest": (1.0, 0.02),
    "area": (2.0, 0.1),
    "cubic": (2.0, 0.1),
}
"""Worst and average difference of input samples by interpolation, in steps of one pixel value."""
OUTPUT_STEPS = 2
"""Worst difference of an 8-bit output where XNNPACK computed both sides."""
OUTPUT_STEPS_BUILTIN = 32
"""The same for any other kernels."""
FLOAT_TOLERANCE = 1e-3
"""Worst difference of a float32 output, relative to the largest value in it."""
SCORE_TOLERANCE = 1e-4
"""Worst difference of the score that the expected output stands for: rounding, and no more."""
_ROUNDING = 1e-3
"""Of float32 input samples, in pixel values."""


@dataclass(frozen=True, slots=True)
class VectorResult:
    """How one golden vector fared."""

    index: int
    label: str
    """Expected best label."""
    input_worst: float
    """Largest difference of an input sample, in steps of one pixel value; this and the next two are
    not numbers where the model gave no answer."""
    input_average: float
    output_worst: float
    """Largest difference of the output: in steps for integers, relative for floats."""
    problem: str
    """What is wrong, for people; empty if nothing is."""


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """How a model fared on this machine."""

    model_id: str
    runtime: str
    """What ran it here."""
    golden_runtime: str
    """What computed the expected answers."""
    output_tolerance: float
    vectors: tuple[VectorResult, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every vector gave the expected answer."""
        return not any(vector.problem for vector in self.vectors)

    def require(self, where: str) -> None:
        """Raise if a vector failed.

        Raises:
            VerificationError: Names the first one and what is wrong with it.
        """
        failed = [vector for vector in self.vectors if vector.problem]
        if failed:
            raise VerificationError(
                f"{where}: {len(failed)} of {len(self.vectors)} golden vectors failed; vector "
                f"{failed[0].index}: {failed[0].problem}. Do not use this model here; build or "
                "copy it again"
            )


def verify(classifier: Classifier) -> VerificationReport:
    """Run a model's golden vectors through the whole path.

    Raises:
        BundleError: The golden vectors are damaged.
        VerificationError: The model has none.
    """
    bundle = classifier.bundle
    vectors = bundle.golden()
    if not vectors or bundle.manifest is None or bundle.manifest.golden is None:
        raise VerificationError(
            f"{bundle.where}: it has no golden vectors, so nothing can be verified; "
            f"edge-recog adopt {bundle.where} gives it some"
        )
    expected_runtime = bundle.manifest.golden.runtime
    tolerance: float = FLOAT_TOLERANCE
    own = _has_xnnpack(expected_runtime) == _has_xnnpack(classifier.runtime)
    if bundle.outputs.dtype != "float32":
        alike = own and _has_xnnpack(classifier.runtime)
        tolerance = OUTPUT_STEPS if alike else OUTPUT_STEPS_BUILTIN
    return VerificationReport(
        model_id=bundle.id,
        runtime=classifier.runtime,
        golden_runtime=expected_runtime,
        output_tolerance=tolerance,
        vectors=tuple(
            _compare(index, vector, classifier, tolerance, own=own)
            for index, vector in enumerate(vectors)
        ),
    )


def make_golden(
    classifier: Classifier, frames: Iterable[NDArray[np.uint8]]
) -> tuple[str, tuple[Golden, ...]]:
    """Return the runtime and golden vectors for `packing.pack_bundle`.

    Pictures of the input's own size or shape leave a wrong interpolation or crop unseen, grey ones
    a wrong channel order: where these all do, colour cards are added.

    Args:
        classifier: Of the model, with the contract that will be packed.
        frames: RGB pictures, at most 1024 pixels a side; small ones keep the file small.
    """
    bundle = classifier.bundle
    vectors = []
    digest = labels_digest(bundle.labels)
    with contextlib.ExitStack() as stack:
        builtin = None
        if bundle.outputs.dtype != "float32" and _has_xnnpack(classifier.runtime):
            builtin = stack.enter_context(Classifier.open(bundle, xnnpack=False))
        for pixels in _telling(list(frames), bundle.contract.preprocessing):
            frame = Frame.from_rgb(pixels)
            trace = classifier.trace(frame)
            best = int(np.argmax(trace.scores))
            vectors.append(
                Golden(
                    pixels,
                    _samples(trace),
                    trace.raw,
                    bundle.labels[best],
                    float(trace.scores[best]),
                    digest,
                    None if builtin is None else builtin.trace(frame).raw,
                )
            )
    return classifier.runtime, tuple(vectors)


def _telling(frames: list[NDArray[np.uint8]], contract: Preprocessing) -> list[NDArray[np.uint8]]:
    """Return the frames, and colour cards that show the wrong feedings which none of them shows."""
    others = [msgspec.structs.replace(contract, crop=crop) for crop in get_args(Crop)]
    others += [
        msgspec.structs.replace(contract, interpolation=interpolation)
        for interpolation in get_args(Interpolation)
    ]
    if contract.colour != "GRAY":
        swapped = "BGR" if contract.colour == "RGB" else "RGB"
        others.append(msgspec.structs.replace(contract, colour=swapped))
    unseen = [other for other in others if other != contract]
    telling: list[NDArray[np.uint8]] = []
    for pixels in (*frames, *golden_cards()):
        seen = [other for other in unseen if _shows(pixels, contract, other)]
        if seen or len(telling) < len(frames):
            telling.append(pixels)
        unseen = [other for other in unseen if other not in seen]
    return telling


def _shows(pixels: NDArray[np.uint8], contract: Preprocessing, other: Preprocessing) -> bool:
    """Tell whether `verify` would notice by this frame that it is fed in another way."""
    frame = Frame.from_rgb(pixels)
    _, average = INPUT_TOLERANCE[other.interpolation]
    # Twice, since it looks at samples only.
    return float(_difference(contract.pixels(frame), other.pixels(frame)).mean()) > 2 * average


def _compare(
    index: int, golden: Golden, classifier: Classifier, tolerance: float, *, own: bool
) -> VectorResult:
    """Run one vector; `own` says that its `output` is of kernels like those that run here."""
    bundle = classifier.bundle
    try:
        trace = classifier.trace(Frame.from_rgb(golden.pixels))
    except DelegateError:
        raise  # That is the machine's failure, not the model's.
    except InterpreterError as error:
        return VectorResult(index, golden.label, math.nan, math.nan, math.nan, str(error))
    differences = _difference(_samples(trace), golden.samples) / _pixel_steps(bundle)
    worst, average = float(differences.max()), float(differences.mean())
    allowed_worst, allowed_average = INPUT_TOLERANCE[bundle.contract.preprocessing.interpolation]
    expected = golden.output if own or golden.builtin is None else golden.builtin
    output_worst = float(_difference(trace.raw, expected).max())
    if bundle.outputs.dtype == "float32":
        output_worst /= float(np.abs(expected).max()) or 1.0
    named = bundle.scores(golden.output)[[label == golden.label for label in bundle.labels]]
    problem = ""
    # Comparisons are turned so that NaN fails them.
    if not (worst <= allowed_worst + _ROUNDING and average <= allowed_average):
        problem = (
            f"the frame is fed wrongly: input differs by up to {worst:.3g} pixel values "
            f"({average:.2g} on average): contract, colour order, crop or quantisation is not "
            "the one it was made with"
        )
    elif not output_worst <= tolerance:
        problem = f"the output differs by {output_worst:.3g}, allowed is {tolerance:g}"
    elif not named.size:
        problem = f"the expected label {golden.label!r} is not one of its labels"
    elif not abs(float(named.max()) - golden.score) <= SCORE_TOLERANCE:
        problem = (
            f"the expected output reads as {golden.label!r} with {float(named.max()):.4f} and not "
            f"{golden.score:.4f}: activation, calibration or output quantisation is not the one "
            "it was made with"
        )
    return VectorResult(index, golden.label, worst, average, output_worst, problem)


def _samples(trace: Trace) -> NDArray[Any]:
    return trace.fed.reshape(-1)[sample_positions(trace.fed.size)]


def _difference(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    return np.abs(one.astype(np.float64) - other.astype(np.float64))


def _pixel_steps(bundle: Bundle) -> NDArray[np.float64]:
    """Return by how much each sample of the input changes for one pixel value."""
    preprocessing = bundle.contract.preprocessing
    channels = preprocessing.channels
    positions = sample_positions(preprocessing.height * preprocessing.width * channels)
    planar = preprocessing.layout == "NCHW"
    channel = (
        positions // (preprocessing.height * preprocessing.width)
        if planar
        else positions % channels
    )
    steps: NDArray[np.float64] = 1.0 / np.broadcast_to(preprocessing.std, channels)[channel]
    if bundle.inputs.dtype == "float32":
        return steps
    scale = bundle.inputs.quantization.scale if bundle.inputs.quantization else 1.0
    # An integer input cannot show less than one step of its own.
    return np.maximum(1.0, steps / scale)


def _has_xnnpack(runtime: str) -> bool:
    return "XNNPACK" in runtime and "no XNNPACK" not in runtime
