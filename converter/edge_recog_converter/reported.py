"""From what a build found out to its report: the document, the page, and the summary's lines."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from edge_recog_converter.datasets import SPLITS, targets_of
from edge_recog_converter.evaluation.figures import figures_of
from edge_recog_converter.exporting import now, tool_versions
from edge_recog_converter.report.document import SCHEMA_VERSION, Data, Report
from edge_recog_converter.report.page import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_converter.making import Job, Made
    from edge_recog_converter.parity import Answers, SideBySide
    from edge_recog_converter.report.document import Attempt, Device, ModelFigures, Other, Parity
    from edge_recog_converter.reporting import Reporter

REPORT_PAGE = "report.html"
_DOCUMENT = "report.json"


def judged(job: Job, made: Made, both: SideBySide) -> tuple[ModelFigures, ModelFigures]:
    """Return how the float and the INT8 model do on the test split; their sizes are left at 0."""
    labels = job.dataset.labels
    known = {picture.id: picture for picture in job.dataset.splits["test"]}
    targets = targets_of([known[name] for name in both.ids], len(labels))
    kinds: tuple[tuple[Literal["float", "int8"], Answers], ...]
    kinds = (("float", both.float), ("int8", both.int8))
    slow, fast = (
        figures_of(
            kind,
            task=job.dataset.task,
            labels=labels,
            ids=both.ids,
            scores=answers.scores,
            targets=targets,
            thresholds=made.thresholds,
            temperature=made.temperature,
            invoke_ms=answers.invoke_ms,
            size_bytes=0,
        )
        for kind, answers in kinds
    )
    return slow, fast


def report_of(
    job: Job,
    made: Made,
    figures: Sequence[ModelFigures],
    parity: Parity,
    attempts: Sequence[Attempt],
    others: Sequence[Other],
    device: Device | None,
    *,
    recipe: str,
    fingerprint: str,
    seconds: float,
) -> Report:
    """Return the document.

    Args:
        job: Its stages have ended.
        made: What they made.
        figures: Float, INT8.
        parity: The two side by side.
        attempts: To quantise; the last one was accepted.
        others: Further kinds of files.
        device: What was checked for it; None without one.
        recipe: Its text.
        fingerprint: Of the pictures.
        seconds: Of the build.
    """
    slow, fast = figures
    preprocessing = job.preprocessing
    return Report(
        schema_version=SCHEMA_VERSION,
        name=job.recipe.name,
        created=now(),
        recipe=recipe,
        parameters=made.network.count_params(),
        input=f"{preprocessing.height} x {preprocessing.width} {preprocessing.colour}",
        data=_data(job, fingerprint),
        stages=tuple(job.stages),
        temperature=made.temperature,
        thresholds=made.thresholds,
        models=(slow, fast),
        parity=parity,
        points=tuple(job.way.points),
        attempts=tuple(attempts),
        others=tuple(others),
        device=device,
        seconds=round(seconds, 1),
        peak_memory_mb=round(_peak_memory_bytes() / 1e6, 1),
        machine={
            "processor": _processor(),
            "cores": str(os.cpu_count()),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        tools=tool_versions(),
    )


def write_report(report: Report, job: Job) -> None:
    """Write report.json and report.html into the run's folder."""
    document = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (job.folder / _DOCUMENT).write_bytes(document + b"\n")
    pictures = {picture.id: picture.content for picture in job.dataset.splits["test"]}
    (job.folder / REPORT_PAGE).write_text(page(report, pictures), encoding="utf-8")


def say_figures(reporter: Reporter, report: Report) -> None:
    """Say the test's result and what the model costs."""
    slow, fast = report.models
    if fast.top1 is not None:
        told = {"float": f"{slow.top1:.1%}", "INT8": f"{fast.top1:.1%}"}
    else:
        told = {
            name: f"mAP {_percent(one.mean_average_precision)}, micro F1 {_percent(one.micro_f1)}"
            for name, one in (("float", slow), ("INT8", fast))
        }
    reporter.say(
        "test",
        "   ".join(f"{name} {text}" for name, text in told.items())
        + f"   agreement {report.parity.agreement:.1%} of {report.data.pictures['test']}   "
        f"largest score difference {report.parity.largest_difference:.2f}",
    )
    reporter.say(
        "scores",
        f"calibration error of INT8 {fast.uncalibrated.expected_calibration_error:.1%} → "
        f"{fast.calibrated.expected_calibration_error:.1%}, negative log-likelihood "
        f"{fast.uncalibrated.negative_log_likelihood:.3f} → "
        f"{fast.calibrated.negative_log_likelihood:.3f}",
    )
    threads = 1 if report.device is None else report.device.threads
    reporter.say(
        "cost",
        f"invoke p50 {slow.invoke_ms[0]:.2f} → {fast.invoke_ms[0]:.2f} ms here "
        f"({threads} thread{'s' * (threads != 1)})   "
        f"{slow.size_bytes / 1e3:,.0f} → {fast.size_bytes / 1e3:,.0f} kB",
    )


def _data(job: Job, fingerprint: str) -> Data:
    dataset, skipped = job.dataset, job.reader.skipped
    read = {
        split: [picture for picture in dataset.splits[split] if picture.id not in skipped]
        for split in SPLITS
    }
    classes = len(dataset.labels)
    return Data(
        name=dataset.root.resolve().name,
        fingerprint=fingerprint,
        task=dataset.task,
        labels=dataset.labels,
        pictures={split: len(pictures) for split, pictures in read.items()},
        counts={
            split: tuple(targets_of(pictures, classes).sum(axis=0).astype(int).tolist())
            for split, pictures in read.items()
        },
        skipped=dict(skipped),
    )


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kibibytes, but bytes on a Mac: getrusage(2) of each.
    return peak if sys.platform == "darwin" else peak * 1024


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [line for line in lines if line.startswith(("model name", "Model"))]
    return found[-1].partition(":")[2].strip() if found else platform.machine()
