"""What a `.keras` file would have Keras build, looked at before Keras does.

A file is a ZIP of `metadata.json`, `config.json` and `model.weights.h5`. Keras's safe mode refuses
serialised Python code. Here only layers of the list below pass, so that nothing of a file is
imported, no other file is read because a layer names it, and a custom layer is named as such.
Importing this loads no TensorFlow.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter.errors import PretrainedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST: Final = 2 << 30
"""Bytes of all members together, unpacked. Keras stores them as they are."""
LARGEST_CONFIG: Final = 32 << 20
"""Bytes. MobileNetV3's has 160 kB."""
_MOST_EXPANSION: Final = 100
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

LAYERS: Final = frozenset(
    {
        "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average",
        "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "CenterCrop", "Concatenate",
        "Conv1D", "Conv2D", "Conv2DTranspose", "Cropping1D", "Cropping2D", "Dense",
        "DepthwiseConv1D", "DepthwiseConv2D", "Dot", "Dropout", "ELU", "EinsumDense", "Flatten",
        "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
        "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GroupNormalization", "Identity", "InputLayer",
        "LayerNormalization", "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "Maximum", "Minimum",
        "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "Permute", "RMSNormalization",
        "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing", "SeparableConv1D",
        "SeparableConv2D", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract",
        "UnitNormalization", "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
    }
)  # fmt: skip
"""Names in `keras.layers` that a file may use, besides `AUGMENTATIONS`."""
AUGMENTATIONS: Final = frozenset(
    {
        "AugMix", "CutMix", "MixUp", "RandAugment", "RandomBrightness", "RandomColorDegeneration",
        "RandomColorJitter", "RandomContrast", "RandomElasticTransform", "RandomErasing",
        "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert",
        "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation",
        "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom",
    }
)  # fmt: skip
"""Layers that change pictures in training only. `RandomCrop` is none of them."""
_MODELS: Final = frozenset(
    {
        ("keras", "DTypePolicy"),
        ("keras", "Functional"),
        ("keras", "Model"),
        ("keras", "Sequential"),
        ("keras.models", "Model"),
        ("keras.models", "Sequential"),
        ("keras.src.engine.functional", "Functional"),
        ("keras.src.models.functional", "Functional"),
    }
)
_WHOLE_MODULES: Final = frozenset(
    {
        "keras.constraints",
        "keras.dtype_policies",
        "keras.initializers",
        "keras.losses",
        "keras.metrics",
        "keras.optimizers",
        "keras.optimizers.schedules",
        "keras.regularizers",
        # Arithmetic on tensors, such as `x + y` in a functional model.
        "keras.src.ops.core",
        "keras.src.ops.image",
        "keras.src.ops.math",
        "keras.src.ops.nn",
        "keras.src.ops.numpy",
    }
)
"""All of what they define may stand in a file."""
_FUNCTION_MODULES: Final = frozenset(
    {"builtins", "keras.activations", "keras.losses", "keras.metrics"}
)
"""Keras looks `builtins` up among its own activations, losses and so on."""
_VALUES: Final = frozenset(
    {"__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"}
)
"""Plain values in Keras's notation."""


def check_archive(path: Path) -> str:
    """Return the version of Keras that saved a file that may be loaded.

    Raises:
        PretrainedError: It is no `.keras` file, damaged, far too large when unpacked, or would
            have Keras build something that is not on the lists above.
    """
    if path.suffix != ".keras" or not path.is_file():
        raise PretrainedError(
            f"{path} is not a .keras file: load the model with Keras and save it as one"
            if path.exists()
            else f"there is no file {path}"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(path, archive)
            weights = archive.getinfo(_WEIGHTS).file_size
            config = json.loads(archive.read(_CONFIG))
            metadata = json.loads(archive.read(_METADATA))
    except PretrainedError:
        raise
    except Exception as error:
        raise PretrainedError(
            f"{path} is not a .keras file, or was cut off or damaged ({error}): copy it again"
        ) from error
    if not isinstance(config, dict):
        raise PretrainedError(f"{path} does not describe a model")
    # Nothing of this one is built.
    config.pop("compile_config", None)
    for described in _described(config):
        _check_object(path, described)
        _check_channels(path, described, weights)
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return version[:20] if isinstance(version, str) else "an unknown version"


def _check_sizes(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    sizes = {member.filename: member.file_size for member in members}
    missing = {_CONFIG, _METADATA, _WEIGHTS} - sizes.keys()
    if missing:
        raise PretrainedError(f"{path} is a ZIP without {min(missing)}: not a .keras file")
    total = sum(member.file_size for member in members)
    if (
        total > LARGEST
        or total > _MOST_EXPANSION * path.stat().st_size
        or sizes[_CONFIG] > LARGEST_CONFIG
    ):
        raise PretrainedError(
            f"{path} has {path.stat().st_size:,} bytes and would unpack to {total:,}, "
            f"{sizes[_CONFIG]:,} of them its description: no model that is built here"
        )


def _described(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every object that a configuration describes, models and what is in them alike."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_object(path: Path, described: dict[str, Any]) -> None:
    name, module = described["class_name"], described.get("module")
    if not (isinstance(name, str) and isinstance(module, str | None)):
        allowed = False
    elif name == "function":
        name, allowed = described.get("config"), module in _FUNCTION_MODULES
    elif module is None:
        allowed = name in _VALUES
    elif module == "keras.layers":
        allowed = name in LAYERS or name in AUGMENTATIONS
    else:
        allowed = module in _WHOLE_MODULES or (module, name) in _MODELS
    if allowed:
        return
    shown = f"{str(module)[:60]}.{str(name)[:60]}" if module else str(name)[:60]
    if name in ("Lambda", "__lambda__"):
        raise PretrainedError(
            f"{path} has a Lambda layer, which is Python code: replace it by layers of Keras, such "
            "as Rescaling, and save the model again"
        )
    raise PretrainedError(
        f"{path} uses {shown!r}, which is not among the layers of Keras that can be loaded here: "
        "build the model without it and save it again"
    )


def _check_channels(path: Path, described: dict[str, Any], weights: int) -> None:
    """Refuse a layer with more outputs than the file has bytes of weights.

    Keras makes room for what is described before it looks at the weights.
    """
    config = described.get("config")
    if not isinstance(config, dict):
        return
    for part in ("units", "filters"):
        count = config.get(part)
        if isinstance(count, int | float) and count > weights:
            raise PretrainedError(
                f"{path} has {weights:,} bytes of weights for a layer of {count:,} {part}: it was "
                "damaged, copy it again"
            )
