"""Mistakes in feeding and reading a model, put into good bundles one by one: none gets through.

Every mistake is made in two ways: `edited` in the file where it stands, as a tool or a bad copy
would, which leaves the seals of before; and `repacked` by `pack_bundle`, so that all seals are
right, with the golden vectors of before. A test's parameters say which check catches it: packing
it, opening the bundle, loading the classifier, or running the golden vectors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_recog.archive import append_archive, split_archive
from edge_recog.bundle import LABELS_FILE, MANIFEST_FILE, Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Contract, Seal, decode_manifest, encode_manifest
from edge_recog.errors import (
    BundleError,
    EdgeRecogError,
    InterpreterError,
    NotATfliteModelError,
    UnsupportedModelError,
    VerificationError,
)
from edge_recog.frames import Frame
from edge_recog.golden import GOLDEN_FILE
from edge_recog.metadata import METADATA_NAME, TensorMetadata, build_metadata, read_metadata
from edge_recog.packing import pack_bundle
from edge_recog.preprocessing import Preprocessing
from edge_recog.tflite import read_model, with_metadata
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog.golden import Golden


@dataclass(frozen=True)
class Parts:
    """What a bundle is packed from."""

    model: bytes
    contract: Contract
    labels: tuple[str, ...]
    golden: tuple[str, tuple[Golden, ...]]

    def packed(self) -> bytes:
        return pack_bundle(self.model, self.contract, self.labels, name="model", golden=self.golden)


class Caught(NamedTuple):
    """By which check, and how it says so."""

    stage: str
    """`open`, `load` or `verify`."""
    error: type[EdgeRecogError]
    text: str


FED = Caught("verify", VerificationError, "fed wrongly")
READ = Caught("verify", VerificationError, "expected output reads")
ANSWER = Caught("verify", VerificationError, "the output differs")
METADATA = Caught("open", VerificationError, "TFLite Metadata says mean")
SHAPE = Caught("open", UnsupportedModelError, "its contract says")
CHANGED = Caught("open", VerificationError, "changed after sealing")
CONTRACT = Caught("open", VerificationError, "its contract in edge_recog.json was changed")


def fate(data: bytes) -> tuple[str, EdgeRecogError | None]:
    """Return where a file is refused, and by what error; `passed` if it is not."""
    stage = "open"
    try:
        bundle = Bundle.from_bytes(data, where="model.tflite")
        stage = "load"
        with Classifier.open(bundle) as classifier:
            stage = "verify"
            verify(classifier).require("model.tflite")
    except EdgeRecogError as error:
        return stage, error
    return "passed", None


def assert_caught(data: bytes, expected: Caught) -> None:
    stage, error = fate(data)
    assert stage == expected.stage, error
    assert type(error) is expected.error
    assert expected.text in str(error)


def edited(before: Parts, after: Parts) -> bytes:
    """Return the bundle of `before`, with what is different in `after` changed in place."""
    flatbuffer, files = split_archive(before.packed())
    assert len(before.model) == len(after.model)
    flatbuffer = flatbuffer.replace(before.model, after.model)
    if after.labels != before.labels:
        files[LABELS_FILE] = ("\n".join(after.labels) + "\n").encode()
    if after.golden is not before.golden:
        _, other = split_archive(after.packed())
        files[GOLDEN_FILE] = other[GOLDEN_FILE]
    manifest = msgspec.json.decode(files[MANIFEST_FILE])
    manifest["contract"] = msgspec.to_builtins(after.contract)
    files[MANIFEST_FILE] = msgspec.json.encode(manifest)
    return append_archive(flatbuffer, files)


def resealed(flatbuffer: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return a bundle of parts that do not fit, sealed as if they did."""
    import hashlib

    manifest = decode_manifest(files[MANIFEST_FILE], where="model")
    others = {name: content for name, content in files.items() if name != MANIFEST_FILE}
    seal = Seal(
        flatbuffer_sha256=hashlib.sha256(flatbuffer).hexdigest(),
        files={name: hashlib.sha256(content).hexdigest() for name, content in others.items()},
    )
    manifest = msgspec.structs.replace(manifest, seal=seal)
    return append_archive(flatbuffer, {**others, MANIFEST_FILE: encode_manifest(manifest)})


