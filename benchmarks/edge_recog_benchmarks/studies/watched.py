"""What those who watch cost the live classifier: viewers of its page, and a broker that is dead.

    python -m edge_recog_benchmarks.studies.watched MODEL --clip CLIP

In turns, `edge-recog run` is started alone and with somebody who watches: it classifies a clip as
fast as it can, serves its page and writes JSON Lines. Alone, nobody asks for the page and there is
no broker. Watched, viewers take both streams that the page takes, the picture and the events, as
fast as they come, and the broker is an address that refuses. Told is the median of the turns'
ratios. The viewers run on the same machine and take their share of it: they do not decode pictures.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_recog.bundle import Bundle
from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.studies.faults.processes import LiveProcess, free_port
from edge_recog_benchmarks.studies.soak import frames_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMA_VERSION: Final = 1
_STREAMS: Final = ("/api/v1/stream.mjpg", "/api/v1/events")
_START_S: Final = 60.0
_SETTLE_S: Final = 1.0
"""After the first answers, before frames are counted: viewers connect meanwhile."""


@dataclass(slots=True)
class Turn:
    """What one process did."""

    fps: float
    streamed: int = 0
    """Bytes that viewers got while frames were counted."""


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(
        prog="watched", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model file with a contract")
    parser.add_argument("--clip", type=Path, required=True, help="a video, played in a loop")
    parser.add_argument("--viewers", type=count, default=10)
    parser.add_argument("--turns", type=count, default=7)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--conditions", default="", help="what else ran meanwhile")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document = study(
            arguments.model,
            arguments.clip,
            viewers=arguments.viewers,
            turns=arguments.turns,
            seconds=arguments.seconds,
        )
        write_result({**document, "conditions": arguments.conditions}, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)
    sys.stdout.write(
        f"{document['name']}: {document['alone_fps']:.0f} frames a second alone, "
        f"{document['watched_fps']:.0f} with {document['viewers']} viewers and a dead broker: "
        f"{document['watched_to_alone']:.1%} of it\n"
    )


def study(model: Path, clip: Path, *, viewers: int, turns: int, seconds: float) -> dict[str, Any]:
    """Return what was measured.

    Args:
        model: A model file.
        clip: Played in a loop, as fast as it is taken.
        viewers: Who watch at the same time.
        turns: Of both kinds each.
        seconds: That frames are counted in each turn.

    Raises:
        EdgeRecogError: The model cannot be used, or the classifier does not start.
    """
    bundle = Bundle.open(model)
    alone: list[Turn] = []
    watched: list[Turn] = []
    for number in range(turns):
        alone.append(turn(model, clip, viewers=0, seconds=seconds))
        watched.append(turn(model, clip, viewers=viewers, seconds=seconds))
        sys.stderr.write(
            f"turn {number + 1} of {turns}: {alone[-1].fps:.0f} alone, {watched[-1].fps:.0f} "
            "watched\n"
        )
    return {
        "schema_version": _SCHEMA_VERSION,
        "benchmark": "watched",
        "name": bundle.name,
        "id": bundle.id,
        "viewers": viewers,
        "turns": turns,
        "turn_s": seconds,
        "alone_fps": round(statistics.median(one.fps for one in alone), 1),
        "watched_fps": round(statistics.median(one.fps for one in watched), 1),
        "watched_to_alone": round(
            statistics.median(w.fps / a.fps for a, w in zip(alone, watched, strict=True)), 4
        ),
        "bytes_a_second": round(statistics.median(one.streamed for one in watched) / seconds),
        "machine": machine_facts(),
    }


def turn(model: Path, clip: Path, *, viewers: int, seconds: float) -> Turn:
    """Return what one process does, alone without viewers, else with them and a dead broker.

    Raises:
        EdgeRecogError: It does not start, or ends.
    """
    with tempfile.TemporaryDirectory(prefix="watched-") as name:
        folder = Path(name)
        port, dead_port = free_port(), free_port()
        config = folder / "config.toml"
        config.write_text(
            f'source = "file:{clip.resolve()}?loop=1"\nmodel = "{model.resolve()}"\n'
            f'node = "watched"\nweb = {{ listen = "127.0.0.1:{port}" }}\n'
            # Never full, so that its end always says how many there were.
            f'jsonl = {{ path = "{folder}/answers.jsonl", max_size_mb = 1000, keep = 0 }}\n'
            + (f'mqtt = {{ broker = "mqtt://127.0.0.1:{dead_port}" }}\n' if viewers else "")
        )
        live = LiveProcess(config, log=folder / "log.txt", environment={})
        try:
            answers = folder / "answers.jsonl"
            _await_answers(live, answers)
            with _watching(port, viewers) as streamed:
                time.sleep(_SETTLE_S)
                before, bytes_before, begin_s = frames_in(answers), sum(streamed), time.monotonic()
                time.sleep(seconds)
                frames, took_s = frames_in(answers) - before, time.monotonic() - begin_s
                if any(got == 0 for got in streamed):
                    raise EdgeRecogError(f"a viewer got nothing: {live.said().strip()[-300:]}")
                if frames <= 0:
                    raise EdgeRecogError(f"no frame was answered: {live.said().strip()[-300:]}")
                return Turn(frames / took_s, sum(streamed) - bytes_before)
        finally:
            live.stop()


def _await_answers(live: LiveProcess, answers: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while frames_in(answers) < 50:
        if live.exit_code is not None or time.monotonic() > deadline_s:
            words = "; ".join(live.said().strip().splitlines()[-3:])
            raise EdgeRecogError(f"the live classifier gives no answers: {words}")
        time.sleep(0.05)


@contextlib.contextmanager
def _watching(port: int, viewers: int) -> Iterator[list[int]]:
    """Yield how many bytes each stream of each viewer has got, while they watch."""
    streamed = [0] * (viewers * len(_STREAMS))
    ended = threading.Event()

    def watch(at: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(connection),
        ):
            connection.request("GET", _STREAMS[at % len(_STREAMS)])
            answer = connection.getresponse()
            while not ended.is_set() and (part := answer.read1(1 << 18)):
                streamed[at] += len(part)

    threads = [
        threading.Thread(target=watch, args=(at,), daemon=True) for at in range(len(streamed))
    ]
    for thread in threads:
        thread.start()
    try:
        yield streamed
    finally:
        ended.set()
        for thread in threads:
            thread.join(15)


if __name__ == "__main__":
    main()
