"""Networks saved as `.keras`: hostile ones, odd ones, and what is made of good ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PretrainedError
from edge_recog_converter.exporting import seal
from edge_recog_converter.folding import fold_normalizations
from edge_recog_converter.pretrained import keras_archive
from edge_recog_converter.pretrained.keras_archive import AUGMENTATIONS, LAYERS, check_archive
from edge_recog_converter.pretrained.saved import bundle_beside, contract_beside, saved_network
from edge_recog_converter.quantization import convert_float, quantize_full_int8, rounded_copy

from edge_recog.contract import Contract
from edge_recog.preprocessing import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

L = keras.layers
SHAPE = (32, 32, 3)
RNG = np.random.default_rng(11)
PIXELS = RNG.uniform(0, 255, (4, *SHAPE)).astype(np.float32)


def shuffled(model: Any) -> Any:
    """The model with weights that are all different, so that none can be mistaken for another."""
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if isinstance(layer, L.Normalization | keras.Model):
            continue
        if isinstance(layer, L.BatchNormalization):
            size = layer.gamma.shape
            for variable in (layer.gamma, layer.moving_variance):
                variable.assign(RNG.uniform(0.5, 1.5, size))
            for variable in (layer.beta, layer.moving_mean):
                variable.assign(RNG.normal(0, 0.2, size))
        elif layer.weights:
            layer.set_weights(
                [w + RNG.normal(0, 0.05, w.shape) for w in layer.get_weights()],
            )
    return model


def plain(classes: int = 5, activation: str | None = "softmax", shape: Any = SHAPE) -> Any:
    """A functional classifier with everything at one level."""
    image = keras.Input(shape, name="picture")
    x = L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
    x = L.ReLU(6)(L.BatchNormalization()(x))
    x = L.GlobalAveragePooling2D(name="pooled")(x)
    x = L.Dropout(0.5)(x)
    x = L.Dense(classes, activation=activation, name="logits")(x)
    return shuffled(keras.Model(image, x, name="plain"))


def backbone(shape: Any = SHAPE) -> Any:
    """One inverted bottleneck, as a model of its own."""
    image = keras.Input(shape)
    x = L.ReLU(6)(L.BatchNormalization()(L.Conv2D(8, 3, strides=2, use_bias=False)(image)))
    y = L.ReLU(6)(L.BatchNormalization()(L.Conv2D(24, 1, use_bias=False)(x)))
    y = L.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = L.ReLU(6)(L.BatchNormalization()(y))
    x = x + L.BatchNormalization()(L.Conv2D(8, 1, use_bias=False)(y))
    return keras.Model(image, L.ReLU(6, name="out")(x), name="backbone")


def augmentation() -> Any:
    return keras.Sequential(
        [L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomBrightness(0.2)]
    )


def nested_sequential(shape: Any = SHAPE) -> Any:
    """As most people save what they have fine-tuned."""
    base = backbone((None, None, 3))
    base.trainable = False
    return shuffled(
        keras.Sequential(
            [
                keras.Input(shape),
                augmentation(),
                L.Rescaling(1 / 127.5, offset=-1),
                base,
                L.GlobalAveragePooling2D(),
                L.Dropout(0.2),
                L.Dense(5, activation="softmax"),
            ]
        )
    )


def nested_functional(shape: Any = SHAPE) -> Any:
    """As the guide to transfer learning of Keras does it, with a softmax of its own."""
    image = keras.Input(shape)
    x = augmentation()(image)
    x = L.Rescaling(1 / 127.5, offset=-1)(x)
    x = backbone(shape)(x, training=False)
    x = L.GlobalAveragePooling2D()(x)
    x = L.Dense(16, activation="relu")(x)
    x = L.Activation("softmax")(L.Dense(5)(x))
    return shuffled(keras.Model(image, x))


def normalizing(shape: Any = SHAPE) -> Any:
    """With pixel statistics that it has learned, and logits."""
    learned = L.Normalization()
    learned.adapt(PIXELS)
    return shuffled(
        keras.Sequential(
            [
                keras.Input(shape),
                learned,
                L.Conv2D(8, 3, activation="relu"),
                L.Conv2D(8, 3, activation="relu"),
                L.GlobalMaxPooling2D(),
                L.Dense(5),
            ]
        )
    )


def features_of(model: Any) -> Any:
    """The same model up to the input of its last Dense layer, cut with Keras's own means."""
    dense = next(layer for layer in reversed(model.layers) if isinstance(layer, L.Dense))
    return keras.Model(model.inputs[0], dense.input)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any], Path]:
    def save(model: Any) -> Path:
        path = tmp_path / "their.keras"
        model.save(path)
        return path

    return save