@pytest.fixture(scope="module")
def good(
    shared_data: Path,
    photographs: tuple[NDArray[np.uint8], ...],
    resnet_int8: bytes,
    resnet_float: bytes,
    vww_int8: bytes,
    cifar_labels: tuple[str, ...],
    pack_with_golden: Callable[..., bytes],
    rebuild: Callable[..., bytes],
) -> dict[str, Parts]:
    """Return sound bundles of real models, with photographs as golden frames."""
    imagenet = tuple(f"class {index}" for index in range(1001))
    float_model = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_1_default_1.tflite"
    uint8_model = shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite"
    uint8_bytes, _ = split_archive(uint8_model.read_bytes())

    def contract(side: int, mean: Any, std: Any, activation: Any = "none", **rest: Any) -> Contract:
        preprocessing = Preprocessing(height=side, width=side, mean=mean, std=std, **rest)
        return Contract(preprocessing=preprocessing, activation=activation)

    made = {
        "float": (float_model.read_bytes(), contract(224, (127.5,), (127.5,)), imagenet),
        "channels": (
            resnet_float,
            contract(32, (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)),
            cifar_labels,
        ),
        "int8": (vww_int8, contract(96, (0.0,), (255.0,)), ("no person", "person")),
        "uint8": (uint8_bytes, contract(128, (128.0,), (128.0,)), imagenet),
        "letterbox": (
            resnet_int8,
            contract(32, (0.0,), (1.0,), crop="letterbox", pad=(20, 40, 60)),
            cifar_labels,
        ),
        "logits": (
            rebuild(resnet_int8, without_softmax),
            contract(32, (0.0,), (1.0,), "softmax"),
            cifar_labels,
        ),
    }
    bundles = {}
    for name, (model, said, labels) in made.items():
        data = pack_with_golden(model, said, labels, photographs, "model")
        bundle = Bundle.from_bytes(data, where=name)
        assert bundle.manifest is not None
        assert bundle.manifest.golden is not None
        golden = (bundle.manifest.golden.runtime, bundle.golden())
        bundles[name] = Parts(model, said, labels, golden)
    return bundles


def without_softmax(model: Any) -> None:
    graph = model.subgraphs[0]
    softmax = graph.operators.pop()
    graph.outputs = softmax.inputs
    model.signatureDefs = None


MODELS = ("float", "channels", "int8", "uint8", "letterbox", "logits")


@pytest.mark.parametrize("base", MODELS)
def test_a_bundle_without_mistakes_passes(good: dict[str, Parts], base: str) -> None:
    assert fate(good[base].packed()) == ("passed", None)


@pytest.mark.parametrize("base", MODELS)
def test_editing_nothing_changes_no_verdict(good: dict[str, Parts], base: str) -> None:
    assert fate(edited(good[base], good[base])) == ("passed", None)


class Wrong(NamedTuple):
    """A contract that is not the one the golden vectors were made with."""

    what: str
    base: str
    values: Mapping[str, Any]
    """Fields of `Preprocessing`, or of `Contract` where it has them."""
    edited: Caught
    repacked: Caught | None = None
    """As `edited` if None."""


