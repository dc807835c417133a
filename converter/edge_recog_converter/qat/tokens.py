"""Transformers taken apart: attention and normalisation as layers that are one operation each.

Attention becomes dense layers, two matrix products and a softmax, its factor part of the queries'
kernel; RMS normalisation becomes a square, a mean, an inverse root and two products. Vaswani et
al. 2017, https://arxiv.org/abs/1706.03762; Zhang and Sennrich 2019,
https://arxiv.org/abs/1910.07467.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat.ranges import PACKAGE

if TYPE_CHECKING:
    from numpy.typing import NDArray


@keras.saving.register_keras_serializable(PACKAGE)
class MatrixProduct(keras.layers.Layer):  # type: ignore[misc]
    """The product of two tensors of matrices, the second one transposed if asked for."""

    def __init__(self, *, transposed: bool = False, **kwargs: Any) -> None:
        """Take whether to transpose, and the arguments of `keras.layers.Layer`."""
        super().__init__(**kwargs)
        self.transposed = transposed

    def call(self, inputs: Any) -> Any:
        """Return the product of the two."""
        return tf.matmul(*inputs, transpose_b=self.transposed)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "transposed": self.transposed}


@keras.saving.register_keras_serializable(PACKAGE)
class InverseRoot(keras.layers.Layer):  # type: ignore[misc]
    """`1 / sqrt(x)` of values that are at least `least`: 0 occurs once they are rounded."""

    def __init__(self, *, least: float, **kwargs: Any) -> None:
        """Take the least value, and the arguments of `keras.layers.Layer`."""
        super().__init__(**kwargs)
        self.least = least

    def call(self, values: Any) -> Any:
        """Return the inverse roots."""
        return tf.math.rsqrt(tf.maximum(values, self.least) if self.least else values)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return what is put in."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "least": self.least}


@keras.saving.register_keras_serializable(PACKAGE)
class ConstantOperand(keras.layers.Layer):  # type: ignore[misc]
    """Adds learned constants, or multiplies by them; rounds them to a range of their own."""

    def __init__(
        self, shape: tuple[int, ...], *, product: bool, active: bool = False, **kwargs: Any
    ) -> None:
        """Take the constants' shape without the batch, what to do, and whether to round."""
        super().__init__(**kwargs)
        self._shape = tuple(shape)
        self.product = product
        self.active = active

    def build(self, input_shape: Any) -> None:
        """Create the constants."""
        del input_shape
        start = "ones" if self.product else "zeros"
        self.constant = self.add_weight(self._shape, initializer=start, name="constant")

    def call(self, values: Any) -> Any:
        """Return the sum or the product."""
        constant = tf.convert_to_tensor(self.constant)
        if self.active:
            wide = tf.stop_gradient(tf.cast(constant, tf.float32))
            low = tf.minimum(tf.reduce_min(wide), 0.0)
            high = tf.maximum(tf.reduce_max(wide), low + keras.config.epsilon())
            rounded = tf.quantization.fake_quant_with_min_max_vars(wide, low, high, num_bits=8)
            constant += tf.stop_gradient(tf.cast(rounded, constant.dtype) - constant)
        return values * constant if self.product else values + constant

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return what is put in."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            **super().get_config(),
            "shape": self._shape,
            "product": self.product,
            "active": self.active,
        }


