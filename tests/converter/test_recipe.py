"""Recipes are strict: what cannot be followed is refused with the place and a hint."""

import re
import tomllib
from pathlib import Path

import pytest
from edge_recog_converter import recipe as recipe_module
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.recipe import load_recipe, parse_recipe
from hypothesis import given
from hypothesis import strategies as st

RECIPES = Path(__file__).parents[2] / "recipes"
MINIMAL = """
schema_version = 1
name = "x"
[model]
architecture = "efficientnet-lite0"
"""


STAGES = '[[stage]]\nkind = "{}"\n[[stage]]\nkind = "quantize"'


def documented_example() -> str:
    assert recipe_module.__doc__ is not None
    lines = recipe_module.__doc__.splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


def test_example_in_the_module_can_be_followed() -> None:
    recipe = parse_recipe(documented_example(), where="example")

    assert recipe.name == "clothing"
    assert recipe.making[0].epochs == 60
    assert recipe.quantize.calibration == 200


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_recipes_that_are_shipped_can_be_followed(path: Path) -> None:
    recipe, text = load_recipe(path)

    assert tomllib.loads(text)["name"] == recipe.name == path.stem


def test_what_is_left_out_has_defaults() -> None:
    recipe = parse_recipe(MINIMAL, where="x")

    assert (recipe.model.weights, recipe.model.input) == ("imagenet", None)
    assert [type(stage).__name__ for stage in recipe.stage] == ["HeadStage", "QuantizeStage"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL.replace("= 1", "= 2"), "schema_version is 2"),
        (MINIMAL.replace("schema_version = 1", ""), "schema_version is None"),
        (MINIMAL + 'wieghts = "imagenet"', "did you mean `weights`"),
        (MINIMAL.replace("lite0", "lite9"), r"efficientnet-lite9.*\$\.model"),
        (MINIMAL.replace('"x"', '"../x"'), r"\$\.name"),
        (MINIMAL + "input = { height = 4, width = 64 }", r"\$\.model\.input\.height"),
        (MINIMAL + '[[stage]]\nkind = "head"', "one of kind head"),
        (MINIMAL + '[[stage]]\nkind = "shrink"', "shrink"),
        (MINIMAL + '[[stage]]\nkind = "quantize"', "alone is for weights from a file"),
        (
            MINIMAL
            + 'weights = "none"\n'
            + STAGES.format('prune"\nbudget = { macs = "2x" }\nscore = "l1'),
            "train first",
        ),
        (MINIMAL + "[data]\nbatch_size = 3", "batch_size.*belongs to another section"),
        (MINIMAL + 'labels = "labels.txt"', "labels are for weights from a file"),
        (MINIMAL.replace("efficientnet-lite0", "resnet-18"), "no ImageNet weights for resnet-18"),
        (MINIMAL + 'weights = "none"', "head learns from pretrained"),
        (MINIMAL + "width = 0.5", "for width 1"),
        (MINIMAL + STAGES.format("train"), "begin with a stage of kind head"),
        (MINIMAL + 'weights = "x.h5"', "ending in .keras"),
        (MINIMAL + 'weights = "x.keras"', "their own architecture"),
        (MINIMAL.replace("architecture", "# "), "name an architecture"),
        (MINIMAL.replace("efficientnet-lite0", "mobilenet-v2") + "width = 0.4", "0.35, 0.5"),
        (MINIMAL + "input = { height = 64, width = 64, mean = [0.0], std = [1.0] }", "from a file"),
        (
            MINIMAL.replace("efficientnet-lite0", "resnet-50")
            + 'input = { height = 64, width = 64, colour = "RGB" }',
            "are for BGR",
        ),
        (MINIMAL + 'input = { height = 64, width = 64, colour = "GRAY" }', "are for RGB"),
        (MINIMAL + "[data]\nvalidation = 0.5\ntest = 0.45", "10 %"),
        (
            MINIMAL + 'weights = "none"\n' + STAGES.format('train"\npatience = 3\nkeep = "last'),
            "patience is for keep",
        ),
        ("name = ", "recipe.toml"),
    ],
    ids=[
        "newer",
        "no-version",
        "typo",
        "unknown",
        "path",
        "small",
        "stages",
        "kind",
        "quantize-alone",
        "prune-first",
        "other-section",
        "labels",
        "no-weights",
        "head-of-nothing",
        "width",
        "no-head",
        "other-file",
        "file-and-architecture",
        "no-architecture",
        "application-width",
        "mean-of-imagenet",
        "application-colour",
        "grey-weights",
        "shares",
        "patience",
        "toml",
    ],
)
def test_recipe_that_cannot_be_followed_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as raised:
        parse_recipe(text, where="recipe.toml")

    assert str(raised.value).startswith("recipe.toml: ")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=re.escape(str(tmp_path / "no.toml"))):
        load_recipe(tmp_path / "no.toml")


@given(st.text())
def test_any_text_is_a_recipe_or_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_recipe(text, where="x")