CONTRACTS = [
    # Channel order.
    *(Wrong(f"BGR, {base}", base, {"colour": "BGR"}, FED) for base in MODELS),
    Wrong("GRAY for RGB", "float", {"colour": "GRAY"}, SHAPE),
    # Normalisation.
    Wrong("mean 127 for 127.5", "float", {"mean": (127.0,)}, METADATA, FED),
    Wrong("mean 128 for 127.5", "float", {"mean": (128.0,)}, METADATA, FED),
    Wrong("mean forgotten", "float", {"mean": (0.0,)}, METADATA, FED),
    Wrong("std 127 for 127.5", "float", {"std": (127.0,)}, METADATA, FED),
    Wrong("std 128 for 127.5", "float", {"std": (128.0,)}, METADATA, FED),
    Wrong("std forgotten", "float", {"std": (1.0,)}, METADATA, FED),
    Wrong("0 to 1 for -1 to 1", "float", {"mean": (0.0,), "std": (255.0,)}, METADATA, FED),
    Wrong("1/256 for 1/255", "int8", {"std": (256.0,)}, METADATA, FED),
    Wrong("pixels as they are", "int8", {"std": (1.0,)}, METADATA, FED),
    Wrong("int8 as uint8", "int8", {"mean": (128.0,), "std": (1.0,)}, METADATA, FED),
    Wrong("-1 to 1 for 0 to 1", "int8", {"mean": (127.5,), "std": (127.5,)}, METADATA, FED),
    Wrong("mean 127 for 128", "uint8", {"mean": (127.0,)}, METADATA, FED),
    Wrong("std 127 for 128", "uint8", {"std": (127.0,)}, METADATA, FED),
    Wrong(
        "mean and std swapped",
        "channels",
        {"mean": (58.4, 57.1, 57.4), "std": (123.7, 116.3, 103.5)},
        METADATA,
        FED,
    ),
    Wrong("mean in BGR order", "channels", {"mean": (103.5, 116.3, 123.7)}, METADATA, FED),
    Wrong("std in BGR order", "channels", {"std": (57.4, 57.1, 58.4)}, METADATA, FED),
    Wrong("mean of blue only", "channels", {"mean": (123.7, 116.3, 103.0)}, METADATA, FED),
    Wrong("std of blue only", "channels", {"std": (58.4, 57.1, 57.0)}, METADATA, FED),
    Wrong("one mean for three", "channels", {"mean": (114.5,)}, METADATA, FED),
    Wrong("mean of 0 to 1", "channels", {"mean": (0.485, 0.456, 0.406)}, METADATA, FED),
    # Geometry.
    *(
        Wrong(f"{crop} for center-crop, {base}", base, {"crop": crop}, FED)
        for crop in ("stretch", "letterbox")
        for base in ("float", "channels", "int8", "uint8", "logits")
    ),
    *(
        Wrong(f"{crop} for letterbox", "letterbox", {"crop": crop}, FED)
        for crop in ("stretch", "center-crop")
    ),
    Wrong("bars of another colour", "letterbox", {"pad": (0, 0, 0)}, FED),
    Wrong("bars in BGR order", "letterbox", {"pad": (60, 40, 20)}, FED),
    *(
        Wrong(f"{interpolation} for linear, {base}", base, {"interpolation": interpolation}, FED)
        for interpolation in ("nearest", "area", "cubic")
        for base in MODELS
    ),
    Wrong("another size", "int8", {"height": 128, "width": 128}, SHAPE),
    Wrong("NCHW for NHWC", "float", {"layout": "NCHW"}, SHAPE),
    # Reading the output.
    Wrong("softmax twice, float", "float", {"activation": "softmax"}, READ),
    Wrong("softmax twice, uint8", "uint8", {"activation": "softmax"}, READ),
    Wrong("sigmoid after softmax", "int8", {"activation": "sigmoid"}, READ),
    Wrong("sigmoid for softmax", "logits", {"activation": "sigmoid"}, READ),
    Wrong("softmax forgotten", "logits", {"activation": "none"}, READ),
    Wrong("temperature 2 for 1", "logits", {"temperature": 2.0}, READ),
    Wrong("temperature 1.05 for 1", "logits", {"temperature": 1.05}, READ),
    Wrong(
        "thresholds of another model",
        "logits",
        {"thresholds": (0.5, 0.5)},
        Caught("open", UnsupportedModelError, "10 outputs but 2 thresholds"),
    ),
]


def with_wrong_contract(parts: Parts, values: Mapping[str, Any]) -> Parts:
    own = {k: v for k, v in values.items() if k in Contract.__struct_fields__}
    rest = {k: v for k, v in values.items() if k not in own}
    preprocessing = msgspec.structs.replace(parts.contract.preprocessing, **rest)
    wrong = msgspec.structs.replace(parts.contract, preprocessing=preprocessing, **own)
    return replace(parts, contract=wrong)


