"""The model: does it open, run and answer rightly here, and as fast as it could?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edge_recog.bundle import MANIFEST_FILE
from edge_recog.contract import SCHEMA_VERSION
from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.op_versions import oldest_runtime
from edge_recog.packing import operator_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.bundle import Bundle
    from edge_recog.contract import XnnpackFacts
    from edge_recog.doctor.timing import FirstAnswer
    from edge_recog.verification import VerificationReport

_TOO_OLD = "too old for this model"
"""In the words of `interpreters.native_errors`."""
_SLOW_START_S = 3.0
_VERY_SLOW_START_S = 15.0
_AT_THE_ENDS = frozenset({"DEQUANTIZE", "LOGISTIC", "QUANTIZE", "RESHAPE", "SOFTMAX"})
"""Operators at a model's input and output, which cost next to nothing on any kernel."""
_CLEARLY = 1.15
"""Measured times differ for sure only where one is this many times the other."""


def judge_file(bundle: Bundle | None, problem: str) -> Finding:
    """Judge whether the model file can be used by this edge-recog.

    Args:
        bundle: The opened file; None where it is unusable.
        problem: Why it is unusable, with what to do.
    """
    if bundle is None:
        reason, _, advice = problem.partition("; ")
        return bad(reason, advice or "build or copy the model again")
    told = f"{bundle.name}, {len(bundle.labels)} labels"
    if bundle.manifest is None:
        return good(f"{told}, described by TFLite Metadata")
    version = msgspec.json.decode(bundle.files[MANIFEST_FILE], type=_Version).schema_version
    older = ", an older one that is still read" if version < SCHEMA_VERSION else ""
    return good(f"{told}, format version {version}{older}")


class _Version(msgspec.Struct):
    schema_version: int


@dataclass(frozen=True)
class Trial:
    """What came of running a model once in a process of its own."""

    runtime: str
    """The interpreter's product and version, such as `tflite-runtime 2.14.0`."""
    problem: str
    """Why it failed; empty if it did not."""
    oldest_runtime: str
    """The oldest TFLite release with all its operators; empty where not known."""


def needed_release(bundle: Bundle) -> str:
    """Return the oldest TFLite release that has all operators of a model; empty if unknown."""
    return oldest_runtime(operator_versions(bundle.model))


def judge_trial(trial: Trial) -> Finding:
    """Judge whether the interpreter is new enough for the model."""
    needs = f"needs TFLite {trial.oldest_runtime}" if trial.oldest_runtime else "of unknown needs"
    if not trial.problem:
        return good(f"{needs}; {trial.runtime} loads and runs it")
    if _TOO_OLD in trial.problem:
        fix = "pip install --upgrade ai-edge-litert, or build the model again with full INT8"
    else:
        fix = "build the model again with TensorFlow Lite's built-in operators, or copy it again"
    return bad(f"{needs}, but with {trial.runtime}: {trial.problem}", fix)


def judge_golden(report: VerificationReport | None) -> Finding:
    """Judge whether the model answers here as where it was made.

    Args:
        report: What came of its golden vectors; None if it has none.
    """
    if report is None:
        return warning(
            "it has no golden vectors, so nobody can tell whether it answers rightly here",
            "edge-recog adopt MODEL … gives it some",
        )
    failed = [vector for vector in report.vectors if vector.problem]
    count = len(report.vectors)
    if failed:
        return bad(
            f"{len(failed)} of {count} golden vectors fail: {failed[0].problem}",
            "do not use this model here; copy or build it again, then edge-recog verify MODEL",
        )
    worst = max(vector.output_worst for vector in report.vectors)
    return good(
        f"{count} of {count} golden vectors, output differs by up to {worst:.3g} "
        f"(allowed {report.output_tolerance:g})"
    )


def judge_first_answer(answer: FirstAnswer) -> Finding:
    """Judge how long the daemon will take to its first answer."""
    if answer.problem:
        return bad(answer.problem, "edge-recog verify MODEL tells more")
    evidence = (
        f"{answer.total_s:.2f} s: {answer.start_s:.2f} start, {answer.open_s:.2f} load, "
        f"{answer.first_s:.2f} first inference"
    )
    fix = "a smaller model loads faster; a slow card or little memory shows as a slow start"
    if answer.total_s > _VERY_SLOW_START_S:
        return bad(evidence, fix)
    if answer.total_s > _SLOW_START_S:
        return warning(evidence, fix)
    return good(evidence)


def judge_threads(medians_ms: Mapping[int, float], wanted: int) -> Finding:
    """Judge how many threads are worth it.

    Args:
        medians_ms: Time of one inference by number of threads.
        wanted: How many are meant to be used; one of those.
    """
    told = ", ".join(f"{count}: {ms:.1f} ms" for count, ms in sorted(medians_ms.items()))
    evidence = f"by threads {told}"
    if len(medians_ms) < 2:
        return skipped(f"there is one core only ({evidence})")
    fastest = min(medians_ms.values())
    # Of counts that are about as fast, the fewest: the camera and the web need cores too.
    best = min(count for count, ms in medians_ms.items() if ms <= fastest * _CLEARLY)
    if wanted > best:
        how = (
            "slower than" if medians_ms[wanted] > medians_ms[best] * _CLEARLY else "no faster than"
        )
        return warning(f"{evidence}: {wanted} are {how} {best}", f"run with --threads {best}")
    if wanted < best:
        times = medians_ms[wanted] / medians_ms[best]
        return good(f"{evidence}: --threads {best} would be {times:.1f} times as fast")
    return good(f"{evidence}: more than {best} bring nothing")


def judge_int8(int8_ms: float, float_ms: float) -> Finding:
    """Judge whether the quantised model is faster than its float twin here."""
    evidence = f"INT8 {int8_ms:.1f} ms, float {float_ms:.1f} ms"
    if int8_ms > float_ms * _CLEARLY:
        return warning(
            f"{evidence}: the quantised model is slower here",
            "see XNNPACK below: a newer interpreter has kernels for it (pip install --upgrade "
            "ai-edge-litert), and otherwise the float model is the faster one here",
        )
    return good(f"{evidence}: {float_ms / int8_ms:.1f} times as fast")


def judge_xnnpack(runtime: str, facts: XnnpackFacts | None) -> Finding:
    """Judge whether XNNPACK's fast kernels compute the model.

    Args:
        runtime: What ran it here, as `Interpreter.runtime` tells.
        facts: What was told when the model was made; None if nobody looked.
    """
    if "XNNPACK" not in runtime:
        return warning(
            f"{runtime}: XNNPACK takes none of it",
            "pip install --upgrade ai-edge-litert: tflite-runtime gives XNNPACK float models only",
        )
    if facts is None:
        return good(f"{runtime}; how much of it was not told when it was made")
    evidence = f"takes {facts.taken} of {facts.total} operators, as {facts.runtime} told"
    if facts.left:
        left = ", ".join(f"{count} {name}" for name, count in sorted(facts.left.items()))
        evidence += f"; leaves {left}"
    if facts.left.keys() - _AT_THE_ENDS:
        return warning(
            evidence,
            "build the model with operators that it has, such as ReLU for HARD_SWISH; each one "
            "that is left costs a hand-over",
        )
    return good(evidence)
