"""The page's section on how INT8 came to be good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.texts import MINUS, duration, megabytes, percent, significant

if TYPE_CHECKING:
    from edge_recog_converter.report.document import Attempt, Report


def attempts(report: Report) -> Markup:
    """Return what was tried to quantise, and what each try lost; nothing if it was not judged."""
    tried = report.attempts
    if not tried:
        return NOTHING
    last = tried[-1]
    return section(
        "attempts",
        "How INT8 was accepted",
        tag("p", _said(last, len(tried))),
        _tried(tried),
        tag("p", _explained(last), class_="faint"),
        _lost(last),
    )


def _said(last: Attempt, count: int) -> Markup:
    which = "the first" if count == 1 else f"number {count}"
    return joined([
        f"Of what was tried, {which} was good enough: ", tag("strong", name(last.rung)), " (",
        name(last.detail), f"). On {last.count:,} validation pictures it "
        f"{'loses' if last.drop >= 0 else 'gains'} {_points(abs(last.drop))} points against float "
        f"and says the same of {percent(last.agreement)} % of them.",
    ])  # fmt: skip


def _tried(tried: tuple[Attempt, ...]) -> Markup:
    return table(
        ["way", "how", "lost, points", "agreement, %", "p", "calibration error, %",
         "time of a run", "file", "took", "verdict"],
        [_row(attempt) for attempt in tried],
        caption="Ways to quantise, in the order they were tried, on validation",
        kinds=["t", "t", "n", "n", "n", "n", "n", "n", "n", "t"],
    )  # fmt: skip


def _row(attempt: Attempt) -> list[object]:
    errors = (attempt.float_calibration_error, attempt.calibration_error)
    low, high = _points(attempt.drop_low), _points(attempt.drop_high)
    return [
        name(attempt.rung),
        joined([name(attempt.detail), tag("small", "by ", name(attempt.converter))]),
        joined([_points(attempt.drop), tag("small", f"{low} to {high}")]),
        percent(attempt.agreement),
        f"{attempt.p_value:.2g}",
        " → ".join(map(percent, errors)),
        f"{significant(attempt.invoke_ms)} ms",
        megabytes(attempt.size_bytes),
        duration(attempt.seconds),
        "accepted" if attempt.accepted else name(attempt.reason),
    ]


def _explained(last: Attempt) -> str:
    return (
        "Lost: the score of float less that of INT8, with its interval. p: the chance of so many "
        "more pictures lost than won if nothing were lost (McNemar's exact test, one-sided). "
        "Calibration error: how far scores are from how often they are right, float → INT8. So "
        f"many pictures could have shown no loss below {_points(last.smallest_loss_shown)} points."
    )


def _lost(last: Attempt) -> Markup:
    if not last.lost:
        return tag("p", "INT8 is right and wrong on the same pictures as float.")
    return table(
        ["class", "only float right", "only INT8 right"],
        [[name(one.label), one.lost, one.won] for one in last.lost],
        caption="Classes in which quantisation changed an answer, on validation",
    )


def _points(share: float) -> str:
    """Return a share in points, without a sign before nothing."""
    text = f"{100 * share:.1f}".replace("-", MINUS)
    return "0.0" if text == f"{MINUS}0.0" else text
