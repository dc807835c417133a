"""`edge-recog flash` onto an emulated Raspberry Pi that has nothing of ours: `make virtual-pi`.

Its disk keeps what is written, so that its power can be cut.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from edge_recog.bundle import Bundle
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Pi

pytestmark = pytest.mark.timeout(3600)

# vivid's picture has no noise, and nothing in it moves for seconds.
CONFIG: Final = """\
source = "v4l2:/dev/video0?width=320&height=180&rate=10"
[watch]
freeze_s = false
"""
PATIENCE_S: Final = "600"
"""It is emulated: a hundred times slower than it is."""
PROGRAM: Final = "/opt/edge-recog/venv/bin/edge-recog"
LONG_S: Final = 3000


class Flashed(NamedTuple):
    """What a flash came to."""

    code: int
    out: str
    err: str
    seconds: float


class Bench:
    """A workstation, and a Pi on it that can be switched off and on."""

    def __init__(
        self, folder: Path, disk: Path, models: list[bytes], switched_on: Callable[..., Any]
    ) -> None:
        self.folder = folder
        self.disk = disk
        self.switched_on = switched_on
        self.facts: dict[str, Any] = {}
        self.models = [folder / f"{name}.tflite" for name in ("first", "second")]
        for path, data in zip(self.models, models, strict=True):
            path.write_bytes(data)
        self.wheels = folder / "wheels"
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG)
        self._on: Any = None
        self._times = 0
        self.pi: Pi

    def switch_on(self) -> None:
        self._times += 1
        folder = self.folder / f"on-{self._times}"
        folder.mkdir()
        self._on = self.switched_on(folder, self.disk, fact="boot until ssh, s")
        self.pi = self._on.__enter__()
        (folder / "ssh_config").write_text(self.pi.ssh_config)
        ssh = folder / "bin" / "ssh"
        ssh.parent.mkdir()
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
        ssh.chmod(0o755)
        self.environment = dict(os.environ, PATH=f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")

    def cut_power(self) -> None:
        on, self._on = self._on, None
        if on is not None:
            on.__exit__(None, None, None)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        program = Path(sys.executable).with_name("edge-recog")
        return subprocess.Popen(
            [program, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def flash(self, model: Path, *options: str) -> Flashed:
        began = time.monotonic()
        process = self.start("flash", str(model), self.pi.address, "--wait", PATIENCE_S, *options)
        out, err = process.communicate(timeout=LONG_S)
        return Flashed(process.returncode, out, err, round(time.monotonic() - began, 1))

    def store(self) -> dict[str, Any]:
        """Return what the device says of its models."""
        told: dict[str, Any] = json.loads(self.pi.run(f"{PROGRAM} model list --json"))
        return told


@pytest.fixture(scope="module")
def bench(
    made: Path,
    facts: dict[str, Any],
    models: list[bytes],
    power: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    disk = folder / "disk"
    subprocess.run(["cp", "--sparse=always", str(made / "bare"), str(disk)], check=True)
    bench = Bench(folder, disk, models, power)
    bench.switch_on()
    try:
        yield bench
    finally:
        bench.cut_power()
        facts["flash"] = bench.facts


@pytest.fixture(scope="module")
def flashed(bench: Bench) -> Bench:
    """Flash a machine that has nothing of ours, without a network."""
    target = ["--profile", "generic-aarch64", "--python", "3.13", "--extra", "daemon"]
    collected = bench.start("devices", "wheels", *target, "--out", str(bench.wheels))
    out, err = collected.communicate(timeout=LONG_S)
    assert collected.returncode == 0, out + err
    done = bench.flash(
        bench.models[0], "--wheels", str(bench.wheels), "--config", str(bench.config), "--yes"
    )
    assert done.code == 0, done.out + done.err
    bench.facts["first flash, s"] = done.seconds
    return bench


def id_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def answers_with(bench: Bench, model: Path) -> bool:
    """Tell whether the next answer of the service is by a model."""
    answer = bench.pi.wait_for_answer(bench.pi.now())
    return bool(answer["model"]["id"] == id_of(model))


def test_one_flash_of_a_bare_system_ends_with_answers_from_its_camera(flashed: Bench) -> None:
    answer = flashed.pi.wait_for_answer(flashed.pi.now())

    assert answer["source"] == "v4l2:/dev/video0"
    assert answer["model"] == {"id": id_of(flashed.models[0]), "name": "first"}
    assert flashed.pi.of_unit("ActiveState") == "active"
    assert flashed.pi.run(f"systemctl is-enabled {PROGRAM.rpartition('/')[2]}") == "enabled"


def test_a_second_flash_says_that_there_is_nothing_to_do(flashed: Bench) -> None:
    process = flashed.pi.of_unit("MainPID")
    done = flashed.flash(flashed.models[0], "--config", str(flashed.config))
    flashed.facts["flash with nothing to do, s"] = done.seconds

    assert (done.code, "nothing to do" in done.out) == (0, True), done.out + done.err
    assert flashed.pi.of_unit("MainPID") == process


def spoilt(models: list[Path], folder: Path) -> Path:
    """Return a model whose golden vectors are another's."""
    bundle = Bundle.open(models[1])
    assert bundle.manifest is not None
    assert bundle.manifest.golden is not None
    vectors = [replace(one, score=one.score / 2) for one in bundle.golden()]
    data = pack_bundle(
        bundle.data,
        bundle.contract,
        bundle.labels,
        name="spoilt",
        golden=(bundle.manifest.golden.runtime, vectors),
    )
    path = folder / "spoilt.tflite"
    path.write_bytes(data)
    return path


