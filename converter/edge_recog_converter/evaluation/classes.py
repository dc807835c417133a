"""Precision, recall and F1, of one class and of all: counts in, shares out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog_converter.report.document import ClassFigures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray


def class_figures(
    names: Sequence[str],
    *,
    support: NDArray[np.integer],
    said: NDArray[np.integer],
    hits: NDArray[np.integer],
    average_precisions: Sequence[float | None] | None = None,
) -> tuple[ClassFigures, ...]:
    """Return the figures of each class, in label order.

    F1 is `2 * hits / (support + said)`, which is the harmonic mean wherever there is one, and 0
    where nothing was found. Without pictures of the class there is no recall, and so no F1.

    Args:
        names: Labels, in the order of the model.
        support: (classes,) pictures that have the label.
        said: (classes,) pictures that are said to have it.
        hits: (classes,) pictures of which both is true.
        average_precisions: (classes,); None for a single-label task.
    """
    rows = zip(names, support.tolist(), said.tolist(), hits.tolist(), strict=True)
    precisions = average_precisions or [None] * len(names)
    return tuple(
        ClassFigures(
            label=name,
            support=have,
            precision=both / claims if claims else None,
            recall=both / have if have else None,
            f1=2 * both / (have + claims) if have else None,
            average_precision=average_precision,
        )
        for (name, have, claims, both), average_precision in zip(rows, precisions, strict=True)
    )


def macro_f1(classes: Iterable[ClassFigures]) -> float | None:
    """Return the mean F1 of the classes that have one: those that some picture has."""
    return mean_of_known(one.f1 for one in classes)


def mean_average_precision(classes: Iterable[ClassFigures]) -> float | None:
    """Return the mean average precision of the labels that have one."""
    return mean_of_known(one.average_precision for one in classes)


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is not None; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
