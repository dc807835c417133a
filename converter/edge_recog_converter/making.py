"""What the stages before quantisation make of a recipe, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_recog_converter.datasets import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge_recog.frames import Frame
    from edge_recog.predictions import Activation
    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Dataset, Picture
    from edge_recog_converter.pictures import PictureReader
    from edge_recog_converter.recipe import Recipe
    from edge_recog_converter.reporting import Reporter


@dataclass(frozen=True, slots=True)
class Job:
    """What every stage may use."""

    recipe: Recipe
    dataset: Dataset
    preprocessing: Preprocessing
    reader: PictureReader
    reporter: Reporter
    folder: Path
    """The run's, for what is worth keeping."""
    cache: Path
    """Of decoded pictures."""
    fingerprint: str
    """Of recipe, pictures and tools: what was begun under the same can be gone on with."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """For metrics.json."""

    def frames(self, pictures: Sequence[Picture], topic: str) -> Iterator[tuple[Picture, Frame]]:
        """Yield the pictures that can be read, with progress."""
        return self.reporter.track(self.reader.frames(pictures), topic=topic, total=len(pictures))

    def say_data(self) -> None:
        """Say what there is to learn from; the pictures must have been read."""
        sizes = " · ".join(f"{len(self.dataset.splits[split]):,} {split}" for split in SPLITS)
        skipped = self.reader.skipped
        text = f"{sizes} · {len(self.dataset.labels)} classes"
        if skipped:
            text += f" · {len(skipped)} files cannot be read and are skipped"
        self.reporter.say("data", text)
        for reason in skipped.values():
            self.reporter.say("skipped", reason)


@dataclass(frozen=True, slots=True)
class Made:
    """A trained network, ready to be converted."""

    network: Any
    """A `keras.Model` from normalised pixels to (batch, classes)."""
    quantizable: Any
    """The one to quantise: `network` itself, or a twin whose weights are rounded already."""
    activation: Activation
    """What is left to do to turn its output into scores."""
    temperature: float = 1.0
    """That makes its scores mean what they say; 1 where it was not fitted."""

    @property
    def rounded(self) -> bool:
        """Whether the weights of the one to quantise are rounded already."""
        return self.quantizable is not self.network
