"""The question a comparison is made for, answered in one sentence: may one replace the other?

It may if it is faster, or as fast, and is shown not to lose more than 1 % of the other's accuracy,
the share that MLPerf Inference allows a quantised model to lose (its quality target is 99 % of the
float model's). *Shown* is by the 95 % interval: where it reaches below, there are too few pictures
to tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from edge_recog_benchmarks.accuracy import compare_accuracy
from edge_recog_benchmarks.comparison import compare
from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.report.texts import megabytes, percent, points, significant, span
from edge_recog_benchmarks.results import ResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_recog_benchmarks.accuracy import AccuracyComparison
    from edge_recog_benchmarks.comparison import Comparison
    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import ContestantResult

    Say = Callable[[str], str]
    """Makes a stranger's text fit for where it is going."""

Kind = Literal["yes", "no", "open", "invalid"]
ALLOWED_LOSS = 0.01
"""Of the reference's accuracy."""


@dataclass(frozen=True)
class Answer:
    """What a run says."""

    kind: Kind
    lead: str
    """How the sentence begins: the answer itself."""
    rest: str
    """How it goes on: the figures."""
    remarks: tuple[str, ...] = ()


def answer(digest: Digest, say: Say) -> Answer:
    """Return what a run says: of the pair in question, or of its only contestant."""
    result = digest.result
    reasons = [
        f"{say(one.contestant)}: {say(one.reason)}" if one.contestant else say(one.reason)
        for one in result.findings
        if one.severity == "invalid"
    ]
    if not result.complete and not reasons:
        reasons = ["it was stopped, or lost its device, before its end"]
    if reasons:
        more = " It is not the only reason." if len(reasons) > 1 else ""
        return Answer(
            "invalid",
            "Do not rely on this run:",
            f"{reasons[0]}.{more}",
            ("Its figures are shown so that the cause can be found, not to be used.",),
        )
    if len(result.contestants) == 1:
        found = _of_one(digest, result.contestants[0], say)
    else:
        found = _of_pair(digest, *question(result.contestants), say)
    return replace(found, remarks=(*found.remarks, *_slowing(digest, say)))


def question(
    contestants: tuple[ContestantResult, ...],
) -> tuple[ContestantResult, ContestantResult]:
    """Return which two a reader asks about, the one to be replaced first.

    The first float model and the first INT8 model that ran alike, if there are such two; else the
    first two.
    """
    for one in contestants:
        for other in contestants:
            alike = (one.contestant.runner, one.contestant.threads) == (
                other.contestant.runner,
                other.contestant.threads,
            )
            if alike and not _is_int8(one) and _is_int8(other):
                return one, other
    return contestants[0], contestants[1]


def _is_int8(one: ContestantResult) -> bool:
    words = set(re.split(r"[^a-z0-9]+", f"{one.model.name} {one.model.file}".lower()))
    if words & {"float", "float32", "fp32", "float16", "fp16"}:
        return False
    return bool(words & {"int8", "uint8", "quant", "quantized"}) or "int8" in one.model.input


def _of_one(digest: Digest, one: ContestantResult, say: Say) -> Answer:
    figures = digest.figures[one.name]
    who = say(one.name)
    if one.failed is not None:
        return Answer("no", f"{who} failed:", f"{say(one.failed.reason)}.")
    total = figures.stages.get(END_TO_END)
    if total is not None:
        lead = f"{who} answers a picture in {significant(total.p50_ms.estimate)} ms"
        rest = f"(median), and nine of ten within {significant(total.p90_ms.estimate)} ms"
    elif figures.throughput is not None:
        lead = f"{who} answers {significant(figures.throughput.estimate)} pictures a second"
        rest = "where all of them are there at once"
    else:
        return Answer("open", f"{who} was not measured.", "")
    if one.name in digest.accuracies:
        right = digest.accuracies[one.name]
        share = right.top1 or right.exact
        if share is not None:
            rest += (
                f"; it is right on {percent(share.estimate)} % of {right.count} pictures "
                f"(95 % interval {span(share, scale=100, decimals=1)} %)"
            )
    return Answer("open", lead, f"{rest}.")


