"""`edge-recog build`: from a recipe and a folder of pictures to a verified model file."""

from __future__ import annotations

import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_recog_converter.accepted import quantize
from edge_recog_converter.calibration import calibration_inputs, calibration_pictures, choose
from edge_recog_converter.datasets import (
    digest_of,
    find_dataset,
    leakage,
    picture_digests,
    refuse_leakage,
    splits_csv,
    write_splits,
)
from edge_recog_converter.decoded import default_cache
from edge_recog_converter.errors import DatasetError, RecipeError
from edge_recog_converter.exporting import tool_versions
from edge_recog_converter.heads import make_with_head
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.learning.workers import VARIABLE as WORKERS_VARIABLE
from edge_recog_converter.learning.workers import alone
from edge_recog_converter.making import Job
from edge_recog_converter.parity import compare
from edge_recog_converter.pictures import PictureReader
from edge_recog_converter.quantization import convert_float
from edge_recog_converter.recipe import load_recipe
from edge_recog_converter.reported import REPORT_PAGE, judged, report_of, say_figures, write_report
from edge_recog_converter.run_folders import run_folder
from edge_recog_converter.shipping import Shipping
from edge_recog_converter.stages import HeadStage, Learning, PruneStage, SparsifyStage, Taught
from edge_recog_converter.starting import start_of
from edge_recog_converter.target_device import find_device
from edge_recog_converter.teachers import check_teachers, is_recipe
from edge_recog_converter.trained import make_by_training, train_network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.datasets import Dataset
    from edge_recog_converter.learning.workers import Workers
    from edge_recog_converter.making import Made
    from edge_recog_converter.recipe import Recipe
    from edge_recog_converter.report.document import Report
    from edge_recog_converter.reporting import Reporter
    from edge_recog_converter.starting import Start
    from edge_recog_converter.target_device import TargetDevice

_GOLDEN_PICTURES = 4


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """What a build leaves behind."""

    folder: Path
    """recipe.toml, splits.csv, report.html, report.json, model.keras, calibration.txt, build.log,
    tensorboard/ and the model files."""
    int8: Path
    """The model file to ship."""
    float: Path
    """The same model before quantisation."""
    report: Report
    """What report.json says."""


