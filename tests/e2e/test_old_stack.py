"""The runtime on older versions of what it stands on: tflite-runtime 2.14, NumPy 1, OpenCV 4.

32-bit Raspberry Pi OS has nothing newer. tflite-runtime runs 8-bit models on TFLite's built-in
kernels, which round otherwise than XNNPACK's: scores move, and a best label may give way to one
that was close behind. Float models run on XNNPACK in both, and do not move.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import pytest
from edge_recog_converter.photographs import load_photographs

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
MAIN = "from edge_recog.cli import main; main()"
RESNET = "mlperf_tiny/image_classification/trained_models/pretrainedResnet_quant.tflite"
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"

TOLERANCE = {"resnet8-int8": 0.25, "lite0-int8": 0.12, "lite0-float": 2e-4}
"""Worst difference of a score that is allowed. Found on photographs: 0.207 (53 steps of 1/256),
0.078 (20 steps), and none in the four digits that the command line prints."""
SURE = {"resnet8-int8": 0.15, "lite0-int8": 0.05, "lite0-float": 2e-4}
"""By which a best score must lead for its label to be the best on both. Labels were seen to change
places at 0.086 and 0.008."""


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


def edge_recog(python: Path | str, *arguments: Path | str) -> Done:
    """Run the command line of the checkout in another environment."""
    done = subprocess.run(
        [python, "-W", "error", "-c", MAIN, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def opencv_4_python(environment: Callable[..., Path]) -> Path:
    """Return the Python of an environment with our interpreter and NumPy, and OpenCV 4."""
    ours = [
        f"{name}=={importlib.metadata.version(name)}"
        for name in ("ai-edge-litert", "numpy", "pytest", "pytest-timeout", "hypothesis")
    ]
    runtime = ["opencv-python-headless<5", "flatbuffers", "msgspec", "rich", "typer"]
    return environment("opencv-4", *ours, *runtime)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's photographs in a folder; PNG, which every OpenCV reads alike."""
    folder = tmp_path_factory.mktemp("pictures")
    for frame in load_photographs():
        assert cv2.imwrite(str(folder / f"{frame.source}.png"), frame.pixels[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def cifar_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "cifar10.txt"
    path.write_text("\n".join(CIFAR10.split()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def adopt(
    shared_data: Path, cifar_labels: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path | str], Path]:
    """Return what adopts ResNet-8 with one Python or the other, photographs as golden vectors."""

    def run(python: Path | str) -> Path:
        out = tmp_path_factory.mktemp("adopted") / "resnet8.tflite"
        golden = [f"--golden={pictures / name}.png" for name in ("camera", "chelsea", "coins")]
        numbers = ("--labels", cifar_labels, "--mean", "0", "--std", "1")
        done = edge_recog(python, "adopt", shared_data / RESNET, *numbers, *golden, "--out", out)
        assert done.code == 0, done.err
        return out

    return run


@pytest.fixture(scope="module", params=["resnet8-int8", "lite0-int8", "lite0-float"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(kind: str, request: pytest.FixtureRequest) -> Path:
    """A model made and sealed by our own environment."""
    if kind == "resnet8-int8":
        adopted: Path = request.getfixturevalue("adopt")(sys.executable)
        return adopted
    demo: Path = request.getfixturevalue("demo_folder")
    return demo / "runs" / "demo" / f"efficientnet-{kind}.tflite"


def test_the_stack_is_the_old_one(tflite_runtime_python: Path) -> None:
    code = "import cv2, numpy, tflite_runtime as t; print(cv2.__version__, numpy.__version__)"
    out = subprocess.run(
        [tflite_runtime_python, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    opencv, numpy = out.split()

    assert opencv.startswith("4.")
    assert numpy.startswith("1.")


def test_models_made_here_are_verified_there(tflite_runtime_python: Path, model: Path) -> None:
    done = edge_recog(tflite_runtime_python, "verify", model, "--json")

    assert done.code == 0, done.err
    assert done.document["passed"]
    assert done.document["runtime"].startswith("tflite-runtime 2.14.0")


def test_a_model_adopted_there_is_verified_here(
    tflite_runtime_python: Path, adopt: Callable[[Path | str], Path]
) -> None:
    done = edge_recog(sys.executable, "verify", adopt(tflite_runtime_python), "--json")

    assert done.code == 0, done.err
    assert done.document["golden_runtime"].startswith("tflite-runtime 2.14.0")


def test_photographs_are_answered_much_the_same(
    tflite_runtime_python: Path, kind: str, model: Path, pictures: Path
) -> None:
    arguments = ("classify", model, pictures, "--top-k", "1000", "--json")
    answers = [
        edge_recog(python, *arguments).document["results"]
        for python in (sys.executable, tflite_runtime_python)
    ]

    assert len(answers[0]) == len(list(pictures.iterdir()))
    for here, there in zip(*answers, strict=True):
        ours, theirs = (
            {said["label"]: said["score"] for said in result["predictions"]}
            for result in (here, there)
        )
        best, runner_up = (said["score"] for said in here["predictions"][:2])
        assert here["source"] == there["source"]
        assert ours.keys() == theirs.keys()
        assert ours == pytest.approx(theirs, rel=0, abs=TOLERANCE[kind]), here["source"]
        if best - runner_up > SURE[kind]:
            assert max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__)


def test_some_photographs_are_told_apart_for_sure(model: Path, kind: str, pictures: Path) -> None:
    # Without these the comparison of labels would compare nothing.
    done = edge_recog(sys.executable, "classify", model, pictures, "--top-k", "2", "--json")
    pairs = [[said["score"] for said in r["predictions"]] for r in done.document["results"]]

    assert sum(best - runner_up > SURE[kind] for best, runner_up in pairs) >= 5


def test_models_made_with_opencv_5_are_verified_with_opencv_4(
    opencv_4_python: Path, model: Path
) -> None:
    done = edge_recog(opencv_4_python, "verify", model, "--json")

    assert done.code == 0, done.err
    # The same interpreter runs both, so that nothing but OpenCV could make a difference.
    vectors = done.document["vectors"]
    assert {(vector["input_worst"], vector["output_worst"]) for vector in vectors} == {(0, 0)}


def test_preprocessing_passes_its_tests_with_opencv_4(opencv_4_python: Path) -> None:
    version = "import cv2; print(cv2.__version__)"
    tests = ROOT / "tests" / "edge_recog" / "test_preprocessing.py"
    opencv, done = (
        subprocess.run(
            [opencv_4_python, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        for arguments in (["-c", version], ["-m", "pytest", "-q", "-p", "no:cacheprovider", tests])
    )

    assert opencv.stdout.startswith("4.")
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
