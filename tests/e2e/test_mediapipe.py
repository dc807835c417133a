"""MediaPipe reads what we write, and answers as we do where both see the same pixels."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import msgspec
import numpy as np
import pytest
from edge_recog_converter.photographs import load_photographs

from edge_recog import Bundle, Classifier, Frame
from edge_recog.cameras.images import read_image
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    MediaPipe = Callable[..., dict[str, Any]]

SCRIPT = Path(__file__).with_name("run_mediapipe.py")
NATIVE = ("libEGL.so.1", "libGLESv2.so.2")

KINDS = ("int8", "float")
SAME_PIXELS = {"int8": 0.0, "uint8": 0.0, "float": 2e-5}
"""Worst difference of a score where both see the same pixels. Found: none for 8-bit models, 3e-6
for float ones."""
OWN_RESAMPLING = {"int8": 0.15, "float": 0.10}
"""The same where each resizes the photograph itself. Found: 0.102 and 0.067."""
LIKE_RESAMPLING = {"int8": 0.06, "float": 0.02}
"""The same where we resize as MediaPipe does, with another OpenCV. Found: 0.035 and 0.011."""


@pytest.fixture(scope="module")
def mediapipe(
    environment: Callable[..., Path],
    missing: Callable[[str], NoReturn],
    tmp_path_factory: pytest.TempPathFactory,
) -> MediaPipe:
    """Return what classifies RGB pictures with MediaPipe, or shows a model's metadata."""
    for library in NATIVE:
        try:
            ctypes.CDLL(library)
        except OSError:
            missing(f"MediaPipe needs {library}: sudo apt install libegl1 libgles2")
    python = environment("mediapipe", "mediapipe>=1.2,<2")
    folder = tmp_path_factory.mktemp("mediapipe")

    def run(action: str, model: Path, pictures: Sequence[NDArray[np.uint8]] = ()) -> dict[str, Any]:
        paths = [folder / f"{index}.npy" for index in range(len(pictures))]
        for path, pixels in zip(paths, pictures, strict=True):
            np.save(path, pixels)
        done = subprocess.run(
            [python, SCRIPT, action, model, *paths],
            env={**os.environ, "GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "2"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


@pytest.fixture(scope="module")
def photographs() -> tuple[Frame, ...]:
    return load_photographs()


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def demo_model(kind: str, demo_folder: Path) -> Path:
    return demo_folder / "runs" / "demo" / f"efficientnet-lite0-{kind}.tflite"


@pytest.fixture(scope="module")
def stretching_model(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model, to be fed the whole picture whatever its shape: MediaPipe's only way."""
    bundle = Bundle.open(demo_model)
    stretch = msgspec.structs.replace(bundle.contract.preprocessing, crop="stretch")
    contract = msgspec.structs.replace(bundle.contract, preprocessing=stretch)
    path = tmp_path_factory.mktemp("stretch") / demo_model.name
    path.write_bytes(pack_bundle(bundle.data, contract, bundle.labels, name="stretch"))
    return path


@pytest.fixture(scope="module")
def oblong_answers(
    mediapipe: MediaPipe, stretching_model: Path, photographs: tuple[Frame, ...]
) -> list[tuple[Frame, NDArray[np.float64]]]:
    """Oblong photographs, each with MediaPipe's scores."""
    oblong = [frame for frame in photographs if frame.height != frame.width]
    assert len(oblong) >= 5
    answer = mediapipe("classify", stretching_model, [frame.pixels for frame in oblong])
    return list(zip(oblong, np.array(answer["scores"]), strict=True))


def scores(classifier: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return classifier.trace(Frame.from_rgb(pixels)).scores


def assert_same_best(
    ours: NDArray[np.float32], theirs: NDArray[np.float64], labels: Sequence[str]
) -> None:
    """Compare labels, and count those as equal that the scores do not tell apart."""
    best, other = int(np.argmax(ours)), int(np.argmax(theirs))
    assert labels[best] == labels[other] or ours[best] - ours[other] <= 1e-5


def resized_as_mediapipe_does(pixels: NDArray[np.uint8], contract: Any) -> NDArray[np.uint8]:
    """Map corners of the picture to corners of the input, where `cv2.resize` maps pixel centres.

    As OpenCvProcessor in mediapipe/calculators/tensor/image_to_tensor_converter_opencv.cc.
    """
    (height, width), (rows, columns) = pixels.shape[:2], (contract.height, contract.width)
    corners = [
        np.array([[0, h], [0, 0], [w, 0], [w, h]], np.float32)
        for h, w in ((height, width), (rows, columns))
    ]
    return np.asarray(
        cv2.warpPerspective(
            pixels,
            cv2.getPerspectiveTransform(corners[0], corners[1]),
            (columns, rows),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def test_metadata_that_we_write_is_read_by_mediapipe(
    mediapipe: MediaPipe, demo_model: Path
) -> None:
    bundle = Bundle.open(demo_model)
    preprocessing = bundle.contract.preprocessing
    shown = mediapipe("metadata", demo_model)
    [graph] = shown["metadata"]["subgraph_metadata"]
    [image], [output] = graph["input_tensor_metadata"], graph["output_tensor_metadata"]

    assert shown["metadata"]["name"] == bundle.name
    assert image["content"]["content_properties"] == {
        "color_space": "RGB" if preprocessing.colour == "RGB" else "GRAYSCALE"
    }
    assert image["process_units"] == [
        {
            "options_type": "NormalizationOptions",
            "options": {"mean": list(preprocessing.mean), "std": list(preprocessing.std)},
        }
    ]
    assert output["associated_files"] == [{"name": "labels.txt", "type": "TENSOR_AXIS_LABELS"}]


def test_files_behind_the_model_are_found_by_mediapipe(
    mediapipe: MediaPipe, demo_model: Path
) -> None:
    bundle = Bundle.open(demo_model)
    files = mediapipe("metadata", demo_model)["files"]

    assert {name: text.encode("latin-1") for name, text in files.items()} == dict(bundle.files)
    assert files["labels.txt"].encode("latin-1").decode().splitlines() == list(bundle.labels)


def test_same_pixels_get_the_same_answers(
    mediapipe: MediaPipe, kind: str, demo_model: Path, photographs: tuple[Frame, ...]
) -> None:
    with Classifier.open(demo_model) as classifier:
        contract = classifier.bundle.contract.preprocessing
        labels = classifier.bundle.labels
        pictures = [contract.pixels(frame) for frame in photographs]
        answer = mediapipe("classify", demo_model, pictures)

        assert answer["labels"] == list(labels)
        for pixels, theirs in zip(pictures, answer["scores"], strict=True):
            ours = scores(classifier, pixels)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=SAME_PIXELS[kind])
            assert_same_best(ours, np.array(theirs), labels)


def test_oblong_photographs_get_much_the_same_answers(
    kind: str,
    stretching_model: Path,
    oblong_answers: list[tuple[Frame, NDArray[np.float64]]],
) -> None:
    with Classifier.open(stretching_model) as classifier:
        for frame, theirs in oblong_answers:
            ours = classifier.trace(frame).scores
            runner_up, best = np.sort(ours)[-2:]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=OWN_RESAMPLING[kind])
            if best - runner_up > OWN_RESAMPLING[kind]:
                assert np.argmax(ours) == np.argmax(theirs), frame.source


def test_what_differs_on_oblong_photographs_is_how_they_are_resized(
    kind: str,
    stretching_model: Path,
    oblong_answers: list[tuple[Frame, NDArray[np.float64]]],
) -> None:
    with Classifier.open(stretching_model) as classifier:
        contract = classifier.bundle.contract.preprocessing
        for frame, theirs in oblong_answers:
            ours = scores(classifier, resized_as_mediapipe_does(frame.pixels, contract))
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=LIKE_RESAMPLING[kind])


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("mobilenet_v1_0.25_224_1_metadata_1.tflite", "float"),
        ("mobilenet_v1_0.25_224_quant.tflite", "uint8"),
    ],
    ids=["float", "uint8"],
)
def test_models_with_metadata_of_others_are_read_alike(
    mediapipe: MediaPipe, shared_data: Path, file: str, kind: str
) -> None:
    folder = shared_data / "mobilenet_v1_025"
    with Classifier.open(folder / file) as classifier:
        contract = classifier.bundle.contract.preprocessing
        pictures = [
            contract.pixels(Frame.from_rgb(read_image(path)))
            for path in sorted(folder.glob("*.jpg"))
        ]
        answer = mediapipe("classify", folder / file, pictures)

        assert answer["labels"] == list(classifier.bundle.labels)
        assert len(pictures) >= 3
        for pixels, theirs in zip(pictures, answer["scores"], strict=True):
            ours = scores(classifier, pixels)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=SAME_PIXELS[kind])
            assert_same_best(ours, np.array(theirs), classifier.bundle.labels)
