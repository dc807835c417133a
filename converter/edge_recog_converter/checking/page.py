"""A check as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.cameras.images import shrink
from edge_recog_converter.checking.markup import NOTHING, Markup, escape, joined, table, tag, void
from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.pictures import decode_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_converter.checking.document import CheckResult, ClassCount, Finding, Likes
    from edge_recog_converter.datasets.labelled import Content

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser is told to allow: nothing that is not in the page."""
SETS_SHOWN = 40
"""Of exact copies, and as many of near ones."""
PICTURES_SHOWN = 8
"""Of each set."""
_ROWS_SHOWN = 200
_LONGEST = 160
_QUALITY = 80
_TITLES = {"error": "Error", "warning": "Warning", "note": "Note"}
_BOXES = {"error": "invalid", "warning": "warning", "note": "open"}


def page(result: CheckResult, contents: Mapping[str, Content]) -> str:
    """Return the page.

    Args:
        result: What the check said.
        contents: Id → picture, for thumbnails; those that cannot be read are named only.
    """
    title = f"Data check: {Path(result.data).resolve().name}"
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    head = joined(
        [
            Markup('<meta charset="utf-8">\n'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">\n'),
            Markup('<meta name="color-scheme" content="light dark">\n'),
            Markup('<link rel="icon" href="data:,">\n'),
            tag("title", title),
            Markup(f"\n<style>\n{style}</style>\n"),
        ]
    )
    main = tag(
        "main",
        tag("header", tag("h1", title), tag("p", _facts(result), class_="faint")),
        _verdict(result),
        *(_finding(finding) for finding in result.findings),
        _classes(result),
        _pictures(result),
        _alike("exact", "The same file more than once", result.exact, contents),
        _alike("near", "Pictures that look alike", result.near, contents),
        _corrupt(result),
    )
    return f'<!doctype html>\n<html lang="en"><head>\n{head}</head>\n<body>{main}</body></html>\n'


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


def _section(key: str, title: str, *content: object) -> Markup:
    return tag("section", tag("h2", title), *content, id=key)


def _classes(result: CheckResult) -> Markup:
    most = max((one.total for one in result.classes), default=0) or 1
    shown = sorted(result.classes, key=lambda one: -one.total)[:_ROWS_SHOWN]
    keys = joined(tag("span", tag("span", class_=f"key {split}"), split) for split in SPLITS)
    ratio = "" if result.imbalance is None else f"Largest to smallest: {result.imbalance:.1f}. "
    return _section(
        "classes",
        "Classes",
        tag("p", ratio, "Pictures that can be read, by split: ", tag("span", keys, class_="keys")),
        table(
            ["", "", *SPLITS, "all"],
            [
                [one.name, _bar(one, most), *(f"{getattr(one, split):,}" for split in SPLITS),
                 f"{one.total:,}"]
                for one in shown
            ],
        ),
        _left_out(len(result.classes) - len(shown), "classes"),
    )  # fmt: skip


def _bar(one: ClassCount, most: int) -> Markup:
    parts = joined(
        tag("span", class_=split, style=f"width: {100 * getattr(one, split) / most:.2f}%")
        for split in SPLITS
    )
    said = ", ".join(f"{split} {getattr(one, split)}" for split in SPLITS)
    return tag("div", parts, class_="bar", role="img", title=said)


def _pictures(result: CheckResult) -> Markup:
    sizes = [(name, f"{width} x {height}") for name, (width, height) in result.sizes.items()]
    return _section(
        "pictures",
        "Pictures",
        table(["size", "pixels"], sizes),
        table(["file", "pictures"], [(mode, f"{n:,}") for mode, n in result.modes.items()]),
    )


def _alike(key: str, title: str, sets: Sequence[Likes], contents: Mapping[str, Content]) -> Markup:
    if not sets:
        return NOTHING
    shown = sets[:SETS_SHOWN]
    return _section(
        key,
        title,
        *(_set(one, contents) for one in shown),
        _left_out(len(sets) - len(shown), "sets"),
    )


def _set(one: Likes, contents: Mapping[str, Content]) -> Markup:
    remarks = [f"{len(one.pictures)} pictures"]
    if one.across_splits:
        remarks.append("in more than one split")
    if one.labels_differ:
        remarks.append("with different labels")
    figures = [
        tag(
            "figure",
            _image(contents[place.id]),
            tag(
                "figcaption",
                tag("strong", ", ".join(place.labels) or "no label"), " ",
                tag("span", place.split, class_=f"tag {place.split}"),
                tag("div", _path(place.id)),
            ),
            class_="copy",
        )
        for place in one.pictures[:PICTURES_SHOWN]
    ]  # fmt: skip
    more = _left_out(len(one.pictures) - PICTURES_SHOWN, "pictures")
    caption = tag("p", ", ".join(remarks), class_="faint")
    return tag("div", caption, tag("div", *figures, class_="copies"), more, class_="set")


def _path(name: str) -> Markup:
    """Return a path that may be broken after each slash."""
    return Markup(f"<bdi>{'/<wbr>'.join(escape(part) for part in name.split('/'))}</bdi>")


def _image(content: Content) -> Markup:
    import cv2

    try:
        pixels = shrink(decode_whole(content.read_bytes(), where=str(content)), _LONGEST)
    except OSError:
        return tag("div", "not there any more", class_="gone")
    done, jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        return tag("div", "cannot be shown", class_="gone")
    data = base64.b64encode(jpeg.tobytes()).decode()
    return void("img", src=f"data:image/jpeg;base64,{data}", alt="", loading="lazy")


def _corrupt(result: CheckResult) -> Markup:
    if not result.corrupt:
        return NOTHING
    shown = list(result.corrupt.items())[:_ROWS_SHOWN]
    return _section(
        "corrupt",
        "Files that cannot be read",
        tag("ul", *(tag("li", reason) for _, reason in shown)),
        _left_out(len(result.corrupt) - len(shown), "files"),
    )


def _left_out(count: int, what: str) -> Markup:
    return (
        tag("p", f"{count:,} more {what} are not shown.", class_="faint") if count > 0 else NOTHING
    )
