"""What became of a fault."""

from __future__ import annotations

from dataclasses import dataclass, field


class BrokenError(Exception):
    """A fault cannot be gone on with: something fails to which nothing was done."""


@dataclass(slots=True)
class Verdict:
    """What became of one fault."""

    number: int
    kind: str
    operation: str
    what: str = ""
    """That was done, for people."""
    step: int = 0
    """At which it happened; 0 if at none."""
    steps: int = 0
    """That the operation has."""
    has_happened: bool = False
    cuts: int = 0
    """Power cuts that were tried in thought besides."""
    told: str = ""
    """What the operation said, if it failed."""
    failures: list[str] = field(default_factory=list)
    """What was not as it should be; none if all was well."""

    def expect(self, condition: bool, failure: str) -> None:
        """Note a failure, unless it is as it should be."""
        if not condition:
            self.failures.append(failure)
