"""The contract of a model, and the manifest that carries it inside the model file.

The manifest is `edge_recog.json`, one of the files in the ZIP at the end of the `.tflite` file.
Format history of `schema_version`:

- 1: first version.
- 2: `compatibility` and `card`. Files of version 1 are still read.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Literal, TypeVar

import msgspec

from edge_recog.errors import BundleError
from edge_recog.predictions import Activation
from edge_recog.preprocessing import Preprocessing

SCHEMA_VERSION = 2

Task = Literal["single-label", "multi-label"]
"""`single-label`: one label is right; `multi-label`: any number of labels, each on its own."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
_Document = TypeVar("_Document")

Fraction = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]

# Printed on terminals, which obey control characters.
_LINE = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
_LINES = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*\Z"
OperatorName = Annotated[str, msgspec.Meta(max_length=64, pattern=_LINE)]
"""The schema's name, such as `CONV_2D`."""
Text = Annotated[str, msgspec.Meta(max_length=2000, pattern=_LINES)]
"""A few paragraphs, without control characters other than line feeds."""


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to feed a model and how to read it."""

    preprocessing: Preprocessing
    activation: Activation
    """What is left to do to turn the output into scores."""
    task: Task = "single-label"
    temperature: float = 1.0
    """Score calibration: divides the logits before the activation; > 0."""
    thresholds: tuple[Fraction, ...] | None = None
    """Least score of each label, in label order; None for no thresholds."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: The temperature is not a finite positive number, or is given where the
                model's output is a probability already.
        """
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature is {self.temperature}; it must be finite and positive")
        if self.temperature != 1.0 and self.activation == "none":
            raise ValueError("temperature needs logits, but activation is none")


class GoldenVector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One self-test: a raw frame and what the model must answer. The numbers are in the file."""

    height: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    width: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    label: str
    """The best label."""
    score: Fraction
    """Its score, before thresholds."""


class GoldenIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The golden vectors and where they come from."""

    file: str
    """Name within the ZIP."""
    runtime: str
    """The interpreter and its kernels that computed the outputs."""
    builtin: bool = False
    """Whether the outputs of TFLite's built-in kernels are kept as well."""
    labels_sha256: Sha256
    """Of the labels the outputs were named by."""
    vectors: Annotated[tuple[GoldenVector, ...], msgspec.Meta(min_length=1, max_length=64)]


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Digests of everything else in the file, so that a damaged copy is noticed at open."""

    flatbuffer_sha256: Sha256
    """Of the TFLite part, metadata included, ZIP excluded."""
    files: dict[str, Sha256]
    """Of every other file in the ZIP."""


class Accuracy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One measured figure about this very file."""

    dataset: str
    split: str
    metric: str
    """`top-1`, `agreement with float`, …"""
    value: Fraction
    count: Count
    """Pictures it was measured on."""


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the model was made."""

    created: str
    """RFC 3339, UTC."""
    recipe: str = ""
    """The recipe's text (TOML)."""
    dataset: str = ""
    """Fingerprint of the data: digest over the sorted digests of its pictures."""
    calibration: str = ""
    """Digest over the ids of the calibration pictures, which the run's folder lists."""
    tools: dict[str, str] = {}
    """Versions of what made it."""


class XnnpackFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of the model XNNPACK computes, as an interpreter said that had loaded it."""

    runtime: Annotated[str, msgspec.Meta(max_length=100, pattern=_LINE)]
    """The interpreter that was asked, and its version: another may take more or less."""
    taken: Count
    """Operators that XNNPACK computes."""
    total: Count
    """Operators of the model."""
    left: Annotated[
        dict[OperatorName, Annotated[int, msgspec.Meta(ge=1)]], msgspec.Meta(max_length=256)
    ] = {}
    """How many of each kind are left to TFLite's built-in kernels; 256 is more than all kinds."""

    def __post_init__(self) -> None:
        """Check that the counts agree.

        Raises:
            ValueError: Operators taken and left do not add up to the total.
        """
        left = sum(self.left.values())
        if self.taken + left != self.total:
            raise ValueError(f"taken {self.taken} and left {left} do not add up to {self.total}")


