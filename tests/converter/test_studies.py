"""The studies of the converter, on something tiny: what they compute, and that they end."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import DatasetError, PretrainedError
from edge_recog_converter.learning.plans import Samples
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.quantization import convert_float

from edge_recog.preprocessing import Preprocessing

STUDIES = Path(__file__).parents[2] / "converter" / "studies"
MLPERF_TINY = Path(__file__).parents[3] / "shared" / "data" / "mlperf_tiny"
needs_mlperf = pytest.mark.skipif(not MLPERF_TINY.is_dir(), reason=f"{MLPERF_TINY} is not there")


def study(name: str) -> Any:
    """Import a script as it imports its neighbours."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, STUDIES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


legacy_keras, real_pictures = study("legacy_keras"), study("real_pictures")
mlperf_tiny, outliers, halves = study("mlperf_tiny"), study("outliers"), study("halves")


def network(classes: int = 3) -> Any:
    """Return a network that has two layers with only ReLU between them."""
    keras.utils.set_random_seed(3)
    image = x = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", name="first")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="between")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="second")(x)
    x = keras.layers.Flatten(name="flat")(x)
    return keras.Model(image, keras.layers.Dense(classes, name="logits")(x))


def samples(count: int, seed: int) -> Samples:
    """Return pictures that are bright above, in the middle or below."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 90, (count, 8, 8, 1), dtype=np.uint8)
    wanted = np.arange(count) % 3
    for picture, label in zip(pixels, wanted, strict=True):
        picture[label * 3 : label * 3 + 2] += 120
    return Samples(pixels, np.eye(3, dtype=np.float32)[wanted])


@pytest.fixture(scope="module")
def bench() -> Any:
    model = network()
    learned = samples(90, 0)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.CategoricalCrossentropy(True))
    scaled = learned.pixels.astype(np.float32) / 255
    model.fit(scaled, learned.targets, epochs=12, batch_size=30, verbose=0)
    parts = {"train": learned, "validation": samples(30, 1), "test": samples(30, 2)}
    preprocessing = Preprocessing(height=8, width=8, colour="GRAY", std=(255.0,))
    return outliers.Bench(simplified(model), parts, [one[None] for one in scaled], preprocessing)


def logits(model: Any, bench: Any) -> np.ndarray:
    return np.asarray(model(np.concatenate(bench.inputs), training=False))


def test_outliers_change_no_output_of_the_float_network(bench: Any) -> None:
    spoilt, given = outliers.with_outliers(bench.network, factor=24.0, share=0.25, seed=1)
    assert {name: len(channels) for name, channels in given.items()} == {"first": 2, "second": 1}
    np.testing.assert_allclose(logits(spoilt, bench), logits(bench.network, bench), atol=1e-4)


def test_outliers_are_larger_by_the_factor_and_no_other_channel_is(bench: Any) -> None:
    spoilt, given = outliers.with_outliers(bench.network, factor=24.0, share=0.25, seed=1)
    before, after = (np.asarray(one.get_layer("first").kernel) for one in (bench.network, spoilt))
    factors = np.ones(8)
    factors[given["first"]] = 24.0
    np.testing.assert_allclose(after, before * factors, rtol=1e-6)


@pytest.mark.parametrize("kind", ["depthwise first", "depthwise second", "after a flattened map"])
def test_channels_of_every_kind_of_layer_are_scaled(kind: str) -> None:
    keras.utils.set_random_seed(5)
    image = x = keras.Input((6, 6, 3))
    if kind == "depthwise first":
        x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
        x = keras.layers.Conv2D(5, 1)(x)
    elif kind == "depthwise second":
        x = keras.layers.Conv2D(5, 1, activation="relu")(x)
        x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    else:
        x = keras.layers.Conv2D(5, 3, activation="relu")(x)
        x = keras.layers.Dense(2)(keras.layers.Flatten()(x))
    plain = simplified(keras.Model(image, x))
    spoilt, given = outliers.with_outliers(plain, factor=10.0, share=0.3, seed=0)
    assert len(given) == 1
    values = np.random.default_rng(0).normal(size=(4, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(spoilt(values), plain(values), atol=1e-4)


def test_a_network_without_room_for_outliers_is_refused() -> None:
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 1, activation="relu6")(image)
    plain = simplified(keras.Model(image, keras.layers.Conv2D(2, 1)(x)))
    with pytest.raises(PretrainedError, match="only ReLU"):
        outliers.with_outliers(plain, factor=2.0, share=0.5, seed=0)


def test_outliers_are_studied_from_end_to_end(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "FACTORS", (2.0,))
    attempts = (
        outliers.Attempt(None, epochs=2),
        outliers.Attempt(99.9, epochs=2),
        outliers.Attempt(None, epochs=2, equalized=True),
    )
    told = outliers.study(bench, attempts, seed=7)
    rows = {row["kind"]: row for row in told["test"]}
    assert told["outliers"]["factor"] == 2.0
    assert told["outliers"]["labels_changed"] == 0
    assert told["outliers"]["largest_logit_difference"] < 1e-4
    assert rows["float"]["right"] >= 25
    tried = told["chosen_by_validation"]["training"]
    assert [len(attempt["epochs"].split()) for attempt in tried] == [2, 2, 2]
    taught = rows[told["training_chosen"]]
    assert taught["drop"] == pytest.approx((taught["lost"] - taught["won"]) / 30, abs=1e-5)
    assert told["line_met"] == (taught["drop"] <= outliers.ALLOWED_LOSS)
    kept = outliers.brief(told)
    assert kept["right"]["float"] == rows["float"]["right"]
    json.dumps([told, kept])


def test_a_drop_is_counted_picture_by_picture() -> None:
    told = outliers.figures(
        np.array([True, False, False, True]), np.array([True, True, False, False])
    )
    assert (told["right"], told["lost"], told["won"], told["drop"]) == (2, 1, 1, 0.0)


def test_a_legacy_network_is_rebuilt_from_its_configuration_and_arrays(tmp_path: Path) -> None:
    kernel = np.arange(9, dtype=np.float32).reshape(3, 3, 1, 1)
    convolution = {
        "name": "filter", "kernel_size": [3, 3], "strides": [1, 1], "padding": "same",
        "groups": 1, "activation": "relu", "use_bias": False, "depth_multiplier": 1,
        "depthwise_regularizer": None,
    }  # fmt: skip
    layers = [
        {"class_name": "InputLayer", "name": "image", "inbound_nodes": [],
         "config": {"batch_input_shape": [None, 5, 5, 1]}},
        {"class_name": "DepthwiseConv2D", "name": "filter", "config": convolution,
         "inbound_nodes": [[["image", 0, 0, {}]]]},
    ]  # fmt: skip
    document = {
        "name": "old", "layers": layers,
        "input_layers": [["image", 0, 0]], "output_layers": [["filter", 0, 0]],
    }  # fmt: skip
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"config": document})
        for name, arrays in (("image", {}), ("filter", {"filter/kernel:0": kernel})):
            group = file.create_group(f"model_weights/{name}")
            group.attrs["weight_names"] = list(arrays)
            for at, values in arrays.items():
                group[at] = values
    model = legacy_keras.load_legacy_network(path)
    values = np.zeros((1, 5, 5, 1), np.float32)
    values[0, 2, 2] = 1.0
    found = np.asarray(model(values))[0, 1:4, 1:4, 0]
    np.testing.assert_array_equal(found, kernel[::-1, ::-1, 0, 0])


@pytest.mark.parametrize(
    ("kind", "extra"), [("Lambda", {}), ("Conv2D", {"groups": 2})], ids=["unknown", "groups"]
)
def test_a_legacy_layer_that_is_not_known_is_refused(kind: str, extra: dict[str, int]) -> None:
    document = {
        "layers": [
            {"class_name": "InputLayer", "name": "image", "inbound_nodes": [],
             "config": {"batch_input_shape": [None, 4, 4, 2]}},
            {"class_name": kind, "name": "odd", "inbound_nodes": [[["image", 0, 0, {}]]],
             "config": {"name": "odd", "filters": 2, "kernel_size": 1, **extra}},
        ],
    }  # fmt: skip
    with pytest.raises(ValueError, match="odd"):
        legacy_keras.network_of(document, {})


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(b"no")
    with pytest.raises(PretrainedError, match=r"x\.h5"):
        legacy_keras.load_legacy_network(path)


@needs_mlperf
@pytest.mark.parametrize(
    ("name", "side", "std"), [("resnet-8", 32, 1), ("visual-wake-words", 96, 255)]
)
def test_published_networks_are_rebuilt_and_fed_as_they_were(
    name: str, side: int, std: float
) -> None:
    row = mlperf_tiny.NETWORKS[name]
    folder = MLPERF_TINY / row.folder
    preprocessing = mlperf_tiny.convention((folder / row.int8).read_bytes())
    assert preprocessing.input_shape == (1, side, side, 3)
    assert (preprocessing.mean, preprocessing.std) == ((0.0,), (std,))
    pixels = np.random.default_rng(0).integers(0, 256, (64, side, side, 3), dtype=np.uint8)
    model = legacy_keras.load_legacy_network(folder / row.weights)
    published = (folder / row.float).read_bytes()
    assert mlperf_tiny.float_difference(model, published, pixels, preprocessing) < 1e-5
    model.layers[-1].bias.assign(model.layers[-1].bias + np.arange(model.output.shape[-1]))
    with pytest.raises(PretrainedError, match="not of the same network"):
        mlperf_tiny.float_difference(model, published, pixels, preprocessing)


@pytest.mark.parametrize("count", [3, 20, 307])
def test_each_picture_is_in_one_set(count: int) -> None:
    sets = real_pictures.divided(count, seed=1)
    assert sorted(number for part in sets for number in part) == list(range(count))
    assert all(sets)


def test_too_few_pictures_to_divide_are_refused() -> None:
    with pytest.raises(DatasetError, match="too few"):
        real_pictures.divided(2, seed=1)


def test_who_agrees_where_the_other_does_not_is_counted() -> None:
    ours, theirs = np.array([1, 1, 1, 0, 1], bool), np.array([1, 0, 0, 1, 1], bool)
    told = mlperf_tiny.paired(ours, theirs)
    assert (told["only_ours"], told["only_published"]) == (2, 1)
    assert (told["p_ours_better"], told["p_ours_worse"]) == (0.5, 0.875)
    assert mlperf_tiny.figures(ours)["agreement"] == 0.8


def test_likeness_of_a_file_to_itself_is_whole(bench: Any) -> None:
    content, pixels = convert_float(bench.network), bench.samples["test"].pixels
    own = mlperf_tiny.scores(content, pixels, bench.preprocessing)
    found = mlperf_tiny.likeness(content, pixels, bench.preprocessing, own)
    assert (found.same.all(), found.distance, found.ties) == (True, 0.0, 0)
    other = mlperf_tiny.likeness(content, pixels, bench.preprocessing, own + np.eye(3)[0])
    assert other.distance == pytest.approx(0.5)


def test_calibrated_apart_and_compared_from_end_to_end(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(seed: int) -> Any:
        names = np.array(["clothing", "signs", "scenes"] * 10)
        return real_pictures.RealPictures(samples(30, seed).pixels, names)

    ways = {name: mlperf_tiny.WAYS[name] for name in mlperf_tiny._SOME}
    monkeypatch.setattr(mlperf_tiny, "WAYS", ways)
    theirs = ways["min-max"](bench.network, bench.inputs)
    files = mlperf_tiny.Files(
        bench.network, convert_float(bench.network), theirs, bench.preprocessing
    )
    shared = real_pictures.Shared(some(1), some(2), some(3))
    told = mlperf_tiny.compared("tiny", files, shared)
    published = told["rows"][0]
    assert published["way"] == "published"
    assert published["beside_published"]["only_ours"] == 0
    assert sum(published["agree_by_collection"].values()) == published["agree"]
    assert told["calibrated_apart"]["calibrated_on"] == {"scenes": 10, "signs": 10}
    assert {row["of"] for row in told["calibrated_apart"]["rows"]} == {10}
    assert told["line_met_by_default"] == (told["rows"][1]["agree"] >= published["agree"])
    again = mlperf_tiny.compared("tiny", files, shared, best=told["best_by_selection"])
    assert again["of"] == 30
    assert again["agree_and_distance"]["published"].split()[0] == str(published["agree"])
    json.dumps([told, again])


def sitting(*rounds: tuple[float, float]) -> Any:
    return halves.Sitting(dict.fromkeys(("thread", "wall"), np.array(rounds)), (0.0, 0.0))


def test_files_are_compared_within_a_round() -> None:
    # The machine is three times as slow in the second round.
    one = sitting((4.0, 2.0), (12.0, 6.0), (4.2, 2.0))
    assert one.ratios("thread").tolist() == [1.0, 2.0]
    assert halves.figures_of([one], 1)["thread_times_as_fast"] == 2.0
    assert halves.figures_of([one], 0)["thread_p50_ms"] == 4.2


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [((2.0, 2.0), False), ((2.0, 2.05, 1.96), True), ((2.0, 2.0, 2.2), False)],
    ids=["too few", "alike", "one differs"],
)
def test_sittings_that_differ_are_not_steady(ratios: tuple[float, ...], expected: bool) -> None:
    assert halves.steady([sitting((ratio, 1.0)) for ratio in ratios]) is expected


def test_halves_are_measured_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "_MOST_SITTINGS", 1)
    told = halves.study("resnet-8", rounds=1, seconds=0.0, side=32)
    whole, half = told["files"]["whole"], told["files"]["uniform"]
    assert half["macs"] < whole["macs"]
    assert half["bytes"] < whole["bytes"]
    assert half["line_met"] == (half["thread_times_as_fast"] >= halves.WANTED)
    assert (told["steady"], told["sittings_held"], len(told["sittings"])) == (False, 1, 1)