@pytest.mark.parametrize("wrong", CONTRACTS, ids=lambda wrong: wrong.what)
def test_a_wrong_contract_edited_into_the_file_is_caught_at_open(
    good: dict[str, Parts], wrong: Wrong
) -> None:
    before = good[wrong.base]
    expected = CONTRACT if wrong.edited.stage == "verify" else wrong.edited

    assert_caught(edited(before, with_wrong_contract(before, wrong.values)), expected)


@pytest.mark.parametrize(
    "values", [{"task": "multi-label"}, {"thresholds": (0.5,) * 10}], ids=["task", "thresholds"]
)
def test_what_no_golden_vector_can_tell_is_sealed(
    good: dict[str, Parts], values: dict[str, Any]
) -> None:
    before = next(iter(good.values()))
    if "thresholds" in values:
        values = {"thresholds": (0.5,) * len(before.labels)}
    after = replace(before, contract=msgspec.structs.replace(before.contract, **values))

    assert_caught(edited(before, after), CONTRACT)


@pytest.mark.parametrize(
    "wrong", CONTRACTS, ids=lambda wrong: f"{wrong.what}: {(wrong.repacked or wrong.edited).stage}"
)
def test_a_wrong_contract_packed_with_old_golden_vectors_is_caught(
    good: dict[str, Parts], wrong: Wrong
) -> None:
    parts = with_wrong_contract(good[wrong.base], wrong.values)
    expected = wrong.repacked or wrong.edited
    if expected.stage == "open":
        # Packing opens what it wrote.
        with pytest.raises(expected.error, match=re.escape(expected.text)):
            parts.packed()
        return

    assert_caught(parts.packed(), expected)


def swapped(labels: tuple[str, ...], one: int, other: int) -> tuple[str, ...]:
    changed = list(labels)
    changed[one], changed[other] = changed[other], changed[one]
    return tuple(changed)


LABELS: dict[str, Callable[[tuple[str, ...]], tuple[str, ...]]] = {
    # Neither label is the best one of any golden vector.
    "two swapped": lambda labels: swapped(labels, 0, 8),
    "two next to each other swapped": lambda labels: swapped(labels, 4, 5),
    "in another order": lambda labels: tuple(reversed(labels)),
    "shifted by a background class": lambda labels: ("nothing", *labels[:-1]),
    "one renamed": lambda labels: ("plane", *labels[1:]),
    "one in capitals": lambda labels: (*labels[:-1], "Truck"),
    "one dropped": lambda labels: labels[:-1],
    "one added": lambda labels: (*labels, "nothing"),
    "one twice": lambda labels: (*labels[:-1], labels[0]),
}


@pytest.mark.parametrize("what", LABELS)
def test_wrong_labels_edited_into_the_file_are_caught_at_open(
    good: dict[str, Parts], what: str
) -> None:
    before = good["letterbox"]

    assert_caught(edited(before, replace(before, labels=LABELS[what](before.labels))), CHANGED)


@pytest.mark.parametrize("what", [f"{what}: pack" for what in LABELS])
def test_wrong_labels_with_old_golden_vectors_are_not_packed(
    good: dict[str, Parts], what: str
) -> None:
    before = good["letterbox"]
    labels = LABELS[what.removesuffix(": pack")](before.labels)

    with pytest.raises(VerificationError, match="made with other labels"):
        replace(before, labels=labels).packed()


@pytest.mark.parametrize("what", LABELS)
def test_wrong_labels_sealed_by_hand_are_caught_at_open(good: dict[str, Parts], what: str) -> None:
    before = good["letterbox"]
    flatbuffer, files = split_archive(before.packed())
    files[LABELS_FILE] = "\n".join(LABELS[what](before.labels)).encode()

    assert_caught(
        resealed(flatbuffer, files),
        Caught("open", VerificationError, "not those its golden vectors were made with"),
    )


