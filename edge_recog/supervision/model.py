"""What is tried, in turn, when the model fails in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.supervision.actions import FallBackToCpu, ReloadModel
from edge_recog.supervision.rules import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_recog.supervision.actions import Action
    from edge_recog.supervision.rules import SupervisionRules


class ModelCare:
    """Load it again at once; then without its accelerator, if allowed; then again and again."""

    def __init__(self, rules: SupervisionRules, random: Callable[[], float]) -> None:
        """Begin with a model that is loaded and works."""
        self._rules = rules
        self._backoff = Backoff(rules.retry_min_s, random)
        self._may_fall_back = rules.cpu_fallback
        self.is_loading = False
        """Whether it is being loaded again, so that nothing can be classified."""

    def failed(self) -> Iterator[Action]:
        """Have the next thing tried."""
        self.is_loading = True
        is_first = self._backoff.failures == 0
        if is_first:
            yield ReloadModel(self._backoff.next_s(0.0))
        elif self._may_fall_back:
            self._may_fall_back = False
            self._backoff.next_s(0.0)
            yield FallBackToCpu()
        else:
            yield ReloadModel(self._backoff.next_s(self._rules.retry_max_s))

    def loaded(self) -> None:
        """Note that it is loaded; whether it works, an answer will tell."""
        self.is_loading = False

    def healthy(self) -> None:
        """Forget the failures. What runs on the CPU by now stays there."""
        self._backoff.reset()
