"""The rounding of activations in float, as a full-INT8 TFLite file does it in integers.

Activations are rounded to 256 levels of a range, as
https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec has it.
Gradients pass straight through what is rounded and stop where it saturates: Jacob et al. 2018,
section 3, https://arxiv.org/abs/1712.05877.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter._tensorflow import keras, tf

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE: Final = "edge_recog"
_LEVELS: Final = 255
"""Steps from the least to the largest of 8-bit integers."""
_LEAST_SIGNED: Final = 128
_TIE_TOLERANCE: Final = 1e-3
"""Of a step: float32 has ties a little to either side."""
LEAST_WIDTH: Final = 1e-4
"""Of a range of activations. With a scale of nearly 0 the next bias would not fit 32 bits."""
DEFAULT_MOMENTUM: Final = 0.99
"""Of the moving averages. Ranges begin as measured, so they need not follow fast."""


class Give(StrEnum):
    """What a `FakeQuant` is asked for."""

    ROUNDED = "rounded"
    """The values, rounded; learned from before, in training."""
    AVERAGED = "averaged"
    """The same of what average pooling has made of rounded values: ties go away from the integer
    0, as `AveragePool` of tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h has
    it. The average of 2x2 is a tie as often as not. Not learned from."""
    STEP = "step"
    """The distance of two levels, a scalar."""


@keras.saving.register_keras_serializable(PACKAGE)
class FakeQuant(keras.layers.Layer):  # type: ignore[misc]
    """Rounds activations to the 256 levels of a range, which is learned as a moving average.

    In training the range follows the least and the largest value of each batch before it is used;
    outside of training, and if `trainable` is false, it stays. It always includes 0, which is one
    of the levels.
    """

    def __init__(
        self,
        ends: Sequence[tuple[float, float]],
        *,
        fixed: bool = False,
        momentum: float = DEFAULT_MOMENTUM,
        active: bool = True,
        **kwargs: Any,
    ) -> None:
        """Start from a range.

        Args:
            ends: Least and largest value at first, of each site where this layer stands: those of
                a concatenation's inputs share a range, which is as wide as all need.
            fixed: Never learn, and keep the range as constants, not as variables.
            momentum: What is left of the old ends after a batch, 0-1.
            active: Whether anything is rounded; ranges are learned all the same.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self._first = [(float(low), float(high)) for low, high in ends]
        self.fixed = fixed
        self.momentum = momentum
        self.active = active

    def build(self, input_shape: Any) -> None:
        """Create the ends' variables, unless they are fixed."""
        del input_shape
        if self.fixed:
            return
        self.lows, self.highs = (
            self.add_weight(
                (len(values),),
                # A tensor cannot be serialised; the present values are in the weights anyway.
                initializer=lambda shape, dtype, values=values: tf.constant(values, dtype),
                trainable=False,
                autocast=False,
                dtype="float32",
                name=name,
            )
            for values, name in zip(zip(*self._first, strict=True), ("lows", "highs"), strict=True)
        )

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest value that are told apart now: at most 0, at least 0."""
        if self.fixed:
            lows, highs = zip(*self._first, strict=True)
        else:
            lows, highs = self.lows.numpy(), self.highs.numpy()
        low = min(0.0, float(min(lows)))
        return low, max(float(max(highs)), low + LEAST_WIDTH)

    @range.setter
    def range(self, ends: tuple[float, float]) -> None:
        if self.fixed:
            raise ValueError(f"the range of {self.name} is fixed")
        for variable, value in zip((self.lows, self.highs), ends, strict=True):
            variable.assign([value] * len(self._first))

    def call(
        self, values: Any, *, give: str = Give.ROUNDED, site: int = 0, training: bool = False
    ) -> Any:
        """Return `values` rounded, or the step.

        Args:
            values: A tensor.
            give: What is wanted, of `Give`.
            site: Whose ends are learned.
            training: Whether to learn.
        """
        if give == Give.STEP:
            low, high = self._ends()
            return tf.convert_to_tensor((high - low) / _LEVELS, tf.float32)
        tensor = tf.cast(values, tf.float32)
        if training and give == Give.ROUNDED and self.trainable and not self.fixed:
            self._learn(tensor, site)
        if self.active:
            tensor = self._averaged(tensor) if give == Give.AVERAGED else self._rounded(tensor)
        return tf.cast(tensor, self.compute_dtype)

    def compute_output_spec(self, values: Any, *, give: str = Give.ROUNDED, **kwargs: Any) -> Any:
        """Return what is put in, or a scalar."""
        del kwargs
        if give == Give.STEP:
            return keras.KerasTensor((), "float32")
        return keras.KerasTensor(values.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; the ends are the first ones, the present ones are weights."""
        return {
            **super().get_config(),
            "ends": self._first,
            "fixed": self.fixed,
            "momentum": self.momentum,
            "active": self.active,
        }

    def _rounded(self, tensor: Any) -> Any:
        low, high = self._ends()
        return tf.quantization.fake_quant_with_min_max_vars(tensor, low, high, num_bits=8)

    def _averaged(self, tensor: Any) -> Any:
        low, high = self._ends()
        step = (high - low) / _LEVELS
        # The file's integers are signed: the middle of the range is about 0.
        zero = tf.round(-low / step) - _LEAST_SIGNED
        integers = tensor / step + zero
        # A sum of 49 integers over 49 is as exact as this; what is less than a tie stays so.
        rounded = tf.sign(integers) * tf.floor(tf.abs(integers) + 0.5 + _TIE_TOLERANCE)
        return tensor + tf.stop_gradient((rounded - zero) * step - tensor)

    def _ends(self) -> tuple[Any, Any]:
        if self.fixed:
            return self.range
        low = tf.minimum(tf.reduce_min(tf.convert_to_tensor(self.lows)), 0.0)
        return low, tf.maximum(tf.reduce_max(tf.convert_to_tensor(self.highs)), low + LEAST_WIDTH)

    def _learn(self, tensor: Any, site: int) -> None:
        share = tf.one_hot(site, len(self._first)) * (1 - self.momentum)
        ends = ((self.lows, tf.reduce_min(tensor)), (self.highs, tf.reduce_max(tensor)))
        for variable, seen in ends:
            variable.assign_add(share * (tf.stop_gradient(seen) - tf.convert_to_tensor(variable)))


def freeze_ranges(model: Any, *, frozen: bool = True) -> None:
    """Have the ranges of `model` stay as they are in training, or learn again.

    Weights then settle on levels that do not move: freeze for the last epochs. A training loop
    that has traced its step already does not notice.
    """
    for layer in model.layers:
        if isinstance(layer, FakeQuant):
            layer.trainable = not frozen
