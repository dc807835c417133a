"""Feed damaged models to this package, and those it accepts to the native interpreter.

    python tests/fuzz/run_fuzz.py --count 20000 --seed 1 --target open
    python tests/fuzz/run_fuzz.py --count 20000 --seed 1 --target interpreter

`open` calls a function (`--call module:name`) which may raise nothing but EdgeRecogError, within
the time and memory allowed. `interpreter` reads each mutant with `read_model` and lets
ai-edge-litert, or tflite-runtime where only that is installed, load, allocate and run the accepted
ones, each in a process of its own; `--unchecked` runs the refused ones too. Failing inputs are
written to `--failures`; `--only INDEX` repeats one. Exits 1 on failures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from mutators import Seed, mutate, seed

from edge_recog.errors import EdgeRecogError
from edge_recog.tflite import read_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

_REPOSITORY = Path(__file__).parents[2]
_LARGEST_SEED_BYTES = 600_000
_SPAWN = multiprocessing.get_context("spawn")
_EXITS = {0: "runs", 10: "native error", 12: "out of memory"}


class _TooSlowError(BaseException):
    """The call took longer than allowed; no `except Exception` may swallow it."""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=("open", "interpreter"), default="open")
    parser.add_argument("--call", default="edge_recog.tflite:read_model", help="module:function")
    parser.add_argument("--as", dest="form", choices=("bytes", "path"), default="bytes")
    parser.add_argument("--models", type=Path, nargs="+", help="files or folders of sound models")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout-s", type=float, default=5.0)
    parser.add_argument("--memory-mb", type=int, default=1024, help="beyond what is used at start")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--unchecked", action="store_true", help="run refused mutants natively too")
    parser.add_argument("--plain", action="store_true", help="native kernels without XNNPACK")
    parser.add_argument("--out", type=Path, help="write the counts here as JSON")
    parser.add_argument("--only", type=int, help="index of the one mutant to try")
    return parser.parse_args(arguments)


def find_models(places: Sequence[Path]) -> list[Path]:
    """Return the sound models small enough to be tried thousands of times."""
    files = [
        file
        for place in places
        for file in ([place] if place.is_file() else sorted(place.rglob("*.tflite")))
    ]
    return [file for file in files if file.stat().st_size <= _LARGEST_SEED_BYTES]


def _load_seeds(options: argparse.Namespace) -> list[Seed]:
    seeds = []
    for file in find_models(options.models or [_REPOSITORY.parent / "shared" / "data"]):
        data = file.read_bytes()
        try:
            read_model(data)
        except EdgeRecogError:
            continue
        seeds.append(seed(file.name, data))
    if not seeds:
        raise SystemExit("There is no sound model to damage: name some with --models.")
    return seeds


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _limit_memory(megabytes: int) -> None:
    limit = _address_space() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(options: argparse.Namespace, indices: Sequence[int], pipe: Connection) -> None:
    """Try the mutants with these indices, telling the parent before and after each."""
    seeds = _load_seeds(options)
    attempt = _opener(options) if options.target == "open" else _interpreter(options)
    for index in indices:
        pipe.send((index, None))
        data = mutate(Random(f"{options.seed}:{index}"), seeds)
        pipe.send((index, attempt(data)))
    pipe.close()


def _on_alarm(number: int, frame: FrameType | None) -> None:
    raise _TooSlowError


def _opener(options: argparse.Namespace) -> Callable[[bytes], str]:
    module, _, name = options.call.partition(":")
    function: Any = importlib.import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    shared_memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = tempfile.TemporaryDirectory(dir=shared_memory)
    path = Path(folder.name) / "mutant.tflite"
    signal.signal(signal.SIGALRM, _on_alarm)
    _limit_memory(options.memory_mb)

    def attempt(data: bytes, keep: object = folder) -> str:
        if options.form == "path":
            path.write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, options.timeout_s)
        try:
            function(path if options.form == "path" else data)
        except EdgeRecogError as error:
            return f"refused: {type(error).__name__}"
        except _TooSlowError:
            return "FAILED: too slow"
        except Exception as error:  # noqa: BLE001 - what is being looked for
            return f"FAILED: {type(error).__name__}: {str(error)[:80]}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return "accepted"

    return attempt


def _interpreter(options: argparse.Namespace) -> Callable[[bytes], str]:
    import numpy as np

    try:
        native = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError:
        native = importlib.import_module("tflite_runtime.interpreter")
    resolver = native.OpResolverType.AUTO
    if options.plain:
        resolver = native.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

    def run(data: bytes) -> None:
        interpreter = native.Interpreter(
            model_content=data, num_threads=1, experimental_op_resolver_type=resolver
        )
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            zeros = np.zeros(detail["shape"], detail["dtype"])
            interpreter.set_tensor(detail["index"], zeros)
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            interpreter.get_tensor(detail["index"])

    def attempt(data: bytes) -> str:
        try:
            read_model(data)
            verdict = "accepted"
        except EdgeRecogError:
            verdict = "refused"
            if not options.unchecked:
                return verdict
        child = os.fork()
        if not child:
            _child(run, data, options)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status in _EXITS:
            return f"{verdict}, {_EXITS[status]}"
        if status == -signal.SIGALRM:
            name = "too slow"
        else:
            name = signal.Signals(-status).name if status < 0 else f"exit {status}"
        return f"{'FAILED: ' if verdict == 'accepted' else ''}{verdict}, {name}"

    return attempt


def _child(run: Callable[[bytes], None], data: bytes, options: argparse.Namespace) -> None:
    """Run a model natively and exit; never returns."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    _limit_memory(options.memory_mb)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, options.timeout_s)
    try:
        run(data)
    except MemoryError:
        os._exit(12)
    except Exception:  # noqa: BLE001 - any refusal by the native code is fine
        os._exit(10)
    os._exit(0)


