"""What the families have in common: a normalised convolution, its activation, the classifier.

A convolution that is normalised has no bias, and its normalisation follows it at once, so that the
one can be folded into the other. Padding is TensorFlow's SAME, which is part of TFLite's
convolutions: with stride 2 and an even side the odd pixel goes right and below, where PyTorch's
published models pad all around. The number of parameters is the same.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from edge_recog_converter._tensorflow import keras

Activation = Literal["relu", "relu6", "hard_silu", "hard_sigmoid", "silu", "gelu"]
"""`hard_silu` is MobileNetV3's hard-swish. TFLite has an integer form of each of them."""

_BATCH_NORM_EPSILON: Final = 1e-3
_BATCH_NORM_MOMENTUM: Final = 0.99


def image_input(input_shape: tuple[int, int, int]) -> Any:
    """Return the input of every model: `image`, (batch, height, width, channels) float32."""
    return keras.Input(input_shape, name="image")


def convolution(
    x: Any,
    name: str,
    *,
    filters: int,
    kernel: int = 1,
    stride: int = 1,
    activation: Activation | None = "relu",
) -> Any:
    """Return `NAME_conv`, `NAME_norm` and, unless it is None, `NAME_ACTIVATION` of `x`."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=kernel_initializer(),
        name=f"{name}_conv",
    )(x)
    return activate(normalize(x, name), name, activation)


def depthwise(
    x: Any, name: str, *, kernel: int = 3, stride: int = 1, activation: Activation | None = "relu6"
) -> Any:
    """Return the same as `convolution` with a filter for each channel of `x`."""
    x = keras.layers.DepthwiseConv2D(
        kernel,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=kernel_initializer(),
        name=f"{name}_conv",
    )(x)
    return activate(normalize(x, name), name, activation)


def inverted_residual(
    x: Any,
    name: str,
    *,
    filters: int,
    expanded: int,
    stride: int,
    kernel: int = 3,
    activation: Activation = "relu6",
) -> Any:
    """Return expand, depthwise, project; plus `x` where the shapes allow it.

    Args:
        x: (batch, height, width, channels).
        name: Prefix of the layers' names.
        filters: Output channels.
        expanded: Channels within; as many as `x` has builds no expansion.
        stride: Of the depthwise convolution.
        kernel: Of the depthwise convolution.
        activation: After the first two.
    """
    shortcut = x
    if expanded != shortcut.shape[-1]:
        x = convolution(x, f"{name}_expand", filters=expanded, activation=activation)
    x = depthwise(x, f"{name}_depthwise", kernel=kernel, stride=stride, activation=activation)
    x = convolution(x, f"{name}_project", filters=filters, activation=None)
    if stride == 1 and shortcut.shape[-1] == filters:
        x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def normalize(x: Any, name: str) -> Any:
    """Return the batch normalisation `NAME_norm` of `x`."""
    return keras.layers.BatchNormalization(
        momentum=_BATCH_NORM_MOMENTUM, epsilon=_BATCH_NORM_EPSILON, name=f"{name}_norm"
    )(x)


def activate(x: Any, name: str, activation: Activation | None) -> Any:
    """Return `NAME_ACTIVATION` of `x`, or `x` itself where there is none."""
    if activation is None:
        return x
    if activation == "silu":
        # Two layers, as it is two operations in TFLite: TensorFlow's own has a custom gradient
        # that a SavedModel cannot hold, and the converter falls back on a path that warns.
        gate = keras.layers.Activation("sigmoid", name=f"{name}_sigmoid")(x)
        return keras.layers.Multiply(name=f"{name}_silu")([x, gate])
    name = f"{name}_{activation}"
    if activation in ("relu", "relu6"):
        return keras.layers.ReLU(6.0 if activation == "relu6" else None, name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def kernel_initializer() -> Any:
    """Return He's initialiser over outgoing connections, https://arxiv.org/abs/1502.01852."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def finish(image: Any, features: Any, name: str, *, classes: int | None, dropout: float) -> Any:
    """Return the model from `image` to `logits`.

    Args:
        image: From `image_input`.
        features: (batch, size), the output of the layer `features`.
        name: Of the model.
        classes: Size of the layer `logits`; None ends the model at `features`.
        dropout: Of the layer `dropout` between the two, 0 ≤ dropout < 1; 0 builds none.
    """
    if classes is None:
        return keras.Model(image, features, name=f"{name}_features")
    if dropout > 0:
        features = keras.layers.Dropout(dropout, name="dropout")(features)
    logits = keras.layers.Dense(classes, name="logits")(features)
    return keras.Model(image, logits, name=name)
