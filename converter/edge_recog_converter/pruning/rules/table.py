"""The rules by layer and by operation. What is not here is refused: nothing is guessed."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.rules.activations import (
    activation_layer,
    prelu_layer,
    softmax_layer,
)
from edge_recog_converter.pruning.rules.rule import merged, mixed, passed
from edge_recog_converter.pruning.rules.shaping import (
    concatenate,
    dropout,
    expand_dims,
    flatten,
    permute,
    reduce,
    rescaling,
    reshape,
    reshape_operation,
)
from edge_recog_converter.pruning.rules.weighted import (
    batch_normalization,
    convolution,
    dense,
    depthwise,
    einsum_dense,
    separable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog_converter.pruning.graph import Call
    from edge_recog_converter.pruning.rules.rule import Rule

LAYERS: Final[Mapping[type, Rule]] = MappingProxyType(
    {
        getattr(keras.layers, name): rule
        for rule, names in (
            (convolution, "Conv1D Conv2D"),
            (depthwise, "DepthwiseConv1D DepthwiseConv2D"),
            (separable, "SeparableConv1D SeparableConv2D"),
            (dense, "Dense"),
            (einsum_dense, "EinsumDense"),
            (batch_normalization, "BatchNormalization"),
            (activation_layer, "Activation"),
            (softmax_layer, "Softmax"),
            (prelu_layer, "PReLU"),
            (merged, "Add Average Maximum Minimum Multiply Subtract"),
            (concatenate, "Concatenate"),
            (flatten, "Flatten"),
            (reshape, "Reshape"),
            (permute, "Permute"),
            (rescaling, "Rescaling"),
            (dropout, "AlphaDropout Dropout GaussianDropout GaussianNoise"),
            (dropout, "SpatialDropout1D SpatialDropout2D"),
            (passed, "ActivityRegularization ELU Identity LeakyReLU ReLU"),
            (passed, "AveragePooling1D AveragePooling2D MaxPooling1D MaxPooling2D"),
            (passed, "GlobalAveragePooling1D GlobalAveragePooling2D"),
            (passed, "GlobalMaxPooling1D GlobalMaxPooling2D"),
            (passed, "Cropping1D Cropping2D UpSampling1D UpSampling2D"),
            (passed, "ZeroPadding1D ZeroPadding2D"),
            # These divide by a figure of all channels: with fewer of them it is another one.
            (mixed, "GroupNormalization LayerNormalization RMSNormalization UnitNormalization"),
            (mixed, "MultiHeadAttention Normalization"),
        )
        for name in names.split()
    }
)
"""By type, and by no type derived from it."""

OPERATIONS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        name: rule
        for rule, names in (
            (passed, "Absolute Cast Clip Elu Exp Expm1 Gelu HardSigmoid HardSilu HardTanh"),
            (passed, "LeakyRelu Log Log1p LogSigmoid Negative Reciprocal Relu Relu6 Round Selu"),
            (passed, "Sigmoid Sign Silu Softplus Softsign Sqrt Square Tanh"),
            (merged, "Add Divide Maximum Minimum Multiply Power Subtract TrueDivide"),
            (reduce, "Amax Amin Max Mean Min Sum"),
            (concatenate, "Concatenate"),
            (expand_dims, "ExpandDims"),
            (reshape_operation, "Reshape"),
            (mixed, "GetItem LogSoftmax Softmax Split Transpose"),
        )
        for name in names.split()
    }
)
"""By the name of the class: operations of `keras.ops`, which Keras does not export."""
_OPERATION_MODULES: Final = ("keras.src.ops.core", "keras.src.ops.nn", "keras.src.ops.numpy")


def rule_of(call: Call) -> Rule:
    """Return what the call's layer does to channels.

    Raises:
        PruningError: Nobody has written it down; the layer is named.
    """
    kind = type(call.layer)
    if kind in LAYERS:
        if getattr(call.layer, "lora_enabled", False) or getattr(
            call.layer, "quantization_mode", None
        ):
            raise PruningError(
                f"layer {call.where} is quantised or has LoRA weights: prune it before that"
            )
        return LAYERS[kind]
    if kind.__module__ in _OPERATION_MODULES and kind.__name__ in OPERATIONS:
        return OPERATIONS[kind.__name__]
    if isinstance(call.layer, keras.Model):
        raise PruningError(
            f"layer {call.where} is a model within the model: make one flat model of both first"
        )
    raise PruningError(
        f"layer {call.where} is of a kind of which nothing is known about channels: "
        "replace it by Keras's own layers, or prune the model before it"
    )
