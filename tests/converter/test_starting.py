"""Where a training begins: drawn weights, ImageNet's, or a file; and how each is fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.recipe import parse_recipe
from edge_recog_converter.reporting import Reporter
from edge_recog_converter.starting import start_of

from edge_recog import Bundle, Classifier
from edge_recog.verification import verify

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog.preprocessing import Preprocessing

HEAD = """
[[stage]]
kind = "head"
epochs = 10
learning_rate = 0.005
[[stage]]
kind = "quantize"
calibration = 12
"""
TRAIN = """
[[stage]]
kind = "train"
epochs = 2
optimizer = { kind = "adamw", learning_rate = 0.001 }
[[stage]]
kind = "quantize"
calibration = 12
"""
LENET = '[model]\narchitecture = "lenet-5"\nweights = "none"\ninput = { height = 32, width = 40 }'


def text_of(model: str, stages: str = HEAD) -> str:
    return f'schema_version = 1\nname = "started"\nseed = 4\n{model}\n{stages}'


def contract(model: str, folder: Path, stages: str = HEAD) -> Preprocessing:
    return start_of(parse_recipe(text_of(model, stages), where="x"), folder).preprocessing


def made(folder: Path, pictures: Path, model: str, stages: str = HEAD) -> BuiltModel:
    folder.mkdir(exist_ok=True)
    recipe = folder / "started.toml"
    recipe.write_text(text_of(model, stages), encoding="utf-8")
    built = build(
        recipe, pictures, folder / "runs", reporter=Reporter(quiet=True), cache=folder / "cache"
    )
    for path in (built.int8, built.float):
        with Classifier.open(path) as classifier:
            verify(classifier).require(str(path))
    return built


@pytest.fixture(scope="module")
def lenet(tmp_path_factory: pytest.TempPathFactory, small_pictures: Path) -> BuiltModel:
    stages = TRAIN.replace("epochs = 2", "epochs = 10")
    return made(tmp_path_factory.mktemp("lenet"), small_pictures, LENET, stages)


@pytest.mark.parametrize(
    ("model", "size", "colour", "mean", "std"),
    [
        ('architecture = "efficientnet-lite1"', 240, "RGB", (127.0,), (128.0,)),
        ('architecture = "mobilenet-v2"', 224, "RGB", (127.5,), (127.5,)),
        ('architecture = "vgg-16"', 224, "BGR", (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    ],
    ids=["lite", "application", "caffe"],
)
def test_imagenet_weights_say_how_they_are_fed(
    model: str, size: int, colour: str, mean: object, std: tuple[float, ...], tmp_path: Path
) -> None:
    found = contract(f"[model]\n{model}", tmp_path)

    assert (found.height, found.width, found.colour, found.mean) == (size, size, colour, mean)
    np.testing.assert_allclose(np.broadcast_to(found.std, len(std)), std)


def test_size_and_colour_are_the_recipes_where_weights_are_drawn(tmp_path: Path) -> None:
    model = (
        '[model]\narchitecture = "resnet-8"\nweights = "none"\n'
        'input = { height = 28, width = 20, colour = "GRAY", crop = "stretch" }'
    )
    found = contract(model, tmp_path, TRAIN)

    assert (found.height, found.width, found.colour, found.crop) == (28, 20, "GRAY", "stretch")


def test_a_runs_network_is_fed_as_its_model_file_says(lenet: BuiltModel) -> None:
    found = contract('[model]\nweights = "model.keras"', lenet.folder)

    assert found == Bundle.open(lenet.float).contract.preprocessing


def test_a_file_that_nothing_is_said_of_needs_mean_and_std(tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(image)).save(tmp_path / "a.keras")

    with pytest.raises(RecipeError, match="does not say how its pixels are normalised"):
        contract('[model]\nweights = "a.keras"', tmp_path)
    own = "input = { height = 32, width = 32, mean = [1.0, 2.0, 3.0], std = [4.0] }"
    found = contract(f'[model]\nweights = "a.keras"\n{own}', tmp_path)
    assert (found.height, found.mean, found.std) == (32, (1.0, 2.0, 3.0), (4.0,))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"gone\.keras: there is no such file"):
        contract('[model]\nweights = "gone.keras"', tmp_path)


def test_a_new_classifier_is_put_on_a_saved_network(
    lenet: BuiltModel, small_pictures: Path, tmp_path: Path
) -> None:
    built = made(tmp_path, small_pictures, f'[model]\nweights = "{lenet.folder}/model.keras"')

    assert (built.report.models[0].top1 or 0) >= 0.75
    assert built.report.input == "32 x 40 RGB"


def test_a_saved_network_is_trained_on_with_its_own_classifier(
    lenet: BuiltModel, small_pictures: Path, tmp_path: Path
) -> None:
    model = f'[model]\nweights = "{lenet.folder}/model.keras"'
    built = made(tmp_path, small_pictures, model, TRAIN)
    before, after = lenet.report.stages[0].epochs, built.report.stages[0].epochs

    assert after[0].loss < before[2].loss


def test_a_classifier_for_other_labels_is_refused(
    lenet: BuiltModel, small_pictures: Path, tmp_path: Path
) -> None:
    renamed = tmp_path / "pictures"
    renamed.symlink_to(small_pictures)
    start = start_of(
        parse_recipe(text_of('[model]\nweights = "model.keras"', TRAIN), where="x"), lenet.folder
    )

    with pytest.raises(RecipeError, match="begin with a stage of kind head"):
        start.network(("circles", "dots", "noise"), seed=0)
