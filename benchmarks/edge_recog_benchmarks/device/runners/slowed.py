"""A model made slower on purpose: what a comparison must notice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge_recog_benchmarks.device.runners.bare import BareRunner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_benchmarks.device.runners import Picture


class SlowedRunner(BareRunner):
    """Invokes a model, then keeps the core busy for a share of the time that took."""

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `BareRunner`, with the option `share`: "0.05" is 5 % slower."""
        options = dict(options)
        self._share = float(options.pop("share"))
        super().__init__(model, pictures, threads=threads, options=options)

    def step(self, index: int) -> tuple[int, ...]:
        """Run the model once, and lose some time."""
        start = time.perf_counter_ns()
        super().step(index)
        now = time.perf_counter_ns()
        end = now + int((now - start) * self._share)
        while now < end:
            now = time.perf_counter_ns()
        return (now - start,)
