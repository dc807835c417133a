"""From a model's output to predictions: prepared once for a model, so that a frame costs little."""

from __future__ import annotations

from array import array
from math import exp
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog.predictions import best_of, name_predictions, top_indices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog.bundle import Bundle
    from edge_recog.predictions import Prediction

_FEW: Final = 64
"""Outputs up to which plain Python is faster than NumPy: half a dozen array operations take longer
than their work, above all on caches that inference has emptied."""


class OutputReader:
    """Reads what one model says."""

    def __init__(self, bundle: Bundle) -> None:
        """Prepare.

        Args:
            bundle: The model.
        """
        contract = bundle.contract
        self._bundle = bundle
        self._is_softmax = contract.activation == "softmax"
        self._temperature = contract.temperature
        self._values = _values(bundle)
        self._thresholds = (
            None
            if contract.thresholds is None
            # In the scores' own precision, so that a score on its threshold counts.
            else np.array(contract.thresholds, np.float32).tolist()
        )

    def read(self, raw: NDArray[Any], top_k: int | None) -> tuple[Prediction, ...]:
        """Return the best predictions of an output.

        Args:
            raw: As the model gave it, of any shape.
            top_k: How many at most; None for all labels.

        Raises:
            InterpreterError: An output is not a number.
            UsageError: `top_k` is less than 1.
        """
        outputs = raw.reshape(-1)
        if self._values is not None and outputs.size <= _FEW:
            best, scores = self._read_few(outputs.tolist(), self._values, top_k)
        else:
            best = top_indices(outputs, top_k)
            scores = self._scores(outputs, best)
        return name_predictions(best, scores, self._bundle.labels, self._thresholds)

    def _read_few(
        self, outputs: list[int], values: Sequence[float], top_k: int | None
    ) -> tuple[list[int], list[float]]:
        best = best_of(outputs, top_k)
        if not self._is_softmax:
            return best, [values[outputs[index]] for index in best]
        logits = [values[output] for output in outputs]
        most = logits[best[0]]
        exponentials = [exp((logit - most) / self._temperature) for logit in logits]
        total = sum(exponentials)
        # In single precision, as scores are everywhere.
        return best, array("f", [exponentials[index] / total for index in best]).tolist()

    def _scores(self, outputs: NDArray[Any], best: list[int]) -> list[float]:
        scores: list[float] = (
            # Softmax goes over all labels.
            self._bundle.scores(outputs)[best]
            if self._is_softmax
            else self._bundle.scores(outputs[best])
        ).tolist()
        return scores


def _values(bundle: Bundle) -> list[float] | None:
    """Return the score of every value that an 8-bit output can have; for softmax, the logit.

    By the value as a list index; negative values count from the end, as Python has it. None where
    there are too many values.
    """
    dtype = bundle.outputs.dtype
    if dtype not in {"uint8", "int8"}:
        return None
    every = np.arange(256, dtype=np.uint8).view(dtype)
    is_softmax = bundle.contract.activation == "softmax"
    values = bundle.real_outputs(every) if is_softmax else bundle.scores(every)
    by_value: list[float] = values.tolist()
    return by_value
