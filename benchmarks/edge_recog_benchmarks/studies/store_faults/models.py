"""Small models that differ from each other by their name alone, and a quick way to try one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.packing import pack_bundle
from edge_recog.store.tryout import Outcome
from edge_recog.verification import verify

if TYPE_CHECKING:
    from pathlib import Path


class Models:
    """Makes model files with golden vectors, each another one; starts no interpreter."""

    def __init__(self, path: Path) -> None:
        """Read the one that all are made of.

        Args:
            path: A sealed model with golden vectors.
        """
        self._bundle = Bundle.open(path)
        manifest = self._bundle.manifest
        assert manifest is not None
        assert manifest.golden is not None
        self._golden = (manifest.golden.runtime, self._bundle.golden())
        self.made = 0
        """How many there are by now."""
        self.largest_bytes = 3 * len(self._make("model-000000"))
        """That none of them exceeds, with its signature."""

    def another(self) -> bytes:
        """Return the file of a model that there was not before."""
        self.made += 1
        return self._make(f"model-{self.made:06}")

    def _make(self, name: str) -> bytes:
        bundle = self._bundle
        return pack_bundle(
            bundle.data, bundle.contract, bundle.labels, name=name, golden=self._golden
        )


def run_once(bundle: Bundle) -> tuple[str, int]:
    """Load a model and run its golden vectors, in this process; return the runtime and how many.

    Raises:
        EdgeRecogError: It cannot be loaded, or a vector fails.
    """
    with Classifier.open(bundle) as classifier:
        report = verify(classifier)
        report.require(bundle.where)
        return classifier.runtime, len(report.vectors)


def try_here(model: bytes, *, where: str) -> Outcome:
    """Try a model in this process, which is a child already; see `edge_recog.store.tryout`."""
    runtime, vectors = run_once(Bundle.from_bytes(model, where=where))
    return Outcome(runtime=runtime, vectors=vectors, p50_ms=1.0, memory_mb=0.0)
