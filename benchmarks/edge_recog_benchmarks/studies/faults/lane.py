"""One camera, one broker and one live classifier, to which faults are done one after the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.studies.faults.cameras import Camera, HttpServer, RtspServer
from edge_recog_benchmarks.studies.faults.judging import Timeline, is_over, judge
from edge_recog_benchmarks.studies.faults.listening import BrokerEar, FileTail, Listener
from edge_recog_benchmarks.studies.faults.pictures import labels
from edge_recog_benchmarks.studies.faults.processes import Broker, Control, LiveProcess, holdings

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_benchmarks.studies.faults.drawing import Fault
    from edge_recog_benchmarks.studies.faults.judging import Verdict
    from edge_recog_benchmarks.studies.faults.kinds import SourceKind
    from edge_recog_benchmarks.studies.faults.processes import Holdings

START_S: Final = 60.0
"""Until there are answers, from the start."""
PATIENCE_S: Final = 30.0
"""After a fault, for answers that come too late to be good."""
QUIET_S: Final = 8.0
"""Before holdings are compared: a read that was given up ends after its own 5 s."""
_FRESH_S: Final = 1.0
_DAY_NS: Final = 86_400_000_000_000


class LaneError(EdgeRecogError):
    """A lane cannot go on."""


class Lane:
    """Runs faults, one at a time."""

    def __init__(
        self, name: str, source: SourceKind, folder: Path, *, model: Path, native: Path
    ) -> None:
        """Start everything; `ready` waits for it.

        Args:
            name: Of the device, in topics.
            source: Kind of camera.
            folder: Empty; takes its files.
            model: See `pictures.model`.
            native: See `processes.build_native`.

        Raises:
            UsageError: A program that it needs is not there.
        """
        self.name = name
        self.source = source
        self.before: Holdings | None = None
        """What the process held when it first answered."""
        self.after: Holdings | None = None
        """What it held at the end, when all was well and quiet."""
        self.samples: list[Holdings] = []
        """After each fault."""
        self.code: int | None = None
        """With what it ended when it was told to."""
        self._folder = folder
        self._control = Control(folder / "control")
        self._broker = Broker(folder)
        self._http = HttpServer() if source == "http" else None
        self._rtsp = RtspServer() if source == "rtsp" else None
        server = self._http or self._rtsp
        assert server is not None
        self._server = server
        self._camera = Camera(server)
        self._listener = Listener(self._camera.sent_ns)
        answers = folder / "answers.jsonl"
        config = folder / "config.toml"
        config.write_text(self._config(model, native, answers))
        self._live = LiveProcess(
            config,
            log=folder / "log.txt",
            environment={"LD_PRELOAD": str(native), "FAULTS_CONTROL": str(folder / "control")},
        )
        self._tail = FileTail(answers, lambda text: self._listener.hear("file", text))
        self._ear = BrokerEar(
            self._broker.port,
            f"edge_recog/{name}/state",
            lambda text: self._listener.hear("broker", text),
        )

    def ready(self, stop: threading.Event) -> None:
        """Wait until all is well.

        Args:
            stop: Ends the wait.

        Raises:
            LaneError: It does not become so.
        """
        begin_ns = time.monotonic_ns()
        self._wait(stop, START_S, lambda: self._is_well(begin_ns))
        if not stop.is_set() and not self._is_well(begin_ns):
            raise LaneError(f"{self.name}: no answers: {self._last_words()}")
        if self.before is None and not stop.is_set():
            self.before = holdings(self._live.pid)

    def do(self, fault: Fault, stop: threading.Event) -> Verdict | None:
        """Do a fault; return what became of it, None if it was stopped meanwhile.

        Args:
            fault: For this source.
            stop: Ends it.

        Raises:
            LaneError: All was not well before it.
        """
        self.ready(stop)
        self._wait(stop, fault.settle_s, lambda: False)
        began_ns = time.monotonic_ns()
        self._listener.forget(began_ns - 1)
        self._begin(fault)
        self._wait(stop, fault.lasts_s, lambda: False)
        self._end(fault)
        ended_ns = time.monotonic_ns()

        def timeline() -> Timeline:
            answers, states = self._listener.since(began_ns)
            return Timeline(
                began_ns, ended_ns, time.monotonic_ns(), answers, states, self._live.exit_code
            )

        self._wait(stop, PATIENCE_S, lambda: is_over(fault, timeline()))
        if stop.is_set():
            return None
        verdict = judge(fault, timeline())
        if self._live.exit_code is None:
            self.samples.append(holdings(self._live.pid))
        return verdict

    def rest(self, stop: threading.Event) -> None:
        """Wait until all that was given up is gone, and note what the process holds.

        Raises:
            LaneError: All is not well.
        """
        self._wait(stop, QUIET_S, lambda: False)
        self.ready(stop)
        self.after = holdings(self._live.pid)

    @property
    def pid(self) -> int:
        """Number of the live classifier's process."""
        return self._live.pid

    @property
    def exit_code(self) -> int | None:
        """With what the live classifier ended without being told; None while it runs."""
        return self._live.exit_code

    def close(self) -> None:
        """End everything."""
        was_running = self._live.exit_code is None
        self._control.set(disk_hangs=False, invoke_fails=False, clock_offset_ns=0)
        code = self._live.stop()
        if was_running:
            self.code = code
        self._tail.close()
        self._ear.close()
        self._camera.close()
        self._broker.kill()
        self._control.close()

    def traces(self) -> int:
        """Return how many tracebacks the live classifier has logged."""
        return self._live.said().count("Traceback (most recent call last)")

    def document(self) -> dict[str, Any]:
        """Return what the process held, and how it ended, as plain values."""
        return {
            "name": self.name,
            "source": self.source,
            "faults": len(self.samples),
            "before": None if self.before is None else self.before.document(),
            "after": None if self.after is None else self.after.document(),
            "most": {
                key: max(sample.document()[key] for sample in self.samples)
                for key in self.samples[0].document()
            }
            if self.samples
            else None,
            "rss_kb": [sample.rss_kb for sample in self.samples],
            "exit_code": self.code,
            "tracebacks": self.traces(),
        }

    def _config(self, model: Path, native: Path, answers: Path) -> str:
        return (
            f'source = "{self._server.address}"\nmodel = "{model}"\ndelegate = "{native}"\n'
            f'node = "{self.name}"\ntop_k = {len(labels())}\nweb = false\n'
            f'[jsonl]\npath = "{answers}"\nmax_size_mb = 10000\n'
            f'[mqtt]\nbroker = "mqtt://127.0.0.1:{self._broker.port}"\n'
            "state_interval_s = 0\ndiscovery = false\n"
        )

    def _begin(self, fault: Fault) -> None:
        match fault.kind:
            case "hang":
                self._server.hang(on=True)
            case "disconnect":
                self._server.shut(on=True)
            case "freeze":
                self._camera.freeze(fault.variant)
            case "black":
                self._camera.go_black()
            case "corrupt":
                self._camera.damage(fault.variant)
            case "resolution":
                self._camera.resize(fault.variant)
            case "trickle" if self._http is not None:
                self._http.trickle(on=True)
            case "killed" if self._rtsp is not None:
                self._rtsp.kill()
            case "interpreter":
                self._control.set(invoke_fails=True)
            case "slow disk":
                self._control.set(disk_hangs=True)
            case "broker":
                self._broker.kill()
            case "clock":
                self._control.set(clock_offset_ns=_jump_ns(fault.variant))
            case _:
                raise LaneError(f"{self.name}: a {self.source} camera knows no {fault.kind}")

    def _end(self, fault: Fault) -> None:
        match fault.kind:
            case "hang":
                self._server.hang(on=False)
            case "disconnect":
                self._server.shut(on=False)
            case "trickle" if self._http is not None:
                self._http.trickle(on=False)
            case "killed" if self._rtsp is not None:
                self._rtsp.start()
            case "broker":
                self._broker.start()
        self._control.set(invoke_fails=False, disk_hangs=False, clock_offset_ns=0)
        self._camera.good()

    def _wait(self, stop: threading.Event, seconds: float, is_done: Callable[[], bool]) -> None:
        """Wait until it is done, the time is over, it is stopped, or the process has ended."""
        until_s = time.monotonic() + seconds
        news = self._listener.news
        with news:
            while not (is_done() or stop.is_set() or self._live.exit_code is not None):
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    return
                news.wait(min(left_s, 0.1))

    def _is_well(self, begin_ns: int) -> bool:
        since_ns = max(begin_ns, time.monotonic_ns() - round(_FRESH_S * 1e9))
        answers, _ = self._listener.since(since_ns)
        heard = {one.channel for one in answers if one.problem is None}
        return self._listener.state == "running" and heard == {"file", "broker"}

    def _last_words(self) -> str:
        code = self._live.exit_code
        ended = "" if code is None else f"the process ended with {code}; "
        return ended + "; ".join(self._live.said().strip().splitlines()[-3:])


def _jump_ns(variant: int) -> int:
    """Return by how much the clock jumps: up to 30 days either way, at least a second."""
    days = (variant % 60_001 - 30_000) / 1000
    return round(days * _DAY_NS) or _DAY_NS
