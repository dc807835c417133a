"""Which TFLite release first had which version of an operator.

The facts are those of TensorFlow's `runtime_version.cc`, for the operators that image classifiers
are made of:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/tools/versioning/runtime_version.cc
(The `min_runtime_version` in a model file says 1.14 or so whatever the model needs.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_RELEASES = """
ADD                     1.5 1.14 2.4 2.6 2.13 2.23
AVERAGE_POOL_2D         1.5 1.14 2.3
BATCH_MATMUL            2.3 2.3 2.4 2.5
CAST                    1.5 2.7 2.8 2.9 2.12 2.15 2.17 2.21
CONCATENATION           1.5 1.14 2.3 2.14 2.21
CONV_2D                 1.5 1.14 1.14 2.3 2.4 2.9 2.11 2.15
DEPTHWISE_CONV_2D       1.5 1.12 1.14 2.2 2.3 2.3 2.11
DEQUANTIZE              1.13 1.14 1.15 2.2 2.7 2.18 2.21 2.22
DIV                     1.6 2.3
EXP                     1.7 2.12
FULLY_CONNECTED         1.5 1.10 1.14 1.14 2.0 2.1 2.3 2.3 2.3 2.11 2.15 2.17 2.18 2.21
GATHER                  1.6 1.14 1.15 2.4 2.5 2.13 2.15
GELU                    2.9 2.9
HARD_SWISH              1.15
LEAKY_RELU              1.13 2.3
LOCAL_RESPONSE_NORMALIZATION 1.5
LOGISTIC                1.14 1.14 2.3
MAX_POOL_2D             1.5 1.14 2.3
MAXIMUM                 1.14 1.14 2.3 2.3
MEAN                    1.6 1.14 2.4
MINIMUM                 1.14 1.14 2.3 2.3
MUL                     1.5 1.14 1.15 2.3 2.6 2.11 2.13 2.23
PACK                    1.11 1.14 2.3 2.13
PAD                     1.5 1.14 2.4 2.6 2.20
PRELU                   1.8
QUANTIZE                1.14 1.15 2.7 2.21 2.21 2.21
RELU                    1.5 2.1 2.5
RELU6                   1.5 1.14 2.5
RELU_0_TO_1             2.10
RESHAPE                 1.5
RESIZE_BILINEAR         1.7 1.14 2.2 2.5
RSQRT                   1.10 2.5 2.15
SHAPE                   1.10
SLICE                   1.14 1.14 1.14 2.4 2.5 2.14 2.21
SOFTMAX                 1.5 1.14 2.3
SPLIT                   1.5 1.14 1.14 2.3
SQRT                    1.10 2.21
SQUARED_DIFFERENCE      1.13 2.5
SQUEEZE                 1.6 2.5
STRIDED_SLICE           1.6 1.14 2.1 2.2 2.5 2.6 2.14 2.14
SUB                     1.6 1.14 2.3 2.4 2.4
SUM                     1.10 1.15
TANH                    1.14 1.14 2.3
TRANSPOSE               1.6 1.14 1.15 2.3 2.4 2.12 2.14 2.22
"""
RELEASES = {name: tuple(rest) for name, *rest in map(str.split, _RELEASES.strip().splitlines())}
"""Operator → release of its version 1, 2, …"""


def oldest_runtime(operators: Mapping[str, int]) -> str:
    """Return the oldest TFLite release with all these operator versions, as in `2.3`.

    Args:
        operators: Highest version of each operator by name.

    Returns:
        Empty if an operator or version is not in the table.
    """
    oldest = "1.5"
    for name, version in operators.items():
        releases = RELEASES.get(name, ())
        if version > len(releases):
            return ""
        oldest = max(oldest, releases[version - 1], key=_numbers)
    return oldest


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