def build(
    recipe_path: Path,
    data: Path,
    out: Path,
    *,
    reporter: Reporter,
    cache: Path | None = None,
    workers: Workers | None = None,
) -> BuiltModel:
    """Follow a recipe.

    A run's folder is whole or not there (`run_folders`); the same call goes on with a training that
    was cut off.

    Args:
        recipe_path: TOML file.
        data: Folder of pictures.
        out: Where the run's folder, NAME-DATE-NUMBER, is made.
        reporter: Told how it goes.
        cache: Of decoded pictures; `decoded.default_cache()` if None.
        workers: Of which this is the chief; the others call `assist`. This process alone if None.

    Raises:
        EdgeRecogError: The recipe, the pictures or the result are not usable; says why.
    """
    recipe, text = load_recipe(recipe_path)
    return follow(
        Source(recipe, text, recipe_path), data, out, reporter=reporter, cache=cache,
        workers=workers,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A recipe and where it is from."""

    recipe: Recipe
    text: str
    path: Path
    """Names it in messages; the files that it names are relative to its folder."""


def follow(
    source: Source,
    data: Path,
    out: Path,
    *,
    reporter: Reporter,
    cache: Path | None = None,
    workers: Workers | None = None,
) -> BuiltModel:
    """Follow a recipe that was read already; all else as for `build`."""
    work = _prepared(source, data, reporter, workers)
    recipe = source.recipe
    with run_folder(out, recipe.name, fingerprint=work.fingerprint) as (partial, folder):
        job = work.job(partial, reporter, cache)
        write_splits(partial / "splits.csv", work.dataset, work.digests, force=True)
        report = _Build(job, source.text, work.digests).run()
        reporter.say("wrote", f"{folder / recipe.name}.tflite   {folder / REPORT_PAGE}")
        (partial / "build.log").write_text(reporter.log, encoding="utf-8")
    stem = folder / recipe.name
    return BuiltModel(
        folder, stem.with_name(f"{recipe.name}.tflite"),
        stem.with_name(f"{recipe.name}-float.tflite"), report,
    )  # fmt: skip


def assist(
    recipe_path: Path,
    data: Path,
    *,
    reporter: Reporter,
    workers: Workers,
    cache: Path | None = None,
) -> None:
    """Take part in a training whose chief makes the model; writes nothing but the cache.

    Args:
        recipe_path: As the chief's.
        data: As the chief's.
        reporter: Told how it goes.
        workers: Of which this is not the chief.
        cache: As for `build`.

    Raises:
        EdgeRecogError: The recipe or the pictures are not usable, or another worker was lost.
    """
    work = _prepared(Source(*load_recipe(recipe_path), recipe_path), data, reporter, workers)
    with tempfile.TemporaryDirectory(prefix="edge-recog-worker-") as folder:
        train_network(work.job(Path(folder), reporter, cache), work.source.recipe.making)
    reporter.say("done", f"worker {workers.index} has trained; worker 0 makes the model")


@dataclass(frozen=True, slots=True)
class _Work:
    """What a recipe and a folder of pictures turn out to be."""

    source: Source
    start: Start
    dataset: Dataset
    digests: dict[str, str]
    """Picture's id → SHA-256."""
    pictures: str
    """Digest of the pictures, their labels and splits."""
    fingerprint: str
    workers: Workers
    device: TargetDevice | None

    def job(self, folder: Path, reporter: Reporter, cache: Path | None) -> Job:
        return Job(
            recipe=self.source.recipe,
            dataset=self.dataset,
            start=self.start,
            reader=PictureReader(),
            reporter=reporter,
            folder=folder,
            cache=cache or default_cache(),
            base=self.source.path.parent,
            pictures=self.pictures,
            fingerprint=self.fingerprint,
            workers=self.workers,
            device=self.device,
        )


def _prepared(source: Source, data: Path, reporter: Reporter, workers: Workers | None) -> _Work:
    """Find what the recipe needs; refuse what cannot become a model, before hours are spent."""
    workers = workers or alone()
    recipe, folder = source.recipe, source.path.parent
    learning = [stage for stage in recipe.making if isinstance(stage, Learning)]
    if not workers.alone:
        _refuse_alone(source, workers)
    device = find_device(recipe.device, folder)
    if device is not None:
        device.narrowed(recipe.quantize.accept)
    start = start_of(recipe, folder)
    dataset = find_dataset(data, recipe.data, seed=recipe.seed)
    if not recipe.begins_with_head:
        start.order(dataset.labels)
    objective = OBJECTIVES[dataset.task]
    objective.check([stage.loss for stage in learning], recipe.data.balance)
    teachers = check_teachers(recipe, folder, dataset.labels)
    calibration_pictures(recipe, dataset)
    pictures = dataset.pictures
    with reporter.meter("read", len(pictures)) as advance:
        digests = picture_digests(
            ((picture.id, picture.content) for picture in pictures), on_picture=advance
        )
    refuse_leakage(leakage(dataset, digests), allowed=recipe.data.allow_leakage)
    # Labels and splits count as much as pixels.
    known = digest_of([splits_csv(dataset, digests)])
    # After training one may think better of how to quantise, and for what; other versions' work may
    # not fit.
    learned = msgspec.to_builtins(recipe) | {"stage": recipe.making, "device": None}
    making = msgspec.json.encode(learned).decode()
    fingerprint = digest_of([making, start.digest, teachers, known, str(tool_versions())])
    return _Work(source, start, dataset, digests, known, fingerprint, workers, device)


def _refuse_alone(source: Source, workers: Workers) -> None:
    """Check that the recipe is for several workers."""
    advice = f"unset {WORKERS_VARIABLE}"
    learning = [stage for stage in source.recipe.making if isinstance(stage, Learning)]
    if not learning:
        raise RecipeError(
            f"{source.path}: there is nothing for {workers.count} workers to do, as the network "
            f"learns in no stage: {advice}"
        )
    for stage in learning:
        # What one machine chooses by rounding or timing, another might choose otherwise.
        if isinstance(stage, PruneStage | SparsifyStage):
            raise RecipeError(
                f"{source.path}: {workers.count} workers can train and distil, not choose what to "
                f"prune: {advice}, or build the network with them first and name its model.keras "
                "as weights"
            )
        if isinstance(stage, Taught) and any(map(is_recipe, stage.teachers)):
            raise RecipeError(
                f"{source.path}: {workers.count} workers cannot make a teacher: build it first, "
                "and name its model.keras as the teacher"
            )


class _Build:
    """One run through the stages; each method is one of them."""

    def __init__(self, job: Job, text: str, digests: dict[str, str]) -> None:
        self._job = job
        self._text = text
        self._digests = digests
        self._calibration: list[str] = []

    def run(self) -> Report:
        start = time.monotonic()
        job = self._job
        (job.folder / "recipe.toml").write_text(self._text, encoding="utf-8")
        inputs = self._calibrate()
        made = self._make(inputs)
        made.network.save(job.folder / "model.keras")
        with job.reporter.meter("convert", None):
            slow = convert_float(made.network)
        quantized = quantize(job, made, slow, inputs)
        models = {"float": slow, "int8": quantized.tflite}
        shipping = Shipping(
            job,
            made,
            recipe=self._text,
            dataset=digest_of(self._digests.values()),
            calibration=digest_of(self._calibration),
        )
        device = shipping.check(quantized.tflite)
        both = shipping.test(models)
        parity = compare(both, job.dataset.labels, made.thresholds)
        figures = [
            shipping.write(models[one.kind], one, parity, count=len(both.ids))
            for one in judged(job, made, both)
        ]
        others = tuple(shipping.also(kind, inputs, both) for kind in job.recipe.quantize.also)
        report = report_of(
            job,
            made,
            figures,
            parity,
            quantized.attempts,
            others,
            device,
            recipe=self._text,
            fingerprint=digest_of(self._digests.values()),
            seconds=time.monotonic() - start,
        )
        say_figures(job.reporter, report)
        write_report(report, job)
        return report

    def _make(self, inputs: list[NDArray[np.float32]]) -> Made:
        """Follow the stages before quantisation."""
        stages = self._job.recipe.making
        if len(stages) == 1 and isinstance(stages[0], HeadStage):
            return make_with_head(self._job, stages[0], inputs)
        return make_by_training(self._job, stages)

    def _calibrate(self) -> list[NDArray[np.float32]]:
        """Choose the calibration pictures, write down which, and return them as inputs."""
        pictures = calibration_pictures(self._job.recipe, self._job.dataset)
        ranked = choose(pictures, len(pictures), seed=self._job.recipe.seed)
        # Of those that can be read.
        frames = itertools.islice(
            self._job.reader.frames(ranked), self._job.recipe.quantize.calibration
        )
        pixels = []
        for picture, frame in frames:
            pixels.append(self._job.preprocessing.pixels(frame))
            self._calibration.append(picture.id)
        if not pixels:
            reason = next(iter(self._job.reader.skipped.values()))
            raise DatasetError(f"no picture to calibrate on can be read: {reason}")
        listing = "".join(f"{name}\n" for name in sorted(self._calibration))
        (self._job.folder / "calibration.txt").write_text(listing, encoding="utf-8")
        return list(calibration_inputs(pixels, self._job.preprocessing))