def tensor(data: bytearray, index: int) -> Any:
    """Return tensor `index` of the first graph, counted from the inputs; -1 is the output."""
    graph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    return graph.Tensors(graph.Outputs(0) if index == -1 else graph.Inputs(index))


def set_scale(index: int, factor: float) -> Callable[[bytearray], None]:
    def patch(data: bytearray) -> None:
        tensor(data, index).Quantization().ScaleAsNumpy()[0] *= factor

    return patch


def set_zero_point(index: int, change: int) -> Callable[[bytearray], None]:
    def patch(data: bytearray) -> None:
        tensor(data, index).Quantization().ZeroPointAsNumpy()[0] += change

    return patch


def flip_weight(data: bytearray) -> None:
    """Flip one bit: the sign of the largest bias of the last layer."""
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    last = next(
        operator
        for operator in map(graph.Operators, reversed(range(graph.OperatorsLength())))
        if operator.InputsLength() == 3
    )
    values = model.Buffers(graph.Tensors(last.Inputs(2)).Buffer()).DataAsNumpy()
    biases = values.view("<i4")
    values[int(np.abs(biases).argmax()) * 4 + 3] ^= 0x80


STALE = {
    "input scale of another calibration": ("int8", set_scale(0, 1.02), FED),
    "input scale of another calibration, uint8": ("uint8", set_scale(0, 0.99), FED),
    "input scale of another calibration, shift": ("letterbox", set_scale(0, 1.01), FED),
    "input zero point off by one": ("int8", set_zero_point(0, 1), FED),
    "input zero point off by one, uint8": ("uint8", set_zero_point(0, -1), FED),
    "input of unsigned zero point": ("letterbox", set_zero_point(0, 128), FED),
    "output scale": ("logits", set_scale(-1, 2.0), ANSWER),
    "output zero point": ("logits", set_zero_point(-1, 40), ANSWER),
    "softmax scale": ("int8", set_scale(-1, 0.5), Caught("load", InterpreterError, "")),
    "a weight": ("logits", flip_weight, ANSWER),
    "a weight before softmax": ("letterbox", flip_weight, ANSWER),
}


@pytest.mark.parametrize("what", STALE)
def test_a_patched_graph_is_caught_at_open(good: dict[str, Parts], what: str) -> None:
    base, patch, _ = STALE[what]
    before = good[base]
    data = bytearray(before.model)
    patch(data)

    assert_caught(edited(before, replace(before, model=bytes(data))), CHANGED)


@pytest.mark.parametrize(
    ("base", "patch", "expected"),
    STALE.values(),
    ids=[f"{what}: {expected.stage}" for what, (_, _, expected) in STALE.items()],
)
def test_a_patched_graph_packed_with_old_golden_vectors_is_caught(
    good: dict[str, Parts], base: str, patch: Callable[[bytearray], None], expected: Caught
) -> None:
    data = bytearray(good[base].model)
    patch(data)

    assert_caught(replace(good[base], model=bytes(data)).packed(), expected)


@pytest.mark.parametrize("xnnpack", [True, False], ids=["XNNPACK", "built-in"])
@pytest.mark.parametrize("steps", [3, 30])
def test_an_output_zero_point_off_by_a_few_steps_is_caught_or_changes_no_answer(
    good: dict[str, Parts], steps: int, xnnpack: bool
) -> None:
    # Kernels that may differ by so many steps move all logits alike, to which softmax is blind.
    before = good["logits"]
    data = bytearray(before.model)
    set_zero_point(-1, steps)(data)
    sound, patched = before.packed(), replace(before, model=bytes(data)).packed()
    with (
        Classifier.open(Bundle.from_bytes(sound, where="sound"), xnnpack=xnnpack) as right,
        Classifier.open(Bundle.from_bytes(patched, where="patched"), xnnpack=xnnpack) as wrong,
    ):
        report = verify(wrong)
        if report.output_tolerance < steps:
            assert not report.passed
            return
        assert report.passed
        for vector in wrong.bundle.golden():
            frame = Frame.from_rgb(vector.pixels)
            np.testing.assert_allclose(wrong.trace(frame).scores, right.trace(frame).scores, atol=0)


