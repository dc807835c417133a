"""From a Keras model to verified model files: float and INT8, with contract and golden vectors."""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge_recog.bundle import Bundle
from edge_recog.cameras.images import shrink
from edge_recog.classifier import Classifier
from edge_recog.colour_card import golden_cards
from edge_recog.contract import Provenance
from edge_recog.packing import pack_bundle
from edge_recog.verification import make_golden, verify
from edge_recog_converter.compatibility import compatibility_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_recog.contract import Accuracy, Card, Contract
    from edge_recog.frames import Frame

_GOLDEN_SIDE = 96
"""Longer side of golden pictures, in pixels: small, so that the model file stays so."""
_TOOLS = ("edge-recog", "edge-recog-converter", "keras", "tensorflow-cpu", "tensorflow", "numpy")


def seal(
    tflite: bytes,
    contract: Contract,
    labels: Sequence[str],
    *,
    name: str,
    description: str,
    license: str,
    pictures: Iterable[Frame],
    accuracy: Sequence[Accuracy] = (),
    provenance: Provenance | None = None,
    card: Card | None = None,
) -> bytes:
    """Return a model file with golden vectors, after verifying it with the runtime.

    What XNNPACK and the Edge TPU make of the model is found out here and kept in the file.

    Args:
        tflite: Converted model.
        contract: How to feed and read it.
        labels: In the order of its output.
        name: For people.
        description: For people.
        license: Of the weights.
        pictures: A few real ones for golden vectors; colour cards are added.
        accuracy: Figures measured on this model.
        provenance: How it was made.
        card: What to know before using it.

    Raises:
        VerificationError: The file does not do what it says.
    """
    bare = pack_bundle(tflite, contract, labels, name=name)
    frames = [*(shrink(frame.pixels, _GOLDEN_SIDE) for frame in pictures), *golden_cards()]
    with Classifier.open(Bundle.from_bytes(bare, where=name)) as classifier:
        golden = make_golden(classifier, frames)
    sealed = pack_bundle(
        tflite,
        contract,
        labels,
        name=name,
        description=description,
        license=license,
        golden=golden,
        accuracy=accuracy,
        provenance=provenance,
        compatibility=compatibility_facts(tflite),
        card=card,
    )
    with Classifier.open(Bundle.from_bytes(sealed, where=name)) as classifier:
        verify(classifier).require(name)
    return sealed


def provenance_now(*, recipe: str = "", dataset: str = "", calibration: str = "") -> Provenance:
    """Return a provenance with the time and the tools of this process."""
    return Provenance(
        created=now(),
        recipe=recipe,
        dataset=dataset,
        calibration=calibration,
        tools=tool_versions(),
    )


def now() -> str:
    """Return the time in UTC, as RFC 3339 has it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def tool_versions() -> dict[str, str]:
    """Return the versions of what takes part in making a model, of those installed."""
    versions = {}
    for tool in _TOOLS:
        try:
            versions[tool] = importlib.metadata.version(tool)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
