"""A real browser, the real daemon, and a camera that can be unplugged."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import numpy as np
import pytest

from edge_recog.colour_card import colour_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = Path(__file__).with_name("browser_at_work.py")
PROGRAM = Path(sys.executable).with_name("edge-recog")
HOSTILE = (
    "<img src=x onerror=alert({n})>",
    "<script>alert({n})</script>",
    "\u202e{n} drawkcab",
    "&lt;b&gt;{n}&amp;\"'",
    "a_name_without_any_place_to_break_it_" * 6 + "{n}",
)


class Browser:
    """Chromium; every method of `AtWork` can be called."""

    def __init__(self, python: Path, chromium: str) -> None:
        self._process = subprocess.Popen(
            [python, SCRIPT, chromium], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*positional: Any, **keywords: Any) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps([name, positional, keywords]) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            assert "error" not in answer, answer["error"]
            return answer["value"]

        return call

    def end(self) -> None:
        assert self._process.stdin is not None
        with self._process:
            self._process.stdin.close()


class Camera:
    """A network camera with motion JPEG, which can be unplugged and plugged in again."""

    def __init__(self) -> None:
        self._index = itertools.count()
        self._card = colour_card(480, 640, 0).astype(np.int16)
        self._unplugged = threading.Event()
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.send(self)

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/video.mjpg"

    def unplug(self) -> None:
        self._unplugged.set()

    def plug_in(self) -> None:
        self._unplugged.clear()

    def send(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if self._unplugged.is_set():
            handler.send_error(404)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not self._unplugged.wait(0.08):
                index = next(self._index)
                jpeg = self._picture(index)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                handler.wfile.write(head.encode() + jpeg + b"\r\n")

    def _picture(self, index: int) -> bytes:
        """Return one as a sensor's: with noise, so that none is like another."""
        noise = np.random.default_rng(index).integers(-8, 9, self._card.shape, np.int16)
        moved = np.roll(self._card, 8 * index, axis=1) + noise
        done, jpeg = cv2.imencode(".jpg", np.clip(moved, 0, 255).astype(np.uint8))
        assert done
        return jpeg.tobytes()

    def close(self) -> None:
        self.unplug()
        self._server.shutdown()
        self._server.server_close()


class Device:
    """`edge-recog run`, with a page."""

    def __init__(self, folder: Path, source: str, model: Path, web: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.model = folder / "model.tflite"
        shutil.copyfile(model, self.model)
        self._config = folder / "config.toml"
        listen = "" if "listen" in web else f'listen = "127.0.0.1:{self.port}"\n'
        self._config.write_text(
            f'source = "{source}"\nmodel = "{self.model}"\nnode = "kitchen"\n'
            "[events]\nthreshold = 0.05\nrelease = 0.03\nmin_duration_s = 0.1\n"
            "[supervision]\nretry_max_s = 0.5\nfault_s = 0.3\n"
            f"[web]\n{listen}{web.format(port=self.port)}\n"
        )
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, "run", "--config", self._config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "live page:" in line:
                break
        else:
            self._process.wait()
            self._process.stderr.close()
            self._process = None
            pytest.fail("".join(said))
        # A full pipe would stop it.
        self._reading = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._reading.start()

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            with self._process as process:
                process.kill()
                self._reading.join()
            self._process = None

    def freeze(self) -> None:
        """Have it say nothing, while its connections stay: as when a cable is pulled."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def chromium(
    environment: Callable[..., Path], missing: Callable[[str], NoReturn]
) -> Iterator[Browser]:
    """Run Chromium for all of these tests."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if program is None:
        missing("Chromium is not installed: sudo apt install chromium")
    started = Browser(environment("playwright", "playwright>=1.50,<2"), program)
    yield started
    started.end()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Return the browser, whose tab is closed after the test."""
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def hostile_model(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real classifier of a thousand things, every one named by an enemy."""
    folder = tmp_path_factory.mktemp("hostile")
    names = [HOSTILE[n % len(HOSTILE)].replace("{n}", str(n)) for n in range(1001)]
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    model = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"
    command = [PROGRAM, "adopt", model, "--labels", folder / "labels.txt"]
    out = folder / "hostile.tflite"
    subprocess.run(
        [*command, "--mean", "128", "--std", "128", "--crop", "stretch", "--out", out],
        check=True,
        capture_output=True,
    )
    return out


@pytest.fixture(scope="session")
def device(hostile_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """Return a device that runs, and is left as it is."""
    folder = tmp_path_factory.mktemp("device")
    started = Device(folder, "synthetic:640x480?rate=15", hostile_model)
    started.start()
    yield started
    started.kill()


@pytest.fixture
def own_device(hostile_model: Path, tmp_path: Path) -> Iterator[Callable[..., Device]]:
    """Return what starts a device that a test may mistreat."""
    started = []

    def start(source: str = "synthetic:640x480?rate=15", web: str = "") -> Device:
        one = Device(tmp_path, source, hostile_model, web)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def camera() -> Iterator[Camera]:
    """Return a camera that is plugged in."""
    one = Camera()
    yield one
    one.close()