def test_a_patched_output_scale_that_leaves_the_integers_alone_is_caught_by_the_score(
    good: dict[str, Parts],
) -> None:
    # The last operator only reshapes, so that its scale does nothing but tell people what is meant.
    model = with_reshape_at_the_end(good["logits"].model)
    before = replace(good["logits"], model=model)
    data = bytearray(model)
    set_scale(-1, 1.05)(data)

    assert fate(before.packed()) == ("passed", None)
    assert_caught(replace(before, model=bytes(data)).packed(), READ)


def with_reshape_at_the_end(data: bytes) -> bytes:
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    reshape = next(
        index
        for index, code in enumerate(model.operatorCodes)
        if code.builtinCode == schema.BuiltinOperator.RESHAPE
    )
    old = graph.tensors[graph.outputs[0]]
    shape, copy = schema.TensorT(), schema.TensorT()
    copy.name, copy.shape, copy.type, copy.quantization = b"scores", [1, 10], old.type, None
    copy.quantization = schema.QuantizationParametersT()
    copy.quantization.scale = list(old.quantization.scale)
    copy.quantization.zeroPoint = list(old.quantization.zeroPoint)
    shape.name, shape.shape, shape.type = b"shape", [2], schema.TensorType.INT32
    shape.buffer = len(model.buffers)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.array([1, 10], "<i4").tobytes(), np.uint8)
    model.buffers.append(buffer)
    graph.tensors += [shape, copy]
    operator = schema.OperatorT()
    operator.opcodeIndex = reshape
    operator.inputs = [graph.outputs[0], len(graph.tensors) - 2]
    operator.outputs = [len(graph.tensors) - 1]
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_golden_vectors_of_another_model_are_caught_at_open(good: dict[str, Parts]) -> None:
    before = good["letterbox"]
    other = replace(before, golden=(before.golden[0], tuple(reversed(before.golden[1]))))

    assert_caught(edited(before, other), CHANGED)


def test_golden_vectors_of_another_model_packed_are_caught(
    good: dict[str, Parts], shared_data: Path
) -> None:
    trained = shared_data / "mlperf_tiny" / "image_classification" / "trained_models"
    larger = (trained / "pretrainedResnet_large_int8.tflite").read_bytes()

    assert_caught(replace(good["letterbox"], model=larger).packed(), ANSWER)


def test_golden_vectors_of_a_model_of_another_size_are_caught(good: dict[str, Parts]) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    _, others = split_archive(good["channels"].packed())
    files[GOLDEN_FILE] = others[GOLDEN_FILE]

    assert_caught(
        resealed(flatbuffer, files), Caught("verify", BundleError, "they are of another one")
    )


def test_the_manifest_of_another_model_is_caught_at_open(good: dict[str, Parts]) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    _, others = split_archive(good["int8"].packed())

    assert_caught(
        append_archive(flatbuffer, {**files, MANIFEST_FILE: others[MANIFEST_FILE]}), CHANGED
    )


@pytest.mark.parametrize("base", ["letterbox", "logits"])
@pytest.mark.parametrize("other", ["int8", "channels", "float"])
def test_the_tail_of_another_models_file_is_caught_at_open(
    good: dict[str, Parts], base: str, other: str
) -> None:
    flatbuffer, _ = split_archive(good[base].packed())
    whole = good[other].packed()
    tail = whole[len(split_archive(whole)[0]) :]

    assert_caught(flatbuffer + tail, CHANGED)


@pytest.mark.parametrize("lost", [1, 2, 21, 22, 23, 100, 300, 1000, 5000, 20_000])
def test_a_truncated_tail_is_caught_at_open(good: dict[str, Parts], lost: int) -> None:
    stage, error = fate(good["letterbox"].packed()[:-lost])

    assert stage == "open"
    assert type(error) is NotATfliteModelError
    assert re.search("truncated|damaged", str(error))


@pytest.mark.parametrize("name", [LABELS_FILE, GOLDEN_FILE])
def test_a_file_missing_from_the_tail_is_caught_at_open(good: dict[str, Parts], name: str) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    del files[name]

    assert_caught(
        append_archive(flatbuffer, files),
        Caught("open", VerificationError, f"'{name}' is missing in the ZIP"),
    )


