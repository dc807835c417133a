"""Which model the service runs: a file, or whatever the store of this device says."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from edge_recog.bundle import Bundle
from edge_recog.interpreters import DelegateSpec
from edge_recog.interpreters.twins import Twins
from edge_recog.models import default_model
from edge_recog.service.config.sections import ACTIVE, BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.classifier import Classifier
    from edge_recog.service.config.sections import Config
    from edge_recog.store import Store, TrialRules

_LOG = logging.getLogger(__name__)
_TICK_S: Final = 1.0
"""Between two looks at what a candidate has proved."""


class Models(Protocol):
    """Says what to run, and is told how it does. From any thread."""

    def load(self, open_it: Callable[[Twins], Classifier]) -> Classifier:
        """Return the model to run now, opened.

        Args:
            open_it: Raises EdgeRecogError if a model cannot be used.

        Raises:
            EdgeRecogError: None can be.
        """

    def answered(self) -> None:
        """Take that a frame was answered."""

    def unhealthy(self, reason: str, *, counts: bool = True) -> None:
        """Take that the model failed or hangs: a sentence without a full stop.

        Args:
            reason: That sentence.
            counts: Whether the model is to blame for it.
        """

    def close(self) -> None:
        """Take that the process ends in order. Safe to call twice."""


class OneModel:
    """A file, read anew whenever the model is loaded."""

    def __init__(self, path: Path, *, with_twin: bool) -> None:
        """Read nothing yet.

        Args:
            path: Of the file, or of its compiled twin.
            with_twin: Whether the compiled twin beside it is wanted as well.
        """
        self._path = path
        self._with_twin = with_twin

    def load(self, open_it: Callable[[Twins], Classifier]) -> Classifier:
        """See `Models`."""
        return open_it(
            Twins.open(self._path) if self._with_twin else Twins(Bundle.open(self._path))
        )

    def answered(self) -> None:
        """See `Models`."""

    def unhealthy(self, reason: str, *, counts: bool = True) -> None:
        """See `Models`."""

    def close(self) -> None:
        """See `Models`."""


class StoredModels:
    """The active model, or the candidate while it is on trial."""

    def __init__(self, store: Store, rules: TrialRules, *, given_up: Callable[[], None]) -> None:
        """Begin.

        Args:
            store: Where the models are.
            rules: When a candidate has proved itself.
            given_up: Called, in a thread of its own, when a candidate's trial has ended otherwise:
                another model is to be loaded now.
        """
        self._trial = store.trial(rules)
        self._given_up = given_up
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="trial", daemon=True).start()

    def load(self, open_it: Callable[[Twins], Classifier]) -> Classifier:
        """See `Models`; a candidate that cannot be opened is rolled back."""
        chosen, classifier = self._trial.load_twins(open_it)
        if chosen.on_trial:
            _LOG.info("%s is on trial", chosen.bundle.name)
        return classifier

    def answered(self) -> None:
        """See `Models`."""
        self._trial.answered(time.monotonic_ns())

    def unhealthy(self, reason: str, *, counts: bool = True) -> None:
        """See `Models`."""
        self._trial.unhealthy(reason, counts=counts)

    def close(self) -> None:
        """See `Models`; the candidate's trial goes on at the next start."""
        if not self._closed.is_set():
            self._closed.set()
            self._trial.stopped(time.monotonic_ns())

    def _watch(self) -> None:
        while not self._closed.wait(_TICK_S):
            ended = self._trial.tick(time.monotonic_ns())
            if ended is not None and ended.how != "committed":
                self._given_up()


def open_store(config: Config) -> Store:
    """Return the store of this device, which takes what its keys have signed."""
    from edge_recog.signing import Trust
    from edge_recog.store import Store, Trusted, models_folder

    root = models_folder(os.environ)
    # The floors of signed releases are beside the models.
    return Store(root, rules=config.store, admission=Trusted(Trust.open(root.parent)))


def open_models(config: Config, *, given_up: Callable[[], None]) -> Models:
    """Return what a configuration names.

    Args:
        config: Its `model`, `store` and `trial`.
        given_up: See `StoredModels`.
    """
    if config.model == ACTIVE:
        return StoredModels(open_store(config), config.trial, given_up=given_up)
    delegate = None if config.delegate is None else DelegateSpec.parse(config.delegate)
    path = default_model() if config.model == BUILT_IN else Path(config.model)
    return OneModel(path, with_twin=delegate is not None and delegate.is_edge_tpu)
