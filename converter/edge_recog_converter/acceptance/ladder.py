"""Trying one way to quantise after the other until a file is good enough."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog_converter.acceptance.judging import judged
from edge_recog_converter.acceptance.rungs import Candidate, Impossible, candidates
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.report.document import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_recog_converter.acceptance.judging import Reference, Verdict
    from edge_recog_converter.acceptance.quantizable import Quantizable
    from edge_recog_converter.acceptance.sections import Accept
    from edge_recog_converter.parity import Answers
    from edge_recog_converter.report.document import Epoch

_LOGGER = logging.getLogger(__name__)


class NotAcceptedError(ConversionError):
    """No INT8 file was good enough; `attempts` has what each one reached."""

    def __init__(self, message: str, attempts: tuple[Attempt, ...]) -> None:
        """Take the message and the attempts, in their order."""
        super().__init__(message)
        self.attempts = attempts


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """A file that is good enough, and what was tried before."""

    tflite: bytes
    attempts: tuple[Attempt, ...]
    """In their order; the last one is of this file."""
    candidate: Candidate
    impossible: tuple[Impossible, ...]
    """Rungs before it that the network could not take."""


def climb(
    quantizable: Quantizable,
    accept: Accept,
    reference: Reference,
    judge: Callable[[bytes], Answers],
    *,
    on_attempt: Callable[[Attempt], object] = lambda attempt: None,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
) -> Accepted:
    """Return the first file that is good enough.

    Args:
        quantizable: What is to be quantised.
        accept: When it is good enough, and what may be tried.
        reference: The validation pictures, and what the float file says of them.
        judge: Returns what a TFLite file, without metadata, says of the same pictures, as it would
            ship.
        on_attempt: Called after each file.
        on_epoch: Called after each epoch of quantisation-aware training.

    Raises:
        NotAcceptedError: None is; says by how much the best one missed.
        ConversionError: The calibration inputs are missing or do not fit.
    """
    attempts: list[Attempt] = []
    verdicts: list[Verdict] = []
    impossible: list[Impossible] = []
    excess: float | None = None
    with contextlib.closing(candidates(quantizable, accept, on_epoch=on_epoch)) as coming:
        while True:
            start = time.perf_counter()
            try:
                candidate = next(coming) if excess is None else coming.send(excess)
            except StopIteration:
                break
            if isinstance(candidate, Impossible):
                _LOGGER.warning("%s cannot be done: %s", candidate.rung, candidate.reason)
                impossible.append(candidate)
                excess = None
                continue
            answers = judge(candidate.tflite)
            verdict = judged(reference, answers.scores, accept)
            excess = verdict.excess
            seconds = time.perf_counter() - start
            attempt = _attempt(candidate, verdict, answers.invoke_ms[0], seconds)
            attempts.append(attempt)
            verdicts.append(verdict)
            on_attempt(attempt)
            if verdict.accepted:
                return Accepted(candidate.tflite, tuple(attempts), candidate, tuple(impossible))
    raise NotAcceptedError(_failure(attempts, verdicts, impossible, accept), tuple(attempts))


def _attempt(candidate: Candidate, verdict: Verdict, invoke_ms: float, seconds: float) -> Attempt:
    return Attempt(
        rung=candidate.rung,
        detail=candidate.detail,
        converter=candidate.converter,
        accepted=verdict.accepted,
        reason=verdict.reason,
        count=verdict.count,
        drop=verdict.drop.estimate,
        drop_low=verdict.drop.low,
        drop_high=verdict.drop.high,
        agreement=verdict.agreement,
        p_value=verdict.p_value,
        smallest_loss_shown=verdict.smallest_loss_shown,
        lost=verdict.lost,
        calibration_error=verdict.calibration_error,
        float_calibration_error=verdict.float_calibration_error,
        invoke_ms=invoke_ms,
        size_bytes=len(candidate.tflite),
        seconds=seconds,
    )


def _failure(
    attempts: Sequence[Attempt],
    verdicts: Sequence[Verdict],
    impossible: Sequence[Impossible],
    accept: Accept,
) -> str:
    """Say what the best attempt missed, how much the pictures could tell, and what to do."""
    cannot = "".join(f"; {one.rung} cannot be done ({one.reason})" for one in impossible)
    if not attempts:
        return f"no INT8 file could be made{cannot}: add rungs to accept, or change the network"
    at = min(range(len(attempts)), key=lambda index: verdicts[index].excess)
    best = attempts[at]
    return (
        f"no INT8 file is good enough: the best of {len(attempts)}, {best.rung} ({best.detail}), "
        f"misses what accept wants: {best.reason}; that is on {best.count} validation pictures, "
        f"which can show no loss below {100 * best.smallest_loss_shown:.2g} points at "
        f"{100 * accept.confidence:g} % confidence{cannot}. Calibrate on more pictures, loosen "
        "accept, or train the network longer"
    )
