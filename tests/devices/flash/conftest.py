"""Devices that can be flashed: a real sshd, environment, store and live classifier."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.publishing.keys import KeyFolders
from edge_recog_devices.publishing.publisher import Publisher
from edge_recog_devices.wheels import Manifest, Target, WheelFile, project_wheel
from edge_recog_devices.wheels.archives import sha256_of

from edge_recog import __version__
from edge_recog.bundle import Bundle
from edge_recog.models import default_model
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAND_IN = Path(__file__).with_name("systemctl.py")
SITE = Path(json.__file__).parents[1] / "site-packages"


@dataclass
class Pi:
    """A device with a service manager, and what it answers."""

    device: Any
    port: int
    programs: Path
    config: Path
    """On this side: a configuration with which it answers soon."""
    wheels: Path

    @property
    def address(self) -> str:
        return str(self.device.address)

    @property
    def home(self) -> Path:
        return Path(self.device.home)

    @property
    def root(self) -> Path:
        return self.home / ".local/share/edge-recog"

    @property
    def models(self) -> Path:
        return self.home / ".local/state/edge-recog/models"

    def arguments(self, *more: object) -> list[str]:
        """Return what flashes it, beside the model."""
        given = [self.address, "--user", "--wheels", self.wheels, "--config", self.config]
        given += ["--healthy", "0.5", "--wait", "60", *more]
        return list(map(str, given))

    def start(self, model: Path, *more: object) -> subprocess.Popen[str]:
        """Begin to flash it, in a process of its own."""
        command = [sys.executable, "-c", "from edge_recog.cli import main; main()", "flash"]
        return subprocess.Popen(
            [*command, str(model), *self.arguments(*more)],
            env={
                **os.environ,
                "PATH": f"{self.device.programs}:{os.environ['PATH']}",
                "TMPDIR": str(self.programs),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hang_up(self) -> None:
        """End the connections of a process that was begun with `start` and killed."""
        for master in self.programs.glob("edge-recog-ssh.*/s"):
            options = ["-O", "exit", "-o", f"ControlPath={master}", "127.0.0.1"]
            command = [str(self.device.programs / "ssh"), *options]
            subprocess.run(command, check=True, capture_output=True)

    def status(self) -> Any:
        """Return what the live classifier says of itself; None if it does not answer."""
        try:
            url = f"http://127.0.0.1:{self.port}/api/v1/status"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def model(self) -> str | None:
        """Return the id of the model that answers."""
        status = self.status()
        return None if status is None else status["model"]["id"]

    def state(self) -> Any:
        return json.loads((self.models / "state.json").read_text())["state"]

    def files(self) -> set[str]:
        """Return all that is in the user's folder, but for what the service manager has."""
        found = (path.relative_to(self.home).as_posix() for path in self.home.rglob("*"))
        return {one for one in found if not one.startswith(".service-manager")}

    def systemctl(self, *words: str) -> None:
        login = ["-p", str(self.device.port), f"{self.device.user}@127.0.0.1"]
        command = [str(self.device.programs / "ssh"), *login, "systemctl", "--user", *words]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def device_python(missing: Callable[[str], Any]) -> Path:
    """Return a Python of this version that whoever logs in to a device can use."""
    version = f"python3.{sys.version_info.minor}"
    for name in (f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(name).exists():
            return Path(name)
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if os.geteuid() == 0 and str(base).startswith("/root/"):
        missing(f"no {version} outside of root's own folder")
    return base


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return collected wheels: ours, and one that leads to what is installed here already."""
    folder = tmp_path_factory.mktemp("wheels")
    own = project_wheel(folder)
    others = _leading_here(folder)
    files = tuple(
        WheelFile(
            file=path.name,
            distribution=name,
            version=version,
            size=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for name, version, path in (
            ("edge-recog", __version__, own.path),
            ("others-of-here", "1.0", others),
        )
    )
    manifest = Manifest(
        created="2026-01-01T00:00:00Z",
        target=Target(architecture="x86_64", python=sys.version_info[:2], glibc=(2, 36)),
        project="edge-recog[daemon]",
        version=__version__,
        project_from="the checkout",
        files=files,
    )
    (folder / "manifest.json").write_bytes(manifest.encode())
    return folder


@pytest.fixture(scope="session")
def make_wheel_of() -> Callable[..., Path]:
    """Return what makes a wheel: name, version, folder, and text of a .pth file in it."""
    return _wheel


def _leading_here(folder: Path) -> Path:
    """Return a wheel that makes the packages of this very environment importable."""
    import numpy

    return _wheel("others-of-here", "1.0", folder, f"{Path(numpy.__file__).parents[1]}\n")


def _wheel(name: str, version: str, folder: Path, pth: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    path, about = folder / f"{stem}-py3-none-any.whl", f"{stem}.dist-info"
    files = {
        f"{stem}.pth": pth,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.fixture(scope="session")
def make_pi(
    devices: Any,
    device_python: Path,
    wheels: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Pi]]:
    """Return what starts a device with a service manager; what it runs ends with the tests."""
    made: list[Pi] = []

    def make(**options: str) -> Pi:
        folder = Path(devices.folder) / f"programs-{len(made)}"
        folder.mkdir()
        folder.chmod(0o755)
        stand_in = folder / "systemctl.py"
        shutil.copy(STAND_IN, stand_in)
        program = folder / "systemctl"
        program.write_text(f'#!/bin/sh\nexec {device_python} -I {stand_in} "$@"\n')
        program.chmod(0o755)
        python = folder / f"python3.{sys.version_info.minor}"
        if not python.exists():
            python.symlink_to(device_python)
        (folder / "python3").symlink_to(device_python)
        path = f"{folder}:/usr/local/bin:/usr/bin:/bin"
        device = devices.start(**{"path": path, **options})
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = tmp_path_factory.mktemp("config") / "config.toml"
        config.write_text(
            'source = "synthetic:320x240?rate=15"\n'
            f'[web]\nlisten = "127.0.0.1:{port}"\n[trial]\nframes = 20\n'
        )
        made.append(Pi(device, port, folder, config, wheels))
        return made[-1]

    yield make
    for pi in made:
        _stop(pi)


def _stop(pi: Pi) -> None:
    """End what the service manager runs, by its own process id."""
    for name in ("manager", "main"):
        try:
            pid = int((pi.home / ".service-manager" / name).read_text())
            os.kill(pid, 15)
        except (OSError, ValueError):
            continue
        for _ in range(500):
            if not _lives(pid):
                break
            time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    # One that nobody waits for is no more.
    return state.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return models by what is to be thought of them: those of one kind differ by their name."""
    folder = tmp_path_factory.mktemp("models")
    data = default_model().read_bytes()
    bundle = Bundle.from_bytes(data, where="built-in")
    assert bundle.manifest is not None
    assert bundle.manifest.golden is not None
    runtime, vectors = bundle.manifest.golden.runtime, bundle.golden()
    wrong = [replace(one, score=one.score / 2) for one in vectors]
    found = {}
    for name in ("good", "better", "wrong", "slow", "crashing", "dying"):
        golden = (runtime, wrong if name == "wrong" else vectors)
        packed = pack_bundle(data, bundle.contract, bundle.labels, name=name, golden=golden)
        found[name] = folder / f"{name}.tflite"
        found[name].write_bytes(packed)
    found["corrupt"] = folder / "corrupt.tflite"
    found["corrupt"].write_bytes(data[: len(data) // 2])
    return found


@pytest.fixture(scope="session")
def updates_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what devices are given to trust a publisher."""
    folder = tmp_path_factory.mktemp("fleet") / "keys"
    Publisher(folder.with_name("site"), KeyFolders((folder,))).create()
    return folder / "1.root.json"


def id_of(model: Path) -> str:
    return f"sha256:{sha256_of(model)}"


@pytest.fixture(scope="module")
def pi(make_pi: Callable[..., Pi], models: dict[str, Path]) -> Pi:
    """Return a device on which the good model was flashed, and is committed."""
    made = make_pi()
    with made.start(models["good"], "--json") as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["devices"][0]["result"] == "installed"
    _spoil(made, models)
    return made


def _spoil(pi: Pi, models: dict[str, Path]) -> None:
    """Have the interpreter on a device crash with one model, and the service with another."""
    marks = {name: sha256_of(models[name]) for name in ("crashing", "dying")}
    [packages] = (pi.root / "venv/lib").glob("python3*/site-packages")
    for name, text in (
        ("crashes_here.py", CRASHES.format(models=pi.models, **marks)),
        ("crashes_here.pth", "import crashes_here\n"),
    ):
        (packages / name).write_text(text)
    pi.systemctl("restart", "edge-recog.service")


CRASHES = """
import hashlib, os, signal, sys, threading, time
def die():
    os.kill(os.getpid(), signal.SIGSEGV)
def is_begun():
    try:
        text = open("{models}/state.json").read()
    except OSError:
        return False
    return '"version": "{dying}"' in text and '"is_running": true' in text
def watch(is_known):
    # One that an earlier process began with is known.
    while True:
        if is_begun():
            if not is_known: die()
        else:
            is_known = False
        time.sleep(0.05)
words = sys.orig_argv
if "run" in words:
    threading.Thread(target=watch, args=[is_begun()], daemon=True).start()
if "edge_recog.store.tryout" in words:
    data = sys.stdin.buffer.peek(1)
    class Stdin:
        def __init__(self, buffer): self.buffer = self; self._buffer = buffer
        def read(self, *a):
            data = self._buffer.read(*a)
            if hashlib.sha256(data).hexdigest() == "{crashing}": die()
            return data
    sys.stdin = Stdin(sys.stdin.buffer)
"""


@pytest.fixture
def flash(edge_recog: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what flashes a model, as it is typed."""

    def run(model: Path, pi: Pi, *more: object) -> Any:
        monkeypatch.setenv("PATH", f"{pi.device.programs}:{os.environ['PATH']}")
        return edge_recog("flash", model, *pi.arguments(*more))

    return run
