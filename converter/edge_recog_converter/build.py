"""`edge-recog build`: from a recipe and a folder of pictures to a verified model file."""

from __future__ import annotations

import dataclasses
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Accuracy, Contract
from edge_recog_converter.architectures import find_architecture
from edge_recog_converter.calibration import calibration_inputs, choose
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
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.exporting import provenance_now, seal, tool_versions
from edge_recog_converter.heads import make_with_head
from edge_recog_converter.making import Job
from edge_recog_converter.parity import Parity, compare
from edge_recog_converter.pictures import PictureReader
from edge_recog_converter.quantization import convert_float, quantize_full_int8
from edge_recog_converter.recipe import HeadStage, load_recipe, preprocessing_of
from edge_recog_converter.run_folders import run_folder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.making import Made
    from edge_recog_converter.reporting import Reporter

_GOLDEN_PICTURES = 4


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """What a build leaves behind."""

    folder: Path
    """recipe.toml, splits.csv, metrics.json, model.keras, calibration.txt, build.log and the model
    files."""
    int8: Path
    """The model file to ship."""
    float: Path
    """The same model before quantisation."""
    parity: Parity
    """The two on the test split."""


def build(
    recipe_path: Path, data: Path, out: Path, *, reporter: Reporter, cache: Path | None = None
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

    Raises:
        EdgeRecogError: The recipe, the pictures or the result are not usable; says why.
    """
    recipe, text = load_recipe(recipe_path)
    architecture = find_architecture(recipe.model.architecture)
    preprocessing = preprocessing_of(
        recipe.model,
        resolution=architecture.native_side,
        mean=architecture.pixel_mean,
        std=architecture.pixel_std,
    )
    dataset = find_dataset(data, recipe.data, seed=recipe.seed)
    if dataset.task == "multi-label":
        raise DatasetError(
            f"{data}: there are pictures with no label or several, which can be checked but not "
            "learned from yet: give each exactly one"
        )
    pictures = dataset.pictures
    with reporter.meter("read", len(pictures)) as advance:
        digests = picture_digests(
            ((picture.id, picture.content) for picture in pictures), on_picture=advance
        )
    refuse_leakage(leakage(dataset, digests), allowed=recipe.data.allow_leakage)
    # Labels and splits count as much as pixels; and what other versions began may not fit here.
    fingerprint = digest_of([text, splits_csv(dataset, digests), str(tool_versions())])
    with run_folder(out, recipe.name, fingerprint=fingerprint) as (partial, folder):
        job = Job(
            recipe=recipe,
            dataset=dataset,
            preprocessing=preprocessing,
            reader=PictureReader(),
            reporter=reporter,
            folder=partial,
            cache=cache or default_cache(),
            fingerprint=fingerprint,
            metrics={"schema_version": 1, "name": recipe.name},
        )
        write_splits(partial / "splits.csv", dataset, digests, force=True)
        parity = _Build(job, text, digests).run()
        reporter.say("wrote", f"{folder / recipe.name}.tflite")
        (partial / "build.log").write_text(reporter.log, encoding="utf-8")
    stem = folder / recipe.name
    return BuiltModel(
        folder, stem.with_name(f"{recipe.name}.tflite"),
        stem.with_name(f"{recipe.name}-float.tflite"), parity,
    )  # fmt: skip


class _Build:
    """One run through the stages; each method is one of them."""

    def __init__(self, job: Job, text: str, digests: dict[str, str]) -> None:
        self._job = job
        self._text = text
        self._digests = digests
        self._calibration: list[str] = []

    def run(self) -> Parity:
        start = time.monotonic()
        job = self._job
        (job.folder / "recipe.toml").write_text(self._text, encoding="utf-8")
        inputs = self._calibrate()
        made = self._make(inputs)
        made.network.save(job.folder / "model.keras")
        with job.reporter.meter("quantise", None):
            models = {
                "float": convert_float(made.network),
                "int8": quantize_full_int8(
                    made.quantizable,
                    inputs,
                    adapt_rounding=not made.rounded,
                    seed=job.recipe.seed,
                ),
            }
        job.reporter.say(
            "quantise", f"INT8, calibrated on {len(self._calibration)} training pictures"
        )
        parity = self._test(models, made)
        self._finish(models, made, parity)
        job.metrics["seconds"] = round(time.monotonic() - start, 1)
        document = msgspec.json.format(msgspec.json.encode(job.metrics), indent=2)
        (job.folder / "metrics.json").write_bytes(document + b"\n")
        return parity

    def _make(self, inputs: list[NDArray[np.float32]]) -> Made:
        """Follow the stages before quantisation."""
        stages = self._job.recipe.making
        if len(stages) == 1 and isinstance(stages[0], HeadStage):
            return make_with_head(self._job, stages[0], inputs)
        from edge_recog_converter.trained import make_by_training

        return make_by_training(self._job, stages)

    def _calibrate(self) -> list[NDArray[np.float32]]:
        """Choose the calibration pictures, write down which, and return them as inputs."""
        pictures = self._job.dataset.splits["train"]
        ranked = choose(pictures, len(pictures), seed=self._job.recipe.seed)
        # Of those that can be read.
        frames = itertools.islice(
            self._job.reader.frames(ranked), self._job.recipe.quantize.calibration
        )
        pixels = []
        for picture, frame in frames:
            pixels.append(self._job.preprocessing.pixels(frame))
            self._calibration.append(picture.id)
        listing = "".join(f"{name}\n" for name in sorted(self._calibration))
        (self._job.folder / "calibration.txt").write_text(listing, encoding="utf-8")
        return list(calibration_inputs(pixels, self._job.preprocessing))

    def _test(self, models: dict[str, bytes], made: Made) -> Parity:
        """Compare the two models on the test split, each as it will ship."""
        bundles = {
            kind: Bundle.from_bytes(self._seal(kind, tflite, made, ()), where=kind)
            for kind, tflite in models.items()
        }
        pictures = self._job.dataset.splits["test"]
        frames = (
            (picture.id, frame, picture.label)
            for picture, frame in self._job.frames(pictures, "test")
        )
        with (
            Classifier.open(bundles["float"]) as float_model,
            Classifier.open(bundles["int8"]) as int8_model,
        ):
            parity = compare(
                float_model,
                int8_model,
                frames,
            )
        self._job.metrics["test"] = dataclasses.asdict(parity)
        return parity

    def _finish(self, models: dict[str, bytes], made: Made, parity: Parity) -> None:
        sizes = {}
        for kind, top1 in (("float", parity.float_top1), ("int8", parity.int8_top1)):
            measured = [] if top1 is None else [("top-1", top1)]
            if kind == "int8":
                measured.append(("agreement with float", parity.agreement))
            figures = tuple(
                Accuracy(
                    dataset=self._job.dataset.root.resolve().name, split="test",
                    metric=metric, value=value, count=parity.count,
                )
                for metric, value in measured
            )  # fmt: skip
            suffix = "" if kind == "int8" else "-float"
            path = self._job.folder / f"{self._job.recipe.name}{suffix}.tflite"
            path.write_bytes(self._seal(kind, models[kind], made, figures))
            sizes[kind] = path.stat().st_size
        self._job.metrics["size_bytes"] = sizes
        self._job.reporter.say(
            "test",
            f"float {parity.float_top1:.1%}   INT8 {parity.int8_top1:.1%}   "
            f"agreement {parity.agreement:.1%} of {parity.count}   "
            f"largest score difference {parity.largest_difference:.2f}",
        )
        self._job.reporter.say(
            "cost",
            f"invoke p50 {parity.float_invoke_ms[0]:.2f} → {parity.int8_invoke_ms[0]:.2f} ms here "
            f"(1 thread)   {sizes['float'] / 1e3:,.0f} → {sizes['int8'] / 1e3:,.0f} kB",
        )

    def _seal(self, kind: str, tflite: bytes, made: Made, figures: tuple[Accuracy, ...]) -> bytes:
        golden = [
            frame
            for _, frame in self._job.reader.frames(
                self._job.dataset.splits["test"][:_GOLDEN_PICTURES]
            )
        ]
        return seal(
            tflite,
            Contract(
                preprocessing=self._job.preprocessing,
                activation=made.activation,
                temperature=made.temperature,
            ),
            self._job.dataset.labels,
            name=self._job.recipe.name if kind == "int8" else f"{self._job.recipe.name}-float",
            description=(
                f"{self._job.recipe.model.architecture} with a new classifier, "
                f"{len(self._job.dataset.labels)} classes, {kind}"
            ),
            license="",
            pictures=golden,
            accuracy=figures,
            provenance=provenance_now(
                recipe=self._text,
                dataset=digest_of(self._digests.values()),
                calibration=digest_of(self._calibration),
            ),
        )
