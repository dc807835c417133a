from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.archive import split_archive
from edge_recog.bundle import LABELS_FILE, MANIFEST_FILE, SEAL_MARK, Bundle
from edge_recog.contract import (
    Accuracy,
    Card,
    Compatibility,
    EdgeTpuFacts,
    Provenance,
    XnnpackFacts,
)
from edge_recog.errors import BundleError, NotATfliteModelError, UnsupportedModelError
from edge_recog.golden import GOLDEN_FILE
from edge_recog.packing import operator_versions, pack_bundle
from edge_recog.tflite import read_model

try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:  # It has no wheel for 32 bits.
    from tflite_runtime.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.contract import Contract


def test_a_packed_model_says_all_it_was_given(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    said = contract(task="multi-label", thresholds=(0.1, 0.2, 0.3, 0.4), interpolation="area")
    accuracy = Accuracy(dataset="d", split="test", metric="top-1", value=0.9, count=100)
    provenance = Provenance(created="2026-01-02T03:04:05Z", tools={"tensorflow": "2.20"})

    card = Card(data="Photographs of ants.", limits="Never saw a bee.")
    compatibility = Compatibility(
        xnnpack=XnnpackFacts(runtime="r", taken=2, total=2),
        edge_tpu=EdgeTpuFacts(mapped=2, total=2, parameters_bytes=9, fits_on_chip=True),
    )
    data = pack_bundle(
        tiny_model(),
        said,
        tiny_labels,
        name="ants",
        description="Tells ants.",
        license="Apache-2.0",
        accuracy=[accuracy],
        provenance=provenance,
        compatibility=compatibility,
        card=card,
    )
    bundle = Bundle.from_bytes(data, where="m")

    assert bundle.contract == said
    assert bundle.labels == tiny_labels
    assert bundle.name == "ants"
    assert bundle.metadata.description == "Tells ants."
    assert bundle.metadata.license == "Apache-2.0"
    assert bundle.manifest is not None
    assert bundle.manifest.accuracy == (accuracy,)
    assert bundle.manifest.provenance == provenance
    assert bundle.manifest.compatibility == compatibility
    assert bundle.manifest.card == card
    assert bundle.manifest.operators == {"FULLY_CONNECTED": 1, "SOFTMAX": 1}
    assert bundle.manifest.oldest_runtime == "1.5"


def test_a_card_that_is_too_long_is_not_packed(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    with pytest.raises(BundleError, match=r"m: .*length <= 2000 - at `\$\.card\.limits`"):
        pack_bundle(tiny_model(), contract(), tiny_labels, name="m", card=Card(limits="x" * 2001))


def test_standard_metadata_says_the_same_for_other_programs(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    data = pack_bundle(tiny_model(), contract(mean=(1.0,)), tiny_labels, name="m")
    (image,), (scores,) = (
        (metadata := Bundle.from_bytes(data, where="m").metadata).inputs,
        metadata.outputs,
    )

    assert (image.mean, image.std, image.colour_space) == ((1.0,), (255.0,), "RGB")
    assert [file.name for file in scores.files] == [LABELS_FILE]


def test_a_grey_model_is_described_as_grey(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    model = tiny_model(shape=(1, 8, 8, 1))
    data = pack_bundle(model, contract(colour="GRAY"), tiny_labels, name="m")

    assert Bundle.from_bytes(data, where="m").metadata.inputs[0].colour_space == "GRAYSCALE"


def test_a_packed_model_runs_in_any_tflite_program(
    tiny_model: Callable[..., bytes], tiny_bytes: bytes
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    answers = []
    for data in (tiny_model(), tiny_bytes):
        interpreter = Interpreter(model_content=data)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    np.testing.assert_array_equal(answers[0], answers[1])


def test_packing_again_changes_nothing(
    tiny_bytes: bytes, contract: Callable[..., Contract], tiny_labels: tuple[str, ...]
) -> None:
    bundle = Bundle.from_bytes(tiny_bytes, where="m")
    assert bundle.manifest is not None
    assert bundle.manifest.golden is not None
    golden = (bundle.manifest.golden.runtime, bundle.golden())

    again = pack_bundle(tiny_bytes, contract(), tiny_labels, name="tiny", golden=golden)

    assert again == tiny_bytes


def test_packing_replaces_the_metadata_and_files_of_others(
    shared_data: Path, contract: Callable[..., Contract]
) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"
    labels = [f"class {index}" for index in range(1001)]
    said = contract(height=224, width=224, mean=(128.0,), std=(128.0,))

    bundle = Bundle.from_bytes(pack_bundle(path.read_bytes(), said, labels, name="mine"), where="m")

    assert sorted(bundle.files) == sorted([LABELS_FILE, MANIFEST_FILE])
    assert bundle.labels == tuple(labels)
    assert bundle.metadata.name == "mine"


def test_the_parts_are_where_the_manifest_says(tiny_bytes: bytes) -> None:
    flatbuffer, files = split_archive(tiny_bytes)

    assert sorted(files) == sorted([LABELS_FILE, GOLDEN_FILE, MANIFEST_FILE])
    assert SEAL_MARK in read_model(flatbuffer).metadata


@pytest.mark.parametrize(
    "label",
    ["", " ", "ant ", "\tant", "ant\n", "two\nlines", "two\rlines", "two\u2028lines", "form\ffeed"],
    ids=repr,
)
def test_labels_that_a_line_cannot_hold_are_refused(
    tiny_model: Callable[..., bytes], contract: Callable[..., Contract], label: str
) -> None:
    with pytest.raises(UnsupportedModelError, match="is empty, or has line breaks, blanks"):
        pack_bundle(tiny_model(labels=2), contract(), ["ant", label], name="m")


@settings(max_examples=60)
@given(labels=st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2))
def test_labels_are_kept_exactly_or_refused(
    tiny_model: Callable[..., bytes], contract: Callable[..., Contract], labels: list[str]
) -> None:
    try:
        data = pack_bundle(tiny_model(labels=2), contract(), labels, name="m")
    except UnsupportedModelError:
        return

    assert Bundle.from_bytes(data, where="m").labels == tuple(labels)


@pytest.mark.parametrize(
    "labels", [["\ufeffant", "bee"], ["ant", "\ud800"]], ids=["byte order mark", "surrogate"]
)
def test_labels_that_utf8_text_cannot_hold_are_refused(
    tiny_model: Callable[..., bytes], contract: Callable[..., Contract], labels: list[str]
) -> None:
    with pytest.raises(UnsupportedModelError, match="UTF-8 text cannot hold"):
        pack_bundle(tiny_model(labels=2), contract(), labels, name="m")


@pytest.mark.parametrize(
    ("changes", "labels", "message"),
    [
        ({}, "abc", "it has 4 outputs but 3 labels"),
        ({"thresholds": (0.5,)}, "abcd", "it has 4 outputs but 1 thresholds"),
        ({"height": 9}, "abcd", r"its input is \[1, 8, 8, 3\], its contract says \[1, 9, 8, 3\]"),
        ({"colour": "GRAY"}, "abcd", r"its contract says \[1, 8, 8, 1\]"),
        ({"thresholds": (2.0,) * 4}, "abcd", "thresholds"),
        ({"activation": "relu"}, "abcd", "activation"),
    ],
    ids=["labels", "thresholds", "size", "colour", "threshold of 2", "activation"],
)
def test_a_contract_that_does_not_fit_is_not_packed(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    changes: dict[str, Any],
    labels: str,
    message: str,
) -> None:
    with pytest.raises(BundleError, match=message):
        pack_bundle(tiny_model(), contract(**changes), list(labels), name="m")


def test_what_is_no_model_is_not_packed(contract: Callable[..., Contract]) -> None:
    with pytest.raises(NotATfliteModelError):
        pack_bundle(struct.pack("<I4s", 8, b"TFL3"), contract(), ["ant"], name="m")


def test_operator_versions_are_the_highest_of_all_graphs(resnet_int8: bytes) -> None:
    versions = operator_versions(read_model(resnet_int8))

    assert versions["CONV_2D"] == 3
    assert list(versions) == sorted(versions)
