"""The way through the package: trace, score, choose, cut."""

from __future__ import annotations

import difflib
import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.budgets import Budget, share_within
from edge_recog_converter.pruning.choosing import MULTIPLE_OF, Ranking, choose
from edge_recog_converter.pruning.costs import Cost, Workload
from edge_recog_converter.pruning.cutting import cut
from edge_recog_converter.pruning.scores import Scoring, l1_scores
from edge_recog_converter.pruning.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.pruning.channels import Channels, Group

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """What became of one group of channels."""

    name: str
    makers: tuple[str, ...]
    """The layers that make the channels."""
    before: int
    """Channels."""
    after: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a model."""

    keep: float
    """The share of channels that was asked for, or that met the budget."""
    groups: tuple[GroupSummary, ...]
    """All whose channels could be removed, protected ones left out."""
    before: Cost
    after: Cost
    fixed: Mapping[str, str]
    """By layer: why the channels there could not be removed."""


class Cuts:
    """The smaller copies that one scoring of a model's channels leads to, one for each share."""

    def __init__(
        self,
        model: Any,
        *,
        score: Scoring = l1_scores,
        ranking: Ranking = "global",
        multiple_of: int = MULTIPLE_OF,
        least: int = 1,
        protected: Collection[str] = (),
    ) -> None:
        """Trace and score `model`, once; arguments and errors are those of `pruned`."""
        self.model = model
        self._channels = trace(model)
        self._groups = _unprotected(self._channels, protected)
        self._work = Workload(model, self._channels)
        scores = score(model, self._channels)
        self._choose = functools.partial(
            choose,
            self._groups,
            scores,
            ranking=ranking,
            multiple_of=multiple_of,
            least=least,
        )

    def cost(self, share: float) -> Cost:
        """Return what the copy with a share of the channels, 0-1, costs; makes none."""
        return self._work.cost(self._choose(keep=share))

    def share_within(self, budget: Budget) -> float:
        """Return the largest share whose cost is within `budget`.

        Raises:
            PruningError: Not even the least share is.
        """
        return share_within(budget, self.cost)

    def made(self, share: float) -> tuple[Any, Summary]:
        """Return the copy with a share of the channels, 0-1, and what was removed."""
        kept = self._choose(keep=share)
        summary = Summary(
            keep=share,
            groups=tuple(_summed_up(group, kept[group.name]) for group in self._groups),
            before=self._work.cost(),
            after=self._work.cost(kept),
            fixed=self._channels.fixed,
        )
        _LOGGER.info(
            "%s keeps %d of %d channels, %d of %d multiply-accumulates, %d of %d parameters",
            self.model.name,
            sum(group.after for group in summary.groups),
            sum(group.before for group in summary.groups),
            summary.after.macs,
            summary.before.macs,
            summary.after.parameters,
            summary.before.parameters,
        )
        return cut(self.model, self._channels, kept), summary


def pruned(
    model: Any,
    *,
    keep: float | Budget,
    score: Scoring = l1_scores,
    ranking: Ranking = "global",
    multiple_of: int = MULTIPLE_OF,
    least: int = 1,
    protected: Collection[str] = (),
) -> tuple[Any, Summary]:
    """Return a smaller copy of `model`, and what was removed.

    The copy is a plain functional model that can be trained further, pruned again and converted; it
    shares no weights with `model` and is not compiled.

    Args:
        model: Functional or sequential; left as it is.
        keep: Share of the channels that can be removed, 0 < keep ≤ 1, or what the copy may cost.
        score: `l1_scores`, `gamma_scores`, or `taylor_scores` with its batches and loss by
            `functools.partial`.
        ranking: Over all groups, or the same share of each.
        multiple_of: Channels are kept in multiples of this.
        least: Channels that each group keeps, unless it has fewer.
        protected: Layers that make as many channels as before.

    Raises:
        PruningError: The model has a layer of which nothing is known (it is named), an argument is
            out of its range, or the budget is too small.
    """
    if not isinstance(keep, Budget) and not 0 < keep <= 1:
        raise PruningError(f"cannot keep {keep} of the channels: keep must be over 0 and up to 1")
    cuts = Cuts(
        model,
        score=score,
        ranking=ranking,
        multiple_of=multiple_of,
        least=least,
        protected=protected,
    )
    return cuts.made(cuts.share_within(keep) if isinstance(keep, Budget) else keep)


def _unprotected(channels: Channels, protected: Collection[str]) -> list[Group]:
    makers = {axis.layer for axis in channels.axes if axis.role == "makes"}
    for name in sorted(set(protected) - makers):
        near = difflib.get_close_matches(name, sorted(makers), n=1, cutoff=0.0)
        raise PruningError(
            f"there is no layer {name!r} that makes channels"
            + (f": did you mean {near[0]!r}?" if near else "")
        )
    return [group for group in channels.groups if not set(group.makers) & set(protected)]


def _summed_up(group: Group, kept: NDArray[np.bool_]) -> GroupSummary:
    return GroupSummary(
        name=group.name,
        makers=group.makers,
        before=group.channels,
        after=int(kept.sum()) * group.channels_per_unit,
    )
