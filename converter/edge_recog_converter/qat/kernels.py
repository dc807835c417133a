"""Convolutions and dense layers whose kernels and biases are rounded as a full-INT8 file has them.

Kernels have 255 levels of one range for each output channel. Biases are multiples of the input's
step times the kernel's, as 32-bit integers are: that decides many a tie. Gradients pass straight
through. None of the layers has an activation of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.qat.ranges import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

_HIGHEST_WEIGHT: Final = 127


class _FakeQuantKernel:
    """What the layers below have in common: kernel and bias are rounded when used."""

    kernel: Any
    bias: Any
    active: bool

    def rounded_kernel(self) -> Any:
        """Return the kernel's nearest integers from -127 to 127, times each channel's step.

        A channel's largest weight is ±127, as in TFLite's converter.
        """
        if not self.active:
            return self.kernel
        kernel = tf.cast(self.kernel, tf.float32)
        return tf.cast(_rounded(kernel, self._steps(kernel)), self.kernel.dtype)

    def rounded_bias(self, step: Any | None) -> Any:
        """Return the bias as 32-bit integers can say it, for inputs of a step."""
        if step is None or not self.active:
            return self.bias
        steps = tf.reshape(self._steps(tf.cast(self.kernel, tf.float32)), [-1])
        bias = tf.cast(self.bias, tf.float32)
        return tf.cast(_rounded(bias, steps * tf.cast(step, tf.float32)), self.bias.dtype)

    def _steps(self, kernel: Any) -> Any:
        # A depthwise kernel is (height, width, in, multiplier): its last two are the channels.
        depthwise = isinstance(self, keras.layers.DepthwiseConv2D)
        axes = tuple(range(len(kernel.shape) - (2 if depthwise else 1)))
        largest = tf.stop_gradient(tf.reduce_max(tf.abs(kernel), axis=axes, keepdims=True))
        return tf.maximum(largest, keras.config.epsilon()) / _HIGHEST_WEIGHT


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _rounded(values: Any, steps: Any) -> Any:
    # Nothing saturates, so the gradient passes whole.
    return tf.round(values / steps) * steps, lambda upstream: (upstream, None)


@keras.saving.register_keras_serializable(PACKAGE)
class FakeQuantConv2D(_FakeQuantKernel, keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution with kernel and bias rounded."""

    def __init__(self, *args: Any, active: bool = True, **kwargs: Any) -> None:
        """Take the arguments of `Conv2D`, and whether to round."""
        super().__init__(*args, **kwargs)
        self.active = active

    def call(self, inputs: Any, step: Any | None = None) -> Any:
        """Return the convolution; `step` is that of the inputs, None for those not rounded."""
        return self.convolution_op(inputs, self.rounded_kernel()) + self.rounded_bias(step)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "active": self.active}


@keras.saving.register_keras_serializable(PACKAGE)
class FakeQuantDepthwiseConv2D(_FakeQuantKernel, keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """A depthwise convolution with kernel and bias rounded."""

    def __init__(self, *args: Any, active: bool = True, **kwargs: Any) -> None:
        """Take the arguments of `DepthwiseConv2D`, and whether to round."""
        super().__init__(*args, **kwargs)
        self.active = active

    def call(self, inputs: Any, step: Any | None = None) -> Any:
        """Return the convolution; `step` is that of the inputs, None for those not rounded."""
        outputs = keras.ops.depthwise_conv(
            inputs,
            self.rounded_kernel(),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return outputs + self.rounded_bias(step)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "active": self.active}


@keras.saving.register_keras_serializable(PACKAGE)
class FakeQuantDense(_FakeQuantKernel, keras.layers.Dense):  # type: ignore[misc]
    """A dense layer with kernel and bias rounded."""

    def __init__(self, *args: Any, active: bool = True, **kwargs: Any) -> None:
        """Take the arguments of `Dense`, and whether to round."""
        super().__init__(*args, **kwargs)
        self.active = active

    def call(self, inputs: Any, step: Any | None = None, training: bool | None = None) -> Any:
        """Return the product; `step` is that of the inputs, None for those not rounded."""
        del training
        return keras.ops.matmul(inputs, self.rounded_kernel()) + self.rounded_bias(step)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "active": self.active}


@keras.saving.register_keras_serializable(PACKAGE)
class FakeQuantHardSigmoid(keras.layers.Layer):  # type: ignore[misc]
    """`relu6(x + 3) / 6` as TFLite has it: a fused ReLU6, rounded, times a sixth."""

    def __init__(self, *, active: bool = True, **kwargs: Any) -> None:
        """Take the arguments of `keras.layers.Layer`, and whether to round."""
        super().__init__(**kwargs)
        self.active = active

    def call(self, values: Any) -> Any:
        """Return what is not yet rounded to the levels of the output."""
        values = tf.nn.relu6(tf.cast(values, tf.float32) + 3.0)
        if self.active:
            values = tf.quantization.fake_quant_with_min_max_args(values, 0.0, 6.0, num_bits=8)
        return tf.cast(values * (1 / 6), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return what is put in."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "active": self.active}


FAKE_QUANT_KINDS: Final[Mapping[Any, Any]] = {
    keras.layers.Conv2D: FakeQuantConv2D,
    keras.layers.DepthwiseConv2D: FakeQuantDepthwiseConv2D,
    keras.layers.Dense: FakeQuantDense,
}
"""The layers with kernels, and what imitates each."""
