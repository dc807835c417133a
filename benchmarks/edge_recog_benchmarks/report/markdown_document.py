"""Results as Markdown, for a pull request or a log book."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.report.answer import answer
from edge_recog_benchmarks.report.conditions import repeat
from edge_recog_benchmarks.report.digest import digest
from edge_recog_benchmarks.report.texts import (
    DASH,
    megabytes,
    percent,
    sentence,
    significant,
    span,
    times,
)
from edge_recog_benchmarks.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import ContestantResult, Finding, Result


def markdown(results: Sequence[Result]) -> str:
    """Return a document with a part for each result (GitHub's Markdown, UTF-8)."""
    return "\n\n".join("\n".join(_part(digest(result))) for result in results) + "\n"


def plain_text(text: str) -> str:
    """Return a stranger's text so that Markdown shows it as it is, on one line."""
    valid = text.encode(errors="replace").decode()
    line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", valid).strip()
    escaped = re.sub(r"([\\`*_{}\[\]()#+\-.!|~>&])", r"\\\1", line.replace("<", "&lt;"))
    return escaped.replace("\\&lt;", "&lt;")


def _part(about: Digest) -> Iterator[str]:
    result = about.result
    where = plain_text(result.system.board or str(result.system.machine.get("processor", "")))
    yield f"## Benchmark on {where or 'a machine that does not say what it is'}"
    yield ""
    said = answer(about, plain_text)
    mark = {"invalid": "**INVALID.** ", "yes": "", "no": "", "open": ""}[said.kind]
    yield f"{mark}**{said.lead}** {said.rest}".rstrip()
    yield from (f"\n{remark}" for remark in said.remarks)
    if result.findings:
        yield ""
        yield from map(_finding, result.findings)
    yield ""
    yield from _table(_COLUMNS, [_row(about, one) for one in result.contestants])
    if about.rows:
        yield ""
        yield from _table(
            ("in relation to the first", "ratio", "95 % interval", "verdict"), _ratios(about)
        )
        yield from (f"\n{plain_text(note)}" for note in about.notes)
    for flips in about.flips.values():
        yield f"\n{plain_text(flips.sentence)}."
    command, _ = repeat(result)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
    yield f"\n{result.plan.scenario}, {plain_text(result.created)}. To measure it again:"
    command = " ".join(command.splitlines())
    yield f"\n{fence}\n{command}\n{fence}"


_COLUMNS = (
    *("", "median, ms", "95 % interval", "p90, ms", "p99, ms", "pictures/s"),
    *("peak memory, MB", "file, MB", "right, %"),
)


def _row(about: Digest, one: ContestantResult) -> list[str]:
    figures = about.figures[one.name]
    total = figures.stages.get(END_TO_END)
    right = about.accuracies.get(one.name)
    share = None if right is None else right.top1 or right.exact
    failed = f" (failed: {plain_text(one.failed.reason)})" if one.failed else ""
    return [
        plain_text(one.name) + failed,
        _number(None if total is None else total.p50_ms),
        (total and span(total.p50_ms)) or DASH,
        _number(None if total is None else total.p90_ms),
        _number(None if total is None else total.p99_ms),
        _number(figures.throughput),
        DASH if figures.peak_rss_mb is None else megabytes(figures.peak_rss_mb),
        megabytes(figures.size_mb),
        DASH if share is None else percent(share.estimate),
    ]


def _ratios(about: Digest) -> Iterator[list[str]]:
    for row in about.rows:
        one = row.headline
        reason = f": {plain_text(one.reason)}" if one.reason else ""
        yield [
            plain_text(row.other),
            DASH if one.ratio is None else times(one.ratio.estimate),
            (one.ratio and span(one.ratio)) or DASH,
            one.verdict + reason,
        ]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' + '--:|' * (len(columns) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _finding(finding: Finding) -> str:
    about = f"{plain_text(finding.contestant)}: " if finding.contestant else ""
    reason, advice = plain_text(finding.reason), plain_text(sentence(finding.advice))
    return f"- **{finding.severity}** ({plain_text(finding.kind)}): {about}{reason}. {advice}"


def _number(value: Interval | float | None) -> str:
    if value is None:
        return DASH
    return significant(value.estimate if isinstance(value, Interval) else value)