MODELS = [plain, nested_sequential, nested_functional, normalizing]


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_the_features_are_what_the_classifier_saw(
    build: Callable[[], Any], saved: Callable[[Any], Path]
) -> None:
    model = build()
    network = saved_network(saved(model), input_shape=SHAPE)
    expected = np.asarray(features_of(model)(PIXELS, training=False))
    features = np.asarray(network(PIXELS, training=False))
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)
    assert features.std() > 1e-3
    assert network.input_shape == (None, *SHAPE)
    names = [layer.name for layer in network.layers]
    assert names[0] == "image"
    assert not {"logits", "probabilities"} & set(names)
    assert not any(isinstance(layer, keras.Model) for layer in network.layers)
    assert not {type(layer).__name__ for layer in network.layers} & AUGMENTATIONS
    assert all(layer.trainable for layer in network.layers)


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_the_classifier_can_be_kept_as_logits(
    build: Callable[[], Any], saved: Callable[[Any], Path]
) -> None:
    model = build()
    network = saved_network(saved(model), input_shape=SHAPE, classes=5)
    assert network.layers[-1].name == "logits"
    logits = np.asarray(network(PIXELS, training=False))
    expected = np.asarray(model(PIXELS, training=False))
    if build is not normalizing:
        logits = np.asarray(keras.ops.softmax(logits))
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("build", [nested_sequential, normalizing], ids=lambda b: b.__name__)
def test_what_is_loaded_can_be_folded_rounded_and_converted(
    build: Callable[[], Any], saved: Callable[[Any], Path]
) -> None:
    network = saved_network(saved(build()), input_shape=SHAPE)
    expected = np.asarray(network(PIXELS, training=False))
    folded = np.asarray(fold_normalizations(network)(PIXELS, training=False))
    np.testing.assert_allclose(folded, expected, rtol=1e-3, atol=1e-3)
    calibration = [picture[None] for picture in PIXELS]
    rounded = rounded_copy(network, calibration)
    kernels = [
        layer.kernel for layer in rounded.layers if isinstance(layer, L.Conv2D | L.DepthwiseConv2D)
    ]
    assert kernels
    for kernel in (np.asarray(kernel) for kernel in kernels if kernel.shape[0] > 1):
        rows = kernel.reshape(-1, *kernel.shape[2:]) if kernel.shape[3] == 1 else kernel
        channels = rows.reshape(-1, rows.shape[-1] if kernel.shape[3] > 1 else kernel.shape[2])
        steps = channels / (np.abs(channels).max(axis=0) / 127)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert convert_float(network)
    assert quantize_full_int8(rounded, calibration, adapt_rounding=False)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nested_sequential((None, None, 3)),
        lambda: nested_sequential((48, 64, 3)),
        lambda: plain(shape=(96, 96, 3)),
        lambda: plain(shape=(None, None, 3)),
    ],
    ids=["open, nested", "other, nested", "other", "open"],
)
def test_pooling_suits_another_size(build: Callable[[], Any], saved: Callable[[Any], Path]) -> None:
    model = build()
    network = saved_network(saved(model), input_shape=SHAPE)
    assert network.input_shape == (None, *SHAPE)
    body = features_of(model)
    if None in model.input_shape[1:]:
        expected = np.asarray(body(PIXELS, training=False))
        np.testing.assert_allclose(network(PIXELS, training=False), expected, rtol=1e-4, atol=1e-4)
    assert network.output_shape == body.output_shape
    assert network.count_params() == body.count_params()


def flattening() -> Any:
    return keras.Sequential(
        [keras.Input((24, 40, 3)), L.Conv2D(4, 3), L.Flatten(), L.Dense(5, activation="sigmoid")]
    )


def test_weights_that_depend_on_the_size_keep_it(saved: Callable[[Any], Path]) -> None:
    path = saved(flattening())
    assert saved_network(path, input_shape=(24, 40, 3)).output_shape == (None, 22 * 38 * 4)
    with pytest.raises(PretrainedError, match=r"pictures of 24x40 and cannot be rebuilt for 32x32"):
        saved_network(path, input_shape=SHAPE)


