"""A report as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import Markup, joined, name, tag
from edge_recog_converter.pages.skeleton import whole_page
from edge_recog_converter.pages.texts import moment
from edge_recog_converter.report.attempts import attempts
from edge_recog_converter.report.by_class import classes
from edge_recog_converter.report.confusion import confusion
from edge_recog_converter.report.curves import training
from edge_recog_converter.report.examples import flips, mistakes
from edge_recog_converter.report.for_device import for_device
from edge_recog_converter.report.headline import glance, verdict
from edge_recog_converter.report.origins import data, making
from edge_recog_converter.report.pareto import smaller
from edge_recog_converter.report.scores import scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog_converter.datasets.labelled import Content
    from edge_recog_converter.report.document import Report

_TITLES = {
    "glance": "At a glance",
    "device": "For the device",
    "training": "Training",
    "points": "Smaller and faster",
    "classes": "By class",
    "confusion": "Confusions",
    "scores": "Scores",
    "mistakes": "Mistakes",
    "attempts": "How INT8 was accepted",
    "flips": "INT8 and float",
    "data": "Data",
    "making": "How it was made",
}


def page(report: Report, pictures: Mapping[str, Content]) -> str:
    """Return the page.

    Args:
        report: The document.
        pictures: Id → picture, for thumbnails; those that are missing or cannot be read are named
            only.
    """
    sections = {
        "glance": glance(report),
        "device": for_device(report),
        "training": training(report),
        "points": smaller(report),
        "classes": classes(report),
        "confusion": confusion(report),
        "scores": scores(report),
        "mistakes": mistakes(report, pictures),
        "attempts": attempts(report),
        "flips": flips(report, pictures),
        "data": data(report),
        "making": making(report),
    }
    return whole_page(
        f"{report.name}: training report",
        tag("header", tag("h1", name(report.name)), tag("p", _facts(report), class_="faint")),
        verdict(report),
        _contents([key for key, content in sections.items() if content]),
        *sections.values(),
    )


def _facts(report: Report) -> Markup:
    about = report.data
    return joined([
        f"Image classifier, {report.input}, {report.parameters:,} parameters, trained on ",
        name(about.name),
        f" ({about.task}, {len(about.labels):,} classes), {moment(report.created)}",
    ])  # fmt: skip


def _contents(keys: list[str]) -> Markup:
    links = (tag("li", tag("a", _TITLES[key], href=f"#{key}")) for key in keys)
    return tag("nav", tag("ul", *links), aria_label="Contents")
