"""Workers as the conductor sees them: processes that may fail, crash or hang."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from edge_recog_benchmarks.device.plan import Contestant, Plan

WORKER = "edge_recog_benchmarks.device.worker"
_PACKAGE = Path(__file__).parents[1]
"""`edge_recog_benchmarks`, as it is seen here."""


def share_package(folder: Path) -> None:
    """Make a folder from which other environments import this package, and nothing beside it."""
    folder.mkdir()
    (folder / _PACKAGE.name).symlink_to(_PACKAGE)


class WorkerError(Exception):
    """A worker is lost; the text says why."""


class Worker:
    """A process that measures one contestant."""

    def __init__(
        self, contestant: Contestant, plan: Plan, environment: Mapping[str, str], packages: Path
    ) -> None:
        """Start it; `start` waits for its first answer.

        Args:
            contestant: What it will measure.
            plan: Where pictures and limits come from.
            environment: Variables of the process.
            packages: As `share_package` made it.

        Raises:
            WorkerError: Its Python cannot be started.
        """
        self._job = {
            "runner": contestant.runner,
            "model": contestant.model,
            "threads": contestant.threads,
            "options": contestant.options,
            "frames": plan.frames,
            "offline": plan.scenario == "offline",
        }
        self._time_limit_s = plan.time_limit_s
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: list[str] = []
        # An environment of its own sees nothing of ours but the worker.
        path = [str(packages), *([] if contestant.python else filter(None, sys.path))]
        self._born_ns = time.monotonic_ns()
        try:
            self._process = subprocess.Popen(
                [contestant.python or sys.executable, "-P", "-m", WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, "PYTHONPATH": os.pathsep.join(path)},
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            python = contestant.python or sys.executable
            raise WorkerError(f"{python} cannot be started: {error.strerror}") from error
        self.pid = self._process.pid
        self._listeners = [
            threading.Thread(target=listen, daemon=True)
            for listen in (self._listen, self._overhear)
        ]
        for listener in self._listeners:
            listener.start()

    def start(self) -> dict[str, Any]:
        """Return what it tells when it has given its first answer, `first_answer_ns` included.

        Raises:
            WorkerError: It could not.
        """
        import msgspec

        answer = self.ask(msgspec.to_builtins(self._job))
        answer["first_answer_ns"] = answer.pop("answered_ns") - self._born_ns
        return answer

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to an order, its `event` left out.

        Raises:
            WorkerError: The worker failed, crashed or did not answer in time.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=self._time_limit_s)
        except BrokenPipeError:
            line = ""
        except queue.Empty:
            self.kill()
            raise WorkerError(
                f"it did not answer within {self._time_limit_s:g} s and was stopped"
            ) from None
        if not line:
            raise WorkerError(self._last_words())
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            self.kill()
            raise WorkerError("it answered with something that is not JSON") from error
        if answer.pop("event") == "failed":
            raise WorkerError(answer["reason"])
        return answer

    def kill(self) -> None:
        """End it at once. Safe to call twice."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let it end, and see that it does. Safe to call twice."""
        process = self._process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        for listener in self._listeners:
            listener.join(timeout=5)
        for pipe, listener in zip((process.stdout, process.stderr), self._listeners, strict=True):
            if pipe is not None and not listener.is_alive():
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _overhear(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said[:] = [*self._said[-4:], " ".join(line.split())]

    def _last_words(self) -> str:
        """Return why the process ended without an answer."""
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
            return "it closed its end of the line, and was stopped"
        self._listeners[1].join(timeout=5)
        if code >= 0:
            said = next((line for line in reversed(self._said) if line), "it said nothing")
            return f"its process ended with status {code}: {said}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        if name == "SIGKILL":
            return (
                "its process was killed (SIGKILL), as the kernel does when memory runs out: "
                "measure fewer models at a time, or smaller ones"
            )
        return f"its process crashed ({name}) in native code"
