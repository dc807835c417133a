"""Several devices at once: all are looked at, then one goes first, and the others follow it."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from edge_recog.errors import EdgeRecogError
from edge_recog_devices.errors import FlashError
from edge_recog_devices.flash.session import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_devices.flash.session import Session
    from edge_recog_devices.flash.steps import Step


class Progress(Protocol):
    """Is told what happens, from several threads."""

    def looking(self, host: str) -> None:
        """Take that a device is looked at."""

    def doing(self, host: str, number: int, of: int, step: Step) -> None:
        """Take that a step begins."""

    def ended(self, outcome: Outcome) -> None:
        """Take what became of a device."""


def prepare_all(
    sessions: Sequence[Session], *, jobs: int, progress: Progress
) -> dict[str, Outcome]:
    """Look at all devices, and plan.

    Args:
        sessions: One a device.
        jobs: At a time.
        progress: Is told.

    Returns:
        Host → what became of those that cannot be flashed, and of those that need not be.
    """
    ended: dict[str, Outcome] = {}

    def look(session: Session) -> None:
        host = str(session.address)
        progress.looking(host)
        try:
            session.prepare()
        except EdgeRecogError as error:
            ended[host] = Outcome(host, "failed", error=str(error), device=session.title)
        else:
            if not session.steps:
                ended[host] = Outcome(host, "unchanged", device=session.title)
        if host in ended:
            progress.ended(ended[host])

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(look, sessions))
    return ended


def flash_all(
    sessions: Sequence[Session], *, canary: bool, jobs: int, progress: Progress
) -> list[Outcome]:
    """Flash devices that were looked at.

    Args:
        sessions: One a device, in the order in which they are named.
        canary: Do the first one alone, and none of the others if it fails.
        jobs: At a time.
        progress: Is told.

    Returns:
        What became of each, in their order.
    """
    outcomes: list[Outcome] = []
    left = list(sessions)
    is_over = threading.Event()
    # Also the only one: then whoever interrupts it interrupts it at once.
    if left and (canary or len(left) == 1):
        first = _flash(left.pop(0), progress, is_over)
        outcomes.append(first)
        if first.result == "failed":
            reason = f"not touched, since {first.host} failed"
            skipped = [
                Outcome(str(one.address), "skipped", error=reason, device=one.title) for one in left
            ]
            for outcome in skipped:
                progress.ended(outcome)
            return [*outcomes, *skipped]
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(_flash, session, progress, is_over) for session in left]
        try:
            outcomes += [one.result() for one in running]
        except BaseException:
            # Each puts its device back before its next step.
            is_over.set()
            raise
    return outcomes


def _flash(session: Session, progress: Progress, is_over: threading.Event) -> Outcome:
    host, total = str(session.address), len(session.steps)
    numbers = itertools.count(1)

    def told(step: Step) -> None:
        if is_over.is_set():
            raise FlashError(f"{host}: interrupted")
        progress.doing(host, next(numbers), total, step)

    try:
        outcome = session.act(told)
    except EdgeRecogError as error:
        steps = tuple(map(str, session.steps))
        outcome = Outcome(host, "failed", steps, str(error), session.title)
    progress.ended(outcome)
    return outcome
