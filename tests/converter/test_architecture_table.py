"""The table of architectures, their published sizes, and what a builder promises."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter.architectures import (
    ARCHITECTURES,
    build_architecture,
    find_architecture,
)
from edge_recog_converter.architectures.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    lite_variant,
)
from edge_recog_converter.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = {
    # 10 classes, grey: the sum of the paper's layers, with C3 complete.
    "lenet-5": 61_706,
    # torchvision's alexnet.
    "alexnet": 61_100_840,
    # torchvision's vgg11_bn and vgg16_bn, less the biases of the normalised convolutions.
    "vgg-11": 132_868_840 - 2_752,
    "vgg-16": 138_365_992 - 4_224,
    # MLPerf Tiny's 78,666 with 10 classes, less as many biases and the moving averages.
    "resnet-8": 78_666 - 240 - 480,
    # torchvision's.
    "resnet-18": 11_689_512,
    "resnet-34": 21_797_672,
    "resnet-50": 25_557_032,
    # Keras's 4,253,864 and 3,538,984, less the moving averages.
    "mobilenet-v1": 4_253_864 - 21_888,
    "mobilenet-v2": 3_538_984 - 34_112,
    # torchvision's.
    "mobilenet-v3-small": 2_542_856,
    "mobilenet-v3-large": 5_483_032,
    "efficientnet-lite0": 4_652_008,
    "efficientnet-lite1": 5_416_680,
    "efficientnet-lite2": 6_092_072,
    "efficientnet-lite3": 8_197_096,
    "efficientnet-lite4": 13_006_568,
    # Counted here. The paper's has a class token and 4,416 biases of layer normalisation more.
    "vit-c-1gf": 4_562_944,
    # timm's mobilevit_xxs, less the biases of layer normalisation.
    "mobilevit-xxs": 1_272_024 - 1_712,
}
"""Trainable ones, with 1000 classes at the native size."""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_are_those_of_the_published_models(name: str) -> None:
    side = ARCHITECTURES[name].native_side
    model = build_architecture(
        name,
        input_shape=(side, side, 1 if name == "lenet-5" else 3),
        classes=10 if name in ("lenet-5", "resnet-8") else 1000,
    )
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == PARAMETERS[name]
    names = [layer.name for layer in model.layers]
    assert names[0] == "image"
    assert names[-1] == "logits"
    assert not any(name.startswith("_") for name in names)
    # The dense layers of VGG-16 alone are half a gigabyte.
    del model
    gc.collect()


@pytest.mark.parametrize("name", ["mobilenet-v3-small", "vit-c-1gf", "mobilevit-xxs"])
def test_a_saved_model_is_loaded_without_custom_layers(name: str, tmp_path: Path) -> None:
    from edge_recog_converter._tensorflow import keras

    model = build_architecture(name, input_shape=(128, 128, 3), classes=3, width=0.25)
    model.save(tmp_path / "model.keras")
    copies = [keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)]
    copies[1].set_weights(model.get_weights())
    image = np.linspace(-1, 1, 128 * 128 * 3, dtype=np.float32).reshape(1, 128, 128, 3)
    for copy in copies:
        np.testing.assert_allclose(copy(image), model(image), atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_without_classes_the_output_is_the_features(name: str) -> None:
    row = find_architecture(name)
    shape = (max(row.least_side, 32), max(row.least_side, 32), row.channels[0])
    arguments: Any = {"input_shape": shape, "width": 0.125}
    bare = build_architecture(name, classes=None, **arguments)
    whole = build_architecture(name, classes=3, dropout=0.4, **arguments)
    assert bare.layers[-1].name == "features"
    assert bare.output_shape == whole.get_layer("features").output.shape
    assert len(bare.output_shape) == 2
    assert [layer.name for layer in whole.layers[-3:]] == ["features", "dropout", "logits"]
    assert whole.get_layer("dropout").rate == 0.4


@pytest.mark.parametrize("name", ["lenet-5", "efficientnet-lite0", "vit-c-1gf"])
def test_a_seed_gives_the_same_weights_and_disturbs_nobody_else(name: str) -> None:
    random.seed(4)
    expected = random.random()
    random.seed(4)
    first, again, other = (
        build_architecture(
            name, input_shape=(32, 32, 3), classes=3, width=0.25, seed=seed
        ).get_weights()
        for seed in (7, 7, 8)
    )
    assert random.random() == expected
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_width_makes_a_network_smaller() -> None:
    sizes = [
        build_architecture(
            "mobilenet-v1", input_shape=(32, 32, 3), classes=3, width=width
        ).count_params()
        for width in (0.25, 0.5, 1.0)
    ]
    assert sizes[0] < sizes[1] / 3 < sizes[2] / 9


def test_efficientnet_lite_has_the_figures_of_its_own_module() -> None:
    for variant in range(5):
        row, own = ARCHITECTURES[f"efficientnet-lite{variant}"], lite_variant(variant)
        assert (row.native_side, row.dropout) == (own.resolution, own.dropout)
        assert (row.pixel_mean, row.pixel_std) == (PIXEL_MEAN, PIXEL_STD)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("mobilenet_v2", "mobilenet-v2"), ("ResNet50", "resnet-50"), ("vgg16", "vgg-16")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(RecipeError, match=f"did you mean '{nearest}'"):
        find_architecture(name)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("lenet-5", {"input_shape": (15, 32, 1)}, "at least 16 pixels"),
        ("alexnet", {"input_shape": (64, 56, 3)}, "at least 57 pixels"),
        ("resnet-18", {"input_shape": (64, 64, 4)}, "use 1 or 3 channels"),
        ("efficientnet-lite0", {"input_shape": (64, 64, 1)}, "use 3 channels"),
        ("mobilevit-xxs", {"input_shape": (128, 160, 3)}, "multiples of 64"),
        ("vgg-11", {"width": 0.0}, "width must be positive"),
        ("vgg-11", {"dropout": 1.0}, "less than 1"),
        ("vgg-11", {"classes": 0}, "classes at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(
    name: str, arguments: dict[str, Any], reason: str
) -> None:
    usual: dict[str, Any] = {"input_shape": (64, 64, 3), "classes": 3}
    with pytest.raises(RecipeError, match=reason):
        build_architecture(name, **{**usual, **arguments})


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_least_side_can_be_built(name: str) -> None:
    row = ARCHITECTURES[name]
    shape = (row.least_side, row.least_side, 3)
    model = build_architecture(name, input_shape=shape, classes=3, width=0.125)
    assert np.isfinite(model(np.ones((1, *shape), np.float32), training=False)).all()


def test_the_table_is_read_without_tensorflow() -> None:
    script = (
        "import sys, edge_recog_converter.architectures\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
