"""ImageNet weights of `keras.applications`, loaded by Keras's own code; nothing is downloaded."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter.architectures import ARCHITECTURES
from edge_recog_converter.calibration import calibration_inputs, normalize
from edge_recog_converter.errors import PretrainedError, RecipeError
from edge_recog_converter.features import FeatureExtractor
from edge_recog_converter.pretrained import downloading
from edge_recog_converter.pretrained.applications import (
    APPLICATIONS,
    Application,
    find_application,
    pretrained_application,
)
from edge_recog_converter.pretrained.downloading import WeightsFile, fetch, weights_folder

from edge_recog import Classifier
from edge_recog.frames import Frame
from edge_recog.preprocessing import Preprocessing
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

SMALL = (48, 48, 3)
SMALLEST = {"vgg-16": 1.0, "resnet-50": 1.0, "mobilenet-v1": 0.25, "mobilenet-v2": 0.35}
"""Widths to test with; 0.75 for the others."""
PREPROCESSING_MODULES = {
    "vgg-16": "vgg16",
    "resnet-50": "resnet",
    "mobilenet-v1": "mobilenet",
    "mobilenet-v2": "mobilenet_v2",
    # Passes pixels on, as its Rescaling usually does what mobilenet_v2's does.
    "mobilenet-v3-small": "mobilenet_v2",
    "mobilenet-v3-large": "mobilenet_v2",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, and no network however it is asked for."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))

    def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "keras" / "models"


def contract_of(application: Application, side: int = 48) -> Preprocessing:
    return Preprocessing(
        height=side,
        width=side,
        colour=application.colour,
        mean=application.mean,
        std=application.std,
    )


def keras_network(name: str, width: float) -> Any:
    """The headless network as Keras builds it, with random weights that tell pictures apart."""
    from edge_recog_converter._tensorflow import keras

    application = APPLICATIONS[name]
    arguments = dict(application.arguments)
    if len(application.widths) > 1:
        arguments["alpha"] = width
    network = getattr(keras.applications, application.builder)(
        weights=None, include_top=False, pooling="avg", input_shape=SMALL, **arguments
    )
    rng = np.random.default_rng(3)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
            layer.gamma.assign(rng.uniform(0.6, 1.4, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.5, 0.3, layer.beta.shape))
        elif layer.weights:
            # Mostly positive: with zero means, one grey level more or less would be felt as much
            # as another picture at this depth, and so would 8 bits.
            kernel, *bias = layer.get_weights()
            scale = 1 / np.sqrt(np.prod(kernel.shape[:-1]))
            layer.set_weights([rng.normal(0.5 * scale, scale, kernel.shape), *bias])
    # Once in training mode: the moments that normalisations keep are those of pictures.
    network(normalize(pictures(12), contract_of(APPLICATIONS[name])), training=True)
    return network


def save_weights(network: Any, path: Path) -> None:
    """Write the legacy HDF5 format that the published files have."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        layers = [layer for layer in network.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            values = layer.get_weights()
            names = [f"{layer.name}/w{number}:0".encode() for number in range(len(values))]
            group.attrs["weight_names"] = names
            for name, value in zip(names, values, strict=True):
                group[name.decode()] = value


def pictures(count: int, side: int = 48) -> NDArray[np.uint8]:
    """Smooth ones, as networks see them."""
    import cv2

    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(p, (side, side), interpolation=cv2.INTER_CUBIC) for p in coarse])


def run_tflite(
    content: bytes, pixels: NDArray[np.uint8], contract: Preprocessing
) -> NDArray[np.float32]:
    """Return (pictures, features) of RGB pixels, as on the device."""
    extractor = FeatureExtractor(content, contract)
    return np.stack([extractor(Frame.from_rgb(picture)) for picture in pixels])


@pytest.fixture
def placed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Any, float]]:
    """Put generated weights where the published ones belong; returns their network and width."""

    def place(name: str) -> tuple[Any, float]:
        width = SMALLEST.get(name, 0.75)
        network = keras_network(name, width)
        file = APPLICATIONS[name].weights_file(width=width, input_shape=SMALL)
        save_weights(network, home / file.name)
        if file.md5:
            # As published, for all that generated weights can be.
            digest = hashlib.md5((home / file.name).read_bytes()).hexdigest()
            monkeypatch.setattr(downloading, "_md5", lambda path: file.md5)
            assert digest != file.md5
        return network, width

    return place


