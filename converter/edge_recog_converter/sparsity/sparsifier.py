"""Holds the small weights of a network at zero while it learns, more and more of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PruningError
from edge_recog_converter.sparsity.masks import masks_of
from edge_recog_converter.sparsity.schedules import share_at

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from edge_recog_converter.sparsity.sections import Sparsity

_KINDS = (keras.layers.Conv2D, keras.layers.Dense)
"""Layers whose kernel ends in (input channels, output channels). Depthwise ones are none of them:
of the weights of MobileNetV2 they have 3 %, of EfficientNet-Lite0 5 %."""


@dataclass(frozen=True, slots=True)
class Zeros:
    """How many weights of a layer's kernel are zero."""

    layer: str
    weights: int
    zeros: int


class Sparsifier:
    """The `KeptZeros` of a plan."""

    def __init__(self, network: Any, section: Sparsity, steps: int) -> None:
        """Choose the layers; no weight is changed yet.

        Args:
            network: Whose layers that may learn are pruned.
            section: Which weights, and when.
            steps: Of the whole training.

        Raises:
            PruningError: A layer that is to be skipped does not exist, or none is left.
        """
        self._section = section
        self._begin, self._end = int(section.begin * steps), max(1, int(section.end * steps))
        self._begin = min(self._begin, self._end - 1)
        self._layers = _chosen(network, section.skip)
        self._masks: dict[str, NDArray[np.bool_]] = {}

    def take_up(self, step: int) -> None:
        """See `KeptZeros`: a checkpoint has the weights, and their zeros are the masks."""
        if step > self._begin:
            self._masks = {
                name: np.asarray(layer.kernel) != 0 for name, layer in self._layers.items()
            }

    def after_step(self, step: int) -> None:
        """See `KeptZeros`; masks are chosen anew while the share of zeros grows."""
        due = step % self._section.every == 0 and self._begin < step < self._end
        if due or step == self._end or (step > self._end and not self._masks):
            share = share_at(step, target=self._section.share, begin=self._begin, end=self._end)
            kernels = {name: np.asarray(layer.kernel) for name, layer in self._layers.items()}
            self._masks = masks_of(
                kernels,
                share,
                pattern=self._section.pattern,
                together=self._section.scope == "global",
            )
        self.apply()

    def apply(self) -> None:
        """See `KeptZeros`."""
        for name, mask in self._masks.items():
            kernel = self._layers[name].kernel
            kernel.assign(kernel * mask.astype(np.float32))


def zeros_of(network: Any) -> tuple[Zeros, ...]:
    """Return how many weights are zero, of each layer that has any zeros in its kernel."""
    found = []
    for layer in network.layers:
        if type(layer) in _KINDS:
            kernel = np.asarray(layer.kernel)
            found.append(Zeros(layer.name, kernel.size, int(np.sum(kernel == 0))))
    return tuple(one for one in found if one.zeros)


def _chosen(network: Any, skip: Collection[str]) -> dict[str, Any]:
    kernels = [
        layer
        for layer in network.layers
        if type(layer) in _KINDS and getattr(layer, "groups", 1) == 1
    ]
    names = [layer.name for layer in kernels]
    for name in skip:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
            raise PruningError(
                f"there is no layer {name!r} with a kernel to prune"
                + (f": did you mean {near[0]!r}?" if near else "")
            )
    # The first one has few weights and sees all there is (Han et al. 2015, arXiv:1506.02626,
    # figure 6: it suffers most).
    chosen = {
        layer.name: layer for layer in kernels[1:] if layer.trainable and layer.name not in skip
    }
    if not chosen:
        raise PruningError(
            f"no layer of {network.name} is left whose weights could become zero: skip fewer, or "
            "unfreeze more"
        )
    return chosen
