"""What the classifier adds to the bare work: `python -m edge_recog_benchmarks.overhead MODEL`.

One frame of 640x480 goes, turn by turn in random order in one process, first through the parts:
bare `cv2.resize`, bare `invoke` and our `Classifier`; then through the peers: our `Classifier`, the
naive loop that tutorials show, and MediaPipe's ImageClassifier where it is installed. Ours run on
one interpreter thread.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge_recog import Classifier, EdgeRecogError, Frame, UsageError
from edge_recog.cameras.images import read_image
from edge_recog.colour_card import colour_card
from edge_recog.interpreters import open_interpreter
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TOP_K = 5


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model file with a uint8 input")
    parser.add_argument("--picture", type=Path, help="shown as the frame; a test card otherwise")
    parser.add_argument("--rounds", type=count, default=1000)
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document = measure(arguments.model, _frame(arguments.picture), rounds=arguments.rounds)
        print_result(document)
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def measure(model: str, pixels: NDArray[np.uint8], *, rounds: int) -> dict[str, Any]:
    """Return the percentiles of each contestant, measured turn by turn.

    Args:
        model: Path of a model file.
        pixels: (480, 640, 3) uint8 RGB.
        rounds: Turns each contestant gets.

    Raises:
        EdgeRecogError: The model cannot be used.
        UsageError: Its input is not pixels as they are, which the naive loop feeds.
    """
    with ExitStack() as opened:
        classifier = opened.enter_context(Classifier.open(model, threads=1))
        bundle, runtime = classifier.bundle, classifier.runtime
        if bundle.contract.preprocessing.compile(bundle.inputs).path != "direct":
            raise UsageError(
                f"{model}: its input is {bundle.inputs} and not pixels as they are; name a model "
                "with a uint8 input"
            )
        parts = _race(_parts(classifier, pixels, opened), rounds)
        peers = _race(_peers(classifier, model, pixels, opened), rounds)
    return {
        "schema_version": 1,
        "benchmark": "overhead",
        "model": {"name": bundle.name, "id": bundle.id},
        "runtime": runtime,
        "rounds": rounds,
        "milliseconds": {"parts": _percentiles(parts), "peers": _percentiles(peers)},
        "machine": machine_facts(),
    }


def _percentiles(times: dict[str, list[int]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            f"p{percent}": round(float(np.percentile(values, percent)) / 1e6, 4)
            for percent in (50, 90, 99)
        }
        for name, values in times.items()
    }


def _race(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[int]]:
    """Return the nanoseconds of each contestant's turns."""
    times: dict[str, list[int]] = {name: [] for name in contestants}
    names = list(contestants)
    for run in contestants.values():
        for _ in range(30):
            run()
    gc.collect()
    gc.disable()
    try:
        order = Random(1)
        for _ in range(rounds):
            # Nobody always follows the same neighbour.
            order.shuffle(names)
            for name in names:
                start = time.perf_counter_ns()
                contestants[name]()
                times[name].append(time.perf_counter_ns() - start)
    finally:
        gc.enable()
    return times


def print_result(document: dict[str, Any]) -> None:
    """Write the table and the one figure that counts."""
    parts, peers = document["milliseconds"]["parts"], document["milliseconds"]["peers"]
    write = sys.stdout.write
    write(f"{document['model']['name']}, {document['runtime']}, {document['rounds']} rounds\n")
    for title, rows in (("parts", parts), ("peers", peers)):
        write(f"{title:<12}{'p50':>9}{'p90':>9}{'p99':>9}  ms\n")
        for name, values in rows.items():
            figures = "".join(f"{values[p]:9.3f}" for p in ("p50", "p90", "p99"))
            write(f"{name:<12}{figures}\n")
    over = parts["classifier"]["p50"] - parts["resize"]["p50"] - parts["invoke"]["p50"]
    write(f"ours - (invoke + resize) at p50: {over:+.3f} ms\n")
    if "mediapipe" in peers:
        ratios = [peers["classifier"][p] / peers["mediapipe"][p] for p in ("p50", "p90")]
        write(f"ours / MediaPipe: {ratios[0]:.2f} at p50, {ratios[1]:.2f} at p90\n")


def _parts(
    classifier: Classifier, pixels: NDArray[np.uint8], opened: ExitStack
) -> dict[str, Callable[[], object]]:
    """Return the bare work and all of it: nothing else, which would empty their caches."""
    frame = Frame.from_rgb(pixels)
    bare = open_interpreter(classifier.bundle.data, threads=1)
    opened.callback(bare.close)
    part, size = _looked_at(classifier, pixels)
    small = np.empty((size[1], size[0], 3), np.uint8)
    return {
        "resize": lambda: cv2.resize(part, size, dst=small, interpolation=cv2.INTER_LINEAR),
        "invoke": bare.invoke,
        "classifier": lambda: classifier.classify(frame, top_k=TOP_K),
    }


def _peers(
    classifier: Classifier, model: str, pixels: NDArray[np.uint8], opened: ExitStack
) -> dict[str, Callable[[], object]]:
    frame = Frame.from_rgb(pixels)
    part, size = _looked_at(classifier, pixels)
    contestants: dict[str, Callable[[], object]] = {
        "classifier": lambda: classifier.classify(frame, top_k=TOP_K),
        "naive loop": _naive(classifier, part, size, opened),
    }
    mediapipe = _mediapipe(model, pixels, opened)
    if mediapipe is not None:
        contestants["mediapipe"] = mediapipe
    return contestants


def _looked_at(
    classifier: Classifier, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return the part of a frame that the contract crops, and width and height to resize it to."""
    contract = classifier.bundle.contract.preprocessing
    box = contract.source_box(*pixels.shape[:2])
    return pixels[box.slices], (contract.width, contract.height)


def _naive(
    classifier: Classifier, part: NDArray[np.uint8], size: tuple[int, int], opened: ExitStack
) -> Callable[[], object]:
    """Return the loop of the LiteRT guide, with the interpreter made once."""
    interpreter = open_interpreter(classifier.bundle.data, threads=1)
    opened.callback(interpreter.close)
    q = classifier.bundle.outputs.quantization
    labels = classifier.bundle.labels

    def run() -> object:
        batch = np.expand_dims(cv2.resize(part, size), axis=0)
        interpreter.input_view()[...] = batch
        interpreter.invoke()
        output = interpreter.read_output()[0]
        scores = output if q is None else (output.astype(np.float32) - q.zero_point) * q.scale
        return [(labels[i], scores[i]) for i in np.argsort(-scores)[:TOP_K]]

    return run


def _mediapipe(
    model: str, pixels: NDArray[np.uint8], opened: ExitStack
) -> Callable[[], object] | None:
    """Return MediaPipe's classifier on the same file and frame; None where it is not installed."""
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError:
        return None
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=model), max_results=TOP_K
    )
    classifier = vision.ImageClassifier.create_from_options(options)
    opened.callback(classifier.close)
    image = mediapipe.Image(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)
    )
    return lambda: classifier.classify(image)


def _frame(picture: Path | None) -> NDArray[np.uint8]:
    pixels = colour_card(480, 640, 1) if picture is None else read_image(picture)
    return np.asarray(cv2.resize(pixels, (640, 480), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
