"""What a model costs: parameters, and multiply-accumulates an image; now and after a cut.

Counted are the products of convolutions, dense layers and attention, as in the papers: MobileNetV2
has 300 million at 224x224 (https://arxiv.org/abs/1801.04381, table 4). Biases, normalisations,
activations, additions and pooling are left out; a FLOP is half a multiply-accumulate. Parameters
are all weights, as `Model.count_params` has it: statistics of normalisations too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.pruning.counting import count
from edge_recog_converter.pruning.graph import calls
from edge_recog_converter.pruning.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.pruning.channels import Channels
    from edge_recog_converter.pruning.counting import Product
    from edge_recog_converter.pruning.graph import Call


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Of one layer, at all places where it stands."""

    layer: str
    parameters: int
    macs: int
    """Multiply-accumulates for one image."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a model."""

    layers: tuple[LayerCost, ...]
    """In the order of the model; all of them."""

    @property
    def parameters(self) -> int:
        """All layers' together."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """All layers' together, for one image."""
        return sum(layer.macs for layer in self.layers)


@dataclass(frozen=True, slots=True)
class _Work:
    """What a layer does for an image."""

    layer: str
    parameters: int
    sizes: Mapping[str, int]
    """Elements of those weights that are multiplied or have channels."""
    products: tuple[Product, ...]
    unweighted_macs: int
    """Of values with values, as in attention; their channels are never removed."""


class Workload:
    """The work of a model, from which the cost of any cut follows without making it."""

    def __init__(self, model: Any, channels: Channels) -> None:
        """Look at `model`.

        Args:
            model: That was traced.
            channels: Of `model`.

        Raises:
            PruningError: A layer is unknown, or its map has no fixed size.
        """
        self._channels = channels
        self._works = tuple(_works(model, channels))

    def cost(self, kept: Mapping[str, NDArray[np.bool_]] | None = None) -> Cost:
        """Return what is left to do when only `kept` stays: all of it, unless told.

        Args:
            kept: By group, (its units,): which stay; a group that is not named stays whole.
        """
        stays = self._channels.stays(kept or {})
        lengths: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for axis in self._channels.axes:
            left = int(np.count_nonzero(stays[axis.units]))
            lengths[axis.layer, axis.weight].append((len(axis.units), left))
        return Cost(tuple(_cost(work, lengths) for work in self._works))


def cost_of(model: Any) -> Cost:
    """Return what `model` costs.

    Raises:
        PruningError: A layer is unknown, or its map has no fixed size.
    """
    return Workload(model, trace(model)).cost()


def _cost(work: _Work, lengths: Mapping[tuple[str, str], Sequence[tuple[int, int]]]) -> LayerCost:
    left = dict(work.sizes)
    for weight in left:
        for before, after in lengths.get((work.layer, weight), ()):
            left[weight] = left[weight] // before * after
    return LayerCost(
        layer=work.layer,
        parameters=work.parameters - sum(work.sizes.values()) + sum(left.values()),
        macs=work.unweighted_macs
        + sum(left[product.weight] * product.positions for product in work.products),
    )


def _works(model: Any, channels: Channels) -> Iterator[_Work]:
    placed: dict[str, list[Call]] = defaultdict(list)
    for call in calls(model):
        placed[call.layer.name].append(call)
    traced: dict[str, set[str]] = defaultdict(set)
    for axis in channels.axes:
        traced[axis.layer].add(axis.weight)
    for name, at in placed.items():
        layer = at[0].layer
        counts = [count(call) for call in at]
        products = tuple(product for counted in counts for product in counted.products)
        weights = sorted(traced[name] | {product.weight for product in products})
        yield _Work(
            layer=name,
            parameters=layer.count_params() if isinstance(layer, keras.Layer) else 0,
            sizes={weight: math.prod(getattr(layer, weight).shape) for weight in weights},
            products=products,
            unweighted_macs=sum(counted.unweighted_macs for counted in counts),
        )