def test_pooled_features_without_a_classifier_are_taken_as_they_are(
    saved: Callable[[Any], Path],
) -> None:
    model = keras.Sequential([keras.Input(SHAPE), L.Conv2D(4, 3), L.GlobalAveragePooling2D()])
    path = saved(shuffled(model))
    network = saved_network(path, input_shape=SHAPE)
    np.testing.assert_allclose(network(PIXELS), model(PIXELS), rtol=1e-4, atol=1e-4)
    with pytest.raises(PretrainedError, match="no classifier, not one of 5"):
        saved_network(path, input_shape=SHAPE, classes=5)


def test_a_layer_used_twice_still_is(saved: Callable[[Any], Path]) -> None:
    image = keras.Input(SHAPE)
    shared, drop = L.Conv2D(3, 3, padding="same", activation="tanh"), L.Dropout(0.5)
    x = L.GlobalAveragePooling2D()(shared(drop(shared(image))))
    model = shuffled(keras.Model(image, L.Dense(2)(drop(L.Dense(6, activation="relu")(x)))))
    network = saved_network(saved(model), input_shape=SHAPE)
    expected = features_of(model)(PIXELS, training=False)
    np.testing.assert_allclose(network(PIXELS, training=False), expected, rtol=1e-4, atol=1e-5)
    assert network.output_shape == (None, 6)
    assert sum(isinstance(layer, L.Conv2D) for layer in network.layers) == 1


def test_half_precision_becomes_single(saved: Callable[[Any], Path]) -> None:
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        path = saved(plain())
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    network = saved_network(path, input_shape=SHAPE)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: plain(shape=(32, 32, 1)), "pictures of 1 channels, not 3: set input.colour"),
        (lambda: keras.Sequential([keras.Input((8,)), L.Dense(2)]), r"takes \(8,\), not pictures"),
        (lambda: backbone(), r"ends in ReLU 'out' of output \(15, 15, 8\)"),
        (
            lambda: keras.Sequential(
                [keras.Input(SHAPE), L.GlobalMaxPooling2D(), L.Dense(3, activation="tanh")]
            ),
            "ends in Dense .* and activation tanh: it must end in a Dense classifier",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input(SHAPE), L.Conv2D(3, 32), L.Flatten(), L.Softmax()]
            ),
            r"ends in Flatten .* of output \(3,\)",
        ),
        (
            lambda: keras.Model(
                [a := keras.Input(SHAPE), b := keras.Input(SHAPE)], L.Flatten()(L.Add()([a, b]))
            ),
            "2 inputs and 1 outputs",
        ),
        (
            lambda: keras.Model(
                a := keras.Input(SHAPE), [L.Flatten()(a), L.GlobalMaxPooling2D()(a)]
            ),
            "1 inputs and 2 outputs",
        ),
        (
            lambda: keras.Sequential([keras.Input(SHAPE), L.RandomCrop(16, 16), L.Flatten()]),
            "uses 'keras.layers.RandomCrop'",
        ),
    ],
    ids=["grey", "no pictures", "maps", "tanh", "softmax of maps", "two inputs", "two outputs",
         "a crop by chance"],
)  # fmt: skip
def test_networks_that_do_not_suit_are_told_why(
    build: Callable[[], Any], reason: str, saved: Callable[[Any], Path]
) -> None:
    path = saved(build())
    with pytest.raises(PretrainedError, match=reason) as caught:
        saved_network(path, input_shape=SHAPE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_classifier_of_other_classes_is_not_kept(saved: Callable[[Any], Path]) -> None:
    with pytest.raises(PretrainedError, match="a classifier of 5 classes, not one of 7"):
        saved_network(saved(plain()), input_shape=SHAPE, classes=7)


def rewritten(path: Path, **members: Any) -> Path:
    """Replace members of a `.keras` file by their name up to the first dot; None removes one."""
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            new = members.get(name.split(".", maxsplit=1)[0], content)
            if new is not None:
                archive.writestr(name, new if isinstance(new, bytes) else json.dumps(new))
    return path


def described(*objects: Any) -> dict[str, Any]:
    """The configuration of a sequential model of these layers."""
    layers = [
        {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {"batch_shape": [None, *SHAPE], "name": "image"},
            "registered_name": None,
        },
        *objects,
    ]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "hostile", "trainable": True, "layers": layers},
        "registered_name": None,
        "build_config": {"input_shape": [None, *SHAPE]},
    }


