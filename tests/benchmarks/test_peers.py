"""Other programs on the same models and pictures, in environments of their own."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_benchmarks import peers_setup
from edge_recog_benchmarks.device.events import Answer, Failed
from edge_recog_benchmarks.device.runners.feeding import Feeding, Tensor, decode
from edge_recog_benchmarks.device.runners.mediapipe_tasks import MediaPipeRunner
from edge_recog_benchmarks.device.runners.naive import NaiveRunner
from edge_recog_benchmarks.environments import EnvironmentMissingError, make_environment
from edge_recog_benchmarks.peers import OURS, Row, document_of, main, race, table
from edge_recog_benchmarks.peers_conversion import PNNX, TF2ONNX, ConversionError, to_onnx
from edge_recog_benchmarks.peers_setup import PEERS, Peer, Setup, contract_option
from edge_recog_benchmarks.planning import Wish
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.bundle import Bundle
from edge_recog.errors import UsageError
from edge_recog.frames import Frame
from edge_recog.predictions import scores_of
from edge_recog.preprocessing import Preprocessing
from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_benchmarks.results import ContestantResult, Result


@pytest.fixture(scope="module")
def raced(
    environment: Callable[..., Path], shared_data: Path, float_model: Path, uint8_model: Path
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what is told of peers, by the model's kind and the peer's title.

    All run the float model; the 8-bit one only those that need it converted.
    """
    needed = {name: peer.requirements for name, peer in PEERS.items() if peer.requirements}
    for name, requirements in {**needed, "tf2onnx": TF2ONNX, "pnnx": PNNX}.items():
        folder = environment(f"peers-{name}", *requirements).parents[2]
    pictures = [
        shared_data / "mobilenet_v1_025" / "burger.jpg",
        shared_data / "coral" / "parrot.jpg",
    ]
    told = {}
    for kind, model, peers in (
        ("float", float_model, list(PEERS)),
        ("uint8", uint8_model, ["onnxruntime", "ncnn"]),
    ):
        wish = Wish(models=[model], seconds=0.01, generations=1, burst_s=0.01)
        result, rows = race(wish, peers=peers, pictures=pictures, environments=folder)
        (found,) = document_of(result, rows)["models"]
        told |= {(kind, one["peer"]): one for one in found["peers"]}
    return told


@pytest.mark.parametrize(
    ("kind", "peer"), [*(("float", peer) for peer in PEERS), ("uint8", "onnxruntime")]
)
def test_a_peer_sees_what_we_see_on_clear_photographs(
    raced: dict[tuple[str, str], dict[str, Any]], kind: str, peer: str
) -> None:
    told = raced[kind, PEERS[peer].title]

    assert told.get("same_label") == {"same": 2, "of": 2}, told
    assert told["p50"]["ratio"] > 0
    assert told["first_answer"]["ratio"] > 0
    assert told["rss"]["ratio"] > 0
    assert "1 thread" in told["runtime"]


def test_an_8_bit_model_has_no_form_for_ncnn(raced: dict[tuple[str, str], dict[str, Any]]) -> None:
    expected = "not convertible: ncnn has no DequantizeLinear and no QuantizeLinear"

    assert raced["uint8", "ncnn"] == {"peer": "ncnn", "reason": expected}


