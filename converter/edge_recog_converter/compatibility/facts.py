"""What of all this goes into the model file: counts and the first obstacle, no lists."""

from __future__ import annotations

from edge_recog.contract import Compatibility, EdgeTpuBreak, EdgeTpuFacts, XnnpackFacts
from edge_recog_converter.compatibility.edge_tpu import edge_tpu_mapping
from edge_recog_converter.compatibility.xnnpack import xnnpack_takes


def compatibility_facts(tflite: bytes) -> Compatibility:
    """Return what XNNPACK takes of a model and what the Edge TPU compiler would map.

    The model is loaded by the interpreter that is installed here.

    Raises:
        NotATfliteModelError: It is not a TFLite model, or is unsafe to load.
        InterpreterError: No runtime is installed, or it rejects the model.
        UnsupportedModelError: The model needs an operation that the runtime does not have.
        UsageError: The model is compiled for the Edge TPU already.
    """
    mapping = edge_tpu_mapping(tflite)
    share = xnnpack_takes(tflite)
    first = mapping.breaks_at
    return Compatibility(
        xnnpack=XnnpackFacts(
            runtime=share.runtime, taken=share.taken, total=share.total, left=share.left
        ),
        edge_tpu=EdgeTpuFacts(
            mapped=mapping.mapped,
            total=len(mapping.operators),
            breaks_at=None
            if first is None
            else EdgeTpuBreak(index=first.index, name=first.name, reason=first.reason),
            open_batch=mapping.open_batch,
            parameters_bytes=mapping.parameters_bytes,
            fits_on_chip=mapping.fits_on_chip,
        ),
    )
