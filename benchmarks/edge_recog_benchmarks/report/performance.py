"""The page's sections on speed and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.report import plots
from edge_recog_benchmarks.report.markup import drawing, keyed, table
from edge_recog_benchmarks.report.texts import DASH, cell, megabytes, span, times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog_benchmarks.comparison import Comparison
    from edge_recog_benchmarks.figures import Figures, StageFigures
    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import ContestantResult

_MOST_WITH_STAGES = 3
"""With more rows in the comparison its stages are folded away."""


def glance(digest: Digest) -> Markup:
    """Return a table with a row for each contestant; columns that nobody fills are left out."""
    contestants = digest.result.contestants
    columns = {
        title: [read(digest.figures[one.name]) for one in contestants]
        for title, read in _COLUMNS.items()
    }
    columns = {title: cells for title, cells in columns.items() if set(cells) != {DASH}}
    rows = [
        [keyed(one.name, index), *(cells[index] for cells in columns.values())]
        for index, one in enumerate(contestants)
    ]
    return section(
        f"{digest.key}glance",
        "At a glance",
        table(["", *columns], rows),
        tag(
            "p",
            "Small print: where the true value lies with 95 % confidence, told from how fresh "
            "processes differ. What differs between two runs is not in it.",
            class_="faint",
        ),
        *(
            tag("p", tag("strong", name(one.name)), f" failed: {one.failed.reason}")
            for one in contestants
            if one.failed is not None
        ),
    )


def latency(digest: Digest) -> Markup:
    """Return distributions and stages, or what there is to say instead."""
    timed = [
        (index, one, total)
        for index, one in enumerate(digest.result.contestants)
        if (total := digest.figures[one.name].stages.get(END_TO_END))
    ]
    if not timed:
        throughput = digest.result.plan.scenario == "offline"
        said = "Only throughput was measured." if throughput else "No latency was measured."
        return section(f"{digest.key}latency", "Latency", tag("p", said))
    drawings = [
        drawing(
            plots.plot_distributions(
                [_distribution(index, one, total) for index, one, total in timed], key=digest.key
            ),
            "How often each latency occurred. Lines: the median, the 90th and, given enough "
            "samples, the 99th percentile. Small strokes: single slow answers.",
        )
    ]
    stacks = [
        plots.Stack(one.name, parts)
        for _, one, _ in timed
        if (parts := _stage_means(digest.figures[one.name].stages))
    ]
    if stacks:
        caption = "Where the time goes on average; means, unlike medians, add up."
        drawings.append(drawing(plots.plot_stages(stacks, key=digest.key), caption))
    return section(f"{digest.key}latency", "Latency", tag("div", *drawings, class_="drawings"))


def comparison(digest: Digest) -> Markup:
    """Return how each contestant compares to the first one."""
    if not digest.rows:
        return NOTHING
    folded = len(digest.rows) > _MOST_WITH_STAGES
    rows: list[list[object]] = []
    detailed: list[list[object]] = []
    for row in digest.rows:
        head = [name(row.other), *_compared(row.headline)]
        rows.append(head)
        detailed.append(head)
        detailed += [
            [tag("span", stage, class_="faint stage"), *_compared(one)]
            for stage, one in row.stages.items()
            if stage != END_TO_END
        ]
    metric = "pictures a second" if digest.rows[0].headline.metric == "throughput" else "median"
    columns = ["", f"{metric}, ratio", "95 % interval", "verdict", ""]
    caption = joined(["Each in relation to ", name(digest.rows[0].reference), "."])
    shown = table(columns, rows if folded else detailed, caption=caption, numbers=(1, 2))
    stages = NOTHING
    if folded and len(detailed) > len(rows):
        stages = table(columns, detailed, caption=caption, numbers=(1, 2))
        stages = tag("details", tag("summary", "Stage by stage"), stages)
    return section(
        f"{digest.key}comparison",
        "Comparison",
        shown,
        stages,
        tag("ul", *(tag("li", note) for note in digest.notes)) if digest.notes else NOTHING,
    )


def _distribution(index: int, one: ContestantResult, total: StageFigures) -> plots.Distribution:
    return plots.Distribution(
        one.name,
        index,
        np.maximum(one.samples(END_TO_END), 1) / 1e6,
        total.p50_ms.estimate,
        total.p90_ms.estimate,
        None if total.p99_ms is None else total.p99_ms.estimate,
    )


def _stage_means(stages: Mapping[str, StageFigures]) -> dict[str, float]:
    """Return mean milliseconds by stage, and what no stage accounts for."""
    parts = {stage: one.mean_ms.estimate for stage, one in stages.items() if stage != END_TO_END}
    total = stages[END_TO_END].mean_ms.estimate
    rest = total - sum(parts.values())
    return parts | {"rest": rest} if parts and rest > 0.01 * total else parts


def _compared(one: Comparison) -> list[object]:
    if one.ratio is None:
        return [DASH, DASH, one.verdict, one.reason]
    style = {"faster": "better", "slower": "worse"}.get(one.verdict, "faint")
    verdict = tag("span", one.verdict, class_=style)
    return [times(one.ratio.estimate), span(one.ratio) or DASH, verdict, one.reason]


def _total(read: Callable[[StageFigures], object]) -> Callable[[Figures], object]:
    def of(figures: Figures) -> object:
        total = figures.stages.get(END_TO_END)
        return DASH if total is None else read(total)

    return of


_COLUMNS: dict[str, Callable[[Figures], object]] = {
    "median, ms": _total(lambda total: cell(total.p50_ms)),
    "p90, ms": _total(lambda total: cell(total.p90_ms)),
    "p90, 99 % sure, ms": _total(lambda total: cell(total.p90_early_stopping_ms)),
    "p99, ms": _total(lambda total: cell(total.p99_ms)),
    "pictures a second": lambda figures: cell(figures.throughput),
    "dropped, %": lambda figures: cell(figures.dropped_share, scale=100),
    "first 10 s, ms": lambda figures: (
        DASH if figures.sustained is None else cell(figures.sustained.first_p50_ms)
    ),
    "last quarter, ms": lambda figures: (
        DASH if figures.sustained is None else cell(figures.sustained.last_p50_ms)
    ),
    "first answer, ms": lambda figures: cell(figures.first_answer_ms),
    "peak memory, MB": lambda figures: cell(figures.peak_rss_mb),
    "file, MB": lambda figures: megabytes(figures.size_mb),
    "energy, mJ": lambda figures: cell(figures.energy_mj),
}
