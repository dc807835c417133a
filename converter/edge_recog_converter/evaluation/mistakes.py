"""Which wrong answers to show: the surest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST = 24


def surest(
    ids: Sequence[str], wrong: NDArray[np.bool_], wrongness: NDArray[np.floating]
) -> list[int]:
    """Return which pictures to show, the surest mistake first; equal ones by id.

    Args:
        ids: Of the pictures; no two the same.
        wrong: (pictures,) something about the answer is wrong.
        wrongness: (pictures,) how sure the model is of it, 0-1; read only where it is wrong.

    Returns:
        Their indices, at most `MOST`.
    """
    candidates: list[int] = np.flatnonzero(wrong).tolist()
    return sorted(candidates, key=lambda index: (-float(wrongness[index]), ids[index]))[:MOST]
