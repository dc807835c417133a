"""What the live classifier costs beside the model: frames a second, as fast as they are taken.

    python -m edge_recog_benchmarks.studies.flat_out MODEL… --clip CLIP

Pictures of the clip are decoded beforehand and given again and again. In turns of a second or two,
in one process, they go

- through the bare minimum: `cv2.resize`, copy into the input, invoke, read the output;
- through the live classifier with all its checks, smoothing and events, and JSON Lines into a file.

Told are the median of the turns' ratios, and how even the answers come: p99 to p50 of the time
between two of them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from edge_recog.bundle import Bundle
from edge_recog.cameras import open_source
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.classifier import Classifier
from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog.frames import Frame
from edge_recog.interpreters.opening import open_interpreter
from edge_recog.service.jsonl import JsonlSettings, JsonlSink
from edge_recog.service.live import LiveClassifier
from edge_recog.service.sinks import SinkQueue
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edge_recog.answers import Answer, Vanished
    from edge_recog.supervision import Status

_SCHEMA_VERSION: Final = 1
_PICTURES: Final = 60
"""More than are remembered to tell a frozen picture."""
_WARM_UP: Final = 20
"""Answers that are not counted: the first ones wait for memory."""


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path, help="model files with a contract")
    parser.add_argument("--clip", type=Path, required=True, help="a video to take pictures of")
    parser.add_argument("--turns", type=count, default=11)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--conditions", default="", help="what else ran meanwhile")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        pictures = pictures_of(arguments.clip)
        rows = []
        for model in arguments.models:
            rows.append(study(model, pictures, turns=arguments.turns, seconds=arguments.seconds))
            sys.stdout.write(_line(rows[-1]))
        document = {
            "schema_version": _SCHEMA_VERSION,
            "benchmark": "flat-out",
            "picture": f"{pictures[0].shape[1]}x{pictures[0].shape[0]}",
            "turns": arguments.turns,
            "turn_s": arguments.seconds,
            "conditions": arguments.conditions,
            "models": rows,
            "machine": machine_facts(),
        }
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['name']}: {row['live_fps']:.0f} frames a second live, {row['bare_fps']:.0f} bare: "
        f"{row['live_to_bare']:.1%} of it, {row['added_us']:.0f} us a frame; "
        f"p99/p50 {row['live_p99_to_p50']:.2f} live, {row['bare_p99_to_p50']:.2f} bare\n"
    )


def pictures_of(clip: Path) -> list[NDArray[np.uint8]]:
    """Return the first pictures of a clip, RGB.

    Raises:
        UsageError: It has too few.
        SourceError: It cannot be read.
    """
    pictures = []
    with open_source(clip) as source:
        for frame in source:
            pictures.append(frame.pixels)
            if len(pictures) == _PICTURES:
                return pictures
    raise UsageError(f"{clip}: {len(pictures)} pictures, where {_PICTURES} are needed")


def study(
    model: Path, pictures: Sequence[NDArray[np.uint8]], *, turns: int, seconds: float
) -> dict[str, Any]:
    """Return what is told of one model.

    Args:
        model: A model file.
        pictures: More than are remembered to tell a frozen picture.
        turns: Of both ways each.
        seconds: Of each turn.

    Raises:
        EdgeRecogError: The model cannot be used.
    """
    bundle = Bundle.open(model)
    bare, live = [], []
    for _ in range(turns):
        bare.append(_bare(bundle, pictures, seconds))
        live.append(_live(bundle, pictures, seconds))
    pairs = list(zip(bare, live, strict=True))
    return {
        "name": bundle.name,
        "id": bundle.id,
        "bare_fps": round(statistics.median(one.fps for one in bare), 1),
        "live_fps": round(statistics.median(one.fps for one in live), 1),
        "live_to_bare": round(statistics.median(b.fps / a.fps for a, b in pairs), 4),
        "added_us": round(statistics.median(1e6 / b.fps - 1e6 / a.fps for a, b in pairs), 1),
        "bare_p99_to_p50": round(statistics.median(one.p99_to_p50 for one in bare), 3),
        "live_p99_to_p50": round(statistics.median(one.p99_to_p50 for one in live), 3),
    }


@dataclass(frozen=True, slots=True)
class _Turn:
    fps: float
    p99_to_p50: float
    """Of the time between two answers."""

    @classmethod
    def of(cls, answered_ns: Sequence[int]) -> _Turn:
        between_ns = np.diff(answered_ns[_WARM_UP:])
        if between_ns.size == 0:
            raise UsageError("too few answers in a turn: give it more --seconds")
        p50, p99 = np.percentile(between_ns, (50, 99))
        return cls(1e9 / float(between_ns.mean()), float(p99 / p50))


def _bare(bundle: Bundle, pictures: Sequence[NDArray[np.uint8]], seconds: float) -> _Turn:
    size = bundle.contract.preprocessing
    interpreter = open_interpreter(bundle.data, threads=1)
    try:
        dtype = interpreter.input_view().dtype
        answered_ns: list[int] = []
        end_ns = time.monotonic_ns() + round(seconds * 1e9)
        while not answered_ns or answered_ns[-1] < end_ns:
            picture = pictures[len(answered_ns) % len(pictures)]
            small = cv2.resize(picture, (size.width, size.height))
            # What value a pixel becomes does not matter for how long it takes.
            fed = small.view(dtype) if dtype.itemsize == 1 else small.astype(dtype)
            np.copyto(interpreter.input_view(), fed[None])
            interpreter.invoke()
            interpreter.read_output()
            answered_ns.append(time.monotonic_ns())
        return _Turn.of(answered_ns)
    finally:
        interpreter.close()


def _live(bundle: Bundle, pictures: Sequence[NDArray[np.uint8]], seconds: float) -> _Turn:
    answers = _Answers()
    with tempfile.TemporaryDirectory() as folder:
        settings = JsonlSettings(path=str(Path(folder) / "answers.jsonl"))
        sink = SinkQueue(JsonlSink(settings, name_of=lambda model_id: bundle.name))
        LiveClassifier(
            lambda: _FlatOut(pictures, seconds),
            lambda where: Classifier.open(bundle, threads=1),
            outputs=(answers, sink),
        ).run()
        sink.close()
    return _Turn.of(answers.answered_ns)


class _FlatOut(ClosingSource):
    """A recording that has another picture whenever one is taken."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], seconds: float) -> None:
        super().__init__("flat out")
        self.is_patient = True
        self._pictures = pictures
        self._seconds = seconds

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        end_s = time.monotonic() + self._seconds
        while not self._closed.is_set() and time.monotonic() < end_s:
            pixels = self._pictures[index % len(self._pictures)]
            yield Frame.from_rgb(pixels, index=index, source=self.name)
            index += 1


@dataclass(slots=True)
class _Answers:
    """An output that keeps when answers came."""

    answered_ns: list[int] = field(default_factory=list)

    def answer(self, answer: Answer) -> None:
        self.answered_ns.append(time.monotonic_ns())

    def vanished(self, vanished: Vanished) -> None:
        """Not looked at."""

    def status(self, status: Status) -> None:
        """Not looked at."""


if __name__ == "__main__":
    main()
