"""Writing model files: TFLite with standard metadata, a ZIP behind it, and a seal over both."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from edge_recog.archive import append_archive, split_archive
from edge_recog.bundle import LABELS_FILE, MANIFEST_FILE, SEAL_MARK, Bundle, classifier_specs
from edge_recog.contract import (
    SCHEMA_VERSION,
    Accuracy,
    Card,
    Compatibility,
    Contract,
    Manifest,
    Provenance,
    Seal,
    contract_digest,
    encode_manifest,
    labels_digest,
)
from edge_recog.errors import UnsupportedModelError
from edge_recog.foreign import read_labels
from edge_recog.golden import Golden, encode_golden
from edge_recog.metadata import (
    METADATA_NAME,
    TENSOR_AXIS_LABELS,
    AssociatedFile,
    ModelMetadata,
    TensorMetadata,
    build_metadata,
)
from edge_recog.op_versions import oldest_runtime
from edge_recog.tflite import read_model
from edge_recog.tflite.writer import with_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.tflite import Model


def pack_bundle(
    model: bytes,
    contract: Contract,
    labels: Sequence[str],
    *,
    name: str,
    description: str = "",
    license: str = "",
    golden: tuple[str, Sequence[Golden]] | None = None,
    accuracy: Sequence[Accuracy] = (),
    provenance: Provenance | None = None,
    compatibility: Compatibility | None = None,
    card: Card | None = None,
) -> bytes:
    """Return a model file that says how to feed and read it.

    Args:
        model: A .tflite file; metadata and ZIP it may have are replaced.
        contract: How to feed and read it.
        labels: In the order of the model's output; no line breaks within.
        name: What people call the model.
        description: One or two sentences for people.
        license: Of the weights.
        golden: Runtime that computed them, and the vectors.
        accuracy: Figures measured on this very model.
        provenance: How it was made.
        compatibility: What accelerators make of this very model.
        card: What to know before using it.

    Raises:
        BundleError: The model is not a classifier, or contract and labels do not fit it.
    """
    bad = [label for label in labels if not _fits_a_line(label)]
    if bad:
        raise UnsupportedModelError(
            f"the label {bad[0]!r} is empty, or has line breaks, blanks around it or characters "
            "that UTF-8 text cannot hold; rename it"
        )
    flatbuffer, _ = split_archive(model)
    structure = read_model(flatbuffer)
    inputs, _ = classifier_specs(structure)
    metadata = _metadata(
        contract, inputs.dtype, name=name, description=description, license_=license
    )
    entries = {METADATA_NAME: build_metadata(metadata), SEAL_MARK: contract_digest(contract)}
    flatbuffer = with_metadata(flatbuffer, entries)
    files = {LABELS_FILE: ("\n".join(labels) + "\n").encode()}
    index = None
    if golden is not None:
        runtime, vectors = golden
        index, content = encode_golden(
            vectors, runtime=runtime, labels_sha256=labels_digest(tuple(labels))
        )
        files[index.file] = content
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        description=description,
        contract=contract,
        seal=Seal(
            flatbuffer_sha256=_sha256(flatbuffer),
            files={file: _sha256(content) for file, content in files.items()},
        ),
        golden=index,
        accuracy=tuple(accuracy),
        operators=operator_versions(structure),
        oldest_runtime=oldest_runtime(operator_versions(structure)),
        provenance=provenance,
        compatibility=compatibility,
        card=card,
    )
    data = append_archive(flatbuffer, {**files, MANIFEST_FILE: encode_manifest(manifest)})
    # What was written is what will be read: nothing leaves here that `open` would refuse.
    Bundle.from_bytes(data, where=name)
    return data


def operator_versions(model: Model) -> dict[str, int]:
    """Return the highest version of each operator in the graph, by name."""
    versions: dict[str, int] = {}
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            versions[operator.name] = max(operator.version, versions.get(operator.name, 0))
    return dict(sorted(versions.items()))


def _fits_a_line(label: str) -> bool:
    """Tell whether a label comes back from a label file as it is."""
    try:
        return read_labels(label.encode()) == (label,)
    except UnicodeEncodeError:
        return False


def _metadata(
    contract: Contract, dtype: str, *, name: str, description: str, license_: str
) -> ModelMetadata:
    preprocessing = contract.preprocessing
    # As MediaPipe's own writer has them: what a float input gets, and pixels for a quantised one.
    lowest: tuple[float, ...] = (0.0,)
    highest: tuple[float, ...] = (255.0,)
    if dtype == "float32":
        table = preprocessing.table(None, dtype)
        lowest, highest = (tuple(map(float, row)) for row in (table[0], table[255]))
    return ModelMetadata(
        name=name,
        description=description,
        license=license_,
        inputs=(
            TensorMetadata(
                name="image",
                description=(
                    f"{preprocessing.width}x{preprocessing.height} {preprocessing.colour}, "
                    f"{preprocessing.crop}, {preprocessing.interpolation} interpolation"
                ),
                colour_space="GRAYSCALE" if preprocessing.colour == "GRAY" else "RGB",
                mean=preprocessing.mean,
                std=preprocessing.std,
                minimum=lowest,
                maximum=highest,
            ),
        ),
        outputs=(
            TensorMetadata(
                name="scores",
                description=f"{contract.task} scores",
                minimum=(0.0,),
                maximum=(1.0,),
                files=(AssociatedFile(LABELS_FILE, TENSOR_AXIS_LABELS),),
            ),
        ),
        min_parser_version="1.0.0",
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