def corrupt(models: list[Path], folder: Path) -> Path:
    """Return a model with a flipped bit in its weights."""
    data = bytearray(models[1].read_bytes())
    data[len(data) // 3] ^= 0x10
    path = folder / "corrupt.tflite"
    path.write_bytes(data)
    return path


def second(models: list[Path], folder: Path) -> Path:
    return models[1]


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (spoilt, (), "golden vectors failed"),
        (second, ("--most-ms", "0.001"), "may take 0.001 ms"),
        (corrupt, (), "changed after sealing"),
    ],
    ids=["wrong golden vectors", "too slow", "corrupt"],
)
def test_a_bad_model_is_refused_and_the_old_one_never_stops(
    make: Callable[..., Path], options: tuple[str, ...], said: str, flashed: Bench
) -> None:
    before, process = flashed.store(), flashed.pi.of_unit("MainPID")
    done = flashed.flash(make(flashed.models, flashed.folder), *options)

    assert done.code == 1, done.out + done.err
    assert said in done.err
    assert "Traceback" not in done.err
    after = flashed.store()
    assert (after["active"], after["candidate"]) == (before["active"], before["candidate"])
    assert flashed.pi.of_unit("MainPID") == process
    assert answers_with(flashed, flashed.models[0])


def test_a_model_that_crashes_the_process_is_followed_by_the_old_one(flashed: Bench) -> None:
    pi = flashed.pi
    # The first is on trial itself: it is to be what there is to go back to.
    _commit(flashed)
    done = flashed.flash(flashed.models[1], "--healthy", "1")
    assert done.code == 0, done.out + done.err
    assert answers_with(flashed, flashed.models[1])
    now = pi.now()
    pi.run(f"kill -SEGV {pi.of_unit('MainPID')}")
    with pi.timed("crashed on trial until the old one answers, s"):
        pi.wait_for_line(now, "Scheduled restart job")
        answer = pi.wait_for_answer(now, id_of(flashed.models[0]).removeprefix("sha256:"))
    flashed.facts |= pi.facts
    store = flashed.store()

    assert answer["model"]["name"] == "first"
    assert (store["active"], store["candidate"]) == (id_of(flashed.models[0]), None)
    failed = next(one for one in store["models"] if one["id"] == id_of(flashed.models[1]))
    assert "died" in failed["last_failure"]


def test_after_a_power_cut_in_the_middle_of_an_activation_a_model_that_works_answers(
    flashed: Bench,
) -> None:
    process = flashed.start(
        "flash", str(flashed.models[1]), flashed.pi.address, "--wait", PATIENCE_S, "--healthy", "60"
    )
    try:
        candidate = id_of(flashed.models[1])
        deadline_s = time.monotonic() + LONG_S
        while (flashed.store()["candidate"] or {}).get("id") != candidate:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s
        flashed.cut_power()
        assert process.wait(LONG_S) == 1
    finally:
        process.kill()
        process.communicate()
    flashed.switch_on()
    answer = flashed.pi.wait_for_answer(flashed.pi.now())
    known = {id_of(model) for model in flashed.models}
    store = flashed.store()

    assert answer["model"]["id"] in known
    assert store["active"] in known
    # And the same command goes on from there.
    done = flashed.flash(flashed.models[1], "--healthy", "1", "--force")
    assert done.code == 0, done.out + done.err
    assert answers_with(flashed, flashed.models[1])


def _commit(bench: Bench) -> None:
    """Have the model that is on trial become the active one."""
    pi = bench.pi
    if bench.store()["candidate"] is None:
        return
    pi.run("sed -i '1i trial = { frames = 1 }' /etc/edge-recog/config.toml")
    now = pi.now()
    pi.run("systemctl restart edge-recog")
    pi.wait_for_line(now, "is the active model now")
    pi.run("sed -i 1d /etc/edge-recog/config.toml && systemctl restart edge-recog")