def attended(layer: Any, query: Any, value: Any, key: Any | None = None, **kwargs: Any) -> Any:
    """Return what a `MultiHeadAttention` makes of symbolic tensors, in simple layers.

    Raises:
        ConversionError: It has a mask or other axes than the last but one.
    """
    if any(argument is not None and argument is not False for argument in kwargs.values()):
        raise ConversionError(f"{layer.name} has a mask, which integers do not imitate")
    rank = len(query.shape)
    if tuple(layer._attention_axes) != (rank - 2,):
        raise ConversionError(f"{layer.name} attends over other axes than the last but one")
    heads, size = layer.num_heads, layer.key_dim
    queries = _heads(layer._query_dense, f"{layer.name}_query", query, 1 / np.sqrt(size))
    keys = _heads(layer._key_dense, f"{layer.name}_key", value if key is None else key)
    values = _heads(layer._value_dense, f"{layer.name}_value", value)
    likeness = MatrixProduct(transposed=True, name=f"{layer.name}_likeness")([queries, keys])
    shares = keras.layers.Softmax(name=f"{layer.name}_shares")(likeness)
    mixed = MatrixProduct(name=f"{layer.name}_mixed")([shares, values])
    mixed = keras.layers.Permute(_swapped(rank), name=f"{layer.name}_mixed_by_token")(mixed)
    whole = (*query.shape[1:-1], heads * mixed.shape[-1])
    mixed = keras.layers.Reshape(whole, name=f"{layer.name}_mixed_joined")(mixed)
    output = layer._output_dense
    kernel = np.asarray(output.kernel)
    return _dense(
        mixed,
        f"{layer.name}_output",
        kernel.reshape(-1, kernel.shape[-1]),
        None if output.bias is None else np.asarray(output.bias),
    )


def root_mean_square_normalized(layer: Any, x: Any) -> Any:
    """Return what an `RMSNormalization` makes of a symbolic tensor, in simple layers.

    Raises:
        ConversionError: It does not normalise the last of three axes.
    """
    if len(x.shape) != 3 or layer.axis not in (-1, 2, [2], [-1]):
        raise ConversionError(f"{layer.name} normalises other than the last of three axes")
    square = keras.layers.Multiply(name=f"{layer.name}_square")([x, x])
    mean = keras.layers.GlobalAveragePooling1D(
        data_format="channels_first", keepdims=True, name=f"{layer.name}_square_mean"
    )(square)
    root = InverseRoot(least=layer.epsilon, name=f"{layer.name}_inverse_root")(mean)
    x = keras.layers.Multiply(name=f"{layer.name}_unit")([x, root])
    scale = np.asarray(layer.scale)
    return _operand(x, layer.name, scale, product=True)


def einsum_dense(layer: Any, x: Any) -> Any:
    """Return what an `EinsumDense` over the last axis makes of a symbolic tensor.

    Raises:
        ConversionError: It is another sum.
    """
    taken, _, given = layer.equation.replace(" ", "").partition("->")
    values, kernel = taken.split(",")
    if len(kernel) != 2 or values[-1] != kernel[0] or given != values[:-1] + kernel[1]:
        raise ConversionError(f"{layer.name} sums {layer.equation}: only the last axis can be")
    weights = np.asarray(layer.kernel)
    bias = None if layer.bias is None else np.asarray(layer.bias)
    if bias is None or bias.ndim == 1:
        return _dense(x, layer.name, weights, bias)
    x = _dense(x, layer.name, weights, None)
    return _operand(x, f"{layer.name}_bias", bias, product=False)


def _heads(dense: Any, name: str, x: Any, factor: float = 1.0) -> Any:
    """Return (batch, …, heads, tokens, size) of (batch, …, tokens, channels)."""
    kernel = np.asarray(dense.kernel) * factor
    bias = None if dense.bias is None else np.asarray(dense.bias).ravel() * factor
    rank = len(x.shape)
    split = (*x.shape[1:-1], *kernel.shape[1:])
    x = _dense(x, name, kernel.reshape(kernel.shape[0], -1), bias)
    x = keras.layers.Reshape(split, name=f"{name}_heads")(x)
    return keras.layers.Permute(_swapped(rank), name=f"{name}_by_head")(x)


def _swapped(rank: int) -> tuple[int, ...]:
    """Return the axes of a permutation of heads and tokens, before the last one."""
    return (*range(1, rank - 2), rank - 1, rank - 2, rank)


def _dense(x: Any, name: str, kernel: NDArray[Any], bias: NDArray[Any] | None) -> Any:
    layer = keras.layers.Dense(kernel.shape[1], name=name)
    output = layer(x)
    layer.kernel.assign(kernel)
    if bias is not None:
        layer.bias.assign(bias)
    return output


def _operand(x: Any, name: str, constant: NDArray[Any], *, product: bool) -> Any:
    layer = ConstantOperand(constant.shape, product=product, name=name)
    output = layer(x)
    layer.constant.assign(constant)
    return output
