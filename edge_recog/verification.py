"""Self-test of a model on the machine that will run it: frame to scores, against golden vectors.

Tolerances, and where they come from:

- input samples: resizing with `linear` and `nearest` gives the same bytes on x86 and ARM and with
  OpenCV 4 and 5; `area` and `cubic` may round differently. A wrong mean or std moves every sample a
  little, hence the bound on the average besides the one on the worst.
- raw output, in steps of an 8-bit output: XNNPACK's kernels were seen to differ by at most 1 step
  between x86 and ARM, TFLite's built-in ones by up to 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.errors import VerificationError
from edge_recog.frames import Frame
from edge_recog.golden import Golden, sample_positions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from numpy.typing import NDArray

    from edge_recog.classifier import Classifier, Trace

INPUT_TOLERANCE = {
    "linear": (1.0, 0.02),
    "nearest": (1.0, 0.02),
    "area": (2.0, 0.1),
    "cubic": (2.0, 0.1),
}
"""Worst and average difference of input samples by interpolation, in steps of one pixel value."""
OUTPUT_STEPS = 2
"""Worst difference of an 8-bit output where XNNPACK computed both sides."""
OUTPUT_STEPS_BUILTIN = 10
"""The same where other kernels computed one of them."""
FLOAT_TOLERANCE = 1e-3
"""Worst difference of a float32 output, relative to the largest value in it."""
SCORE_TOLERANCE = 0.05
"""Worst difference of the best score, on top of what the output's tolerance explains."""


@dataclass(frozen=True, slots=True)
class VectorResult:
    """How one golden vector fared."""

    index: int
    label: str
    """Expected best label."""
    input_worst: float
    """Largest difference of an input sample, in steps of one pixel value."""
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
    if bundle.outputs.dtype != "float32":
        alike = _has_xnnpack(expected_runtime) and _has_xnnpack(classifier.runtime)
        tolerance = OUTPUT_STEPS if alike else OUTPUT_STEPS_BUILTIN
    return VerificationReport(
        model_id=bundle.id,
        runtime=classifier.runtime,
        golden_runtime=expected_runtime,
        output_tolerance=tolerance,
        vectors=tuple(
            _compare(index, vector, classifier, tolerance) for index, vector in enumerate(vectors)
        ),
    )


def make_golden(
    classifier: Classifier, frames: Iterable[NDArray[np.uint8]]
) -> tuple[str, tuple[Golden, ...]]:
    """Return the runtime and golden vectors for `packing.pack_bundle`.

    Args:
        classifier: Of the model, with the contract that will be packed.
        frames: RGB pictures, at most 1024 pixels a side; small ones keep the file small.
    """
    vectors = []
    for pixels in frames:
        trace = classifier.trace(Frame.from_rgb(pixels))
        best = int(np.argmax(trace.scores))
        label = classifier.bundle.labels[best]
        vectors.append(Golden(pixels, _samples(trace), trace.raw, label, float(trace.scores[best])))
    return classifier.runtime, tuple(vectors)


def _compare(index: int, golden: Golden, classifier: Classifier, tolerance: float) -> VectorResult:
    bundle = classifier.bundle
    trace = classifier.trace(Frame.from_rgb(golden.pixels))
    preprocessing = bundle.contract.preprocessing
    differences = _difference(_samples(trace), golden.samples) / _pixel_step(classifier)
    worst, average = float(differences.max()), float(differences.mean())
    allowed_worst, allowed_average = INPUT_TOLERANCE[preprocessing.interpolation]
    output = _difference(trace.raw, golden.output)
    output_worst = float(output.max())
    if bundle.outputs.dtype == "float32":
        output_worst /= float(np.abs(golden.output).max()) or 1.0
    expected = bundle.labels.index(golden.label) if golden.label in bundle.labels else None
    problem = ""
    if worst > allowed_worst or average > allowed_average:
        problem = (
            f"the frame is fed wrongly: input differs by up to {worst:.3g} pixel values "
            f"({average:.2g} on average): contract, colour order, crop or quantisation is not "
            "the one it was made with"
        )
    elif not output_worst <= tolerance:
        problem = f"the output differs by {output_worst:.3g}, allowed is {tolerance:g}"
    elif expected is None:
        problem = f"the expected label {golden.label!r} is not one of its labels"
    elif abs(float(trace.scores[expected]) - golden.score) > SCORE_TOLERANCE:
        problem = (
            f"{golden.label!r} scores {float(trace.scores[expected]):.3f} and not "
            f"{golden.score:.3f}: activation or calibration is not the one it was made with"
        )
    return VectorResult(index, golden.label, worst, average, output_worst, problem)


def _samples(trace: Trace) -> NDArray[Any]:
    return trace.fed.reshape(-1)[sample_positions(trace.fed.size)]


def _difference(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    return np.abs(one.astype(np.float64) - other.astype(np.float64))


def _pixel_step(classifier: Classifier) -> float:
    """Return by how much the input tensor changes for one pixel value, least over the channels."""
    bundle = classifier.bundle
    step = 1.0 / max(bundle.contract.preprocessing.std)
    if bundle.inputs.dtype == "float32":
        return step
    scale = bundle.inputs.quantization.scale if bundle.inputs.quantization else 1.0
    # An integer input cannot show less than one step of its own.
    return max(1.0, step / scale)


def _has_xnnpack(runtime: str) -> bool:
    return "XNNPACK" in runtime and "no XNNPACK" not in runtime
