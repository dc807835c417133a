"""What the tests of one file came to, read from the JUnit file that pytest writes.

Pure functions of text and values; `run.py` acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why tests were skipped."""

    reason: str
    count: int


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tests of one file came to."""

    file: str
    """Path from the checkout's root."""
    inputs: str
    """Digest of all that the tests in this file depend on: see `tree.inputs`."""
    passed: int
    skips: tuple[Skip, ...] = ()
    failures: tuple[str, ...] = ()
    """Tests that failed, by name; or one sentence where pytest did not come to an end."""
    seconds: float = 0.0
    """Of the tests. It says how long to wait, and nothing else."""
    tries: int = 1
    """How often the file was run; more than once only where that was asked for after a failure."""

    @property
    def skipped(self) -> int:
        return sum(skip.count for skip in self.skips)


class Counts(msgspec.Struct, frozen=True):
    """What a JUnit file says of the tests of one file."""

    passed: int = 0
    skips: tuple[Skip, ...] = ()
    failures: tuple[str, ...] = ()
    seconds: float = 0.0


def read_junit(text: str) -> dict[str, Counts]:
    """Return what the tests of each test file came to.

    Raises:
        ValueError: This is not a JUnit file.
    """
    try:
        suite = ElementTree.fromstring(text)  # Written by our own pytest.
    except ElementTree.ParseError as error:
        raise ValueError(f"this is not a JUnit file: {error}") from error
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in suite.iter("testcase"):
        # A file that was skipped, or failed, as a whole has no class but is the name.
        module = case.get("classname") or case.get("name", "")
        cases.setdefault(_file(module), []).append(case)
    return {file: _counts(found) for file, found in cases.items()}


def _counts(cases: list[ElementTree.Element]) -> Counts:
    passed, reasons, failures = 0, [], []
    for case in cases:
        skipped = case.find("skipped")
        # A test that fails and whose fixture then fails to tear down is two elements of one name.
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(case.get("name", ""))
        elif skipped is not None:
            reasons.append(" ".join(skipped.get("message", "").split()))
        else:
            passed += 1
    return Counts(
        passed=passed,
        skips=count_skips(Skip(reason, 1) for reason in reasons),
        failures=tuple(dict.fromkeys(failures)),
        seconds=round(sum(float(case.get("time", 0)) for case in cases), 1),
    )


def _file(module: str) -> str:
    """Return the path of a module that pytest names `tests.edge_recog.test_a`, or a class in it."""
    parts = module.split(".")
    last = next((i for i, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
    return "/".join(parts[: last + 1]) + ".py"


def made(file: str, inputs: str, counts: Counts | None, broken: str | None, tries: int) -> Outcome:
    """Return a file's outcome.

    Args:
        file: Path from the checkout's root.
        inputs: Digest of what its tests depend on.
        counts: What its tests came to; None if pytest said nothing of them.
        broken: How pytest broke off, if it did.
        tries: How often the file has been run.
    """
    counts = counts or Counts()
    failures = (*counts.failures, broken) if broken else counts.failures
    return Outcome(file, inputs, counts.passed, counts.skips, failures, counts.seconds, tries)


def count_skips(skips: Iterable[Skip]) -> tuple[Skip, ...]:
    """Add up skips of one reason; the most frequent comes first."""
    counts: dict[str, int] = {}
    for skip in skips:
        counts[skip.reason] = counts.get(skip.reason, 0) + skip.count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Skip(reason, count) for reason, count in ordered)


def ended(code: int, timeout_s: float) -> str | None:
    """Return how pytest broke off, or None where its JUnit file tells everything.

    Args:
        code: Its exit status; negative for a signal, as `subprocess` has it.
        timeout_s: After which it was killed.
    """
    if code in (0, 1, 5):  # All passed; some failed; there was none.
        return None
    if code == -9:
        return f"pytest was killed after {timeout_s:.0f} s"
    if code < 0 or code > 128:
        signal = -code if code < 0 else code - 128
        return f"pytest was ended by signal {signal}"
    return f"pytest could not run these tests (exit status {code})"
