"""The page's section on where the time of one inference goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_benchmarks.report.markup import table
from edge_recog_benchmarks.report.texts import percent, significant

if TYPE_CHECKING:
    from edge_recog_benchmarks.report.digest import Digest

_MOST_OPERATORS = 15


def operators(digest: Digest) -> Markup:
    """Return where the time of one inference goes, for the contestants that were profiled."""
    parts: list[Markup] = []
    for one in digest.result.contestants:
        if one.profiled is None:
            continue
        profile = one.profiled.profile
        if profile is None:
            parts.append(tag("p", name(one.name), f": no profile, {one.profiled.reason}"))
            continue
        slowest = sorted(profile.operators, key=lambda step: -step.mean_ns)[:_MOST_OPERATORS]
        rows = [
            [f"{step.kind} {step.name}", significant(step.mean_ns / 1e6), percent(step.share)]
            for step in slowest
        ]
        total = significant(profile.inference_ns / 1e6)
        about = f": the slowest {len(slowest)} of {len(profile.operators)} steps; all together "
        about += f"explain {percent(profile.coverage)} % of {total} ms, by {profile.method}"
        caption = joined([name(one.name), about])
        parts.append(table(["step", "ms", "% of all steps"], rows, caption=caption))
    if not parts:
        return NOTHING
    return section(f"{digest.key}operators", "Operators", *parts)
