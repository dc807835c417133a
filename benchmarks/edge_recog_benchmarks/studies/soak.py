"""The live classifier for a long time: `python -m edge_recog_benchmarks.studies.soak --out FILE`.

`edge-recog run` classifies a moving test card as fast as it can, with a tiny model; it writes into
a file that is renamed when it is full, and tells a broker (mosquitto). Meanwhile its memory,
threads and descriptors are read from /proc. What counts is what memory grows by after the first
frames, when everything has been used once.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.studies.faults.pictures import model
from edge_recog_benchmarks.studies.faults.processes import Broker, LiveProcess, free_port, holdings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SCHEMA_VERSION: Final = 1
FRAMES: Final = 1_000_000
WARM: Final = 10_000
"""Frames after which memory is to stay what it is."""
MOST_KB: Final = 2_000
"""That memory may grow by afterwards."""
POINTS: Final = 200
"""Of the curve, at most."""
_POLL_S: Final = 0.05
_START_S: Final = 60.0
_STALL_S: Final = 30.0
_TAIL_BYTES: Final = 16_384
_FRAME: Final = re.compile(rb'"frame":(\d+)')


@dataclass(frozen=True, slots=True)
class Point:
    """What the process held after so many frames."""

    frames: int
    seconds: float
    rss_kb: int
    threads: int
    descriptors: int
    sockets: int


def main() -> None:
    """Run; exit 0 if memory stayed what it was, 1 if not, 130 if interrupted."""
    parser = argparse.ArgumentParser(
        prog="soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=count, default=FRAMES, help=f"default: {FRAMES:,}")
    parser.add_argument("--warm", type=count, default=WARM, help=f"frames first; default: {WARM:,}")
    parser.add_argument("--most-kb", type=count, default=MOST_KB, help="that memory may grow by")
    parser.add_argument("--source", default="synthetic:160x120", help="as edge-recog run takes it")
    parser.add_argument("--viewer", action="store_true", help="serve the live page, and watch it")
    parser.add_argument("--conditions", default="", help="what else ran meanwhile")
    add_out(parser)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        document = soak(
            frames=arguments.frames,
            warm=arguments.warm,
            source=arguments.source,
            with_viewer=arguments.viewer,
        )
        document["most_kb"] = arguments.most_kb
        document["conditions"] = arguments.conditions
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)
    sys.stdout.write(summary(document))
    if not document["complete"]:
        sys.exit(130)
    sys.exit(0 if is_good(document) else 1)


def soak(*, frames: int, warm: int, source: str, with_viewer: bool = False) -> dict[str, Any]:
    """Return what was measured; an interruption ends it early, and is said in it.

    Args:
        frames: To classify.
        warm: After which memory is to stay what it is; fewer than `frames`.
        source: Without an end.
        with_viewer: Serve the live page and have somebody watch the picture.

    Raises:
        UsageError: A program is missing, or the numbers make no sense.
        EdgeRecogError: The classifier does not start, or stops.
    """
    if warm >= frames:
        raise UsageError(f"--warm {warm} must be below --frames {frames}")
    points: list[Point] = []
    complete = True
    with tempfile.TemporaryDirectory(prefix="soak-") as name, _progress(frames) as tell:
        folder = Path(name)
        broker = Broker(folder)
        try:
            with _viewer(with_viewer) as (web, watch):
                config = _write_config(folder, source, broker.port, web)
                live = LiveProcess(config, log=folder / "log.txt", environment={})
                try:
                    watch()
                    _follow(live, folder / "answers.jsonl", frames, points, tell)
                except KeyboardInterrupt:
                    complete = False
                finally:
                    code = live.stop()
            said = live.said()
        finally:
            broker.kill()
    return {
        "schema_version": _SCHEMA_VERSION,
        "benchmark": "soak",
        "source": source,
        "viewer": with_viewer,
        "complete": complete,
        "exit_code": code,
        "tracebacks": said.count("Traceback (most recent call last)"),
        **judged(points, warm),
        "curve": [asdict(point) for point in thinned(points)],
        "machine": machine_facts(),
    }


def judged(points: Sequence[Point], warm: int) -> dict[str, Any]:
    """Return what memory, threads and descriptors did after the first frames.

    Args:
        points: In order.
        warm: How many frames are the first.
    """
    if not points:
        return {"frames": 0, "warm": warm, "grown_kb": None}
    after = [point for point in points if point.frames >= warm]
    last = points[-1]
    document: dict[str, Any] = {
        "frames": last.frames,
        "warm": warm,
        "frames_per_s": round(last.frames / max(last.seconds, 1e-9), 1),
        "grown_kb": None,
    }
    if len(after) > 1:
        document["grown_kb"] = max(point.rss_kb for point in after[1:]) - after[0].rss_kb
        document["kb_per_million"] = round(slope(after) * 1e6, 1)
        for name in ("threads", "descriptors", "sockets"):
            values = [getattr(point, name) for point in after]
            document[name] = {"first": values[0], "most": max(values), "last": values[-1]}
    return document


def slope(points: Sequence[Point]) -> float:
    """Return kilobytes a frame: of the line with the least squares."""
    n = len(points)
    mean_x = sum(point.frames for point in points) / n
    mean_y = sum(point.rss_kb for point in points) / n
    spread = sum((point.frames - mean_x) ** 2 for point in points)
    if spread == 0:
        return 0.0
    return sum((point.frames - mean_x) * (point.rss_kb - mean_y) for point in points) / spread


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """Return at most so many of the points, evenly chosen, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(index * step)] for index in range(most)]


