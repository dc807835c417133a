"""On picamera2 itself and libcamera's virtual cameras, in a Debian of their own.

`make picamera2` makes that Debian; tools/virtual_pi/sensor.c says what those cameras are given that
they lack. Only NV12 comes out of them, in rows without padding, and they say that they mirror but
do not.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_ROOT = Path(__file__).parents[3]
_TOOLS = _ROOT / "tools" / "virtual_pi"
_PROBE = _ROOT / "tests" / "virtual_pi" / "run_picamera2.py"

_COLOURS = {
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "green": (0, 255, 0),
    "magenta": (255, 0, 255),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "black": (0, 0, 0),
}
"""Columns of the picture that the camera sees, from left to right."""
_NEAR = 4
"""Steps that a colour may lose on its way through 8-bit YCbCr."""

_YAML = """\
%YAML 1.1
---
"Virtual0":
  supported_formats:
  - width: 640
    height: 480
    frame_rates: [30, 60]
  - width: 320
    height: 240
    frame_rates: [30, 60]
  frames:
    path: /work/frames/
  location: CameraLocationFront
  model: painted
"""


class Machine:
    """Runs programs where picamera2 is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """That programs find as their working folder."""
        shutil.copy(_PROBE, folder)
        (folder / "virtual.yaml").write_text(_YAML)
        (folder / "frames").mkdir()
        # A test pattern of libcamera's would move on with each frame, whoever sees it.
        colours = np.array(list(_COLOURS.values()), np.uint8)
        self.see(np.broadcast_to(colours.repeat(80, axis=0), (480, 640, 3)))

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Have this in front of the camera: RGB, 640x480, since libcamera writes past the end of
        the memory that it takes for a picture with odd sides.
        """
        assert picture.shape == (480, 640, 3)
        assert cv2.imwrite(str(self.folder / "frames" / "0.jpg"), picture[..., ::-1])

    def start(self, *command: str) -> subprocess.Popen[str]:
        program = [str(_TOOLS / "in_camera.sh"), str(self.folder), *command]
        pipe = subprocess.PIPE
        return subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True)

    def run(self, *command: str) -> str:
        with self.start(*command) as process:
            said, errors = process.communicate()
        assert process.returncode == 0, errors
        return said

    def probe(self, *arguments: str) -> Any:
        return json.loads(self.run("python", "run_picamera2.py", *arguments))


@pytest.fixture(scope="module")
def machine_made(missing: Callable[[str], NoReturn]) -> None:
    """Bring the runtime in there up to date; without `make picamera2` there is nothing."""
    if not (_ROOT / "build" / "virtual-pi" / "camera" / "made").exists():
        missing("there is no Debian with picamera2 in build/virtual-pi: make picamera2")
    subprocess.run([str(_TOOLS / "make_camera.sh")], check=True)


@pytest.fixture
def machine(machine_made: None, tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_bars(colours: list[list[int]]) -> None:
    assert np.abs(np.array(colours) - np.array(list(_COLOURS.values()))).max() <= _NEAR


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("picamera2:0", [640, 480]),
        ("picamera2:0?main=320x240&format=NV12", [320, 240]),
        ("picamera2:0?main=640x480&lores=320x240", [320, 240]),
        ("picamera2:0?main=1280x720", [640, 480]),
    ],
    ids=["default", "small", "second stream", "the nearest size that there is"],
)
def test_frames_have_the_colours_and_the_size_of_the_camera(
    machine: Machine, source: str, size: list[int]
) -> None:
    [seen] = machine.probe("frames", "3", source)

    assert seen["size"] == size
    assert_bars(seen["first"])
    assert_bars(seen["last"])


@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_a_picture_keeps_the_order_of_its_colours(machine: Machine, colour: str) -> None:
    machine.see(np.full((480, 640, 3), _COLOURS[colour], np.uint8))
    [seen] = machine.probe("frames", "2", "picamera2:0")

    assert np.abs(np.array(seen["last"]) - _COLOURS[colour]).max() <= _NEAR


def test_hundreds_of_frames_come_out_of_four_buffers(machine: Machine) -> None:
    [seen] = machine.probe("frames", "300", "picamera2:0?main=320x240")

    assert seen["indices"] == list(range(300))
    assert np.all(np.diff(seen["captured_ns"]) > 0)


def test_a_camera_can_be_closed_and_opened_again_and_leaves_nothing_open(machine: Machine) -> None:
    seen = machine.probe("frames", "2", *["picamera2:0?main=320x240"] * 6)

    # libcamera's own are opened once.
    assert len({run["descriptors"] for run in seen[1:]}) == 1


def test_what_the_camera_cannot_do_is_refused_with_what_it_can(machine: Machine) -> None:
    said = machine.probe(
        "refused",
        "picamera2:0?rate=30&FaceDetectMode=0",
        "picamera2:0?Brightness=0.1",
        "picamera2:0?FaceDetectMode=1",
        "picamera2:0?gain=2",
        "picamera2:0?roi=0,0,0.5,0.5",
        "picamera2:0?lores=320x240&format=RGB888",
        "picamera2:5",
    )

    assert said == [
        "it can be opened",
        "UsageError: picamera2:0: this camera has no control Brightness; it has FaceDetectMode, "
        "FrameDurationLimits",
        "UsageError: picamera2:0: FaceDetectMode=1 must be from 0 to 0",
        "SourceError: picamera2:0: this camera has no AnalogueGain; leave out what sets it",
        "SourceError: picamera2:0: this camera cannot crop, so there is no roi",
        "SourceError: picamera2:0: the camera does not take these options: lores stream must be "
        "YUV",
        "SourceError: picamera2:5: no camera number 5; there is 0 (painted)",
    ]


def test_a_camera_that_is_in_use_is_said_to_be_busy(machine: Machine) -> None:
    assert "picamera2:0: busy: another part of this program" in machine.probe("busy", "picamera2:0")


def test_a_process_of_its_own_can_read_it(machine: Machine) -> None:
    assert_bars(machine.probe("isolated", "picamera2:0?main=320x240")["last"])


def test_it_is_listed(machine: Machine) -> None:
    [camera] = json.loads(machine.run("edge-recog", "cameras", "--json"))["cameras"]

    assert (camera["source"], camera["name"]) == ("picamera2:0", "painted")
    assert camera["problem"] is None


def test_the_live_classifier_names_what_it_sees(machine: Machine, shared_data: Path) -> None:
    models = shared_data / "mobilenet_v1_025"
    shutil.copy(models / "mobilenet_v1_0.25_224_quant.tflite", machine.folder / "model.tflite")
    machine.see(cv2.resize(cv2.imread(str(models / "burger.jpg")), (640, 480))[..., ::-1])
    (machine.folder / "config.toml").write_text(
        'source = "picamera2:0?main=640x480&lores=320x240&rate=30"\nmodel = "model.tflite"\n'
        "web = false\n[watch]\nfreeze_s = false\n"
    )
    told = []
    # bwrap hands no signal on, but process ids are the same inside and outside.
    run = "echo $$ >pid; exec edge-recog run --config config.toml"
    with machine.start("sh", "-c", run) as process:
        assert process.stdout is not None
        for line in process.stdout:
            document = json.loads(line)
            if "predictions" in document:
                told.append(document["predictions"][0]["label"])
            if len(told) == 30:
                break
        os.kill(int((machine.folder / "pid").read_text()), signal.SIGTERM)
        _, errors = process.communicate()

    assert set(told) == {"cheeseburger"}
    assert process.returncode == 0, errors
