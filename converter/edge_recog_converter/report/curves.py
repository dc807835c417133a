"""The page's section on training: how each stage went, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, section, tag
from edge_recog_converter.pages.markup import drawing, folded
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.texts import duration, percent, significant
from edge_recog_converter.report.headline import score_name
from edge_recog_converter.report.plots import plot_loss, plot_rate, plot_score

if TYPE_CHECKING:
    from edge_recog_converter.report.document import Epoch, Report, Stage

_TITLES = {
    "head": "The head alone",
    "train": "The network",
    "distill": "The network, with a teacher",
    "prune": "The network, with fewer channels",
    "sparsify": "The network, with fewer weights",
}


def training(report: Report) -> Markup:
    """Return every stage, in order."""
    if not report.stages:
        return NOTHING
    name = score_name(report)
    stages = (_stage(number, stage, name) for number, stage in enumerate(report.stages, 1))
    return section("training", "Training", *stages)


def _stage(number: int, stage: Stage, name: str) -> Markup:
    title = tag("h3", f"Stage {number}: {_TITLES[stage.kind].lower()}")
    if not stage.epochs:
        return tag("div", title, tag("p", f"No epoch is recorded. {_time(stage)}"))
    return tag(
        "div",
        title,
        tag("p", _said(stage, name)),
        tag(
            "div",
            drawing(plot_loss(stage), "Training: of augmented pictures, mean over the epoch."),
            drawing(plot_score(stage, name), "The weights of the best epoch were kept."),
            drawing(plot_rate(stage), "At the end of each epoch."),
            class_="drawings",
        ),
        folded(
            f"All {len(stage.epochs)} epochs" if len(stage.epochs) > 1 else "The epoch",
            _epochs(number, stage, name),
        ),
    )


def _said(stage: Stage, name: str) -> str:
    best = next((epoch for epoch in stage.epochs if epoch.number == stage.best), None)
    score = "" if best is None else f", with {name.lower()} {percent(best.score)} % on validation"
    return f"Epoch {stage.best} of {stage.epochs[-1].number} was the best{score}. {_time(stage)}"


def _time(stage: Stage) -> str:
    said = f"It took {duration(stage.seconds)}"
    worked = sum(epoch.seconds for epoch in stage.epochs)
    if worked > 0:
        waited = sum(epoch.waiting_s for epoch in stage.epochs) / worked
        said += f"; {percent(waited)} % of the epochs' time went by waiting for pictures"
    if stage.resumed_after:
        said += f". Epochs up to {stage.resumed_after} were done by an earlier process"
    return f"{said}."


def _epochs(number: int, stage: Stage, name: str) -> Markup:
    return table(
        ["epoch", "training loss", "validation loss", f"{name.lower()}, %", "learning rate",
         "time", "waiting"],
        [_row(epoch, best=epoch.number == stage.best) for epoch in stage.epochs],
        caption=f"Epochs of stage {number}",
    )  # fmt: skip


def _row(epoch: Epoch, *, best: bool) -> list[object]:
    return [
        f"{epoch.number} (best)" if best else epoch.number,
        significant(epoch.loss),
        significant(epoch.validation_loss),
        percent(epoch.score),
        f"{epoch.rate:.3g}",
        duration(epoch.seconds),
        duration(epoch.waiting_s),
    ]
