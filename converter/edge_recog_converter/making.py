"""What the stages before quantisation make of a recipe, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edge_recog.contract import Contract
from edge_recog_converter.datasets import SPLITS
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.report.document import Stage
from edge_recog_converter.waypoints import Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog.frames import Frame
    from edge_recog.predictions import Activation
    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Dataset, Picture, Task
    from edge_recog_converter.learning.objectives import Objective
    from edge_recog_converter.learning.workers import Workers
    from edge_recog_converter.pictures import PictureReader
    from edge_recog_converter.recipe import Recipe
    from edge_recog_converter.report.document import Epoch
    from edge_recog_converter.reporting import Reporter
    from edge_recog_converter.starting import Start
    from edge_recog_converter.target_device import TargetDevice


@dataclass(frozen=True, slots=True)
class Job:
    """What every stage may use."""

    recipe: Recipe
    dataset: Dataset
    start: Start
    reader: PictureReader
    reporter: Reporter
    folder: Path
    """The run's, for what is worth keeping."""
    cache: Path
    """Of decoded pictures."""
    base: Path
    """Folder of the recipe, which the files it names are relative to."""
    pictures: str
    """Digest of the pictures, their labels and splits."""
    fingerprint: str
    """Of recipe, pictures and tools: what was begun under the same can be gone on with."""
    workers: Workers
    """That train together; this process alone as a rule."""
    device: TargetDevice | None = None
    """That the model is for."""
    stages: list[Stage] = field(default_factory=list)
    """In which something was learned, as they end."""
    way: Way = field(default_factory=Way)
    """Networks made smaller, as they are."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How the network is fed."""
        return self.start.preprocessing

    @property
    def threads(self) -> int:
        """With which files are timed."""
        return 1 if self.device is None else self.device.threads

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return len(self.dataset.labels)

    @property
    def objective(self) -> Objective:
        """What the pictures' task learns by."""
        return OBJECTIVES[self.dataset.task]

    def ended(
        self,
        kind: Literal["head", "train", "distill", "prune", "sparsify"],
        history: Sequence[Epoch],
        best: Epoch,
        *,
        resumed_after: int = 0,
    ) -> None:
        """Say how a stage went, and write it down."""
        seconds = sum(epoch.seconds for epoch in history)
        text = f"{len(history)} epochs in {seconds:.0f} s"
        if resumed_after:
            text += f", {resumed_after} of them before"
        text += (
            f", best was epoch {best.number}: validation {self.objective.metric} {best.score:.1%}"
        )
        if kind != "head":
            waiting = sum(epoch.waiting_s for epoch in history)
            text += f"; {waiting / seconds:.1%} of the time spent waiting for pictures"
        self.reporter.say(kind, text)
        self.stages.append(
            Stage(
                kind=kind,
                best=best.number,
                seconds=seconds,
                resumed_after=resumed_after,
                epochs=tuple(history),
            )
        )

    def calibrated(
        self, logits: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> tuple[float, tuple[float, ...] | None]:
        """Return the temperature that suits validation, and thresholds for scores at it.

        Args:
            logits: (pictures, classes) of the float network.
            targets: (pictures, classes).
        """
        temperature = round(self.objective.temperature(logits, targets), 4)
        scores = self.objective.scores(logits / temperature)
        # In the precision of the runtime's scores.
        thresholds = self.objective.thresholds(scores.astype(np.float32), targets)
        text = f"temperature {temperature:.2f}"
        if thresholds is not None:
            text += f", thresholds {min(thresholds):.2f} to {max(thresholds):.2f}"
        self.reporter.say("calibrate", f"{text}, fitted on validation")
        return temperature, thresholds

    def frames(self, pictures: Sequence[Picture], topic: str) -> Iterator[tuple[Picture, Frame]]:
        """Yield the pictures that can be read, with progress."""
        return self.reporter.track(self.reader.frames(pictures), topic=topic, total=len(pictures))

    def say_data(self) -> None:
        """Say what there is to learn from; the pictures must have been read."""
        skipped = self.reader.skipped
        read = {
            split: sum(picture.id not in skipped for picture in self.dataset.splits[split])
            for split in SPLITS
        }
        sizes = " · ".join(f"{count:,} {split}" for split, count in read.items())
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
    temperature: float
    """That makes its scores mean what they say."""
    thresholds: tuple[float, ...] | None
    """Least score of each label; None where the best one counts."""
    sparse: bool = False
    """Whether weights that are zero are to stay so."""

    @property
    def rounded(self) -> bool:
        """Whether the weights of the one to quantise are rounded already."""
        return self.quantizable is not self.network

    def contract(self, preprocessing: Preprocessing, task: Task) -> Contract:
        """Return how to feed the network and read it."""
        return Contract(
            preprocessing=preprocessing,
            activation=self.activation,
            task=task,
            # A network that gives scores has been divided by it already.
            temperature=1.0 if self.activation == "none" else self.temperature,
            thresholds=self.thresholds,
        )
