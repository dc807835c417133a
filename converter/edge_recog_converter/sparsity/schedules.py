"""How the share of zeros grows: fast at first, when many weights are not needed, then slowly."""

from __future__ import annotations


def share_at(step: int, *, target: float, begin: int, end: int) -> float:
    """Return the share of zeros at a step.

    Zhu and Gupta 2017, To prune, or not to prune, https://arxiv.org/abs/1710.01878, equation 1,
    from a share of 0: `target * (1 - (1 - (step - begin) / (end - begin)) ** 3)`.

    Args:
        step: 0 or more.
        target: In the end, 0-1.
        begin: Step before which there are none.
        end: Step from which on the target stays; after `begin`.
    """
    progress = min(1.0, max(0.0, (step - begin) / (end - begin)))
    return target * (1.0 - (1.0 - progress) ** 3)
