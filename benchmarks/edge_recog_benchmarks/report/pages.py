"""Results as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.errors import UsageError
from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_benchmarks.accuracy import accuracy_differences
from edge_recog_benchmarks.comparison import compare_results
from edge_recog_benchmarks.report import conditions, correctness, performance
from edge_recog_benchmarks.report.answer import answer
from edge_recog_benchmarks.report.digest import digest
from edge_recog_benchmarks.report.markup import table
from edge_recog_benchmarks.report.operators import operators
from edge_recog_benchmarks.report.over_time import timeline
from edge_recog_benchmarks.report.published import published
from edge_recog_benchmarks.report.texts import DASH, points, sentence, span, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_benchmarks.comparison import ContestantComparison
    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import Finding, Result

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser is told to allow: nothing that is not in the page."""
_SECTIONS = (
    performance.glance,
    performance.comparison,
    performance.latency,
    correctness.accuracy,
    timeline,
    correctness.flips,
    correctness.classes,
    operators,
    published,
    conditions.models,
    conditions.machine,
    conditions.method,
)


def page(results: Sequence[Result]) -> str:
    """Return the page: a part for each result, and of two results how they compare.

    Raises:
        ResultError: A result names no contestant, one twice, or has answers that fit no picture.
    """
    parts = [
        digest(result, key=f"run{number}-" if len(results) > 1 else "")
        for number, result in enumerate(results, 1)
    ]
    title = "Benchmark" if len(parts) == 1 else f"{len(parts)} benchmark runs"
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    head = joined(
        [
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            Markup('<link rel="icon" href="data:,">'),
            tag("title", f"{title}: {_where(parts[0].result)}"),
            Markup(f"<style>\n{style}</style>"),
        ],
        "\n",
    )
    several = len(parts) > 1
    body = tag(
        "main",
        tag("header", tag("h1", title)) if several else NOTHING,
        _between(results) if len(results) == 2 else NOTHING,
        *(_run(part, number if several else 0) for number, part in enumerate(parts, 1)),
    )
    html = tag("html", tag("head", "\n", head, "\n"), "\n", tag("body", body), lang="en")
    return f"<!doctype html>\n{html}\n"


def _run(about: Digest, number: int) -> Markup:
    result = about.result
    said = answer(about, name)
    invalid = said.kind == "invalid"
    title = f"Run {number}: {_where(result)}" if number else f"Benchmark on {_where(result)}"
    facts = f"{result.created.replace('T', ' ').replace('Z', ' UTC')}, {result.plan.scenario}"
    if result.device != "local":
        facts += f", {result.device}"
    return tag(
        "article",
        tag(
            "header",
            tag("h1" if not number else "h2", title),
            tag("p", facts, class_="faint"),
            tag("p", tag("span", "INVALID", class_="stamp")) if invalid else NOTHING,
        ),
        tag(
            "div",
            tag("p", tag("strong", Markup(said.lead)), " ", Markup(said.rest)),
            *(tag("p", Markup(remark)) for remark in said.remarks),
            class_=f"verdict {said.kind}",
        ),
        *(_finding(finding) for finding in result.findings),
        *(part(about) for part in _SECTIONS),
        class_="run doubtful" if invalid else "run",
    )


def _finding(finding: Finding) -> Markup:
    about = joined([name(finding.contestant), ": "]) if finding.contestant else NOTHING
    kind = "invalid" if finding.severity == "invalid" else "warning"
    return tag(
        "div",
        tag("p", tag("strong", f"{kind.capitalize()}: "), about, f"{finding.reason}."),
        tag("p", sentence(finding.advice)),
        class_=f"finding {kind}",
    )


def _between(results: Sequence[Result]) -> Markup:
    """Return how the second run compares to the first."""
    try:
        comparison = compare_results(*results, accuracy=accuracy_differences)
    except UsageError as error:
        return section("between", "From run 1 to run 2", tag("p", f"{error}."))
    return section(
        "between",
        "From run 1 to run 2",
        table(
            ["", "median, ratio", "95 % interval", "verdict", "top-1, points"],
            [_change(row) for row in comparison.rows],
            numbers=(1, 2, 4),
        ),
        tag("ul", *(tag("li", note) for note in comparison.notes)) if comparison.notes else NOTHING,
    )


def _change(row: ContestantComparison) -> list[object]:
    one, top1 = row.headline, row.accuracy.get("top1")
    who = name(row.other)
    if row.reference != row.other:
        who = joined([name(row.reference), " to ", who])
    return [
        who,
        DASH if one.ratio is None else times(one.ratio.estimate),
        (one.ratio and span(one.ratio)) or DASH,
        f"{one.verdict}: {one.reason}" if one.reason else one.verdict,
        DASH if top1 is None else points(top1.estimate),
    ]


def _where(result: Result) -> str:
    return result.system.board or str(result.system.machine.get("processor") or "this machine")
