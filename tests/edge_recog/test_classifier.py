from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
import pytest

from edge_recog.adoption import adopt
from edge_recog.bundle import Bundle
from edge_recog.cameras.images import read_image
from edge_recog.classifier import Classifier
from edge_recog.errors import (
    ClosedError,
    DelegateError,
    FrameError,
    InterpreterError,
    MissingContractError,
    UnsupportedModelError,
    UsageError,
)
from edge_recog.frames import Frame
from edge_recog.interpreters import FakeInterpreter
from edge_recog.packing import pack_bundle
from edge_recog.tensors import TensorSpec

try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:  # It has no wheel for 32 bits.
    from tflite_runtime.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog.contract import Contract

FRAME = Frame.from_rgb(np.zeros((8, 8, 3), np.uint8))
PICTURES = ("bird.bmp", "cat.bmp", "dragonfly.bmp", "hot_dog.jpg", "parrot.jpg", "sunflower.bmp")


def by_hand(data: bytes, pixels: NDArray[np.uint8], mean: float, std: float) -> NDArray[Any]:
    """Return a model's scores as a program without this package would compute them."""
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    (image,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
    _, height, width, _ = image["shape"]
    resized = cv2.resize(pixels, (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
    real = (resized.astype(np.float64) - mean) / std
    scale, zero_point = image["quantization"]
    if scale:
        limits = np.iinfo(image["dtype"])
        real = np.clip(np.rint(real / scale) + zero_point, limits.min, limits.max)
    interpreter.set_tensor(image["index"], real[None].astype(image["dtype"]))
    interpreter.invoke()
    raw = interpreter.get_tensor(scores["index"])[0].astype(np.float64)
    scale, zero_point = scores["quantization"]
    return (raw - zero_point) * scale if scale else raw


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(
    ("model", "mean", "std"),
    [
        ("mobilenet_v1_025/mobilenet_v1_0.25_224_1_metadata_1.tflite", 127.5, 127.5),
        ("mobilenet_v1_025/mobilenet_v1_0.25_224_quant.tflite", 128, 128),
        ("coral/mobilenet_v1_0.5_160_quant.tflite", 128, 128),
        ("coral/tf2_mobilenet_v2_1.0_224_ptq.tflite", 127, 127.5),
    ],
    ids=["float", "uint8", "uint8 160", "uint8 by PTQ"],
)
def test_answers_are_those_of_a_plain_program(
    shared_data: Path, model: str, mean: float, std: float, picture: str
) -> None:
    path = shared_data / model
    pixels = read_image(shared_data / "coral" / picture)
    expected = by_hand(path.read_bytes(), pixels, mean, std)

    with Classifier.open(path) as classifier:
        result = classifier.classify(Frame.from_rgb(pixels), top_k=None)

    scores = {prediction.index: prediction.score for prediction in result.predictions}
    np.testing.assert_allclose([scores[i] for i in range(1001)], expected, atol=1e-6)


@pytest.mark.parametrize("picture", [0, 3, 5])
def test_an_int8_models_answers_are_those_of_a_plain_program(
    vww_int8: bytes, photographs: Sequence[NDArray[np.uint8]], picture: int
) -> None:
    pixels = photographs[picture]
    labels = ("no person", "person")
    adopted = adopt(vww_int8, where="vww", labels=labels, mean=(0.0,), std=(255.0,), crop="stretch")
    expected = by_hand(vww_int8, pixels, 0, 255)

    with Classifier.open(Bundle.from_bytes(adopted, where="vww")) as classifier:
        best = classifier.classify(Frame.from_rgb(pixels)).best

    assert best is not None
    assert best.label == labels[int(expected.argmax())]
    assert best.score == pytest.approx(float(expected.max()), abs=1e-6)


@pytest.mark.parametrize(
    ("picture", "label"),
    [
        ("cat.bmp", "Egyptian cat"),
        ("hot_dog.jpg", "hotdog"),
        ("parrot.jpg", "macaw"),
        ("sunflower.bmp", "daisy"),
    ],
)
def test_real_photographs_are_recognised(shared_data: Path, picture: str, label: str) -> None:
    with Classifier.open(shared_data / "coral" / "mobilenet_v2_1.0_224_quant.tflite") as classifier:
        result = classifier.classify(
            Frame.from_rgb(read_image(shared_data / "coral" / picture)), top_k=5
        )

    assert any(label in prediction.label for prediction in result.predictions)


def test_a_result_says_where_its_frame_was_from(tiny_path: Path) -> None:
    frame = Frame.from_rgb(np.zeros((9, 9, 3), np.uint8), captured_ns=5, index=7, source="kitchen")
    with Classifier.open(tiny_path) as classifier:
        result = classifier.classify(frame)
        model_id = classifier.bundle.id

    assert (result.captured_ns, result.frame_index, result.source) == (5, 7, "kitchen")
    assert result.model_id == model_id


def test_every_part_of_the_time_is_measured(tiny_path: Path) -> None:
    with Classifier.open(tiny_path) as classifier:
        before = time.perf_counter_ns()
        timings = classifier.classify(FRAME).timings
        took = time.perf_counter_ns() - before

    assert min(timings.preprocess_ns, timings.invoke_ns, timings.postprocess_ns) > 0
    assert timings.total_ns <= took


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (3, 3), (9, 4), (None, 4)])
def test_as_many_predictions_come_as_were_asked_for(
    tiny_path: Path, top_k: int | None, count: int
) -> None:
    with Classifier.open(tiny_path) as classifier:
        assert len(classifier.classify(FRAME, top_k=top_k).predictions) == count


def test_no_predictions_cannot_be_asked_for(tiny_path: Path) -> None:
    with Classifier.open(tiny_path) as classifier, pytest.raises(UsageError, match="top_k is 0"):
        classifier.classify(FRAME, top_k=0)


def test_labels_under_their_threshold_are_left_out(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    data = pack_bundle(tiny_model(), contract(thresholds=(1.0,) * 4), tiny_labels, name="m")
    with Classifier.open(Bundle.from_bytes(data, where="m")) as classifier:
        result = classifier.classify(FRAME)

    assert result.predictions == ()
    assert result.best is None


def test_a_trace_shows_a_frame_on_its_way(tiny_path: Path) -> None:
    with Classifier.open(tiny_path) as classifier:
        trace = classifier.trace(FRAME)
        result = classifier.classify(FRAME, top_k=None)

    assert (trace.fed.shape, trace.fed.dtype) == ((1, 8, 8, 3), np.uint8)
    assert (trace.raw.shape, trace.raw.dtype) == ((4,), np.uint8)
    assert sorted(trace.scores.tolist()) == sorted(p.score for p in result.predictions)


@pytest.mark.parametrize("top_k", [1, 3, None])
def test_a_trace_holds_the_classification(tiny_path: Path, top_k: int | None) -> None:
    frame = Frame.from_rgb(np.full((9, 9, 3), 80, np.uint8), captured_ns=5, index=7, source="desk")
    with Classifier.open(tiny_path) as classifier:
        traced = classifier.trace(frame, top_k=top_k).classification
        plain = classifier.classify(frame, top_k=top_k)

    timings = traced.timings
    assert min(timings.preprocess_ns, timings.invoke_ns, timings.postprocess_ns) > 0
    assert msgspec.structs.replace(traced, timings=plain.timings) == plain


def test_a_trace_has_the_scores_that_thresholds_hide(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    data = pack_bundle(tiny_model(), contract(thresholds=(1.0,) * 4), tiny_labels, name="m")
    with Classifier.open(Bundle.from_bytes(data, where="m")) as classifier:
        trace = classifier.trace(FRAME)

    assert trace.classification.predictions == ()
    assert trace.scores.shape == (4,)


@pytest.mark.parametrize("call", ["classify", "trace"])
def test_a_model_that_answers_nan_gives_no_answer(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    call: str,
) -> None:
    data = pack_bundle(tiny_model(dtype="float32"), contract(), tiny_labels, name="m")
    bundle = Bundle.from_bytes(data, where="m")
    answer = np.array([[0.1, np.nan, 0.2, 0.3]], np.float32)
    classifier = Classifier(bundle, FakeInterpreter([bundle.inputs], [bundle.outputs], [answer]))

    with pytest.raises(InterpreterError, match="NaN"):
        getattr(classifier, call)(FRAME)


def test_a_trace_is_a_copy(tiny_path: Path) -> None:
    with Classifier.open(tiny_path) as classifier:
        fed = classifier.trace(FRAME).fed
        classifier.classify(Frame.from_rgb(np.full((8, 8, 3), 255, np.uint8)))

    assert fed.max() == 0


@pytest.mark.parametrize(
    "pixels", [np.zeros((8, 8, 3), np.uint8), [[[0, 0, 0]]], None], ids=["array", "list", "None"]
)
def test_only_frames_are_classified(tiny_path: Path, pixels: Any) -> None:
    with (
        Classifier.open(tiny_path) as classifier,
        pytest.raises(FrameError, match=r"wrap pixels with Frame\.from_rgb or Frame\.from_bgr"),
    ):
        classifier.classify(pixels)


def test_a_closed_classifier_says_so(tiny_path: Path) -> None:
    classifier = Classifier.open(tiny_path)
    classifier.close()
    classifier.close()

    with pytest.raises(ClosedError, match="the classifier is closed"):
        classifier.classify(FRAME)
    with pytest.raises(ClosedError, match="the classifier is closed"):
        classifier.trace(FRAME)


def test_closing_waits_for_the_classification_under_way(tiny_bytes: bytes) -> None:
    bundle = Bundle.from_bytes(tiny_bytes, where="m")
    started, go_on = threading.Event(), threading.Event()

    def answer(_: Any) -> list[NDArray[np.uint8]]:
        started.set()
        assert go_on.wait(10)
        return [np.array([[1, 2, 3, 4]], np.uint8)]

    fake = FakeInterpreter([bundle.inputs], [bundle.outputs], answer)
    classifier = Classifier(bundle, fake)
    results: list[Any] = []
    worker = threading.Thread(target=lambda: results.append(classifier.classify(FRAME)))
    worker.start()
    assert started.wait(10)
    closer = threading.Thread(target=classifier.close)
    closer.start()
    closer.join(0.05)

    assert closer.is_alive()
    assert not fake.closed
    go_on.set()
    worker.join(10)
    closer.join(10)
    assert fake.closed
    assert results[0].best.label == "dog"


def test_many_threads_may_classify_until_one_closes(tiny_path: Path) -> None:
    classifier = Classifier.open(tiny_path)
    frames = [
        Frame.from_rgb(np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8))
        for seed in range(4)
    ]
    expected = [classifier.classify(frame).predictions for frame in frames]
    endings: list[BaseException] = []
    rounds = [0] * 4

    def work(number: int) -> None:
        try:
            while True:
                assert classifier.classify(frames[number]).predictions == expected[number]
                rounds[number] += 1
        except (AssertionError, ClosedError) as error:
            endings.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 10
    while min(rounds) < 20 and time.monotonic() < deadline:
        time.sleep(0.001)
    classifier.close()
    for worker in workers:
        worker.join(10)

    assert min(rounds) >= 20
    assert [type(error) for error in endings] == [ClosedError] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (1, 9, 8, 3)},
        {"dtype": "int8"},
        {"quantization": None},
    ],
    ids=["shape", "dtype", "quantization"],
)
def test_an_interpreter_that_sees_another_model_is_refused(
    tiny_bytes: bytes, change: dict[str, Any]
) -> None:
    bundle = Bundle.from_bytes(tiny_bytes, where="ants.tflite")
    values = {
        "name": "image",
        "shape": (1, 8, 8, 3),
        "dtype": "uint8",
        "quantization": bundle.inputs.quantization,
    }
    fake = FakeInterpreter([TensorSpec(**(values | change))], [bundle.outputs], [])

    with pytest.raises(UnsupportedModelError, match=r"ants\.tflite: the interpreter loads other"):
        Classifier(bundle, fake)