def an_object(module: str | None, name: Any, config: Any = None, **more: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config or {}, **more}


COMMAND = ["touch", "run.txt"]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (an_object("os", "system", {"command": "touch run.txt"}), "uses 'os.system'"),
        (an_object("subprocess", "Popen", {"args": COMMAND}), "uses 'subprocess.Popen'"),
        (an_object("builtins", "Mine", {}, registered_name="Custom>Mine"), "builtins.Mine"),
        (an_object("keras.layers", "TFSMLayer", {"filepath": "/tmp/x"}), "TFSMLayer"),
        (an_object("keras.layers", "TextVectorization", {"vocabulary": "/etc/passwd"}), "TextV"),
        (an_object("keras.src.utils.file_utils", "get_file", {}), r"file_utils\.get_file"),
        (an_object("keras.layers", ["a", "list"]), r"a', 'list"),
        (an_object(None, "Dense", {"units": 3}), "uses 'Dense'"),
        (
            an_object(
                "keras.layers",
                "Activation",
                {"activation": an_object("keras.utils", "function", "get_file")},
            ),
            r"keras\.utils\.get_file",
        ),
        (
            an_object(
                "keras.layers",
                "Dense",
                {"units": 3, "activation": an_object("builtins", "__lambda__", {"value": ""})},
            ),
            "Lambda layer, which is Python code",
        ),
    ],
    ids=["os", "subprocess", "custom", "a SavedModel", "a file", "a download", "no name",
         "an old format", "a function", "a lambda"],
)  # fmt: skip
def test_nothing_but_layers_of_keras_is_built(
    layer: dict[str, Any],
    reason: str,
    saved: Callable[[Any], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)

    def never(*_: Any, **__: Any) -> None:
        pytest.fail("Keras was asked to load it")

    monkeypatch.setattr(keras.models, "load_model", never)
    path = rewritten(saved(plain()), config=described(layer))
    with pytest.raises(PretrainedError, match=reason) as caught:
        saved_network(path, input_shape=SHAPE)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run.txt").exists()


def test_a_lambda_layer_is_refused_by_name(saved: Callable[[Any], Path]) -> None:
    model = keras.Sequential(
        [keras.Input(SHAPE), L.Lambda(lambda x: x / 2), L.Flatten(), L.Dense(2)]
    )
    with pytest.raises(PretrainedError, match="Lambda layer, which is Python code"):
        saved_network(saved(model), input_shape=SHAPE)


def test_safe_mode_is_on_even_if_ours_let_something_pass(
    saved: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_archive, "LAYERS", LAYERS | {"Lambda"})
    monkeypatch.setattr(keras_archive, "_VALUES", {"__lambda__"})
    monkeypatch.setattr(keras_archive, "_check_object", lambda *_: None)
    model = keras.Sequential([keras.Input(SHAPE), L.Lambda(lambda x: x / 2), L.Flatten()])
    with pytest.raises(PretrainedError, match="cannot be loaded by Keras") as caught:
        saved_network(saved(model), input_shape=SHAPE)
    assert "\n" not in str(caught.value)


def test_a_custom_loss_does_not_matter(saved: Callable[[Any], Path]) -> None:
    def shortfall(wanted: Any, got: Any) -> Any:
        return keras.ops.mean(wanted - got)

    model = plain()
    model.compile(loss=shortfall, optimizer="sgd")
    path = saved(model)
    assert saved_network(path, input_shape=SHAPE).output_shape == (None, 8)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: path.write_bytes(b"not a zip"), "not a .keras file, or was cut off"),
        (lambda path: path.write_bytes(b""), "not a .keras file, or was cut off"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "cut off or damaged"),
        (lambda path: rewritten(path, model=None), "a ZIP without model.weights.h5"),
        (lambda path: rewritten(path, config=b"{"), "cut off or damaged"),
        (lambda path: rewritten(path, config=b"[" * 100_000), "cut off or damaged"),
        (lambda path: rewritten(path, config=[]), "does not describe a model"),
        (lambda path: rewritten(path, model=b"no HDF5" * 512), "cannot be loaded by Keras"),
        (
            lambda path: rewritten(
                path, metadata={"keras_version": "9.0"}, config=described(
                    an_object("keras.layers", "Dense", {"units": 2, "from_the_future": 1})
                ),
            ),
            "saved by Keras 9.0, cannot be loaded by Keras 3",
        ),
    ],
    ids=["missing", "not a zip", "empty", "cut off", "no weights", "no JSON", "deep JSON",
         "a list", "no HDF5", "newer"],
)  # fmt: skip
def test_damage_is_told_in_one_sentence(
    spoil: Callable[[Path], Any], reason: str, saved: Callable[[Any], Path]
) -> None:
    path = saved(plain())
    spoil(path)
    with pytest.raises(PretrainedError, match=reason) as caught:
        saved_network(path, input_shape=SHAPE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF")
    with pytest.raises(PretrainedError, match="save it as one"):
        saved_network(path, input_shape=SHAPE)


def test_a_zip_that_grows_beyond_reason_is_not_unpacked(saved: Callable[[Any], Path]) -> None:
    path = saved(plain())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(64 << 20))
    with pytest.raises(PretrainedError, match="would unpack to 67,"):
        check_archive(path)


