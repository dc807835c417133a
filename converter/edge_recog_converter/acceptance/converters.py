"""Who writes an INT8 file of a model that rounds: TFLite's converter, or litert-quantizer.

Both are given the same kernels, biases and ranges. Measured with TensorFlow 2.21 and
litert-quantizer 0.11, on ResNet-8 trained on ten made-up classes (1000 pictures) and on
EfficientNet-Lite0 at 160x160 (196 crops of photographs), by how often the float network's first
answer is given:

- Integers throughout they do alike: 92.7 % and 92.7 %, 85.2 % and 85.2 %. With random
  weights, outputs of LeNet-5 and MobileNetV2 are equal; those of MobileNetV3-small and MobileViT
  are up to 11 and 22 steps apart. TFLite's converter is taken, as the models that round were
  checked against its files.
- With some layers in float, litert-quantizer is taken. TFLite's converter leaves an operation in
  float whose output has no range; but then the next one has no scale for its input, and becomes
  float too. Of EfficientNet-Lite0's layers, the 8 most sensitive ones in float give 90.3 % either
  way, in a file of 10.5 MB against 9.6 MB; the 12 most sensitive 93.4 % in 13.0 MB against 93.9 %
  in 10.8 MB. Of ResNet-8's, the 4 most sensitive give 97.6 % in 131 kB; TFLite's converter cannot
  leave one of these out at all, which has no kernel. TensorFlow's `QuantizationDebugOptions` wants
  a calibration and float edges of its own and the deprecated interpreter, and did no better: 96.0 %
  against 96.6 % on 500 pictures.
- litert-quantizer's own calibration is not used: it averages the ends over the inputs, so that the
  input's range was -0.89 to 0.91 where pixels have -0.99 to 1, and the root mean square error of
  ResNet-8's logits 0.28 where TFLite's converter had 0.21.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat.conversion import convert_fake_quantized, settled
from edge_recog_converter.qat.kernels import FAKE_QUANT_KINDS
from edge_recog_converter.qat.ranges import FakeQuant
from edge_recog_converter.qat.walking import consumers
from edge_recog_converter.quantization import converted, converter_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

_TENSORFLOW: Final = ("tensorflow-cpu", "tensorflow")
_KERNEL_KINDS: Final = tuple(FAKE_QUANT_KINDS.values())


class Converter(Protocol):
    """Writes files with uint8 input and output, unless the last layer is left in float."""

    @property
    def name(self) -> str:
        """Of the program, with its version."""

    def convert(
        self,
        rounding: Any,
        calibration: Sequence[NDArray[np.float32]],
        *,
        floats: frozenset[str] = frozenset(),
    ) -> bytes:
        """Return a TFLite file of batch 1.

        Args:
            rounding: A model from `qat.with_ranges`; it is left as it is. Its kernels, biases and
                ranges are those of the file.
            calibration: Network inputs, each (1, height, width, channels); they set ranges that
                the model has not.
            floats: Names of layers, as `ptq.sensitivity` has them, to compute in float32.

        Raises:
            ConversionError: The program cannot express the model, or a layer is not found.
        """


@dataclass(frozen=True, slots=True)
class TfliteConverter:
    """TensorFlow's own. Layers stay in float where their range is left out."""

    @property
    def name(self) -> str:
        """See `Converter`."""
        return f"TFLiteConverter of TensorFlow {version_of(*_TENSORFLOW)}"

    def convert(
        self,
        rounding: Any,
        calibration: Sequence[NDArray[np.float32]],
        *,
        floats: frozenset[str] = frozenset(),
    ) -> bytes:
        """See `Converter`; layers without a kernel cannot be in `floats`."""
        del calibration
        if not floats:
            return convert_fake_quantized(rounding)
        members = [member for name in sorted(floats) for member in _members(rounding, name)]
        with inactive(members):
            converter = converter_of(settled(rounding))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        return converted(converter)


def _members(rounding: Any, name: str) -> list[Any]:
    """Return a layer with a kernel and what rounds its output.

    Raises:
        ConversionError: There is no such layer.
    """
    layer = next((one for one in rounding.layers if one.name == name), None)
    if not isinstance(layer, _KERNEL_KINDS):
        raise ConversionError(f"{name} is no layer with a kernel: it cannot be left in float")
    taken = consumers(rounding)
    follower: Any = layer
    while len(taken[follower.name]) == 1 and not isinstance(follower, FakeQuant):
        follower = taken[follower.name][0]
    return [layer, follower] if isinstance(follower, FakeQuant) else [layer]


@contextlib.contextmanager
def inactive(layers: Sequence[Any]) -> Iterator[None]:
    """Have layers round nothing meanwhile."""
    before = [layer.active for layer in layers]
    try:
        for layer in layers:
            layer.active = False
        yield
    finally:
        for layer, active in zip(layers, before, strict=True):
            layer.active = active


def version_of(*distributions: str) -> str:
    """Return the version of the first distribution that is installed.

    Raises:
        ConversionError: None is.
    """
    for distribution in distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    raise ConversionError(f"{distributions[0]} is not installed: install it")
