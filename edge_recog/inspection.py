"""What a model file says of itself, usable or not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.archive import split_archive
from edge_recog.bundle import MANIFEST_FILE, Bundle, needs_edgetpu, read_model_file
from edge_recog.errors import BundleError, located
from edge_recog.metadata import METADATA_NAME, ModelMetadata, read_metadata
from edge_recog.op_versions import oldest_runtime
from edge_recog.packing import operator_versions
from edge_recog.tflite import read_model

if TYPE_CHECKING:
    from edge_recog.tflite import Model, Tensor


@dataclass(frozen=True, slots=True)
class Inspection:
    """A model file described."""

    path: str
    id: str
    size_bytes: int
    bundle: Bundle | None
    """None if the file cannot be used."""
    problem: str
    """Why it cannot be used; empty if it can."""
    model: Model
    metadata: ModelMetadata | None
    files: dict[str, int]
    """Size in bytes of each file in the ZIP at its end."""

    def document(self) -> dict[str, Any]:
        """Return all of it as plain values, with stable keys."""
        bundle = self.bundle
        manifest = bundle.manifest if bundle else None
        main = self.model.main
        versions = operator_versions(self.model)
        document: dict[str, Any] = {
            "path": self.path,
            "id": self.id,
            "size_bytes": self.size_bytes,
            "usable": bundle is not None,
            "problem": self.problem,
            "name": bundle.name if bundle else (self.metadata.name if self.metadata else ""),
            "description": self.metadata.description if self.metadata else "",
            "license": self.metadata.license if self.metadata else "",
            "contract_from": bundle.origin if bundle else None,
            "contract": msgspec.to_builtins(bundle.contract) if bundle else None,
            "labels": list(bundle.labels) if bundle else None,
            "inputs": [_tensor(main.tensors[i]) for i in main.inputs],
            "outputs": [_tensor(main.tensors[i]) for i in main.outputs],
            "operators": versions,
            "oldest_runtime": oldest_runtime(versions),
            "edgetpu": needs_edgetpu(self.model),
            "files": self.files,
            "golden_vectors": 0,
            "golden_runtime": None,
            "accuracy": [],
            "provenance": None,
            "compatibility": None,
            "card": None,
        }
        if manifest is not None:
            golden = manifest.golden
            document |= {
                "golden_vectors": len(golden.vectors) if golden else 0,
                "golden_runtime": golden.runtime if golden else None,
                "accuracy": msgspec.to_builtins(manifest.accuracy),
                "provenance": msgspec.to_builtins(manifest.provenance),
                "compatibility": msgspec.to_builtins(manifest.compatibility),
                "card": msgspec.to_builtins(manifest.card),
            }
        return document


def inspect_file(path: str | Path) -> Inspection:
    """Describe a model file without running it.

    Raises:
        NotATfliteModelError: There is nothing to describe: not TFLite, or broken.
        BundleError: The file cannot be read.
    """
    where = str(path)
    return inspect_bytes(read_model_file(Path(path)), where=where)


def inspect_bytes(data: bytes, *, where: str) -> Inspection:
    """Describe a model file that was read already; errors as in `inspect_file`."""
    bundle, problem = None, ""
    try:
        bundle = Bundle.from_bytes(data, where=where)
    except BundleError as error:
        problem = str(error)
    try:
        flatbuffer, files = split_archive(data)
        model = bundle.model if bundle else read_model(flatbuffer)
        described = None
        if METADATA_NAME in model.metadata:
            described = read_metadata(model.metadata[METADATA_NAME])
    except BundleError as error:
        raise located(error, where) from error
    return Inspection(
        path=where,
        id=f"sha256:{hashlib.sha256(data).hexdigest()}",
        size_bytes=len(data),
        bundle=bundle,
        problem=problem,
        model=model,
        metadata=described,
        files={name: len(content) for name, content in files.items() if name != MANIFEST_FILE},
    )


def _tensor(tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization
    scale = zero_point = None
    if quantization is not None and not quantization.per_channel:
        scale = float(quantization.scales[0])
        zero_point = int(quantization.zero_points[0]) if quantization.zero_points.size else 0
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": scale,
        "zero_point": zero_point,
    }
