from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from edge_recog_benchmarks.device.runners import LabellingRunner, Runner, find_runner
from edge_recog_benchmarks.device.runners.classifier import OPTIONS, ClassifierRunner

from edge_recog import (
    Classifier,
    DelegateError,
    Frame,
    MissingContractError,
    SourceError,
    UsageError,
)
from edge_recog.cameras.images import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CARD = np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3)
ENCODED = cv2.imencode(".png", CARD)[1].tobytes()
COMPUTED = ("preprocess", "invoke", "postprocess")


@pytest.fixture
def opened(tiny_models: dict[str, Path]) -> Callable[..., ClassifierRunner]:
    """Return what opens the ResNet with pictures and options."""

    def make(pictures: Sequence[Any] = (CARD,), **options: str) -> ClassifierRunner:
        return ClassifierRunner(
            str(tiny_models["resnet_int8"]), pictures, threads=1, options=options
        )

    return make


def test_the_name_classifier_finds_it() -> None:
    assert find_runner("classifier") is ClassifierRunner


@pytest.mark.parametrize("method", ["__init__", "step", "label", "close"])
def test_it_is_a_labelling_runner(method: str) -> None:
    protocol = LabellingRunner if method == "label" else Runner

    wanted = inspect.signature(getattr(protocol, method)).parameters
    assert inspect.signature(getattr(ClassifierRunner, method)).parameters == wanted


@pytest.mark.parametrize(
    ("pictures", "stages"),
    [
        ((CARD,), COMPUTED),
        ((ENCODED,), ("decode", *COMPUTED)),
        ((CARD, ENCODED), ("decode", *COMPUTED)),
    ],
    ids=["pixels", "encoded", "both"],
)
def test_decoding_is_a_stage_where_something_is_decoded(
    opened: Callable[..., ClassifierRunner], pictures: Sequence[Any], stages: tuple[str, ...]
) -> None:
    runner = opened(pictures)

    rows = [runner.step(index) for index in range(3)]

    assert runner.stages == stages
    assert [len(row) for row in rows] == [len(stages)] * 3
    assert min(min(row) for row in rows) > 0


def test_pictures_are_taken_in_turn(
    opened: Callable[..., ClassifierRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int | None]] = []
    classify = Classifier.classify

    def watched(self: Classifier, frame: Frame, *, top_k: int | None = 5) -> Any:
        seen.append((frame.width, top_k))
        return classify(self, frame, top_k=top_k)

    monkeypatch.setattr(Classifier, "classify", watched)
    runner = opened([CARD[:, :40], CARD[:, :50], CARD[:, :60]])
    for index in (0, 1, 2, 3, 7):
        runner.step(index)

    assert seen == [(40, 5), (50, 5), (60, 5), (40, 5), (50, 5)]


@pytest.mark.parametrize("model", ["resnet", "resnet_int8", "vww", "vww_int8"])
@pytest.mark.parametrize("picture", ["cat.bmp", "parrot.jpg"])
def test_labels_are_those_of_the_runtime(
    tiny_models: dict[str, Path], shared_data: Path, model: str, picture: str
) -> None:
    path = shared_data / "coral" / picture
    with Classifier.open(tiny_models[model]) as classifier:
        expected = classifier.classify(Frame.from_rgb(read_image(path)), top_k=None).predictions

    runner = ClassifierRunner(str(tiny_models[model]), [path.read_bytes()], threads=1, options={})
    labels, scores = runner.label(path.read_bytes())
    runner.close()

    assert labels == [prediction.index for prediction in expected]
    assert scores == pytest.approx([prediction.score for prediction in expected])


def test_pixels_and_their_file_are_labelled_alike(
    opened: Callable[..., ClassifierRunner],
) -> None:
    decoded: NDArray[np.uint8] = np.asarray(cv2.imdecode(np.frombuffer(ENCODED, np.uint8), 1))
    runner = opened()

    assert runner.label(ENCODED) == runner.label(decoded[..., ::-1].copy())


def test_a_damaged_picture_is_an_error_of_its_own(
    opened: Callable[..., ClassifierRunner],
) -> None:
    with pytest.raises(SourceError, match="4 bytes: not a picture"):
        opened().label(b"abcd")


@pytest.mark.parametrize("xnnpack", ["0", "1"])
def test_kernels_can_be_chosen(opened: Callable[..., ClassifierRunner], xnnpack: str) -> None:
    runtime = opened(xnnpack=xnnpack).runtime

    assert ("built-in" in runtime) == (xnnpack == "0")


def test_threads_and_backend_are_told(tiny_models: dict[str, Path]) -> None:
    model = str(tiny_models["resnet"])
    runner = ClassifierRunner(model, [CARD], threads=2, options={"backend": "litert"})

    assert runner.runtime.startswith("ai-edge-litert ")
    assert "2 threads" in runner.runtime


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thread": "2"}, f"no option 'thread'.*use {', '.join(OPTIONS)}"),
        ({"xnnpack": "yes"}, "xnnpack is 'yes'; it must be 0 or 1"),
        ({"backend": "tflite"}, "no backend 'tflite'"),
    ],
    ids=["unknown", "xnnpack", "backend"],
)
def test_options_that_make_no_sense_are_refused(
    opened: Callable[..., ClassifierRunner], options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        opened(**options)


def test_an_accelerator_that_is_not_there_is_not_replaced(
    opened: Callable[..., ClassifierRunner],
) -> None:
    with pytest.raises(DelegateError):
        opened(delegate="edgetpu")


def test_a_model_that_does_not_say_how_to_feed_it_is_refused(shared_data: Path) -> None:
    model = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_1_default_1.tflite"

    with pytest.raises(MissingContractError, match="edge-recog adopt"):
        ClassifierRunner(str(model), [CARD], threads=1, options={})


def test_closing_twice_does_no_harm(opened: Callable[..., ClassifierRunner]) -> None:
    runner = opened()
    runner.close()
    runner.close()