def test_the_form_of_a_converted_8_bit_model_is_told(
    raced: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert "QDQ" in raced["uint8", "ONNX Runtime"]["runtime"]
    assert "QDQ" not in raced["float", "ONNX Runtime"]["runtime"]


def test_a_peer_that_cannot_be_installed_is_a_row_that_says_why(
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    uint8_model: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(PEERS, "nowhere", Peer("Nowhere", (str(tmp_path / "no-such-package"),)))
    out, whole = tmp_path / "peers.json", tmp_path / "whole.json"
    short = ["--seconds", "0.01", "--generations", "1", "--environments", tmp_path]
    outcome = measuring(
        main, uint8_model, "--peers", "naive,nowhere", *short, "--out", out, "--result", whole
    )
    (model,) = read_result(out)["models"]
    ours, naive, lost = model["peers"]

    assert outcome.code == 0, outcome.err
    assert ours == {"peer": OURS, "runtime": ours["runtime"]}
    assert naive["p50"]["ratio"] > 0
    assert lost["reason"].startswith("it cannot be installed: ")
    assert "\nNowhere         it cannot be installed: " in outcome.out
    assert "peers: making the environment peers-nowhere-" in outcome.err
    assert len(json.loads(whole.read_text("utf-8"))["contestants"]) == 2


def test_an_unknown_peer_is_named(measuring: Callable[..., Any], uint8_model: Path) -> None:
    outcome = measuring(main, uint8_model, "--peers", "naive,tensorrt")

    assert outcome.code == 2
    assert "no peer 'tensorrt': name some of naive, mediapipe, " in outcome.err


def test_a_document_tells_ratios_and_no_times(make_result: Callable[..., Result]) -> None:
    ours, slow, lost = "edge_recog · m", "OpenVINO · m", "MediaPipe · m"
    generations = [[[10.0] * 40] * 2] * 3
    slower = [[[20.0] * 40] * 2] * 3
    result = make_result({ours: generations, slow: slower, lost: generations})
    labelled = {ours: (1, 2), slow: (1, 3)}
    result = msgspec.structs.replace(
        result, contestants=tuple(_with(one, labelled) for one in result.contestants)
    )
    rows = [
        Row("m.tflite", title, one.contestant)
        for title, one in zip([OURS, "OpenVINO", "MediaPipe"], result.contestants, strict=True)
    ]
    document = document_of(result, [*rows, Row("m.tflite", "ncnn", None, "not convertible: QDQ")])
    peers = {told["peer"]: told for told in document["models"][0]["peers"]}
    lines = list(table(document))

    assert peers["OpenVINO"]["p50"] == {"ratio": 2.0, "low": 2.0, "high": 2.0}
    assert peers["OpenVINO"]["same_label"] == {"same": 1, "of": 2}
    assert peers["MediaPipe"] == {"peer": "MediaPipe", "reason": "it takes no int8"}
    assert lines[0] == "edge_recog · m, 1 thread: ratio to edge_recog"
    assert any(line.startswith("OpenVINO ") and "2.00 [2.00, 2.00]" in line for line in lines)
    assert "MediaPipe       it takes no int8" in lines
    assert "ncnn            not convertible: QDQ" in lines


def _with(one: ContestantResult, labelled: dict[str, tuple[int, ...]]) -> ContestantResult:
    if one.name not in labelled:
        failed = Failed(contestant=one.name, generation=0, reason="it takes no int8")
        return msgspec.structs.replace(one, failed=failed)
    answers = tuple(
        Answer(picture=picture, top=(label,), scores=(0.9,))
        for picture, label in enumerate(labelled[one.name])
    )
    return msgspec.structs.replace(one, answers=answers)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    crop=st.sampled_from(["stretch", "center-crop"]),
    interpolation=st.sampled_from(["nearest", "linear", "cubic", "area"]),
    mean=st.sampled_from([(0.0,), (127.5,), (123.7, 116.3, 103.5)]),
    std=st.sampled_from([(1.0,), (128.0,), (58.4, 57.1, 57.4)]),
    quantization=st.sampled_from(
        [None, QuantParams(1.0, 0, "uint8"), QuantParams(0.0078125, -1, "int8")]
    ),
    planar=st.booleans(),
    seed=st.integers(0, 9),
)
def test_peers_are_fed_as_the_contract_says(
    shape: tuple[int, int],
    size: tuple[int, int],
    crop: Any,
    interpolation: Any,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    quantization: QuantParams | None,
    planar: bool,
    seed: int,
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    contract = Preprocessing(
        height=size[0], width=size[1], crop=crop, interpolation=interpolation, mean=mean, std=std
    )
    dtype = "float32" if quantization is None else quantization.dtype
    spec = TensorSpec("image", contract.input_shape, dtype, quantization)
    expected = np.empty(spec.shape, dtype)
    contract.compile(spec).write(Frame.from_rgb(pixels), expected)

    feeding = Feeding(
        height=size[0],
        width=size[1],
        crop=crop,
        interpolation=interpolation,
        mean=mean,
        std=std,
        input=Tensor(dtype=dtype)
        if quantization is None
        else Tensor(dtype=dtype, scale=quantization.scale, zero_point=quantization.zero_point),
        output=Tensor(dtype="float32"),
        activation="none",
        temperature=1.0,
        labels=(),
    )
    fed = feeding.tensor(pixels, planar=planar)

    assert fed.dtype == expected.dtype
    np.testing.assert_array_equal(fed, expected.transpose(0, 3, 1, 2) if planar else expected)


@pytest.fixture
def feeding(uint8_model: Path, tmp_path: Path) -> Feeding:
    """Return how peers are fed with the uint8 MobileNet."""
    bundle = Bundle.open(uint8_model)
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(bundle.labels), encoding="utf-8")
    return Feeding.from_options({"contract": contract_option(bundle, labels)})


def test_a_peer_learns_everything_from_the_bundle(feeding: Feeding, uint8_model: Path) -> None:
    bundle = Bundle.open(uint8_model)

    assert feeding.labels == bundle.labels
    assert feeding.as_they_are
    assert feeding.input == Tensor(dtype="uint8", scale=0.0078125, zero_point=128)


@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_scores_of_peers_are_those_of_the_runtime(feeding: Feeding, activation: Any) -> None:
    read = replace(
        feeding,
        activation=activation,
        temperature=1.5,
        output=Tensor(dtype="int8", scale=0.125, zero_point=-128),
    )
    raw = np.random.default_rng(1).integers(-128, 128, (1, 1001), np.int8)
    real = QuantParams(0.125, -128, "int8").dequantize(raw).reshape(-1)
    scores = scores_of(real, activation, 1.5)

    np.testing.assert_allclose(read.scores(raw), scores, rtol=1e-5, atol=1e-7)
    assert read.best(raw)[0][1] == pytest.approx(float(scores.max()), rel=1e-5)
    labels, ranked = read.ranked(raw)
    assert sorted(labels) == list(range(1001))
    np.testing.assert_array_equal(ranked, np.sort(read.scores(raw))[::-1])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({}, "the option 'contract' is missing"), ({"contrast": "1"}, "no option 'contrast'")],
    ids=["missing", "unknown"],
)
def test_wrong_options_are_refused(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Feeding.from_options(options)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"crop": "letterbox"}, "its crop is letterbox"),
        ({"colour": "BGR"}, "its colour is BGR"),
        ({"layout": "NCHW"}, "its layout is NCHW"),
    ],
    ids=["letterbox", "BGR", "NCHW"],
)
def test_a_contract_that_peers_cannot_follow_is_refused(
    uint8_model: Path, change: dict[str, Any], complaint: str
) -> None:
    bundle = Bundle.open(uint8_model)
    preprocessing = msgspec.structs.replace(bundle.contract.preprocessing, **change)
    contract = msgspec.structs.replace(bundle.contract, preprocessing=preprocessing)

    with pytest.raises(UsageError, match=complaint):
        contract_option(replace(bundle, contract=contract), Path("labels.txt"))