class _Worker:
    """A process that tries its share of the mutants, restarted where one kills it."""

    def __init__(self, options: argparse.Namespace, indices: Sequence[int]) -> None:
        self._options = options
        self._indices = list(indices)
        self.current: int | None = None
        self.start()

    def start(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe(duplex=False)
        arguments = (self._options, self._indices, theirs)
        self.process = _SPAWN.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.heard_s = time.monotonic()

    def skip(self, index: int) -> None:
        """Go on after the mutant that ended the process."""
        self.process.kill()
        self.process.join()
        self._indices = self._indices[self._indices.index(index) + 1 :]
        self.current = None
        if self._indices:
            self.start()

    @property
    def finished(self) -> bool:
        return not self._indices


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, print how often each outcome came, and return 1 if any was a failure."""
    options = _parse(arguments)
    indices = [options.only] if options.only is not None else list(range(options.count))
    seeds = _load_seeds(options)
    jobs = min(options.jobs, len(indices))
    workers = [_Worker(options, indices[job::jobs]) for job in range(jobs)]
    outcomes: Counter[str] = Counter()
    started_s = time.monotonic()

    def note(index: int, outcome: str) -> None:
        outcomes[outcome] += 1
        if outcome.startswith("FAILED"):
            options.failures.mkdir(parents=True, exist_ok=True)
            kind = "".join(c if c.isalnum() else "-" for c in outcome[8:48]).strip("-")
            file = options.failures / f"{options.seed}-{index}-{kind}.tflite"
            file.write_bytes(mutate(Random(f"{options.seed}:{index}"), seeds))

    while workers:
        ready = wait([worker.pipe for worker in workers], timeout=1)
        for worker in list(workers):
            if worker.pipe in ready:
                worker.heard_s = time.monotonic()
                try:
                    index, outcome = worker.pipe.recv()
                except EOFError:
                    if worker.current is not None:
                        worker.process.join()
                        note(worker.current, f"FAILED: died with {worker.process.exitcode}")
                        worker.skip(worker.current)
                    else:
                        worker.process.join()
                        workers.remove(worker)
                    continue
                worker.current = index if outcome is None else None
                if outcome is not None:
                    note(index, outcome)
            elif (
                worker.current is not None
                and time.monotonic() - worker.heard_s > 3 * options.timeout_s
            ):
                note(worker.current, "FAILED: hangs")
                worker.skip(worker.current)
            if worker.finished and worker in workers:
                workers.remove(worker)

    seconds = time.monotonic() - started_s
    lines = [f"{count:8d}  {outcome}" for outcome, count in outcomes.most_common()]
    total = sum(outcomes.values())
    lines.append(f"{total:8d}  mutants of {len(seeds)} models in {seconds:.0f} s")
    sys.stdout.write("\n".join(lines) + "\n")
    if options.out:
        document = {
            "schema_version": 1,
            "benchmark": "fuzz",
            "target": options.target,
            "call": options.call,
            "unchecked": options.unchecked,
            "seed": options.seed,
            "models": len(seeds),
            "seconds": round(seconds),
            "outcomes": dict(outcomes.most_common()),
            "machine": {"platform": platform.platform(), "python": platform.python_version()},
        }
        options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return int(any(outcome.startswith("FAILED") for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