def test_an_interpreter_of_no_use_is_closed(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TensorSpec("other", (1, 2), "uint8", None)
    fake = FakeInterpreter([spec], [spec], [])
    monkeypatch.setattr("edge_recog.classifier.open_interpreter", lambda *_, **__: fake)

    with pytest.raises(UnsupportedModelError):
        Classifier.open(tiny_path)

    assert fake.closed


def test_a_model_that_the_interpreter_rejects_is_named(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    rebuild: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    def change(model: Any) -> None:
        model.subgraphs[0].tensors[-1].quantization.scale = [0.5]

    path = tmp_path / "ants.tflite"
    model = rebuild(tiny_model(dtype="int8"), change)
    path.write_bytes(pack_bundle(model, contract(), tiny_labels, name="m"))

    with pytest.raises(InterpreterError, match=r"ants\.tflite: "):
        Classifier.open(path)


def test_a_model_without_a_contract_is_not_opened(shared_data: Path) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_1_default_1.tflite"

    with pytest.raises(MissingContractError, match="edge-recog adopt"):
        Classifier.open(path)


@pytest.mark.parametrize("threads", [1, 2, None])
def test_threads_do_not_change_the_answer(tiny_path: Path, threads: int | None) -> None:
    with Classifier.open(tiny_path) as one, Classifier.open(tiny_path, threads=threads) as many:
        assert many.trace(FRAME).raw.tolist() == one.trace(FRAME).raw.tolist()


def test_the_runtime_says_what_runs_the_model(tiny_path: Path) -> None:
    with Classifier.open(tiny_path) as classifier:
        product, _, how = classifier.runtime.partition(" ")
        # 32-bit systems have tflite-runtime, which runs 8-bit models without XNNPACK.
        assert ("XNNPACK" in how) == (product == "ai-edge-litert")
        assert product in {"ai-edge-litert", "tflite-runtime"}
        assert classifier.fell_back is None


EDGE_TPU = "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
TWIN = "mobilenet_v1_0.25_128_quant.tflite"


@pytest.mark.parametrize("delegate", [None, "edgetpu"])
def test_a_model_for_the_edge_tpu_needs_one(shared_data: Path, delegate: str | None) -> None:
    with pytest.raises(DelegateError):
        Classifier.open(shared_data / "coral" / EDGE_TPU, delegate=delegate)


@pytest.mark.parametrize("delegate", [None, "edgetpu"])
def test_without_an_edge_tpu_the_uncompiled_twin_can_run(
    shared_data: Path, delegate: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shared_data / "coral"
    frame = Frame.from_rgb(read_image(folder / "cat.bmp"))
    with (
        caplog.at_level(logging.WARNING),
        Classifier.open(folder / EDGE_TPU, delegate=delegate, fallback="cpu") as fallen,
        Classifier.open(folder / TWIN) as twin,
    ):
        assert isinstance(fallen.fell_back, DelegateError)
        assert fallen.bundle.where == str(folder / TWIN)
        assert fallen.classify(frame).predictions == twin.classify(frame).predictions

    assert f"running {folder / TWIN} on the CPU" in caplog.text


def test_a_twin_that_is_missing_is_named(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / EDGE_TPU).write_bytes((shared_data / "coral" / EDGE_TPU).read_bytes())

    with pytest.raises(DelegateError, match=f"no uncompiled twin {TWIN} beside it"):
        Classifier.open(tmp_path / EDGE_TPU, fallback="cpu")


def test_a_file_that_is_not_named_as_compiled_has_no_twin(
    shared_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((shared_data / "coral" / EDGE_TPU).read_bytes())

    with pytest.raises(DelegateError, match="no uncompiled twin"):
        Classifier.open(path, fallback="cpu")


def test_a_twin_with_other_labels_does_not_stand_in(
    shared_data: Path, tmp_path: Path, tiny_bytes: bytes
) -> None:
    (tmp_path / EDGE_TPU).write_bytes((shared_data / "coral" / EDGE_TPU).read_bytes())
    (tmp_path / TWIN).write_bytes(tiny_bytes)

    with pytest.raises(UnsupportedModelError, match="not compiled from"):
        Classifier.open(tmp_path / EDGE_TPU, fallback="cpu")


def test_a_model_that_is_not_compiled_is_not_sent_to_the_edge_tpu(tiny_path: Path) -> None:
    with pytest.raises(DelegateError, match=r"tiny\.tflite: not compiled for the Edge TPU"):
        Classifier.open(tiny_path, delegate="edgetpu")


def test_a_model_that_is_not_compiled_falls_back_to_itself(tiny_path: Path) -> None:
    with Classifier.open(tiny_path, delegate="edgetpu:usb", fallback="cpu") as classifier:
        assert classifier.bundle.where == str(tiny_path)
        assert "not compiled for the Edge TPU" in str(classifier.fell_back)


def test_a_delegate_library_that_is_missing_is_named(tiny_path: Path, tmp_path: Path) -> None:
    with pytest.raises(DelegateError, match=r"no such file: .*libnone\.so"):
        Classifier.open(tiny_path, delegate=f"{tmp_path}/libnone.so")