def test_encoded_pictures_are_decoded_in_a_stage_of_its_own(
    feeding: Feeding, uint8_model: Path, mobilenets: Path, tmp_path: Path
) -> None:
    encoded = (mobilenets / "burger.jpg").read_bytes()
    options = {"contract": contract_option(Bundle.open(uint8_model), tmp_path / "labels.txt")}
    runner = NaiveRunner(str(uint8_model), [encoded], threads=1, options=options)
    timed = runner.step(0)
    labels, scores = runner.label(encoded)
    runner.close()
    runner.close()

    assert runner.stages == ("decode", "preprocess", "invoke", "postprocess")
    assert len(timed) == 4
    assert min(timed) > 0
    assert feeding.labels[labels[0]] == "cheeseburger"
    assert scores == sorted(scores, reverse=True)


def test_a_damaged_picture_is_an_os_error() -> None:
    with pytest.raises(OSError, match="cannot decode"):
        decode(b"no picture")


def test_mediapipe_runs_one_thread_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="1 thread"):
        MediaPipeRunner("model.tflite", [b""], threads=2, options={})


def test_what_a_converter_complains_of_is_told(tmp_path: Path) -> None:
    spec = TensorSpec("image", (1, 8, 8, 3), "float32", None)

    with pytest.raises(ConversionError, match=r"not convertible: .*No module named '?tf2onnx"):
        to_onnx(tmp_path / "model.tflite", spec, tmp_path, python=Path(sys.executable))


def test_a_conversion_is_tried_once(
    uint8_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(peers_setup, "make_environment", lambda *_, **__: Path(sys.executable))
    setup = Setup(environments=tmp_path, folder=tmp_path, say=said.append)
    bundle = Bundle.open(uint8_model)
    for peer in ("onnxruntime", "ncnn"):
        with pytest.raises(ConversionError, match="tf2onnx"):
            setup.ready(peer, bundle, uint8_model)

    assert said == [f"converting {uint8_model.name} to ONNX"]


def test_an_environment_without_uv_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_recog_benchmarks.environments._CHECKOUT_UV", tmp_path / "uv.sh")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EnvironmentMissingError, match="pip install uv"):
        make_environment("peers-none", "numpy", folder=tmp_path)