def test_golden_vectors_missing_under_a_right_seal_are_caught_at_open(
    good: dict[str, Parts],
) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    del files[GOLDEN_FILE]

    assert_caught(resealed(flatbuffer, files), Caught("open", VerificationError, "are missing"))


def test_labels_missing_under_a_right_seal_are_caught_at_open(good: dict[str, Parts]) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    del files[LABELS_FILE]

    assert_caught(
        resealed(flatbuffer, files), Caught("open", VerificationError, "it has no labels.txt")
    )


def test_a_bundle_without_golden_vectors_is_not_verified(good: dict[str, Parts]) -> None:
    parts = good["letterbox"]
    data = pack_bundle(parts.model, parts.contract, parts.labels, name="model")

    assert_caught(data, Caught("verify", VerificationError, "it has no golden vectors"))


def test_a_file_added_to_the_tail_is_caught_at_open(good: dict[str, Parts]) -> None:
    data = append_archive(good["letterbox"].packed(), {"notes.txt": b"tuned"})

    assert_caught(data, Caught("open", VerificationError, "'notes.txt' was added"))


@pytest.mark.parametrize("name", [LABELS_FILE, GOLDEN_FILE])
def test_a_file_edited_in_the_tail_is_caught_at_open(good: dict[str, Parts], name: str) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])

    assert_caught(append_archive(flatbuffer, files), CHANGED)


def test_a_byte_flipped_in_the_tail_is_caught_at_open(good: dict[str, Parts]) -> None:
    data = bytearray(good["letterbox"].packed())
    data[data.rindex(b'"interpolation": "linear"') + 1] ^= 1

    assert_caught(
        bytes(data), Caught("open", NotATfliteModelError, "the ZIP at its end is damaged")
    )


@pytest.mark.parametrize("seal", ["old seal", "new seal"])
@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"mean": (127.5,)}, "says mean"),
        ({"std": (127.5,)}, "says mean"),
        ({"mean": (0.0, 0.0)}, "says mean"),
        ({"mean": None}, "does not describe its input"),
    ],
    ids=["mean", "std", "two means", "no mean"],
)
def test_tflite_metadata_edited_against_the_manifest_is_caught_at_open(
    good: dict[str, Parts], changed: dict[str, Any], text: str, seal: str
) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    metadata = read_metadata(read_model(flatbuffer).metadata[METADATA_NAME])
    inputs = (replace(metadata.inputs[0], **changed),)
    entry = build_metadata(replace(metadata, inputs=inputs))
    flatbuffer = with_metadata(flatbuffer, {METADATA_NAME: entry})

    if seal == "old seal":
        assert_caught(append_archive(flatbuffer, files), CHANGED)
    else:
        expected = Caught("open", VerificationError, text)
        assert_caught(resealed(flatbuffer, files), expected)


def test_tflite_metadata_without_an_input_is_caught_at_open(good: dict[str, Parts]) -> None:
    flatbuffer, files = split_archive(good["letterbox"].packed())
    metadata = read_metadata(read_model(flatbuffer).metadata[METADATA_NAME])
    for inputs in ((), (TensorMetadata(),)):
        entry = build_metadata(replace(metadata, inputs=inputs))
        data = resealed(with_metadata(flatbuffer, {METADATA_NAME: entry}), files)

        assert_caught(data, Caught("open", VerificationError, "does not describe its input"))


@pytest.mark.parametrize(
    ("mean", "std"),
    [((128.0,), (128.0,)), ((128.0, 128.0, 128.0), (128.0,)), ((128.2,), (128.2,))],
    ids=["the same", "three times the same", "within rounding"],
)
def test_other_numbers_that_feed_a_uint8_model_the_same_bytes_are_no_mistake(
    good: dict[str, Parts], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    parts = with_wrong_contract(good["uint8"], {"mean": mean, "std": std})

    assert fate(parts.packed()) == ("passed", None)