@pytest.mark.parametrize("name", APPLICATIONS)
def test_weights_that_are_there_are_loaded_and_convert(
    name: str, placed: Callable[[str], tuple[Any, float]]
) -> None:
    from edge_recog_converter.quantization import convert_float, quantize_full_int8

    original, width = placed(name)
    network = pretrained_application(name, width=width, input_shape=SMALL)
    contract = contract_of(APPLICATIONS[name])
    pixels = pictures(6)
    # Of the frames that the converted ones are given below.
    inputs = normalize(
        np.stack([contract.pixels(Frame.from_rgb(picture)) for picture in pixels]), contract
    )
    features = np.asarray(network(inputs, training=False))
    np.testing.assert_allclose(features, original(inputs, training=False), rtol=1e-4, atol=1e-4)
    assert features.ndim == 2
    names = [layer.name for layer in network.layers]
    assert names[0] == "image"
    assert not any(layer.startswith("_") for layer in names)
    assert "Rescaling" not in {type(layer).__name__ for layer in network.layers}

    float_features = run_tflite(convert_float(network), pixels, contract)
    spread = features.std(axis=0).max()
    np.testing.assert_allclose(float_features, features, rtol=1e-3, atol=1e-3 * spread)
    calibration = [
        *(picture[None] for picture in inputs),
        *calibration_inputs([], contract),
    ]
    int8 = quantize_full_int8(network, calibration, adapt_rounding=False)
    quantized = run_tflite(int8, pixels, contract)
    usual = features.mean(axis=0)
    alike = np.corrcoef((quantized - usual).ravel(), (features - usual).ravel())[0, 1]
    assert alike > 0.97


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_contract_is_what_keras_says_of_pixels(name: str) -> None:
    from edge_recog_converter._tensorflow import keras

    application = APPLICATIONS[name]
    pixels = pictures(2)
    module = getattr(keras.applications, PREPROCESSING_MODULES[name])
    expected = module.preprocess_input(pixels.astype(np.float32))
    ordered = pixels[..., ::-1] if application.colour == "BGR" else pixels
    ours = normalize(ordered, contract_of(application))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def named(name: str, **choice: float) -> Any:
    return pytest.param(name, choice, id=f"{name} {choice or ''}")


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        *(named(name, width=width) for name, row in APPLICATIONS.items() for width in row.widths),
        *(named("mobilenet-v1", side=side) for side in (96, 128, 160, 192, 224)),
        *(named("mobilenet-v2", side=side) for side in (96, 128, 160, 192, 224)),
    ],
)
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined:UserWarning")
def test_files_are_those_that_keras_asks_for(
    name: str, choice: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_recog_converter._tensorflow import keras

    asked = []

    def ask(file_name: str, origin: str, *, cache_subdir: str, file_hash: str | None = None) -> Any:
        assert cache_subdir == "models"
        asked.append(WeightsFile(file_name, origin, file_hash))
        raise FileNotFoundError

    monkeypatch.setattr(sys.modules["keras.src.utils.file_utils"], "get_file", ask)
    application = APPLICATIONS[name]
    width, side = choice.get("width", 1.0), choice.get("side", 64)
    arguments = {"alpha": width} if len(application.widths) > 1 else {}
    shape = (side, side, 3)
    with pytest.raises(FileNotFoundError):
        getattr(keras.applications, application.builder)(
            weights="imagenet", include_top=False, input_shape=shape, **arguments
        )
    assert asked == [application.weights_file(width=width, input_shape=shape)]


def test_without_a_network_it_says_what_to_put_where(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PretrainedError) as caught:
        pretrained_application("mobilenet-v2", width=0.5, input_shape=(96, 96, 3))
    message = str(caught.value)
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.5_96_no_top.h5"
    assert f"applications/mobilenet_v2/{file} by other means" in message
    assert f"put it into {home} as {file}" in message
    assert "Connection refused" in message
    assert "needs no network" in message
    assert "\n" not in message
    assert list(home.iterdir()) == []
    assert capsys.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_a_server_that_says_nothing_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_HOME", str(home.parent))
    monkeypatch.setattr(downloading, "TIMEOUT_S", 0.2)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/weights.h5"
        with pytest.raises(PretrainedError, match="timed out"):
            fetch(WeightsFile("weights.h5", url, None))


def test_a_download_is_whole_before_it_is_in_its_place(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "served.h5"
    source.write_bytes(b"weights" * 10_000)
    url, digest = source.as_uri(), hashlib.md5(source.read_bytes()).hexdigest()
    with pytest.raises(PretrainedError, match="hash does not match"):
        fetch(WeightsFile("weights.h5", url, "0" * 32))
    assert list(home.iterdir()) == []
    path = fetch(WeightsFile("weights.h5", url, digest))
    assert path == home / "weights.h5" == weights_folder() / "weights.h5"
    assert list(home.iterdir()) == [path]
    assert path.read_bytes() == source.read_bytes()
    # Keras's progress would be there.
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(urllib.request, "urlopen", None)
    assert fetch(WeightsFile("weights.h5", url, digest)) == path


def test_a_folder_that_cannot_be_written_to_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.parent.write_text("a file, not a folder")
    with pytest.raises(PretrainedError, match=f"put it into {home}"):
        pretrained_application("mobilenet-v1", width=0.25, input_shape=SMALL)


def test_a_file_with_the_wrong_hash_is_named_and_left_alone(home: Path) -> None:
    file = APPLICATIONS["vgg-16"].weights_file(width=1.0, input_shape=SMALL)
    home.mkdir(parents=True)
    (home / file.name).write_bytes(b"something else")
    with pytest.raises(PretrainedError, match=r"notop\.h5 has the wrong hash \(MD5 .*remove it"):
        pretrained_application("vgg-16", input_shape=SMALL)
    assert (home / file.name).read_bytes() == b"something else"


@pytest.mark.parametrize("kept", [0, 100, 0.5], ids=["empty", "cut early", "cut in the middle"])
def test_a_file_that_was_cut_off_is_named(
    kept: float, home: Path, placed: Callable[[str], tuple[Any, float]]
) -> None:
    placed("mobilenet-v1")
    (path,) = home.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(PretrainedError, match=r"mobilenet_2_5_224_tf_no_top\.h5 is damaged or"):
        pretrained_application("mobilenet-v1", width=0.25, input_shape=SMALL)


def test_weights_of_another_width_are_refused(
    home: Path, placed: Callable[[str], tuple[Any, float]]
) -> None:
    placed("mobilenet-v1")
    (path,) = home.iterdir()
    path.rename(home / "mobilenet_5_0_224_tf_no_top.h5")
    with pytest.raises(PretrainedError, match=r"at width 0\.5"):
        pretrained_application("mobilenet-v1", width=0.5, input_shape=SMALL)


def test_a_file_of_weights_that_points_elsewhere_is_refused(
    home: Path, tmp_path: Path, placed: Callable[[str], tuple[Any, float]]
) -> None:
    import h5py

    placed("mobilenet-v1")
    (path,) = home.iterdir()
    (tmp_path / "secret").write_bytes(bytes(4096))
    with h5py.File(path, "a") as file:
        kernel = file["conv1/conv1/w0:0"]
        shape, dtype = kernel.shape, kernel.dtype
        del file["conv1/conv1/w0:0"]
        file["conv1/conv1"].create_dataset(
            "w0:0", shape, dtype, external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        )
    with pytest.raises(PretrainedError, match="external Dataset"):
        pretrained_application("mobilenet-v1", width=0.25, input_shape=SMALL)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("lenet-5", {}, "no ImageNet weights for lenet-5, only for vgg-16"),
        ("mobilenet-v2", {"width": 0.6}, r"are for width 0.35, 0.5, .*not 0.6"),
        ("resnet-50", {"width": 0.5}, r"are for width 1.0, not 0.5"),
        ("vgg-16", {"input_shape": (64, 31, 3)}, "at least 32 pixels a side, not 64x31x3"),
        ("vgg-16", {"input_shape": (64, 64, 1)}, "need 3 channels"),
    ],
)
def test_what_there_is_not_is_said(name: str, arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        find_application(name, **arguments)


def test_every_application_is_an_architecture_of_ours() -> None:
    assert set(APPLICATIONS) < set(ARCHITECTURES)


def test_the_table_is_read_without_tensorflow() -> None:
    script = (
        "import sys, edge_recog_converter.pretrained.applications as a\n"
        "a.find_application('mobilenet-v2', width=0.5)\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_build_starts_from_them(home: Path, small_pictures: Path, tmp_path: Path) -> None:
    from edge_recog_converter._tensorflow import keras
    from edge_recog_converter.build import build
    from edge_recog_converter.reporting import Reporter

    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV2(
        weights=None, include_top=False, alpha=0.35, input_shape=(96, 96, 3)
    )
    save_weights(
        network, home / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"
    )
    recipe = tmp_path / "started.toml"
    recipe.write_text(
        """
        schema_version = 1
        name = "started"
        [model]
        architecture = "mobilenet-v2"
        width = 0.35
        input = { height = 96, width = 96 }
        [[stage]]
        kind = "head"
        epochs = 5
        [[stage]]
        kind = "quantize"
        calibration = 12
        """,
        encoding="utf-8",
    )
    built = build(recipe, small_pictures, tmp_path / "runs", reporter=Reporter(quiet=True))
    with Classifier.open(built.int8) as classifier:
        verify(classifier).require("started")
        assert classifier.bundle.contract.preprocessing.mean == (127.5,)
