"""A clip played as a camera: `python -m edge_recog_benchmarks.studies.live MODEL --clip C …`.

The live classifier runs as `edge-recog run` has it, on the clip at its own pace. The CSV says what
each frame shows: columns `frame` and `label`, `none` for nothing. Told are

- which share of the clip's frames was answered, and what became of the others;
- how many scenes were told: their label appeared while they were to be seen, or within `GRACE`
  frames afterwards; and how many events told something else;
- the time from capture to answer, beside that of the invocation alone.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog.cameras import open_source
from edge_recog.classifier import Classifier
from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog.events import EventRules
from edge_recog.pipeline import PipelineRules
from edge_recog.service.live import LiveClassifier
from edge_recog.watching import WatchRules
from edge_recog_benchmarks.arguments import add_out, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge_recog.answers import Answer, Vanished
    from edge_recog.supervision import Status

_SCHEMA_VERSION: Final = 1
NOTHING: Final = "none"
GRACE: Final = 3
"""Frames after a scene in which its event still counts: smoothing takes its time."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Neighbouring frames that show the same."""

    label: str
    first: int
    """Frame."""
    last: int


@dataclass(frozen=True, slots=True)
class Appeared:
    """A label that was told."""

    label: str
    frame: int


def main() -> None:
    """Play and print; write JSON if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--min-duration", type=float, default=0.3, help="seconds")
    parser.add_argument("--refractory", type=float, default=0.5, help="seconds")
    parser.add_argument("--half-life", type=float, default=0.1, help="seconds")
    parser.add_argument("--conditions", default="", help="what else ran meanwhile")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        rules = _rules(arguments)
        document = study(arguments.model, arguments.clip, arguments.truth, rules)
        document["conditions"] = arguments.conditions
        sys.stdout.write(
            f"{document['answered_share']:.1%} of {document['frames']} frames answered; "
            f"{document['scenes_told']} of {document['scenes']} scenes told, "
            f"{document['other_events']} other events; capture to answer p95 "
            f"{document['capture_to_answer_ms']['p95']:.1f} ms, invoke p95 "
            f"{document['invoke_ms']['p95']:.1f} ms\n"
        )
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def _rules(arguments: argparse.Namespace) -> PipelineRules:
    try:
        return PipelineRules(
            half_life_s=arguments.half_life,
            # A recording has no sensor noise where its picture stands still.
            watch=WatchRules(freeze_s=None),
            events=EventRules(
                threshold=arguments.threshold,
                min_duration_s=arguments.min_duration,
                refractory_s=arguments.refractory,
            ),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def study(model: Path, clip: Path, truth: Path, rules: PipelineRules) -> dict[str, Any]:
    """Return what is told of a model on a clip.

    Raises:
        EdgeRecogError: The model or the clip cannot be used, or the table is none.
    """
    labels = read_truth(truth)
    kept = _Kept()
    counts: Counter[str] = Counter()
    with open_source(clip) as source:
        frames = source.length or len(labels)
    live = LiveClassifier(
        lambda: open_source(f"file:{clip}?realtime=1"),
        lambda where: Classifier.open(model, threads=1),
        rules=rules,
        outputs=(kept,),
        count=lambda outcome: counts.update((outcome,)),
    )
    live.run()
    if not kept.invoke_ms:
        raise UsageError(f"{clip}: no frame of it was answered")
    scenes = list(scenes_of(labels))
    told = scenes_told(scenes, kept.appeared)
    return {
        "schema_version": _SCHEMA_VERSION,
        "benchmark": "live",
        "model": model.name,
        "clip": clip.name,
        "rules": {
            "half_life_s": rules.half_life_s,
            "threshold": rules.events.threshold,
            "min_duration_s": rules.events.min_duration_s,
            "refractory_s": rules.events.refractory_s,
        },
        "frames": frames,
        "answered_share": round(counts["answered"] / frames, 4),
        "outcomes": dict(counts),
        "scenes": len(scenes),
        "scenes_told": len(told),
        "scenes_missed": [scene.label for scene in scenes if scene not in told],
        "other_events": len(kept.appeared) - len(told),
        "capture_to_answer_ms": _percentiles(kept.capture_to_answer_ms),
        "invoke_ms": _percentiles(kept.invoke_ms),
        "machine": machine_facts(),
    }


class _Kept:
    """An output that keeps times and what appeared."""

    def __init__(self) -> None:
        self.appeared: list[Appeared] = []
        self.capture_to_answer_ms: list[float] = []
        self.invoke_ms: list[float] = []

    def answer(self, answer: Answer) -> None:
        result = answer.classification
        self.capture_to_answer_ms.append((time.monotonic_ns() - result.captured_ns) / 1e6)
        self.invoke_ms.append(result.timings.invoke_ns / 1e6)
        self.appeared += [
            Appeared(event.label, result.frame_index)
            for event in answer.events
            if event.kind == "appeared"
        ]

    def vanished(self, vanished: Vanished) -> None:
        """What vanishes at the end of the clip is not looked at."""

    def status(self, status: Status) -> None:
        """A clip has one camera state."""


def read_truth(path: Path) -> list[str]:
    """Return what each frame shows.

    Raises:
        UsageError: It cannot be read, or has other columns or frames left out.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if [int(row["frame"]) for row in rows] != list(range(len(rows))) or not rows:
            raise ValueError("frames must be numbered from 0, each with a row")
        return [row["label"] for row in rows]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except KeyError as error:
        raise UsageError(f"{path}: it has no column {error}; it needs frame and label") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path}: {error}") from error


def scenes_of(labels: Sequence[str]) -> Iterator[Scene]:
    """Yield runs of frames that show the same thing."""
    first = 0
    for frame in range(1, len(labels) + 1):
        if frame == len(labels) or labels[frame] != labels[first]:
            if labels[first] != NOTHING:
                yield Scene(labels[first], first, frame - 1)
            first = frame


def scenes_told(scenes: Iterable[Scene], appeared: Sequence[Appeared]) -> list[Scene]:
    """Return the scenes for which an event came in time; each event tells one scene at most."""
    left = list(appeared)
    told = []
    for scene in scenes:
        for event in left:
            if event.label == scene.label and scene.first <= event.frame <= scene.last + GRACE:
                left.remove(event)
                told.append(scene)
                break
    return told


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return {"p50": round(p50, 3), "p95": round(p95, 3), "p99": round(p99, 3)}


if __name__ == "__main__":
    main()