def _of_pair(digest: Digest, a: ContestantResult, b: ContestantResult, say: Say) -> Answer:
    names = say(a.name), say(b.name)
    for one in (b, a):
        if one.failed is not None:
            lead = f"{say(one.name)} failed, so there is nothing to compare:"
            return Answer("no", lead, f"{say(one.failed.reason)}.")
    flips = _flips(digest, a, b)
    comparison = _headline(digest, a, b)
    speed = _speed(digest, comparison, a, b)
    undecided = comparison.verdict == "undecided"
    doubt = f"; {say(comparison.reason)}" if undecided else ""
    if flips is None:
        advice = ("Give labelled pictures with --data to learn whether it may replace it.",)
        rest = f"but accuracy was not measured beside {names[0]}{doubt}."
        return Answer("open", f"{names[1]} {speed},", rest, advice)
    allowed = ALLOWED_LOSS * (flips.both_right + len(flips.only_a_right)) / flips.count
    within = f"the {100 * allowed:.1f} points allowed"
    accuracy = _accuracy(flips)
    kind: Kind
    if flips.difference.high < -allowed:
        kind, lead = "no", f"No, {names[1]} must not replace {names[0]}:"
        rest = f"{accuracy}, more than {within}. It {speed}{doubt}."
    elif comparison.verdict == "slower":
        kind, lead = "no", f"No, {names[1]} should not replace {names[0]}:"
        rest = f"it {speed}, and {accuracy}."
    elif undecided:
        kind, lead = "open", f"Whether {names[1]} may replace {names[0]} cannot be told yet:"
        rest = f"it {speed}, and {accuracy}{doubt}."
    elif flips.difference.low < -allowed:
        kind, lead = "open", f"It is not shown yet that {names[1]} may replace {names[0]}:"
        rest = (
            f"it {speed}; but {accuracy}, and with so few pictures a loss of more than {within} "
            "cannot be ruled out."
        )
    else:
        kind, lead = "yes", f"Yes, {names[1]} may replace {names[0]}:"
        rest = f"it {speed}, and {accuracy}."
    return Answer(kind, lead, rest, (_costs(digest, a, b), _RULE))


def _accuracy(flips: AccuracyComparison) -> str:
    """Return a clause: `on 372 pictures it is right on 90 % instead of 91 % (…)`."""
    before, after = (
        (flips.both_right + len(only)) / flips.count
        for only in (flips.only_a_right, flips.only_b_right)
    )
    difference = flips.difference
    return (
        f"on {flips.count} pictures it is right on {percent(after)} % instead of "
        f"{percent(before)} % (difference {points(difference.estimate)} points, 95 % interval "
        f"{points(difference.low)} to {points(difference.high)})"
    )


_RULE = (
    "The rule: as fast or faster, and by the 95 % interval not more than 1 % of the accuracy lost "
    "(MLPerf Inference asks a quantised model for 99 % of the float one's)."
)


def _flips(digest: Digest, a: ContestantResult, b: ContestantResult) -> AccuracyComparison | None:
    data = digest.result.accuracy
    if data is None or not a.answers or not b.answers:
        return None
    try:
        return compare_accuracy(data, a, b)
    except ResultError:
        return None


def _headline(digest: Digest, a: ContestantResult, b: ContestantResult) -> Comparison:
    for row in digest.rows:
        if (row.reference, row.other) == (a.name, b.name):
            return row.headline
    paired = digest.result.plan.scenario != "sustained"
    metric = "p50" if END_TO_END in digest.figures[b.name].stages else "throughput"
    return compare(a, b, paired=paired, metric=metric)


def _speed(digest: Digest, comparison: Comparison, a: ContestantResult, b: ContestantResult) -> str:
    """Return a clause without its subject: `answers in 11 ms instead of 20 ms, 1.8 times …`."""
    before, after = digest.figures[a.name], digest.figures[b.name]
    first, second = before.stages.get(END_TO_END), after.stages.get(END_TO_END)
    if first is not None and second is not None:
        values = first.p50_ms.estimate, second.p50_ms.estimate
        said = f"answers in {significant(values[1])} ms instead of {significant(values[0])} ms"
    elif before.throughput is not None and after.throughput is not None:
        values = before.throughput.estimate, after.throughput.estimate
        said = f"answers {significant(values[1])} pictures a second instead of "
        said += significant(values[0])
    else:
        return "was not measured"
    ratio = comparison.ratio
    if ratio is None or comparison.verdict == "undecided":
        return said
    if comparison.verdict == "no difference":
        return f"{said}, which is no difference (95 % interval of the ratio {span(ratio)})"
    slower = comparison.verdict == "slower"
    if (comparison.metric == "throughput") == slower:
        ratio = ratio.map(lambda value: 1 / value)
    word = "takes" if slower else "is"
    return (
        f"{said}: it {word} {significant(ratio.estimate)} times as "
        f"{'long' if slower else 'fast'} (95 % interval {span(ratio)})"
    )


def _slowing(digest: Digest, say: Say) -> Iterator[str]:
    for who, figures in digest.figures.items():
        if figures.sustained is not None:
            yield (
                f"{say(who)} takes {significant(figures.sustained.ratio)} times as long at the end "
                "as in its first 10 seconds."
            )


def _costs(digest: Digest, a: ContestantResult, b: ContestantResult) -> str:
    before, after = digest.figures[a.name], digest.figures[b.name]
    said = f"Its file has {megabytes(after.size_mb)} MB instead of {megabytes(before.size_mb)} MB"
    if before.peak_rss_mb is not None and after.peak_rss_mb is not None:
        said += (
            f", and its process took at most {megabytes(after.peak_rss_mb)} MB of memory instead "
            f"of {megabytes(before.peak_rss_mb)} MB"
        )
    return f"{said}."
