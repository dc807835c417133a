from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import MissingContractError, UnsupportedModelError
from edge_recog.foreign import (
    adopt_command,
    contract_from_metadata,
    final_activation,
    read_labels,
    suggested_normalization,
)
from edge_recog.metadata import (
    TENSOR_AXIS_LABELS,
    AssociatedFile,
    ModelMetadata,
    TensorMetadata,
)
from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec
from edge_recog.tflite import Operator, Subgraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.contract import Contract

FILES = {"labels.txt": b"ant\nbee\n", "ameisen.txt": b"Ameise\nBiene\n"}
LABELS = AssociatedFile("labels.txt", TENSOR_AXIS_LABELS)
IMAGE = TensorMetadata(colour_space="RGB", mean=(127.5,), std=(127.5,))
FLOAT_IMAGE = TensorSpec("image", (1, 8, 6, 3), "float32", None)
FLOAT_SCORES = TensorSpec("scores", (1, 2), "float32", None)


def graph(*names: str) -> Subgraph:
    """Return a chain of operators."""
    operators = tuple(
        Operator(name, False, 1, (index,), (index + 1,), (), "NONE", {})
        for index, name in enumerate(names)
    )
    return Subgraph("main", (), (0,), (len(names),), operators)


def contract_of(
    *,
    described: TensorMetadata = IMAGE,
    result: TensorMetadata | None = None,
    operators: Sequence[str] = ("CONV_2D", "SOFTMAX"),
    inputs: TensorSpec = FLOAT_IMAGE,
    outputs: TensorSpec = FLOAT_SCORES,
) -> tuple[Contract, tuple[str, ...]]:
    result = result or TensorMetadata(files=(LABELS,))
    metadata = ModelMetadata(inputs=(described,), outputs=(result,))
    return contract_from_metadata(
        metadata, FILES, subgraph=graph(*operators), inputs=inputs, outputs=outputs
    )


def test_a_float_models_numbers_come_from_its_metadata() -> None:
    contract, labels = contract_of()
    preprocessing = contract.preprocessing

    assert (preprocessing.height, preprocessing.width) == (8, 6)
    assert (preprocessing.mean, preprocessing.std) == ((127.5,), (127.5,))
    assert (contract.activation, contract.task) == ("none", "single-label")
    assert labels == ("ant", "bee")


def test_where_metadata_is_silent_the_conventions_of_its_runtimes_hold() -> None:
    preprocessing = contract_of()[0].preprocessing

    assert preprocessing.crop == "stretch"
    assert preprocessing.interpolation == "linear"
    assert preprocessing.colour == "RGB"
    assert preprocessing.layout == "NHWC"


@pytest.mark.parametrize(
    "quantization",
    [QuantParams(0.0078125, 128, "uint8"), QuantParams(1 / 255, 0, "uint8"), None],
    ids=["-1 to 1", "0 to 1", "plain"],
)
def test_a_uint8_input_takes_pixels_as_they_are_whatever_the_metadata_says(
    quantization: QuantParams | None,
) -> None:
    inputs = TensorSpec("image", (1, 8, 6, 3), "uint8", quantization)
    contract, _ = contract_of(described=replace(IMAGE, mean=(99.0,), std=(3.0,)), inputs=inputs)

    assert contract.preprocessing.compile(inputs).path == "direct"


def test_an_int8_input_takes_its_metadatas_numbers() -> None:
    inputs = TensorSpec("image", (1, 8, 6, 3), "int8", QuantParams(1 / 127.5, 0, "int8"))

    assert contract_of(inputs=inputs)[0].preprocessing.mean == (127.5,)


def test_an_input_of_one_channel_is_grey() -> None:
    inputs = replace(FLOAT_IMAGE, shape=(1, 8, 6, 1))
    described = replace(IMAGE, colour_space="GRAYSCALE")

    assert contract_of(described=described, inputs=inputs)[0].preprocessing.colour == "GRAY"


@pytest.mark.parametrize(
    ("operators", "task"), [(["SOFTMAX"], "single-label"), (["LOGISTIC"], "multi-label")]
)
def test_the_last_operator_tells_the_task(operators: list[str], task: str) -> None:
    assert contract_of(operators=operators)[0].task == task


