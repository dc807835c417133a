"""How much each unit of channels matters: three scores, high is important.

- `l1_scores`: the filters that make a channel. Li et al. 2017, Pruning filters for efficient
  convnets, https://arxiv.org/abs/1608.08710.
- `gamma_scores`: the factors that normalise it. Liu et al. 2017, Learning efficient convolutional
  networks through network slimming, https://arxiv.org/abs/1708.06519. They mean most after training
  with an L1 penalty on them, as there.
- `taylor_scores`: what the loss would change, to first order. Molchanov et al. 2019, Importance
  estimation for neural network pruning, https://arxiv.org/abs/1906.10771, with the absolute value
  of `gradient * weight` in place of its square.

Groups of wide and of narrow layers differ in scale, which says nothing of which channels to take.
So scores are divided by their group's mean ("mean"), as Torch-Pruning does unless told otherwise,
the implementation of https://arxiv.org/abs/2301.12900 (`normalizer` in
https://github.com/VainF/Torch-Pruning/blob/master/torch_pruning/pruner/importance.py). "none"
leaves them: Taylor scores claim to be comparable over layers as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.errors import PruningError

if TYPE_CHECKING:
    from edge_recog_converter.pruning.channels import Channels, Group, WeightAxis

Scores: TypeAlias = Mapping[str, NDArray[np.float64]]
"""By group, (its units,), 0 or more."""
Scoring: TypeAlias = "Callable[[Any, Channels], Scores]"
"""`(model, its channels) -> scores`."""
Normalization = Literal["mean", "none"]


def l1_scores(model: Any, channels: Channels, *, normalization: Normalization = "mean") -> Scores:
    """Return the L1 norm of the kernels that make each unit.

    Where several layers make it, each one's norms are divided by their mean first: otherwise the
    layer with the most weights would speak for all.
    """
    return _normalized(
        {
            group.name: _sum_of_shares(
                _along(group, axis, np.abs(_values(model, axis)))
                for axis in group.axes
                if axis.role == "makes"
            )
            for group in channels.groups
        },
        normalization,
    )


def gamma_scores(model: Any, channels: Channels) -> Scores:
    """Return the factors of the batch normalisations that each unit passes, as absolute values.

    Groups without one get their L1 scores; so all are divided by their group's mean.

    Raises:
        PruningError: No group has one.
    """
    scores = dict(l1_scores(model, channels))
    found = False
    for group in channels.groups:
        gammas = [axis for axis in group.axes if axis.weight == "gamma"]
        if gammas:
            found = True
            scores[group.name] = _by_mean(
                _sum_of_shares(_along(group, axis, np.abs(_values(model, axis))) for axis in gammas)
            )
    if channels.groups and not found:
        raise PruningError(
            f"model {model.name!r} has no batch normalisation with a factor: score it by l1"
        )
    return scores


def taylor_scores(
    model: Any,
    channels: Channels,
    *,
    batches: Iterable[tuple[Any, Any]],
    loss: Callable[[Any, Any], Any],
    normalization: Normalization = "mean",
) -> Scores:
    """Return the mean over the batches of `|gradient * weight|`, summed over each unit's weights.

    Absolute values are taken weight by weight: the plain sum over a filter before a batch
    normalisation is 0, since its scale does not matter. Frozen weights count too. The model runs as
    outside of training and is left as it is.

    Args:
        model: That was traced.
        channels: Of `model`.
        batches: Inputs and targets.
        loss: `(targets, outputs) -> loss`, a scalar or one for each example.
        normalization: Over groups.

    Raises:
        PruningError: There are no batches.
    """
    places = {(axis.layer, axis.weight): axis for group in channels.groups for axis in group.axes}
    variables = {place: _variable(model, axis) for place, axis in places.items()}
    sums = {place: np.zeros(variable.shape) for place, variable in variables.items()}
    count = 0
    for inputs, targets in batches:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in variables.values():
                tape.watch(variable.value)
            lost = tf.reduce_mean(loss(targets, model(inputs, training=False)))
        gradients = tape.gradient(lost, [variable.value for variable in variables.values()])
        for (place, variable), gradient in zip(variables.items(), gradients, strict=True):
            if gradient is not None:
                sums[place] += np.abs(np.asarray(gradient) * np.asarray(variable))
        count += 1
    if not count:
        raise PruningError("there are no batches to score channels by: give at least one")
    return _normalized(
        {
            group.name: np.sum(
                [_along(group, axis, sums[axis.layer, axis.weight]) for axis in group.axes], axis=0
            )
            / count
            for group in channels.groups
        },
        normalization,
    )


def _normalized(scores: Scores, normalization: Normalization) -> Scores:
    if normalization == "none":
        return scores
    return {name: _by_mean(values) for name, values in scores.items()}


def _by_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = values.mean()
    return values / mean if mean > 0 else np.ones_like(values)


def _sum_of_shares(parts: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    total: NDArray[np.float64] = np.sum([_by_mean(part) for part in parts], axis=0)
    return total


def _along(
    group: Group, axis: WeightAxis, values: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return (units of the group,): the sums of `values` over all that is theirs along `axis`."""
    others = tuple(number for number in range(values.ndim) if number != axis.axis)
    sums = np.bincount(
        axis.units, weights=values.sum(axis=others), minlength=int(group.units[-1]) + 1
    )
    return np.asarray(sums[group.units], np.float64)


def _values(model: Any, axis: WeightAxis) -> NDArray[np.floating[Any]]:
    return np.asarray(_variable(model, axis), np.float64)


def _variable(model: Any, axis: WeightAxis) -> Any:
    return getattr(model.get_layer(axis.layer), axis.weight)
