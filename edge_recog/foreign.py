"""Contracts of models that others made: what TFLite Metadata says, and its conventions.

Where the metadata is silent, the conventions of its reference runtimes (TFLite Task Library,
MediaPipe Image Classifier) are part of the format: the whole picture is stretched to the input with
bilinear interpolation, channels are RGB, a uint8 input takes pixels as they are, and the output is
taken as scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.contract import Contract
from edge_recog.errors import MissingContractError, UnsupportedModelError
from edge_recog.metadata import TENSOR_AXIS_LABELS
from edge_recog.preprocessing import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.metadata import ModelMetadata, TensorMetadata
    from edge_recog.predictions import Activation
    from edge_recog.preprocessing import Colour
    from edge_recog.tensors import TensorSpec
    from edge_recog.tflite import Subgraph

_TRANSPARENT = {"DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "CAST"}


def contract_from_metadata(
    metadata: ModelMetadata,
    files: Mapping[str, bytes],
    *,
    subgraph: Subgraph,
    inputs: TensorSpec,
    outputs: TensorSpec,
) -> tuple[Contract, tuple[str, ...]]:
    """Return contract and labels of a model with TFLite Metadata.

    Raises:
        MissingContractError: The metadata does not say what a contract needs.
        UnsupportedModelError: It says something this runtime does not do.
    """
    if len(metadata.inputs) != 1 or len(metadata.outputs) != 1:
        raise MissingContractError("its TFLite Metadata does not describe one input and one output")
    described, result = metadata.inputs[0], metadata.outputs[0]
    if result.has_score_calibration:
        raise UnsupportedModelError("its TFLite Metadata asks for score calibration by a file")
    labels = _labels(result, files)
    final = final_activation(subgraph)
    if final is None and not _is_score_range(outputs):
        raise MissingContractError(
            "its last operator leaves logits, and TFLite Metadata cannot say what turns them into "
            "scores"
        )
    threshold = result.score_threshold
    contract = Contract(
        preprocessing=_preprocessing(described, inputs),
        activation="none",
        task="multi-label" if final == "sigmoid" else "single-label",
        thresholds=None if not threshold else (min(1.0, max(0.0, threshold)),) * len(labels),
    )
    return contract, labels


def read_labels(document: bytes) -> tuple[str, ...]:
    """Return the labels of a label file: UTF-8, one a line, in the order of the model's output.

    Raises:
        UnsupportedModelError: Not UTF-8.
    """
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnsupportedModelError(f"the label file is not UTF-8 text: {error}") from error
    return tuple(line.strip() for line in text.rstrip("\r\n").splitlines())


def final_activation(subgraph: Subgraph) -> Activation | None:
    """Return the activation that the graph itself ends with; None if it ends with none."""
    wanted = subgraph.outputs[0]
    for operator in reversed(subgraph.operators):
        if wanted not in operator.outputs:
            continue
        if operator.name not in _TRANSPARENT or not operator.inputs:
            return (
                "softmax"
                if operator.name == "SOFTMAX"
                else ("sigmoid" if operator.name == "LOGISTIC" else None)
            )
        wanted = operator.inputs[0]
    return None


def suggested_normalization(inputs: TensorSpec) -> tuple[float, float] | None:
    """Return the mean and std by which an 8-bit input takes all pixels 0-255 exactly once.

    None for inputs that say nothing of the kind (float32, or no quantisation).
    """
    q = inputs.quantization
    if q is None or inputs.dtype not in {"uint8", "int8"}:
        return None
    return (q.zero_point - q.lowest, 1.0 / q.scale)


def adopt_command(where: str, inputs: TensorSpec | None, *, scores: bool) -> str:
    """Return the command that would write a contract into the file."""
    suggested = suggested_normalization(inputs) if inputs else None
    mean, std = suggested or (127.5, 127.5)
    command = f"edge-recog adopt {where} --labels labels.txt --mean {mean:.6g} --std {std:.6g}"
    return command + ("" if scores else " --activation softmax")


def _preprocessing(described: TensorMetadata, inputs: TensorSpec) -> Preprocessing:
    shape = inputs.shape
    colour: Colour = "GRAY" if shape[3] == 1 else "RGB"
    mean: tuple[float, ...]
    std: tuple[float, ...]
    if described.colour_space == "GRAYSCALE" and colour != "GRAY":
        raise UnsupportedModelError(f"its metadata says GRAYSCALE but its input is {list(shape)}")
    if inputs.dtype == "uint8":
        # "A uint8 input takes pixels as they are": normalisation and quantisation cancel out.
        q = inputs.quantization
        mean, std = ((float(q.zero_point),), (1.0 / q.scale,)) if q else ((0.0,), (1.0,))
    elif described.mean and described.std:
        mean, std = described.mean, described.std
    else:
        raise MissingContractError("its TFLite Metadata does not give mean and std of the input")
    try:
        return Preprocessing(
            height=shape[1],
            width=shape[2],
            colour=colour,
            crop="stretch",
            interpolation="linear",
            mean=mean,
            std=std,
        )
    except ValueError as error:
        raise UnsupportedModelError(f"its TFLite Metadata makes no sense: {error}") from error


def _labels(result: TensorMetadata, files: Mapping[str, bytes]) -> tuple[str, ...]:
    named = [file for file in result.files if file.type == TENSOR_AXIS_LABELS]
    if not named:
        raise MissingContractError("its TFLite Metadata names no label file")
    # Files with a locale are translations of the one without.
    chosen = next((file for file in named if not file.locale), named[0])
    if chosen.name not in files:
        raise MissingContractError(
            f"its label file {chosen.name!r} is missing from its end: the copy may be truncated"
        )
    return read_labels(files[chosen.name])


def _is_score_range(outputs: TensorSpec) -> bool:
    """Tell whether a quantised output can only be scores from 0 to 1."""
    q = outputs.quantization
    if q is None:
        return False
    low, high = (q.scale * (bound - q.zero_point) for bound in (q.lowest, q.highest))
    return low >= 0.0 and 0.5 <= high <= 1.01
