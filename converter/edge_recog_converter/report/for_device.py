"""The page's section on the device that a model is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_converter.pages.markup import facts

if TYPE_CHECKING:
    from edge_recog_converter.report.document import Report


def for_device(report: Report) -> Markup:
    """Return what was checked for it; nothing if the recipe names none."""
    device = report.device
    if device is None:
        return NOTHING
    threads = "one thread" if device.threads == 1 else f"{device.threads} threads"
    rows = [
        (
            check.title.capitalize(),
            joined([tag("strong", check.outcome), ": ", tag("bdi", check.text)]),
        )
        for check in device.checks
    ]
    return section(
        "device",
        "For the device",
        tag("p", "Built for ", tag("strong", name(device.title)), f"; timed here with {threads}."),
        facts(rows),
    )
