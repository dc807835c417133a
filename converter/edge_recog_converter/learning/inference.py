"""What a network says of pictures, and how often it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_recog_converter.learning.plans import Pixels

EVALUATED_AT_ONCE = 64


def inference_of(
    network: Any, *, mean: float | NDArray[np.float32], std: float | NDArray[np.float32]
) -> Callable[[Pixels], NDArray[np.float32]]:
    """Return what makes (pictures, classes) float32 logits of (pictures, …) pixels 0-255.

    Args:
        network: From normalised pixels to logits; its weights may change between calls.
        mean: As in the contract: one number, or (channels,).
        std: As `mean`.
    """
    spec = tf.TensorSpec((None, *network.inputs[0].shape[1:]), tf.uint8)
    infer = tf.function(
        lambda batch: network((tf.cast(batch, tf.float32) - mean) / std, training=False),
        input_signature=[spec],
        autograph=False,
    )

    def logits(pixels: Pixels) -> NDArray[np.float32]:
        starts = range(0, len(pixels), EVALUATED_AT_ONCE)
        parts = [infer(pixels[start : start + EVALUATED_AT_ONCE]).numpy() for start in starts]
        return np.concatenate(parts).astype(np.float32)

    return logits