@pytest.mark.parametrize(
    ("threshold", "thresholds"),
    [(None, None), (0.0, None), (0.25, (0.25, 0.25)), (7.0, (1.0, 1.0)), (-7.0, (0.0, 0.0))],
)
def test_a_score_threshold_is_for_every_label(
    threshold: float | None, thresholds: tuple[float, ...] | None
) -> None:
    result = TensorMetadata(files=(LABELS,), score_threshold=threshold)

    assert contract_of(result=result)[0].thresholds == thresholds


@pytest.mark.parametrize("order", [1, -1], ids=["translation last", "translation first"])
def test_the_label_file_without_a_locale_is_taken(order: int) -> None:
    translation = AssociatedFile("ameisen.txt", TENSOR_AXIS_LABELS, "de")
    result = TensorMetadata(files=(LABELS, translation)[::order])

    assert contract_of(result=result)[1] == ("ant", "bee")


def test_a_translation_is_taken_where_there_is_nothing_else() -> None:
    result = TensorMetadata(files=(AssociatedFile("ameisen.txt", TENSOR_AXIS_LABELS, "de"),))

    assert contract_of(result=result)[1] == ("Ameise", "Biene")


def test_quantised_scores_without_softmax_are_scores() -> None:
    outputs = TensorSpec("scores", (1, 2), "uint8", QuantParams(1 / 256, 0, "uint8"))

    assert contract_of(operators=["CONV_2D"], outputs=outputs)[0].activation == "none"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"described": replace(IMAGE, mean=None, std=None)},
            MissingContractError,
            "does not give mean and std",
        ),
        (
            {"described": replace(IMAGE, mean=(), std=())},
            MissingContractError,
            "does not give mean and std",
        ),
        (
            {"described": replace(IMAGE, std=(0.0,))},
            UnsupportedModelError,
            "makes no sense: std is 0.0",
        ),
        (
            {"described": replace(IMAGE, mean=(1.0, 2.0))},
            UnsupportedModelError,
            "makes no sense: mean has 2 numbers",
        ),
        (
            {"described": replace(IMAGE, colour_space="GRAYSCALE")},
            UnsupportedModelError,
            "says GRAYSCALE but its input is",
        ),
        ({"result": TensorMetadata()}, MissingContractError, "names no label file"),
        (
            {"result": TensorMetadata(files=(AssociatedFile("labels.txt", 3),))},
            MissingContractError,
            "names no label file",
        ),
        (
            {"result": TensorMetadata(files=(AssociatedFile("lost.txt", TENSOR_AXIS_LABELS),))},
            MissingContractError,
            "'lost.txt' is missing from its end: the copy may be truncated",
        ),
        (
            {"result": TensorMetadata(files=(LABELS,), has_score_calibration=True)},
            UnsupportedModelError,
            "asks for score calibration by a file",
        ),
        ({"operators": ["CONV_2D"]}, MissingContractError, "leaves logits"),
        (
            {
                "operators": ["CONV_2D"],
                "outputs": TensorSpec("s", (1, 2), "int8", QuantParams(0.1, 0, "int8")),
            },
            MissingContractError,
            "leaves logits",
        ),
        (
            {
                "operators": ["CONV_2D"],
                "outputs": TensorSpec("s", (1, 2), "uint8", QuantParams(0.1, 0, "uint8")),
            },
            MissingContractError,
            "leaves logits",
        ),
    ],
    ids=[
        "no normalisation",
        "empty normalisation",
        "zero std",
        "two means",
        "grey for three channels",
        "no label file",
        "labels of values",
        "label file lost",
        "score calibration",
        "logits",
        "quantised logits",
        "positive quantised logits",
    ],
)
def test_what_a_contract_cannot_be_made_of_is_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        contract_of(**changes)


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 1), (1, 0), (2, 1), (1, 2)])
def test_metadata_of_other_than_one_input_and_output_is_refused(inputs: int, outputs: int) -> None:
    metadata = ModelMetadata(
        inputs=(IMAGE,) * inputs, outputs=(TensorMetadata(files=(LABELS,)),) * outputs
    )

    with pytest.raises(MissingContractError, match="does not describe one input and one output"):
        contract_from_metadata(
            metadata,
            FILES,
            subgraph=graph("SOFTMAX"),
            inputs=FLOAT_IMAGE,
            outputs=FLOAT_SCORES,
        )


