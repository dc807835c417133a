"""The page's section on how INT8 came to be good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, escape, joined, name, section, tag
from edge_recog_converter.pages.markup import facts
from edge_recog_converter.pages.tables import long_table, table
from edge_recog_converter.pages.texts import MINUS, duration, megabytes, percent, significant
from edge_recog_converter.report.headline import score_name

if TYPE_CHECKING:
    from edge_recog_converter.report.document import Attempt, Report

_LEAST_P = 1e-4
"""Smaller ones are only said to be smaller."""


def attempts(report: Report) -> Markup:
    """Return what was tried to quantise, and what each try lost; nothing if it was not judged."""
    tried = report.attempts
    if not tried:
        return NOTHING
    last, score = tried[-1], score_name(report).lower()
    return section(
        "attempts",
        "How INT8 was accepted",
        tag("p", _which(tried), " ", _how_good(last, score)),
        tag("div", _tried(tried, score), class_="tries"),
        _explained(score),
        tag("p", _power(last)),
        _lost(last),
    )


def _which(tried: tuple[Attempt, ...]) -> Markup:
    last, refused = tried[-1], len(tried) - 1
    if not last.accepted:
        lead = "None of the ways tried was good enough; the last one ships: "
    elif not refused:
        lead = "The first way tried was good enough: "
    elif refused == 1:
        lead = "The first way tried was refused; the second was good enough: "
    else:
        lead = f"The first {refused} ways tried were refused; the next was good enough: "
    return joined([lead, tag("strong", name(last.rung)), " (", tag("bdi", last.detail), ")."])


def _how_good(last: Attempt, score: str) -> str:
    drop = _points(abs(last.drop))
    side = "lower" if last.drop > 0 else "higher"
    change = "the same as float's" if drop == "0.00" else f"{drop} points {side} than float's"
    return (
        f"On {last.count:,} validation pictures its {score} is {change}, and it says what float "
        f"says on {percent(last.agreement)} % of them."
    )


def _tried(tried: tuple[Attempt, ...], score: str) -> Markup:
    return table(
        ["way", _heading(f"{score} lost, points", "interval"), "agreement, %", "McNemar's p",
         "calibration error, %", _heading("time of a run", "file"), "took", "verdict"],
        [_row(attempt) for attempt in tried],
        caption="Ways to quantise, in the order they were tried, on validation",
        kinds=["t", "n", "n", "n", "n", "n", "n", "t"],
    )  # fmt: skip


def _heading(title: str, below: str) -> Markup:
    return joined([title, tag("small", below)])


def _row(attempt: Attempt) -> list[object]:
    errors = (attempt.float_calibration_error, attempt.calibration_error)
    interval = f"{_points(attempt.drop_low)} to {_points(attempt.drop_high)}"
    said: list[object] = [
        tag("small", tag("bdi", attempt.detail)),
        tag("small", "by ", tag("bdi", attempt.converter)),
    ]
    return [
        joined([name(attempt.rung), *said]),
        joined([_points(attempt.drop), tag("small", interval.replace(" ", "\N{NO-BREAK SPACE}"))]),
        percent(attempt.agreement),
        _p_value(attempt.p_value),
        " → ".join(map(percent, errors)),
        joined(
            [
                f"{significant(attempt.invoke_ms)} ms",
                tag("small", megabytes(attempt.size_bytes)),
            ]
        ),
        duration(attempt.seconds),
        tag("strong", "accepted")
        if attempt.accepted
        else joined([escape("refused: "), tag("bdi", attempt.reason)]),
    ]


def _explained(score: str) -> Markup:
    return facts([
        ("Lost", f"{score.capitalize()} of float less that of INT8, and below it the interval in "
         "which the loss lies at the confidence that the recipe asks for."),
        ("Agreement", "Share of the pictures of which INT8 says what float says."),
        ("McNemar's p", "Chance of so many more lost than won pictures if nothing were lost "
         "(McNemar's exact test, one-sided). Lost: only float gets it right. Won: only INT8 does."),
        ("Calibration error", "How far scores are, on average, from how often they are right: "
         "float → INT8."),
        ("Time of a run", "Median on this machine, with one thread; below it the file's size."),
        ("Took", "To make the file and to judge it."),
    ])  # fmt: skip


def _power(last: Attempt) -> str:
    if last.smallest_loss_shown >= 1:
        return f"So few pictures ({last.count:,}) cannot show a loss, however large it is."
    return (
        f"The smallest loss that {last.count:,} pictures can show at that confidence is "
        f"{100 * last.smallest_loss_shown:.2g} points; a smaller one may go unnoticed."
    )


def _lost(last: Attempt) -> Markup:
    if not last.lost:
        return tag("p", "In no class did an answer change from right to wrong, or back.")
    shown = long_table(
        ["class", "lost: only float right", "won: only INT8 right"],
        [[name(one.label), f"{one.lost:,}", f"{one.won:,}"] for one in last.lost],
        caption="Classes that lost or won pictures in the file that ships, on validation",
        what="classes",
    )
    return tag("div", shown, class_="fitting")


def _points(share: float) -> str:
    """Return a share in points, without a sign before nothing."""
    text = f"{100 * share:.2f}".replace("-", MINUS)
    return text.removeprefix(MINUS) if text == f"{MINUS}0.00" else text


def _p_value(chance: float) -> str:
    """Return a probability with two digits, never with an exponent."""
    return f"{chance:.2g}" if chance >= _LEAST_P else f"< {_LEAST_P:.4f}"
