"""Limits that a run is held against: `p50>1.05x` fails a model that got 5 % slower.

A gate says what must not be:

    METRIC[@STAGE] OPERATOR NUMBER UNIT         p50>1.05x   p90@invoke>=20ms   top1<-1pt

Against the unit `x` stands the ratio to the reference, against `pt` the difference from it in
percentage points, against every other unit the contestant's own value. Percentiles are those that
numpy gives, not early-stopping estimates. What is measured has an interval, so a gate has three
outcomes: *failed*, if all of the interval lies beyond the limit; *undecided*, if only its estimate
does, or if there is nothing to look at; else *passed*.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge_recog.errors import UsageError
from edge_recog_benchmarks.figures import END_TO_END, LATENCIES, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edge_recog_benchmarks.statistics import Interval

Outcome = Literal["failed", "undecided", "passed"]

STAGES = ("decode", "preprocess", "invoke", "postprocess", END_TO_END)
_TIME = ("x", "ms", "s")
_MEMORY = ("x", "MB")
_ACCURACY = ("%", "pt")
UNITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(LATENCIES, _TIME),
    "throughput": ("x", "/s"),
    "load": _TIME,
    "first_answer": _TIME,
    "rss": _MEMORY,
    "size": _MEMORY,
    "energy": ("x", "mJ"),
    **dict.fromkeys(("top1", "top5", "map", "agreement", "ece"), _ACCURACY),
}
"""Metric → units that a limit on it may have."""
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_SPLIT = re.compile(r"([^<>=]*)([<>=]+)(.*)", re.DOTALL)
_LIMIT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(.*)", re.ASCII | re.DOTALL)
_GRAMMAR = "write METRIC[@STAGE] OPERATOR NUMBER UNIT, as in 'p50>1.05x' or 'rss>200MB'"


@dataclass(frozen=True)
class Gate:
    """One limit."""

    metric: str
    """A key of `UNITS`."""
    stage: str
    """One of `STAGES`."""
    operator: str
    number: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Return the gate that a text describes; spaces between its parts do not matter.

        Raises:
            UsageError: It describes none.
        """
        parts = _SPLIT.fullmatch(text)
        if parts is None:
            raise UsageError(f"gate {text!r} has no operator; {_GRAMMAR}")
        name, sign, limit = (part.strip() for part in parts.groups())
        _known(text, "operator", sign, _OPERATORS)
        metric, at, stage = (part.strip() for part in name.partition("@"))
        _known(text, "metric", metric, UNITS)
        if not at:
            stage = END_TO_END
        elif metric not in LATENCIES:
            raise UsageError(
                f"gate {text!r}: {metric} has no stages; only {', '.join(LATENCIES)} do"
            )
        _known(text, "stage", stage, STAGES)
        amount = _LIMIT.fullmatch(limit)
        number = float(amount[1]) if amount else math.nan
        if amount is None or not math.isfinite(number):
            raise UsageError(f"gate {text!r}: {limit!r} does not begin with a number; {_GRAMMAR}")
        _known(text, f"unit for {metric}", amount[2], UNITS[metric])
        if number < 0 and amount[2] != "pt":
            raise UsageError(f"gate {text!r}: {metric} is never below 0; only pt can be negative")
        return cls(metric, stage, sign, number, amount[2])

    def __str__(self) -> str:
        """Return the text that `parse` reads, without spaces."""
        return f"{self.key}{self.operator}{repr(self.number).removesuffix('.0')}{self.unit}"

    @property
    def key(self) -> str:
        """What it looks at: a key of `Figures.values()` and `ContestantComparison.ratios`."""
        return key_of(self.metric, self.stage)

    @property
    def relative(self) -> bool:
        """Tell whether it needs a reference."""
        return self.unit in ("x", "pt")

    @property
    def limit(self) -> float:
        """In the unit of what is measured: ms, MB, mJ, pictures a second, shares, ratios."""
        if self.unit == "s":
            return self.number * 1000
        return self.number / 100 if self.unit in _ACCURACY else self.number

    def judge(self, measured: Interval) -> Outcome:
        """Return what a value, a ratio or a difference in shares means, by the gate's unit."""
        beyond = _OPERATORS[self.operator]
        nearest = measured.low if self.operator.startswith(">") else measured.high
        if beyond(nearest, self.limit):
            return "failed"
        return "undecided" if beyond(measured.estimate, self.limit) else "passed"


@dataclass(frozen=True)
class Judgement:
    """What a gate said of a contestant."""

    gate: Gate
    contestant: str
    outcome: Outcome
    measured: Interval | None
    """What the gate looked at, in the unit of `Gate.limit`; None where it was not measured."""
    reason: str = ""
    """Why it failed or is undecided, where the measured value does not say so itself."""


def judge(
    gate: Gate,
    contestant: str,
    *,
    values: Mapping[str, Interval],
    ratios: Mapping[str, Interval] | None = None,
    differences: Mapping[str, Interval] | None = None,
    failure: str = "",
) -> Judgement:
    """Hold one contestant against one gate.

    Args:
        gate: The gate.
        contestant: Its name.
        values: `Figures.values()`, and shares by accuracy metric.
        ratios: `ContestantComparison.ratios`; None where it is compared with nothing.
        differences: `ContestantComparison.accuracy`; likewise.
        failure: Why the contestant failed; one that did fails every gate.

    Raises:
        UsageError: The gate needs a reference, and there is none.
    """
    found = {"x": ratios, "pt": differences}.get(gate.unit, values)
    if found is None:
        raise UsageError(
            f"gate {str(gate)!r} needs something to compare {contestant} with; name a second "
            "model or result"
        )
    measured = found.get(gate.key)
    if failure:
        return Judgement(gate, contestant, "failed", measured, f"{contestant} failed: {failure}")
    if measured is None:
        reason = f"{gate.key} of {contestant} was not measured, or with too few samples"
        return Judgement(gate, contestant, "undecided", None, reason)
    outcome = gate.judge(measured)
    reason = "the interval reaches across the limit" if outcome == "undecided" else ""
    return Judgement(gate, contestant, outcome, measured, reason)


def _known(text: str, what: str, word: str, words: Iterable[str]) -> None:
    """Refuse a word that is none of `words`, naming them and the nearest."""
    allowed = list(words)
    if word in allowed:
        return
    near = difflib.get_close_matches(word, allowed, n=1)
    wrong = f"no {what} {word!r}" if word else f"the {what} is missing"
    hint = f", did you mean {near[0]}" if near else ""
    raise UsageError(f"gate {text!r}: {wrong}{hint}; there are {', '.join(allowed)}")