def is_good(document: dict[str, Any]) -> bool:
    """Tell whether a soak showed what is to be shown."""
    return bool(
        document["complete"]
        and document["grown_kb"] is not None
        and document["grown_kb"] <= document["most_kb"]
        and document["threads"]["last"] <= document["threads"]["first"]
        and document["descriptors"]["last"] <= document["descriptors"]["first"]
        and document["exit_code"] == 0
        and not document["tracebacks"]
    )


def summary(document: dict[str, Any]) -> str:
    """Return what is to be said of a soak, in a line."""
    grown = document["grown_kb"]
    if grown is None:
        return f"{document['frames']:,} frames are too few to say anything\n"
    threads, descriptors = document["threads"], document["descriptors"]
    return (
        f"{document['frames']:,} frames at {document['frames_per_s']:,.0f} a second: memory grew "
        f"by {grown / 1000:.2f} MB after the first {document['warm']:,} "
        f"(at most {document['most_kb'] / 1000:g} MB), threads {threads['first']} → "
        f"{threads['last']}, descriptors {descriptors['first']} → {descriptors['last']}, "
        f"exit {document['exit_code']}\n"
    )


def _follow(
    live: LiveProcess,
    answers: Path,
    frames: int,
    points: list[Point],
    tell: Callable[[int], object],
) -> None:
    """Note what the process holds, until it has done so many frames.

    Raises:
        EdgeRecogError: It ends, or answers no more.
    """
    step = max(1, frames // POINTS)
    begin_s = moved_s = time.monotonic()
    patience_s, seen, due = _START_S, 0, 1
    while seen < frames:
        time.sleep(_POLL_S)
        now_s = time.monotonic()
        done = frames_in(answers)
        if done > seen:
            seen, moved_s, patience_s = done, now_s, _STALL_S
            tell(min(seen, frames))
        if live.exit_code is not None or now_s - moved_s > patience_s:
            words = "; ".join(live.said().strip().splitlines()[-3:])
            raise EdgeRecogError(
                f"the live classifier answers no more after {seen} frames: {words}"
            )
        if seen >= due:
            due = (seen // step + 1) * step
            held = holdings(live.pid)
            points.append(
                Point(
                    seen,
                    round(now_s - begin_s, 2),
                    held.rss_kb,
                    held.threads,
                    held.descriptors,
                    held.sockets,
                )
            )


def frames_in(answers: Path) -> int:
    """Return how many frames were classified, by the end of a file of answers; 0 if unknown."""
    try:
        with answers.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            found = _FRAME.findall(file.read())
    except FileNotFoundError:
        return 0  # Not made yet, or just renamed.
    return int(found[-1]) + 1 if found else 0


def _write_config(folder: Path, source: str, broker_port: int, web: str) -> Path:
    model_path = folder / "picture.tflite"
    model_path.write_bytes(model())
    config = folder / "config.toml"
    config.write_text(
        f'source = "{source}"\nmodel = "{model_path}"\nnode = "soak"\n{web}\n'
        f'[jsonl]\npath = "{folder}/answers.jsonl"\nmax_size_mb = 5\nkeep = 2\n'
        f'[mqtt]\nbroker = "mqtt://127.0.0.1:{broker_port}"\n'
    )
    return config


@contextlib.contextmanager
def _viewer(wanted: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what to configure, and what begins to watch once the process has been started."""
    if not wanted:
        yield "web = false", lambda: None
        return
    port = free_port()
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(port, ended), name="viewer", daemon=True)
    try:
        yield f'web = {{ listen = "127.0.0.1:{port}" }}', thread.start
    finally:
        ended.set()
        thread.join(5)


def _watch(port: int, ended: threading.Event) -> None:
    """Look at the live picture; again where it breaks off."""
    while not ended.wait(0.2):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(connection),
        ):
            connection.request("GET", "/api/v1/stream.mjpg")
            answer = connection.getresponse()
            while not ended.is_set() and answer.read1(65_536):
                pass


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yield what takes how many frames are done, and shows it on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("soak", total=total)
        yield lambda done: progress.update(bar, completed=done)


if __name__ == "__main__":
    main()
