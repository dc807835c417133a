"""The page's section on what scores are worth."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from edge_recog.markup import Markup, section, tag
from edge_recog_converter.pages.markup import drawing, folded
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.texts import percent, significant
from edge_recog_converter.report.plots import plot_reliability

if TYPE_CHECKING:
    from edge_recog_converter.report.document import Bin, ModelFigures, Report

_NAMES = {"float": "float", "int8": "INT8"}


def scores(report: Report) -> Markup:
    """Return how far a score can be taken for a probability, before and after scaling."""
    models = tuple(reversed(report.models))
    about = (
        f"Scores are scaled with a temperature of {significant(report.temperature)}, fitted on "
        "validation. On the dashed diagonal a score is what it says; below it the model is surer "
        "than it is right. Every dot stands for about equally many pictures of the test split."
    )
    if report.data.task == "multi-label":
        about += " Every label of a picture counts as one."
    return section(
        "scores",
        "What scores are worth",
        tag("p", about),
        tag(
            "div",
            *(
                drawing(
                    plot_reliability(_NAMES[model.kind], model.uncalibrated, model.calibrated),
                    f"{'INT8' if model.kind == 'int8' else 'Float'}, before and after scaling",
                )
                for model in models
            ),
            class_="drawings pair",
        ),
        _errors(models),
        folded("All bins", *(_bins(model) for model in models)),
    )


def _errors(models: tuple[ModelFigures, ...]) -> Markup:
    rows = [
        [
            _NAMES[model.kind],
            percent(model.uncalibrated.expected_calibration_error, 2),
            percent(model.calibrated.expected_calibration_error, 2),
            f"{model.uncalibrated.negative_log_likelihood:.4f}",
            f"{model.calibrated.negative_log_likelihood:.4f}",
        ]
        for model in models
    ]
    return table(
        ["model", "before", "after", "before", "after"],
        rows,
        caption="Expected calibration error (ECE), negative log-likelihood (NLL): less is better",
        groups=[("", 1), ("ECE, %", 2), ("NLL", 2)],
    )


def _bins(model: ModelFigures) -> Markup:
    pairs = zip_longest(model.uncalibrated.bins, model.calibrated.bins)
    rows = [
        [number, *_bin(before), *_bin(after)] for number, (before, after) in enumerate(pairs, 1)
    ]
    each = ["count", "score, %", "right, %"]
    return table(
        ["bin", *each, *each],
        rows,
        caption=f"Bins of {_NAMES[model.kind]}, the least sure first",
        groups=[("", 1), ("before", 3), ("after", 3)],
    )


def _bin(one: Bin | None) -> list[str]:
    if one is None:
        return ["", "", ""]
    return [f"{one.count:,}", percent(one.confidence), percent(one.accuracy)]
