"""The model files of a build: tested as they ship, then sealed with what was measured on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Accuracy
from edge_recog_converter.datasets import targets_of
from edge_recog_converter.exporting import provenance_now, seal
from edge_recog_converter.parity import SideBySide, compare, run, run_both
from edge_recog_converter.ptq.variants import convert_variant
from edge_recog_converter.report.document import Other

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.making import Job, Made
    from edge_recog_converter.report.document import Device, ModelFigures, Parity
    from edge_recog_converter.stages import Also

_GOLDEN_PICTURES = 4


class Shipping:
    """What becomes a file, and how it is described."""

    def __init__(
        self, job: Job, made: Made, *, recipe: str, dataset: str, calibration: str
    ) -> None:
        """Take what all files of a build have in common.

        Args:
            job: See `Job`.
            made: The network.
            recipe: Its text.
            dataset: Digest of the pictures.
            calibration: Digest of the names of those that set the ranges.
        """
        self._job, self._made = job, made
        self._provenance = provenance_now(recipe=recipe, dataset=dataset, calibration=calibration)

    def check(self, tflite: bytes) -> Device | None:
        """Return what can be said of the INT8 file on the device it is for; None without one.

        Raises:
            UnfitError: It cannot run there.
        """
        device = self._job.device
        if device is None:
            return None
        sealed = self._seal("int8", tflite, ())
        where = f"{self._job.recipe.name}.tflite"
        with self._job.reporter.meter("device", None):
            manifest = Bundle.from_bytes(sealed, where=where).manifest
            known = None if manifest is None else manifest.compatibility
            found = device.check(sealed, known, where=where)
        self._job.reporter.say("device", f"for {found.title} ({found.name})")
        for check in found.checks:
            self._job.reporter.note("device", f"{check.outcome}: {check.text}")
        return found

    def test(self, models: Mapping[str, bytes]) -> SideBySide:
        """Run the float and the INT8 model on the test split, each as it will ship.

        Args:
            models: TFLite files by kind, `float` and `int8`.
        """
        slow, fast = (
            Bundle.from_bytes(self._seal(kind, models[kind], ()), where=kind)
            for kind in ("float", "int8")
        )
        pictures = self._job.dataset.splits["test"]
        frames = ((picture.id, frame) for picture, frame in self._job.frames(pictures, "test"))
        threads = self._job.threads
        with (
            Classifier.open(slow, threads=threads) as float_model,
            Classifier.open(fast, threads=threads) as int8_model,
        ):
            return run_both(float_model, int8_model, frames)

    def write(
        self, tflite: bytes, figures: ModelFigures, parity: Parity, *, count: int
    ) -> ModelFigures:
        """Write one of the two with what was measured on it; return that with the file's size."""
        measured = {
            "top-1": figures.top1,
            "mean average precision": figures.mean_average_precision,
            "micro F1": None if figures.top1 is not None else figures.micro_f1,
            "macro F1": figures.macro_f1,
            "agreement with float": parity.agreement if figures.kind == "int8" else None,
        }
        suffix = "" if figures.kind == "int8" else "-float"
        size = self._write(suffix, figures.kind, tflite, measured, count=count)
        return msgspec.structs.replace(figures, size_bytes=size)

    def also(
        self, kind: Also, calibration: Sequence[NDArray[np.float32]], both: SideBySide
    ) -> Other:
        """Write a further kind of file; return what was measured on it, on the test split.

        Args:
            kind: Of file.
            calibration: Network inputs, each (1, height, width, channels).
            both: What the float model says of the same pictures.

        Raises:
            ConversionError: The network has no such form.
        """
        job, made = self._job, self._made
        with job.reporter.meter("convert", None):
            tflite = convert_variant(made.network, kind, calibration)
        bundle = Bundle.from_bytes(self._seal(kind, tflite, ()), where=kind)
        known = {picture.id: picture for picture in job.dataset.splits["test"]}
        pictures = [known[name] for name in both.ids]
        with Classifier.open(bundle, threads=job.threads) as classifier:
            answers = run(classifier, (frame for _, frame in job.frames(pictures, kind)))
        beside = SideBySide(both.ids, both.float, answers)
        agreement = compare(beside, job.dataset.labels, made.thresholds).agreement
        score = job.objective.score(answers.scores, targets_of(pictures, job.classes))
        measured = {job.objective.metric: score, "agreement with float": agreement}
        size = self._write(f"-{kind}", kind, tflite, measured, count=len(pictures))
        job.reporter.say(
            "also",
            f"{kind}: {job.objective.metric} {score:.1%}, agreement {agreement:.1%}, invoke p50 "
            f"{answers.invoke_ms[0]:.2f} ms, {size / 1e3:,.0f} kB",
        )
        return Other(
            kind=kind,
            score=score,
            agreement=agreement,
            invoke_ms=answers.invoke_ms,
            size_bytes=size,
        )

    def _write(
        self,
        suffix: str,
        kind: str,
        tflite: bytes,
        measured: Mapping[str, float | None],
        *,
        count: int,
    ) -> int:
        """Write NAME + suffix + .tflite; return its size in bytes."""
        accuracy = tuple(
            Accuracy(
                dataset=self._job.dataset.root.resolve().name,
                split="test",
                metric=metric,
                value=value,
                count=count,
            )
            for metric, value in measured.items()
            if value is not None
        )
        path = self._job.folder / f"{self._job.recipe.name}{suffix}.tflite"
        path.write_bytes(self._seal(kind, tflite, accuracy))
        return path.stat().st_size

    def _seal(self, kind: str, tflite: bytes, figures: tuple[Accuracy, ...]) -> bytes:
        job, recipe = self._job, self._job.recipe
        golden = [
            frame for _, frame in job.reader.frames(job.dataset.splits["test"][:_GOLDEN_PICTURES])
        ]
        return seal(
            tflite,
            self._made.contract(job.preprocessing, job.dataset.task),
            job.dataset.labels,
            name=recipe.name if kind == "int8" else f"{recipe.name}-{kind}",
            description=recipe.description or f"{job.start.name} for {job.classes} classes, {kind}",
            license=recipe.license,
            card=recipe.card,
            pictures=golden,
            accuracy=figures,
            provenance=self._provenance,
        )