@pytest.mark.parametrize(
    ("document", "labels"),
    [
        (b"ant\nbee\n", ("ant", "bee")),
        (b"ant\nbee", ("ant", "bee")),
        (b"\xef\xbb\xbfant\r\nbee\r\n", ("ant", "bee")),
        (b" ant \n\tbee\n\n\n", ("ant", "bee")),
        (b"ant\n\nbee\n", ("ant", "", "bee")),
        ("K\N{LATIN SMALL LETTER A WITH DIAERESIS}fer\n".encode(), ("Käfer",)),
        (b"", ()),
    ],
    ids=[
        "lines",
        "no last line break",
        "BOM and CRLF",
        "blanks",
        "empty label",
        "not ASCII",
        "empty file",
    ],
)
def test_labels_are_the_lines_of_the_file(document: bytes, labels: tuple[str, ...]) -> None:
    assert read_labels(document) == labels


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        min_size=1,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_labels_are_read_as_they_were_written(labels: list[str], end: str) -> None:
    assert read_labels((end.join(labels) + end).encode()) == tuple(labels)


def test_labels_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="not UTF-8 text"):
        read_labels("Käfer".encode("latin-1"))


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        (["CONV_2D", "SOFTMAX"], "softmax"),
        (["CONV_2D", "LOGISTIC"], "sigmoid"),
        (["CONV_2D", "SOFTMAX", "QUANTIZE", "RESHAPE", "DEQUANTIZE"], "softmax"),
        (["CONV_2D", "RESHAPE"], None),
        (["SOFTMAX", "CONV_2D"], None),
        (["RESHAPE"], None),
        ([], None),
    ],
    ids=[
        "softmax",
        "logistic",
        "softmax behind reshaping",
        "logits",
        "softmax in the middle",
        "reshaping only",
        "no operators",
    ],
)
def test_final_activation(operators: list[str], expected: str | None) -> None:
    assert final_activation(graph(*operators)) == expected


def test_only_the_operators_that_lead_to_the_output_count() -> None:
    side_branch = Operator("LOGISTIC", False, 1, (1,), (9,), (), "NONE", {})
    chain = graph("CONV_2D", "SOFTMAX")
    branched = replace(chain, operators=(*chain.operators, side_branch))

    assert final_activation(branched) == "softmax"


def test_an_operator_without_inputs_ends_the_search() -> None:
    source = Operator("RESHAPE", False, 1, (), (1,), (), "NONE", {})

    assert final_activation(Subgraph("", (), (0,), (1,), (source,))) is None


@pytest.mark.parametrize(
    ("dtype", "quantization", "expected"),
    [
        ("uint8", QuantParams(1 / 255, 0, "uint8"), (0, 255)),
        ("int8", QuantParams(1 / 255, -128, "int8"), (0, 255)),
        ("int8", QuantParams(1 / 127.5, 0, "int8"), (128, 127.5)),
        ("int16", QuantParams(1 / 255, 0, "int16"), None),
        ("float32", None, None),
    ],
)
def test_suggested_normalization(
    dtype: str, quantization: QuantParams | None, expected: tuple[float, float] | None
) -> None:
    suggested = suggested_normalization(TensorSpec("", (1, 8, 8, 3), dtype, quantization))

    assert suggested == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("inputs", "scores", "command"),
    [
        (
            TensorSpec("", (1, 8, 8, 3), "int8", QuantParams(1 / 255, -128, "int8")),
            True,
            "edge-recog adopt m.tflite --labels labels.txt --mean 0 --std 255",
        ),
        (
            FLOAT_IMAGE,
            False,
            "edge-recog adopt m.tflite --labels labels.txt --mean 127.5 --std 127.5 "
            "--activation softmax",
        ),
        (None, True, "edge-recog adopt m.tflite --labels labels.txt --mean 127.5 --std 127.5"),
    ],
    ids=["quantised", "logits", "not known"],
)
def test_the_command_that_would_help(inputs: TensorSpec | None, scores: bool, command: str) -> None:
    assert adopt_command("m.tflite", inputs, scores=scores) == command
