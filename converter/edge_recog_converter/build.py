"""`edge-recog build`: from a recipe and a folder of pictures to a verified model file."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Accuracy, Contract
from edge_recog_converter.architectures.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    lite_variant,
)
from edge_recog_converter.calibration import calibration_inputs, choose
from edge_recog_converter.datasets import SPLITS, Dataset, digest_of, find_dataset
from edge_recog_converter.exporting import provenance_now, seal
from edge_recog_converter.features import FeatureExtractor, extract
from edge_recog_converter.parity import Parity, compare
from edge_recog_converter.pictures import PictureReader
from edge_recog_converter.pretrained.efficientnet_lite import pretrained_efficientnet_lite
from edge_recog_converter.quantization import convert_float, quantize_full_int8, rounded_copy
from edge_recog_converter.recipe import Recipe, load_recipe, preprocessing_of
from edge_recog_converter.training import rounded_classifier, train_classifier, with_classifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog.frames import Frame
    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Picture
    from edge_recog_converter.features import Features
    from edge_recog_converter.reporting import Reporter
    from edge_recog_converter.training import LinearClassifier

_GOLDEN_PICTURES = 4


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """What a build leaves behind."""

    folder: Path
    """recipe.toml, metrics.json, model.keras, calibration.txt, build.log and the model files."""
    int8: Path
    """The model file to ship."""
    float: Path
    """The same model before quantisation."""
    parity: Parity
    """The two on the test split."""


def build(recipe_path: Path, data: Path, out: Path, *, reporter: Reporter) -> BuiltModel:
    """Follow a recipe.

    Everything is written into a folder whose name ends in `.partial`, which is renamed when all
    is done: a run's folder is whole or not there.

    Args:
        recipe_path: TOML file.
        data: Folder of pictures.
        out: Where the run's folder, NAME-DATE-NUMBER, is made.
        reporter: Told how it goes.

    Raises:
        EdgeRecogError: The recipe, the pictures or the result are not usable; says why.
    """
    recipe, text = load_recipe(recipe_path)
    dataset = find_dataset(data, recipe.data, seed=recipe.seed)
    folder = _new_folder(out, recipe.name)
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True)
    try:
        parity = _Build(recipe, text, dataset, partial, reporter).run()
        reporter.say("wrote", f"{folder / recipe.name}.tflite")
        (partial / "build.log").write_text(reporter.log, encoding="utf-8")
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    stem = folder / recipe.name
    return BuiltModel(
        folder, stem.with_name(f"{recipe.name}.tflite"),
        stem.with_name(f"{recipe.name}-float.tflite"), parity,
    )  # fmt: skip


class _Build:
    """One run through the stages; each method is one of them."""

    def __init__(
        self, recipe: Recipe, text: str, dataset: Dataset, folder: Path, reporter: Reporter
    ) -> None:
        self._recipe = recipe
        self._text = text
        self._dataset = dataset
        self._folder = folder
        self._reporter = reporter
        self._reader = PictureReader()
        self._variant = int(recipe.model.architecture[-1])
        self._preprocessing: Preprocessing = preprocessing_of(
            recipe.model,
            resolution=lite_variant(self._variant).resolution,
            mean=PIXEL_MEAN,
            std=PIXEL_STD,
        )
        self._calibration: list[str] = []
        self._metrics: dict[str, Any] = {"schema_version": 1, "name": recipe.name}

    def run(self) -> Parity:
        start = time.monotonic()
        (self._folder / "recipe.toml").write_text(self._text, encoding="utf-8")
        size = (self._preprocessing.height, self._preprocessing.width, 3)
        network = pretrained_efficientnet_lite(self._variant, input_shape=size, classifier=False)
        inputs = self._calibrate()
        with self._reporter.meter("quantise", None):
            rounded = rounded_copy(network, inputs, seed=self._recipe.seed)
            extractors = [
                FeatureExtractor(tflite, self._preprocessing)
                for tflite in (
                    convert_float(network),
                    quantize_full_int8(rounded, inputs, adapt_rounding=False),
                )
            ]
        classifier, features = self._train(extractors)
        model = with_classifier(network, classifier, name=self._recipe.name)
        model.save(self._folder / "model.keras")
        int8 = with_classifier(
            rounded, rounded_classifier(classifier, features), name=self._recipe.name
        )
        with self._reporter.meter("quantise", None):
            models = {
                "float": convert_float(model),
                "int8": quantize_full_int8(int8, inputs, adapt_rounding=False),
            }
        self._reporter.say(
            "quantise", f"INT8, calibrated on {len(self._calibration)} training pictures"
        )
        parity = self._test(models)
        self._finish(models, parity)
        self._metrics["seconds"] = round(time.monotonic() - start, 1)
        document = msgspec.json.format(msgspec.json.encode(self._metrics), indent=2)
        (self._folder / "metrics.json").write_bytes(document + b"\n")
        return parity

    def _calibrate(self) -> list[NDArray[np.float32]]:
        """Choose the calibration pictures, write down which, and return them as inputs."""
        pictures = self._dataset.splits["train"]
        ranked = choose(pictures, len(pictures), seed=self._recipe.seed)
        # Of those that can be read.
        frames = itertools.islice(self._reader.frames(ranked), self._recipe.quantize.calibration)
        pixels = []
        for picture, frame in frames:
            pixels.append(self._preprocessing.pixels(frame))
            self._calibration.append(picture.id)
        listing = "".join(f"{name}\n" for name in sorted(self._calibration))
        (self._folder / "calibration.txt").write_text(listing, encoding="utf-8")
        return list(calibration_inputs(pixels, self._preprocessing))

    def _train(self, extractors: list[FeatureExtractor]) -> tuple[LinearClassifier, Features]:
        stage = self._recipe.train
        splits = self._dataset.splits
        train = extract(extractors, self._frames(splits["train"], "train"), mirrored=stage.flip)
        validation = extract(
            extractors, self._frames(splits["validation"], "validation"), mirrored=False
        )
        self._say_data()
        start = time.monotonic()
        with self._reporter.meter("train", stage.epochs) as advance:
            classifier = train_classifier(
                train,
                validation,
                classes=len(self._dataset.labels),
                stage=stage,
                seed=self._recipe.seed,
                on_epoch=lambda _: advance(),
            )
        best = classifier.best
        self._reporter.say(
            "train",
            f"{stage.epochs} epochs in {time.monotonic() - start:.0f} s, best was epoch "
            f"{best.number}: validation top-1 {best.validation_top1:.1%}",
        )
        self._metrics["train"] = {
            "best": dataclasses.asdict(best),
            "history": [dataclasses.asdict(epoch) for epoch in classifier.history],
        }
        return classifier, train

    def _frames(self, pictures: Sequence[Picture], topic: str) -> Iterator[tuple[Picture, Frame]]:
        return self._reporter.track(self._reader.frames(pictures), topic=topic, total=len(pictures))

    def _say_data(self) -> None:
        sizes = " · ".join(f"{len(self._dataset.splits[split]):,} {split}" for split in SPLITS)
        skipped = self._reader.skipped
        text = f"{sizes} · {len(self._dataset.labels)} classes"
        if skipped:
            text += f" · {len(skipped)} files cannot be read and are skipped"
        self._reporter.say("data", text)
        for reason in skipped.values():
            self._reporter.say("skipped", reason)

    def _test(self, models: dict[str, bytes]) -> Parity:
        """Compare the two models on the test split, each as it will ship."""
        bundles = {
            kind: Bundle.from_bytes(self._seal(kind, tflite, ()), where=kind)
            for kind, tflite in models.items()
        }
        pictures = self._dataset.splits["test"]
        frames = (
            (picture.id, frame, picture.label) for picture, frame in self._frames(pictures, "test")
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
        self._metrics["test"] = dataclasses.asdict(parity)
        return parity

    def _finish(self, models: dict[str, bytes], parity: Parity) -> None:
        sizes = {}
        for kind, top1 in (("float", parity.float_top1), ("int8", parity.int8_top1)):
            measured = [] if top1 is None else [("top-1", top1)]
            if kind == "int8":
                measured.append(("agreement with float", parity.agreement))
            figures = tuple(
                Accuracy(
                    dataset=self._dataset.root.resolve().name, split="test",
                    metric=metric, value=value, count=parity.count,
                )
                for metric, value in measured
            )  # fmt: skip
            suffix = "" if kind == "int8" else "-float"
            path = self._folder / f"{self._recipe.name}{suffix}.tflite"
            path.write_bytes(self._seal(kind, models[kind], figures))
            sizes[kind] = path.stat().st_size
        self._metrics["size_bytes"] = sizes
        self._reporter.say(
            "test",
            f"float {parity.float_top1:.1%}   INT8 {parity.int8_top1:.1%}   "
            f"agreement {parity.agreement:.1%} of {parity.count}   "
            f"largest score difference {parity.largest_difference:.2f}",
        )
        self._reporter.say(
            "cost",
            f"invoke p50 {parity.float_invoke_ms[0]:.2f} → {parity.int8_invoke_ms[0]:.2f} ms here "
            f"(1 thread)   {sizes['float'] / 1e3:,.0f} → {sizes['int8'] / 1e3:,.0f} kB",
        )

    def _seal(self, kind: str, tflite: bytes, figures: tuple[Accuracy, ...]) -> bytes:
        golden = [
            frame
            for _, frame in self._reader.frames(self._dataset.splits["test"][:_GOLDEN_PICTURES])
        ]
        return seal(
            tflite,
            Contract(preprocessing=self._preprocessing, activation="none"),
            self._dataset.labels,
            name=self._recipe.name if kind == "int8" else f"{self._recipe.name}-float",
            description=(
                f"{self._recipe.model.architecture} with a new classifier, "
                f"{len(self._dataset.labels)} classes, {kind}"
            ),
            license="",
            pictures=golden,
            accuracy=figures,
            provenance=provenance_now(
                recipe=self._text,
                dataset=digest_of(self._reader.digests.values()),
                calibration=digest_of(self._calibration),
            ),
        )


def _new_folder(out: Path, name: str) -> Path:
    """Return the first free NAME-DATE-NUMBER below `out`."""
    today = datetime.now(UTC).strftime("%Y%m%d")
    number = 1
    while True:
        folder = out / f"{name}-{today}-{number}"
        if not folder.exists() and not folder.with_name(f"{folder.name}.partial").exists():
            return folder
        number += 1
