"""The model file: one `.tflite` that says how to feed it and how to read it.

Two kinds are opened: files made by this project, which carry a sealed manifest, and files of others
that carry standard TFLite Metadata. Anything else is refused with the command that would help.
Opening reads, checks and never runs the model; `verification.verify` runs it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edge_recog.archive import split_archive
from edge_recog.contract import (
    Contract,
    Manifest,
    contract_digest,
    decode_manifest,
    labels_digest,
)
from edge_recog.errors import (
    BundleError,
    MissingContractError,
    NotATfliteModelError,
    UnsupportedModelError,
    VerificationError,
    located,
)
from edge_recog.foreign import adopt_command, contract_from_metadata, final_activation, read_labels
from edge_recog.golden import Golden, decode_golden
from edge_recog.metadata import METADATA_NAME, ModelMetadata, read_metadata
from edge_recog.predictions import scores_of
from edge_recog.tflite import read_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from edge_recog.tensors import TensorSpec
    from edge_recog.tflite import Model

MANIFEST_FILE = "edge_recog.json"
LABELS_FILE = "labels.txt"
SEAL_MARK = "EDGE_RECOG"
"""Name of the model's metadata entry that says: this file has a manifest behind it. Its content is
the contract's digest, so that manifest and model seal each other."""
EDGETPU_OPERATOR = "edgetpu-custom-op"
_LOOPS = frozenset({"WHILE", "STABLEHLO_WHILE"})
MAX_MODEL_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A model file that was opened and found to say all that is needed to use it."""

    where: str
    """Its path, for messages."""
    data: bytes
    """The whole file: what was checked is what runs."""
    id: str
    """`sha256:` and 64 hexadecimal digits of `data`."""
    name: str
    contract: Contract
    labels: tuple[str, ...]
    """In the order of the model's output."""
    inputs: TensorSpec
    outputs: TensorSpec
    model: Model
    """The graph, as far as it can be told without running it."""
    metadata: ModelMetadata
    manifest: Manifest | None
    """None for models of others."""
    files: Mapping[str, bytes]
    """What is in the ZIP at the file's end."""

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Read a model file and check everything that can be checked without running it.

        Raises:
            BundleError: It cannot be used; the subclass and the message say why, and what to do.
        """
        return cls.from_bytes(read_model_file(Path(path)), where=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, *, where: str) -> Bundle:
        """Check a model file that was read already; errors as in `open`.

        Args:
            data: The whole file.
            where: Its path or another name for it, for messages.
        """
        try:
            return _open(data, where)
        except BundleError as error:
            raise located(error, where) from error

    @property
    def origin(self) -> Literal["edge_recog", "tflite-metadata"]:
        """Where the contract comes from."""
        return "edge_recog" if self.manifest else "tflite-metadata"

    @property
    def needs_edgetpu(self) -> bool:
        """Tell whether the model is compiled for the Edge TPU."""
        return needs_edgetpu(self.model)

    def scores(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return what an output says, as (labels,) scores from 0 to 1, before thresholds.

        Args:
            raw: The model's output in its dtype, of any shape.
        """
        real = self.real_outputs(raw)
        return scores_of(real, self.contract.activation, self.contract.temperature)

    def real_outputs(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return the numbers that an output stands for; `raw` as in `scores`."""
        outputs = raw.reshape(-1)
        quantization = self.outputs.quantization
        return quantization.dequantize(outputs) if quantization else outputs.astype(np.float32)

    def golden(self) -> tuple[Golden, ...]:
        """Return the golden vectors; none where the file has none.

        Raises:
            BundleError: They are damaged or of another model.
        """
        if self.manifest is None or self.manifest.golden is None:
            return ()
        index = self.manifest.golden
        return decode_golden(
            index,
            self.files[index.file],
            inputs=self.inputs,
            labels=len(self.labels),
            output_dtype=self.outputs.dtype,
        )


def read_model_file(path: Path) -> bytes:
    """Return the bytes of a model file.

    Raises:
        BundleError: It cannot be read, is empty or absurdly large.
    """
    try:
        if path.exists() and not path.is_file():
            raise BundleError(f"{path}: a folder or device, not a model file")
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise BundleError(f"{path}: {size / 2**20:.0f} MiB is more than a model file may have")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error


def classifier_specs(model: Model) -> tuple[TensorSpec, TensorSpec]:
    """Return input and output of a model that takes one picture and gives one row of scores.

    Raises:
        UnsupportedModelError: It has several of them, or of another kind.
    """
    for count, kind in ((len(model.main.inputs), "input"), (len(model.main.outputs), "output")):
        if count != 1:
            raise UnsupportedModelError(
                f"it has {count} {kind}s; an image classifier has one (is it a detector or a "
                "multi-part model?)"
            )
    for operator in (op for subgraph in model.subgraphs for op in subgraph.operators):
        if operator.is_custom and operator.name != EDGETPU_OPERATOR:
            raise UnsupportedModelError(
                f"it needs the custom operator {operator.name!r}, which no standard runtime has; "
                "convert the model with built-in operators only"
            )
        if operator.name in _LOOPS:
            raise UnsupportedModelError(
                f"it has a loop ({operator.name}), of which nobody can tell that it ends; "
                "unroll it when converting"
            )
    signature = model.main.tensors[model.main.inputs[0]].shape_signature
    (inputs,), (outputs,) = model.input_specs(), model.output_specs()
    if len(inputs.shape) != 4:
        raise UnsupportedModelError(
            f"its input is {list(inputs.shape)}; pictures need [1, height, width, channels]"
        )
    if inputs.shape[0] != 1:
        raise UnsupportedModelError(
            f"it takes batches of {inputs.shape[0]} pictures; convert it with a batch of 1"
        )
    if -1 in signature[1:]:
        raise UnsupportedModelError(
            f"its input size is left open ({list(signature)}); convert it with a fixed size"
        )
    if outputs.shape[:-1] != (1,) * (len(outputs.shape) - 1) or not outputs.shape:
        raise UnsupportedModelError(
            f"its output is {list(outputs.shape)}; a classifier's is [1, labels]"
        )
    return inputs, outputs


def needs_edgetpu(model: Model) -> bool:
    """Tell whether a model is compiled for the Edge TPU."""
    return any(op.name == EDGETPU_OPERATOR for op in model.main.operators)


def _open(data: bytes, where: str) -> Bundle:
    if data[4:8] != b"TFL3":
        raise NotATfliteModelError(
            "not a TFLite model (it does not start as one); name a .tflite file"
        )
    flatbuffer, files = split_archive(data)
    model = read_model(flatbuffer)
    inputs, outputs = classifier_specs(model)
    metadata = ModelMetadata()
    if METADATA_NAME in model.metadata:
        metadata = read_metadata(model.metadata[METADATA_NAME])
    manifest = None
    try:
        if SEAL_MARK in model.metadata:
            manifest, labels = _sealed(flatbuffer, files, metadata, where)
            contract, name = manifest.contract, manifest.name
        elif METADATA_NAME in model.metadata:
            contract, labels = contract_from_metadata(
                metadata, files, subgraph=model.main, inputs=inputs, outputs=outputs
            )
            name = metadata.name or Path(where).stem
        else:
            batch = model.main.tensors[model.main.inputs[0]].shape_signature[:1]
            raise MissingContractError(
                "it leaves its batch size open and does not say how to feed it"
                if batch == (-1,)
                else "it does not say how to feed it (no TFLite Metadata)"
            )
    except MissingContractError as error:
        scores = final_activation(model.main) is not None
        command = adopt_command(where, inputs, scores=scores)
        raise MissingContractError(
            f"{error}; write it a contract with the numbers it was trained with: {command}"
        ) from error
    _check(contract, labels, inputs, outputs)
    if manifest is not None and contract_digest(contract) != model.metadata[SEAL_MARK]:
        raise VerificationError("its contract in edge_recog.json was changed after sealing")
    return Bundle(
        where=where,
        data=data,
        id=f"sha256:{hashlib.sha256(data).hexdigest()}",
        name=name,
        contract=contract,
        labels=labels,
        inputs=inputs,
        outputs=outputs,
        model=model,
        metadata=metadata,
        manifest=manifest,
        files=files,
    )


def _sealed(
    flatbuffer: bytes, files: Mapping[str, bytes], metadata: ModelMetadata, where: str
) -> tuple[Manifest, tuple[str, ...]]:
    """Return manifest and labels of a file of ours, after checking every digest."""
    if MANIFEST_FILE not in files:
        raise NotATfliteModelError(
            f"its end with {MANIFEST_FILE} is missing: the copy is truncated; copy the file again"
        )
    manifest = decode_manifest(files[MANIFEST_FILE], where=where)
    sealed = {MANIFEST_FILE: None, **manifest.seal.files}
    missing = sorted(sealed.keys() - files.keys())
    added = sorted(files.keys() - sealed.keys())
    if missing or added:
        what = f"{missing[0]!r} is missing" if missing else f"{added[0]!r} was added"
        raise VerificationError(f"{what} in the ZIP at its end, against its seal; copy it again")
    for name, digest in manifest.seal.files.items():
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise VerificationError(f"{name!r} in the ZIP at its end was changed after sealing")
    if hashlib.sha256(flatbuffer).hexdigest() != manifest.seal.flatbuffer_sha256:
        raise VerificationError(
            "its TFLite part was changed after sealing; copy the file again, or adopt it anew"
        )
    if LABELS_FILE not in files:
        raise VerificationError(f"it has no {LABELS_FILE}")
    labels = read_labels(files[LABELS_FILE])
    golden = manifest.golden
    if golden is not None and golden.labels_sha256 != labels_digest(labels):
        raise VerificationError("its labels are not those its golden vectors were made with")
    if golden is not None and golden.file not in files:
        raise VerificationError(f"its golden vectors {golden.file!r} are missing")
    _check_agreement(manifest.contract, metadata)
    return manifest, labels


def _check_agreement(contract: Contract, metadata: ModelMetadata) -> None:
    """Refuse a file whose two descriptions of its input differ.

    Raises:
        VerificationError: TFLite Metadata and manifest disagree.
    """
    described = metadata.inputs[0] if metadata.inputs else None
    preprocessing = contract.preprocessing
    if described is None or described.mean is None or described.std is None:
        raise VerificationError("its TFLite Metadata does not describe its input")
    mean = np.broadcast_to(preprocessing.mean, preprocessing.channels)
    std = np.broadcast_to(preprocessing.std, preprocessing.channels)
    try:
        same = np.allclose(described.mean, mean) and np.allclose(described.std, std)
    except ValueError:
        same = False
    if not same:
        raise VerificationError(
            f"its TFLite Metadata says mean {described.mean} std {described.std}, its manifest "
            f"mean {preprocessing.mean} std {preprocessing.std}"
        )


def _check(
    contract: Contract, labels: tuple[str, ...], inputs: TensorSpec, outputs: TensorSpec
) -> None:
    """Refuse a contract that does not fit the model.

    Raises:
        UnsupportedModelError: Number of labels or thresholds, input shape or type are off.
    """
    count = outputs.shape[-1]
    if len(labels) != count:
        raise UnsupportedModelError(
            f"it has {count} outputs but {len(labels)} labels; give it the label file it was "
            "trained with"
        )
    if contract.thresholds is not None and len(contract.thresholds) != count:
        raise UnsupportedModelError(
            f"it has {count} outputs but {len(contract.thresholds)} thresholds"
        )
    if inputs.shape != contract.preprocessing.input_shape:
        raise UnsupportedModelError(
            f"its input is {list(inputs.shape)}, its contract says "
            f"{list(contract.preprocessing.input_shape)}"
        )
    if inputs.dtype not in {"uint8", "int8", "int16", "float32"}:
        raise UnsupportedModelError(f"its input is {inputs.dtype}, which no picture becomes")
    if outputs.dtype not in {"uint8", "int8", "int16", "float32"}:
        raise UnsupportedModelError(f"its output is {outputs.dtype}, which is no score")
