"""A model and its twin that is compiled for the Edge TPU: two files, one contract.

`edgetpu_compiler -s NAME.tflite` writes `NAME_edgetpu.tflite`. What is kept of a contract in there
depends on the compiler, so nothing of it is asked: the twin is fed and read by the contract of the
model that it was compiled from, and its answers are compared with that model's golden vectors.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_recog.archive import split_archive
from edge_recog.bundle import Bundle, classifier_specs, needs_edgetpu, read_model_file
from edge_recog.errors import (
    BundleError,
    DelegateError,
    NotATfliteModelError,
    UnsupportedModelError,
    located,
)
from edge_recog.tflite import read_model

if TYPE_CHECKING:
    from edge_recog.interpreters.delegates import DelegateSpec
    from edge_recog.tensors import TensorSpec

_MARK: Final = "_edgetpu"
"""What edgetpu_compiler adds to a file's name."""
_SUFFIX: Final = ".tflite"


@dataclass(frozen=True, slots=True, eq=False)
class Twins:
    """What there is to run: one model, on the CPU or on an Edge TPU."""

    bundle: Bundle
    """The model itself; compiled only if it is all that there is."""
    compiled: Bundle | None = None
    """Its compiled twin, which has the same contract and golden vectors."""

    @classmethod
    def open(cls, path: str | Path) -> Twins:
        """Read a model, and its twin where one lies beside it; either of the two may be named.

        Raises:
            BundleError: One of them cannot be used, or they are no twins.
        """
        path = Path(path)
        uncompiled = uncompiled_path(path)
        if uncompiled is not None and uncompiled.exists():
            path = uncompiled
        bundle = Bundle.open(path)
        beside = compiled_path(path)
        if bundle.needs_edgetpu or not beside.exists():
            return cls(bundle)
        return cls(bundle, compiled_twin(bundle, read_model_file(beside), where=str(beside)))

    def chosen(self, delegate: DelegateSpec | None) -> Bundle:
        """Return the file to run with a delegate, or with none.

        Raises:
            DelegateError: Neither of the two can be.
        """
        if delegate is not None and delegate.is_edge_tpu:
            if self.compiled is not None:
                return self.compiled
            if self.bundle.needs_edgetpu:
                return self.bundle
            raise DelegateError(
                f"{self.bundle.where}: not compiled for the Edge TPU, which would run none of it; "
                f"compile it with edgetpu_compiler -s, and leave "
                f"{compiled_path(Path(self.bundle.where)).name} beside it"
            )
        if delegate is None:
            return self.on_cpu()
        return self.bundle

    def on_cpu(self) -> Bundle:
        """Return what runs without an accelerator.

        Raises:
            DelegateError: There is only a compiled file.
        """
        if not self.bundle.needs_edgetpu:
            return self.bundle
        uncompiled = uncompiled_path(Path(self.bundle.where))
        name = "" if uncompiled is None else f" {uncompiled.name}"
        raise DelegateError(
            f"{self.bundle.where}: compiled for the Edge TPU, and there is no uncompiled twin"
            f"{name} beside it to run on the CPU: attach an Edge TPU and ask for the delegate "
            "'edgetpu', or use the file that was given to edgetpu_compiler"
        )


def compiled_path(path: Path) -> Path:
    """Return what edgetpu_compiler calls the file that it makes of `path`."""
    stem = path.name.removesuffix(_SUFFIX)
    return path.with_name(f"{stem}{_MARK}{_SUFFIX}")


def uncompiled_path(path: Path) -> Path | None:
    """Return what a compiled file was made of, by its name; None if it is not called so."""
    stem = path.name.removesuffix(_SUFFIX)
    if not stem.endswith(_MARK) or stem == _MARK:
        return None
    return path.with_name(f"{stem.removesuffix(_MARK)}{_SUFFIX}")


def compiled_twin(bundle: Bundle, data: bytes, *, where: str) -> Bundle:
    """Return a compiled file with the contract, labels and golden vectors of its model.

    Args:
        bundle: The model that it was compiled from.
        data: The compiled file.
        where: Its path, for messages.

    Raises:
        BundleError: It is damaged, not compiled for the Edge TPU, or of another model.
    """
    try:
        return _compiled_twin(bundle, data, where)
    except BundleError as error:
        raise located(error, where) from error


def _compiled_twin(bundle: Bundle, data: bytes, where: str) -> Bundle:
    if bundle.needs_edgetpu:
        raise UnsupportedModelError(f"{bundle.where} is compiled itself: it has no compiled twin")
    if data[4:8] != b"TFL3":
        raise NotATfliteModelError(
            "not a TFLite model (it does not start as one); compile it again"
        )
    flatbuffer, _ = split_archive(data)
    model = read_model(flatbuffer)
    if not needs_edgetpu(model):
        raise UnsupportedModelError(
            "not compiled for the Edge TPU, in spite of its name: edgetpu_compiler writes such a "
            "file where it could map nothing; remove it, or compile the model again"
        )
    specs = classifier_specs(model)
    for spec, expected, kind in zip(
        specs, (bundle.inputs, bundle.outputs), ("input", "output"), strict=True
    ):
        if not _is_same(spec, expected):
            raise UnsupportedModelError(
                f"not compiled from {bundle.where}: its {kind} is {spec}, and that one's is "
                f"{expected}; compile it again"
            )
    if bundle.manifest is None and _own_labels(data, where) not in {None, bundle.labels}:
        # Models of others have no golden vectors, which would tell.
        raise UnsupportedModelError(f"its labels are other ones than those of {bundle.where}")
    return replace(
        bundle,
        where=where,
        data=data,
        id=f"sha256:{hashlib.sha256(data).hexdigest()}",
        inputs=specs[0],
        outputs=specs[1],
        model=model,
    )


def _own_labels(data: bytes, where: str) -> tuple[str, ...] | None:
    """Return the labels that a compiled file still has; None without any."""
    try:
        return Bundle.from_bytes(data, where=where).labels
    except BundleError:
        return None


def _is_same(one: TensorSpec, other: TensorSpec) -> bool:
    """Tell whether two tensors differ by their names at most."""
    return (one.shape, one.dtype, one.quantization) == (
        other.shape,
        other.dtype,
        other.quantization,
    )