def test_a_layer_that_is_larger_than_its_file_is_not_built(saved: Callable[[Any], Path]) -> None:
    huge = an_object("keras.layers", "Dense", {"name": "huge", "units": 10**9})
    with pytest.raises(PretrainedError, match=r"for a layer of 1,000,000,000 units"):
        check_archive(rewritten(saved(plain()), config=described(huge)))


def test_every_layer_on_the_lists_is_one_of_keras() -> None:
    assert not [name for name in LAYERS | AUGMENTATIONS if not hasattr(L, name)]


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "RandomPosterization": (4,),
    "RandomTranslation": (0.2, 0.2),
}
WITH_A_FACTOR = {
    "RandomBrightness", "RandomColorDegeneration", "RandomContrast", "RandomHue", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomZoom",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_augmentation_that_is_left_out_does_nothing_outside_of_training(name: str) -> None:
    arguments = (0.2,) if name in WITH_A_FACTOR else ARGUMENTS.get(name, ())
    layer = getattr(L, name)(*arguments)
    np.testing.assert_array_equal(layer(PIXELS, training=False), PIXELS)


def write_run(folder: Path, name: str = "birds", **contract: Any) -> Preprocessing:
    """Put a float model file where a build would."""
    model = plain(classes=2)
    preprocessing = Preprocessing(height=SHAPE[0], width=SHAPE[1], **contract)
    content = seal(
        convert_float(model),
        Contract(preprocessing=preprocessing, activation="none"),
        ("wren", "robin"),
        name=f"{name}-float",
        description="",
        license="",
        pictures=(),
    )
    (folder / f"{name}-float.tflite").write_bytes(content)
    return preprocessing


@pytest.mark.parametrize("file", ["model.keras", "birds.keras"])
def test_the_contract_is_read_from_the_model_file_of_the_build(file: str, tmp_path: Path) -> None:
    expected = write_run(tmp_path, mean=(1.0, 2.0, 3.0), std=(4.0,), colour="BGR")
    assert contract_beside(tmp_path / file) == expected
    bundle = bundle_beside(tmp_path / file)
    assert bundle is not None
    assert bundle.labels == ("wren", "robin")


def test_without_a_model_file_of_its_build_there_is_no_contract(tmp_path: Path) -> None:
    assert contract_beside(tmp_path / "model.keras") is None
    write_run(tmp_path)
    assert contract_beside(tmp_path / "fish.keras") is None


def test_two_contracts_are_one_too_many(tmp_path: Path) -> None:
    content: NDArray[np.uint8] = np.zeros(4, np.uint8)
    for name in ("one", "two"):
        (tmp_path / f"{name}-float.tflite").write_bytes(content.tobytes())
    with pytest.raises(PretrainedError, match=r"2 model files, such as one-float\.tflite"):
        contract_beside(tmp_path / "model.keras")


def test_a_contract_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "one-float.tflite").write_bytes(b"no model")
    with pytest.raises(PretrainedError, match=r"contract of .* cannot be read"):
        contract_beside(tmp_path / "model.keras")


def test_contracts_are_read_without_tensorflow() -> None:
    script = (
        "import sys, pathlib, edge_recog_converter.pretrained.saved as saved\n"
        "saved.contract_beside(pathlib.Path('model.keras'))\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
