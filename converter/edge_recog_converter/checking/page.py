"""A check as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_converter.pages.markup import left_out
from edge_recog_converter.pages.skeleton import whole_page
from edge_recog_converter.pages.splits import class_counts
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.thumbnails import gallery, lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_converter.checking.document import CheckResult, Finding, Likes
    from edge_recog_converter.datasets.labelled import Content, Split

SETS_SHOWN = 40
"""Of exact copies, and as many of near ones."""
PICTURES_SHOWN = 8
"""Of each set."""
_ROWS_SHOWN = 200
_TITLES = {"error": "Error", "warning": "Warning", "note": "Note"}
_BOXES = {"error": "invalid", "warning": "warning", "note": "open"}


def page(result: CheckResult, contents: Mapping[str, Content]) -> str:
    """Return the page.

    Args:
        result: What the check said.
        contents: Id → picture, for thumbnails; those that cannot be read are named only.
    """
    title = f"Data check: {Path(result.data).resolve().name}"
    return whole_page(
        title,
        tag("header", tag("h1", title), tag("p", _facts(result), class_="faint")),
        _verdict(result),
        *(_finding(finding) for finding in result.findings),
        _classes(result),
        _pictures(result),
        _alike("exact", "The same file more than once", result.exact, contents),
        _alike("near", "Pictures that look alike", result.near, contents),
        _corrupt(result),
    )


def _facts(result: CheckResult) -> str:
    sizes = ", ".join(f"{count:,} {split}" for split, count in result.splits.items())
    return (
        f"{result.pictures:,} pictures ({sizes}), {len(result.classes)} classes, {result.task}, "
        f"layout {result.layout}"
    )


def _verdict(result: CheckResult) -> Markup:
    errors = sum(finding.severity == "error" for finding in result.findings)
    warnings = sum(finding.severity == "warning" for finding in result.findings)
    if not result.usable:
        kind, lead, rest = "invalid", "Not usable.", result.unusable_because
    elif errors:
        kind, lead, rest = "invalid", "Usable, but not to be trusted.", _many(errors, "error")
    elif warnings:
        kind, lead, rest = "warning", "Usable.", _many(warnings, "warning")
    else:
        kind, lead, rest = "yes", "Usable.", "Nothing was found that is wrong."
    return tag("div", tag("p", tag("strong", lead), " ", rest), class_=f"verdict {kind}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}."


def _finding(finding: Finding) -> Markup:
    return tag(
        "div",
        tag("p", tag("strong", f"{_TITLES[finding.severity]}: "), f"{finding.message}."),
        tag("p", f"{finding.advice[0].upper()}{finding.advice[1:]}."),
        class_=f"finding {_BOXES[finding.severity]}",
    )


def _classes(result: CheckResult) -> Markup:
    ratio = "" if result.imbalance is None else f"Largest to smallest: {result.imbalance:.1f}."
    counts: list[tuple[str, Mapping[Split, int]]] = [
        (one.name, {"train": one.train, "validation": one.validation, "test": one.test})
        for one in result.classes
    ]
    return section(
        "classes",
        "Classes",
        tag("p", ratio) if ratio else NOTHING,
        class_counts(counts, caption="Pictures that can be read, by class and split"),
    )


def _pictures(result: CheckResult) -> Markup:
    sizes = [(one, f"{width} x {height}") for one, (width, height) in result.sizes.items()]
    modes = [(mode, f"{count:,}") for mode, count in result.modes.items()]
    return section(
        "pictures",
        "Pictures",
        table(["picture", "pixels"], sizes, caption="Sizes of pictures"),
        table(["file", "pictures"], modes, caption="Kinds of files"),
    )


def _alike(key: str, title: str, sets: Sequence[Likes], contents: Mapping[str, Content]) -> Markup:
    if not sets:
        return NOTHING
    shown = sets[:SETS_SHOWN]
    return section(
        key,
        title,
        *(_set(one, contents) for one in shown),
        left_out(len(sets) - len(shown), "sets"),
    )


def _set(one: Likes, contents: Mapping[str, Content]) -> Markup:
    remarks = [f"{len(one.pictures)} pictures"]
    if one.across_splits:
        remarks.append("in more than one split")
    if one.labels_differ:
        remarks.append("with different labels")
    shown = gallery(
        (
            contents.get(place.id),
            place.id,
            lines(
                joined([
                    tag("strong", joined(map(name, place.labels), ", ") or "no label"), " ",
                    tag("span", place.split, class_=f"tag {place.split}"),
                ]),
                name(place.id),
            ),
        )
        for place in one.pictures[:PICTURES_SHOWN]
    )  # fmt: skip
    more = left_out(len(one.pictures) - PICTURES_SHOWN, "pictures")
    return tag("div", tag("p", ", ".join(remarks), class_="faint"), shown, more, class_="set")


def _corrupt(result: CheckResult) -> Markup:
    if not result.corrupt:
        return NOTHING
    shown = list(result.corrupt.items())[:_ROWS_SHOWN]
    return section(
        "corrupt",
        "Files that cannot be read",
        tag("ul", *(tag("li", reason) for _, reason in shown)),
        left_out(len(result.corrupt) - len(shown), "files"),
    )
