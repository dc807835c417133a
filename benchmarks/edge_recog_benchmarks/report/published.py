"""The page's section on what others have published of the same networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, name, section, tag
from edge_recog_benchmarks.anchors import figure, find_anchors, find_elsewhere, relation
from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.report.markup import table
from edge_recog_benchmarks.report.texts import DASH, significant

if TYPE_CHECKING:
    from edge_recog_benchmarks.anchors import Anchor
    from edge_recog_benchmarks.figures import Figures
    from edge_recog_benchmarks.report.digest import Digest


def published(digest: Digest) -> Markup:
    """Return what others have published of the same networks."""
    system = digest.result.system
    machine = str(system.machine.get("machine", ""))
    here: list[Markup] = []
    elsewhere: dict[str, tuple[object, ...]] = {}
    for one in digest.result.contestants:
        facts = one.model
        for anchor in find_anchors(
            system.board, facts.name, facts.input, threads=one.contestant.threads, machine=machine
        ):
            measured = _like(anchor, digest.figures[one.name])
            if measured is not None:
                source = tag("span", f" Source: {anchor.source}.", class_="faint")
                said = f": {significant(measured)} ms, {relation(anchor, measured)}."
                here.append(tag("li", name(one.name), said, source))
        for anchor in find_elsewhere(system.board, facts.name, facts.input, machine=machine):
            row = (
                anchor.network,
                figure(anchor),
                anchor.device or DASH,
                anchor.conditions or DASH,
                f"{anchor.by}: {anchor.source}",
            )
            elsewhere[str(row)] = row
    if not here and not elsewhere:
        return NOTHING
    parts: list[Markup] = []
    if here:
        about = (
            "The invoke stage alone, by the statistic that was published (the median where none is "
            "named), on this very board. Other runtimes and versions are part of the ratio."
        )
        parts += [tag("ul", *here), tag("p", about, class_="faint")]
    if elsewhere:
        shown = table(
            ["network", "figure", "device", "conditions", "source"], elsewhere.values(), numbers=()
        )
        parts += [
            tag("h3", "Elsewhere"),
            tag(
                "p",
                "Of the same networks, on other devices or of other properties: for orientation "
                "only, not to be set in relation to the figures above.",
            ),
            tag("details", tag("summary", f"{len(elsewhere)} figures"), shown),
        ]
    return section(f"{digest.key}published", "Published figures", *parts)


def _like(anchor: Anchor, figures: Figures) -> float | None:
    """Return what was measured of the model alone by the statistic of the anchor, in ms."""
    stage = figures.stages.get("invoke")
    if stage is None and len(figures.stages) == 1:
        stage = figures.stages.get(END_TO_END)
    if stage is None or anchor.statistic == "max":
        return None
    measured = {
        "mean": stage.mean_ms,
        "p50": stage.p50_ms,
        "p90": stage.p90_ms,
        "p99": stage.p99_ms,
        "": stage.p50_ms,
    }[anchor.statistic]
    return None if measured is None else measured.estimate
