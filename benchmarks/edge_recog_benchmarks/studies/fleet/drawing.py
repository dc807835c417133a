"""The curves of a simulation, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_benchmarks.studies.fleet.assumptions import Scenario
    from edge_recog_benchmarks.studies.fleet.simulation import Run


def draw(runs: list[tuple[Scenario, Run]], path: Path) -> None:
    """Write a PNG file: who has the release, and what the server sends, by time.

    Args:
        runs: To be drawn, one row each.
        path: Is replaced.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.4 * len(runs)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(runs), 2, squeeze=False)
    for (scenario, run), (left, right) in zip(runs, rows, strict=True):
        hours = [seconds / 3600 for seconds, _, _ in run.curve]
        shares = [[100 * point[column] / run.devices for point in run.curve] for column in (1, 2)]
        left.plot(hours, shares[0], label="on trial or in use")
        left.plot(hours, shares[1], label="committed")
        if run.stopped_at_s is not None:
            left.axvline(run.stopped_at_s / 3600, color="black", linestyle=":", label="stopped")
            left.axhline(1, color="grey", linewidth=0.5)
        left.set_title(scenario.title, fontsize=9)
        left.set_ylabel("% of the devices")
        left.legend(fontsize=7)
        right.plot(hours, [count / 60 for count in run.requests], label="requests/s")
        right.plot(hours, [count / 60e6 for count in run.sent_bytes], label="MB/s")
        right.legend(fontsize=7)
        right.set_title("the server", fontsize=9)
    for axes in rows[-1]:
        axes.set_xlabel("hours")
    figure.savefig(path, dpi=100, format="png")