class EdgeTpuBreak(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The operator after which everything would run on the CPU."""

    index: Count
    """Place in the order of execution, from 0."""
    name: OperatorName
    reason: Annotated[str, msgspec.Meta(max_length=300, pattern=_LINE)]
    """Goes on from its name: "operator 3 (HARD_SWISH) is not in the table …"."""


class EdgeTpuFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the Edge TPU compiler would map by its documented rules; nothing was compiled or run."""

    mapped: Count
    """Operators that would run on the Edge TPU."""
    total: Count
    """Operators of the model."""
    breaks_at: EdgeTpuBreak | None = None
    """None if nothing breaks the mapping."""
    open_batch: bool = False
    """Whether the batch size is left open, which the compiler does not take."""
    parameters_bytes: Count
    """Constants of the mapped operators."""
    fits_on_chip: bool
    """Whether those fit the about 8 MB of the chip; what does not is fetched for every picture."""

    def __post_init__(self) -> None:
        """Check that the counts agree.

        Raises:
            ValueError: More operators are mapped than there are, or the one that breaks the
                mapping is none of them.
        """
        if self.mapped > self.total:
            raise ValueError(f"mapped is {self.mapped}, of {self.total} operators")
        if self.breaks_at is not None and self.breaks_at.index >= self.total:
            raise ValueError(
                f"breaks_at is operator {self.breaks_at.index}, of {self.total} operators"
            )


class Compatibility(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What makes the model fast, told when it was made."""

    xnnpack: XnnpackFacts
    edge_tpu: EdgeTpuFacts


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to know before using the model, in the words of who made it; empty where not told."""

    data: Text = ""
    """What it learned from."""
    data_license: Annotated[str, msgspec.Meta(max_length=500, pattern=_LINES)] = ""
    """On which terms that data was used."""
    limits: Text = ""
    """Where it is known to fail, or was never tried."""
    intended_use: Text = ""
    """What it was made for."""


class ManifestV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`edge_recog.json` of `schema_version` 1."""

    schema_version: int
    name: str
    contract: Contract
    seal: Seal
    description: str = ""
    golden: GoldenIndex | None = None
    accuracy: tuple[Accuracy, ...] = ()
    operators: dict[str, int] = {}
    """Highest version of each operator in the graph."""
    oldest_runtime: str = ""
    """Oldest TFLite release that has all those operator versions; empty where not known."""
    provenance: Provenance | None = None


class Manifest(ManifestV1, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`edge_recog.json`."""

    compatibility: Compatibility | None = None
    """None if nobody looked."""
    card: Card | None = None


def decode_manifest(document: bytes, *, where: str) -> Manifest:
    """Return the manifest of a JSON document; one of an older version in the form of today.

    Raises:
        BundleError: Not JSON, a newer schema_version, unknown keys or values out of range.
    """
    version = _read_json(document, _Version, where=where).schema_version
    if version == 1:
        old = _read_json(document, ManifestV1, where=where)
        return Manifest(**(msgspec.structs.asdict(old) | {"schema_version": SCHEMA_VERSION}))
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{where}: edge_recog.json has schema_version {version}, this edge-recog reads 1 to "
            f"{SCHEMA_VERSION}; upgrade edge-recog, or build the model again"
        )
    return _read_json(document, Manifest, where=where)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the JSON document: UTF-8, indented, keys in the order of declaration."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def contract_digest(contract: Contract) -> bytes:
    """Return the SHA-256, as hexadecimal ASCII, of a contract in one canonical form."""
    return hashlib.sha256(msgspec.json.encode(contract)).hexdigest().encode()


def labels_digest(labels: tuple[str, ...]) -> str:
    """Return the SHA-256, in hexadecimal, of labels in their order."""
    return hashlib.sha256("\n".join(labels).encode()).hexdigest()


class _Version(msgspec.Struct):
    schema_version: int


def _read_json(document: bytes, kind: type[_Document], *, where: str) -> _Document:
    """Decode strictly.

    Raises:
        BundleError: The document does not fit; the message names the place.
    """
    try:
        return msgspec.json.decode(document, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where}: edge_recog.json cannot be read: {error}") from error
