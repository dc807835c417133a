"""Drawing what is to happen to a process, and at which of its steps. Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from edge_recog_benchmarks.studies.store_faults.shim import Injection

if TYPE_CHECKING:
    import random

    from edge_recog_benchmarks.studies.store_faults.drawing import Fault
    from edge_recog_benchmarks.studies.store_faults.shim import Action, Seen

_DEATHS: Final[tuple[Action, ...]] = ("kill-before", "kill-within", "kill-after")
_YEAR_S: Final = 31_557_600


class Injections:
    """Draws them, and remembers at which steps a process has died."""

    def __init__(self, number: int, lanes: int) -> None:
        """Begin.

        Args:
            number: Of the lane, from 0.
            lanes: How many there are: they share out the steps to die at.
        """
        self._number = number
        self._lanes = lanes
        self._killed: dict[str, set[int]] = {}

    def draw(self, fault: Fault, chance: random.Random, seen: Seen) -> Injection:
        """Return what is to happen.

        Args:
            fault: It happens at a step.
            chance: Draws.
            seen: Of the same without a fault; it has a step.
        """
        match fault.kind:
            case "kill":
                return self._death(fault.operation, chance, seen.steps)
            case "clock jump":
                return Injection(clock_offset_s=chance.uniform(-50, 150) * _YEAR_S)
            case "power cut":
                step = _drawn(seen.steps, chance)
                return Injection("kill-before" if chance.random() < 0.5 else "kill-after", step)
            case "read error":
                is_sticky = chance.random() < 0.5
                return Injection("fail-read", _drawn(seen.reads, chance), errno.EIO, is_sticky)
            case "disk full":
                step = _drawn(seen.steps, chance)
                return Injection("fail", step, errno.ENOSPC, chance.random() < 0.7)
            case _:
                step = _drawn(seen.steps, chance)
                action: Action = "fail-after" if chance.random() < 0.5 else "fail"
                return Injection(action, step, errno.EIO, chance.random() < 0.3)

    def _death(self, operation: str, chance: random.Random, steps: int) -> Injection:
        """Return a death at a step at which no process has died yet, as long as there is one."""
        killed = self._killed.setdefault(operation, set())
        mine = [step for step in range(1, steps + 1) if step % self._lanes == self._number]
        left = [step for step in mine if step not in killed]
        step = chance.choice(left or mine or [steps])
        killed.add(step)
        return Injection(chance.choice(_DEATHS), step)


def _drawn(count: int, chance: random.Random) -> int:
    """Return one of so many calls, which are numbered from 1."""
    return chance.randrange(1, count + 1)
