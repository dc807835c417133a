"""The demo is real: models from pretrained weights recognise photographs, and are reused."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from edge_recog_converter.photographs import load_photographs

from edge_recog import Bundle, Classifier, Frame
from edge_recog.inspection import inspect_file

PHOTOGRAPHS = {frame.source: frame for frame in load_photographs()}


@pytest.fixture(scope="module", params=["int8", "float"])
def classifier(request: pytest.FixtureRequest, demo_folder: Path) -> Classifier:
    path = demo_folder / "runs" / "demo" / f"efficientnet-lite0-{request.param}.tflite"
    return Classifier.open(path)


@pytest.mark.parametrize(
    ("photograph", "labels"),
    [("chelsea", {"Egyptian cat", "tabby, tabby cat"}), ("coffee", {"espresso"})],
    ids=["chelsea", "coffee"],
)
def test_photographs_are_recognised(
    classifier: Classifier, photograph: str, labels: set[str]
) -> None:
    result = classifier.classify(PHOTOGRAPHS[photograph])

    assert result.predictions[0].label in labels


def test_colours_in_the_wrong_order_are_seen_by_the_scores(classifier: Classifier) -> None:
    right = PHOTOGRAPHS["coffee"]
    wrong = Frame.from_bgr(right.pixels)
    scores = [classifier.classify(frame).predictions[0].score for frame in (right, wrong)]

    assert scores[0] > scores[1]


def test_what_it_sees_and_what_it_costs_is_told(demo_folder: Path) -> None:
    log = (demo_folder / "demo.log").read_text(encoding="utf-8")

    assert "chelsea" in log
    assert "8/8 golden vectors" in log
    assert "invoke p50" in log
    assert "Traceback" not in log


def test_contact_sheet_shows_every_photograph(demo_folder: Path) -> None:
    sheet = cv2.imread(str(demo_folder / "runs" / "demo" / "contact-sheet.jpg"))
    rows = -(-len(PHOTOGRAPHS) // 4)

    assert sheet is not None
    assert sheet.shape == (rows * 240, 4 * 320, 3)


def test_second_run_reuses_the_models(demo_folder: Path) -> None:
    models = sorted((demo_folder / "runs" / "demo").glob("*.tflite"))
    before = [path.stat().st_mtime_ns for path in models]
    command = [str(Path(sys.executable).parent / "edge-recog"), "demo"]
    done = subprocess.run(
        command, cwd=demo_folder, capture_output=True, text=True, check=True, timeout=100
    )

    assert "reused" in done.stderr
    assert [path.stat().st_mtime_ns for path in models] == before


def test_int8_model_takes_camera_bytes_as_they_are(demo_folder: Path) -> None:
    path = demo_folder / "runs" / "demo" / "efficientnet-lite0-int8.tflite"
    bundle = Bundle.open(path)
    compiled = bundle.contract.preprocessing.compile(bundle.inputs)

    assert compiled.path == "direct"
    assert inspect_file(path).document()["oldest_runtime"] != ""
