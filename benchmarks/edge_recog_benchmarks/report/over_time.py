"""The page's section on the run over time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.markup import NOTHING, Markup, section
from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.report import plots
from edge_recog_benchmarks.report.markup import drawing, legend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog_benchmarks.device.events import Burst
    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import Result

_THROTTLED_NOW = 0xF
"""Bits of `vcgencmd get_throttled`: low voltage, capped, throttled, soft temperature limit."""


def timeline(digest: Digest) -> Markup:
    """Return the run over time."""
    tracks = list(_tracks(digest.result))
    if not tracks:
        return NOTHING
    climate = _climate(digest.result)
    said = (
        "Every stroke is a burst of samples. What moves all contestants alike is the machine, "
        "not a model."
    )
    if climate.throttled:
        said += " Shaded: the machine was throttled, or its supply voltage too low."
    elif not climate.temperature and not climate.frequency:
        said += " This machine tells neither temperature nor clock frequency."
    return section(
        f"{digest.key}timeline",
        "Over time",
        drawing(
            plots.plot_timeline(tracks, climate, key=digest.key),
            legend((track.name, track.colour) for track in tracks),
            said,
            wide=True,
        ),
    )


def _tracks(result: Result) -> Iterator[plots.Track]:
    for index, one in enumerate(result.contestants):
        bursts = sorted(one.bursts, key=lambda burst: burst.started_ns)
        medians = [(burst, value) for burst in bursts if (value := _median_ms(burst))]
        if medians:
            yield plots.Track(
                one.name,
                index,
                np.array([_span_s(burst) for burst, _ in medians]),
                np.array([value for _, value in medians]),
            )


def _median_ms(burst: Burst) -> float | None:
    """Return the median sample, or where throughput was measured the mean time of a picture."""
    samples = burst.samples.get(END_TO_END)
    if samples:
        return float(np.median(samples)) / 1e6
    return burst.elapsed_ns / burst.pictures / 1e6 if burst.pictures else None


def _span_s(burst: Burst) -> tuple[float, float]:
    return burst.started_ns / 1e9, (burst.started_ns + burst.elapsed_ns) / 1e9


def _climate(result: Result) -> plots.Climate:
    history = sorted(result.history, key=lambda sample: sample.at_ns)
    throttled = [
        (before.at_ns / 1e9, after.at_ns / 1e9)
        for before, after in itertools.pairwise(history)
        if (before.throttled or 0) & _THROTTLED_NOW
    ]
    return plots.Climate(
        temperature=[
            (sample.at_ns / 1e9, sample.temperature_c)
            for sample in history
            if sample.temperature_c is not None
        ],
        frequency=[
            (sample.at_ns / 1e9, min(sample.frequencies_mhz))
            for sample in history
            if sample.frequencies_mhz
        ],
        throttled=throttled,
    )
