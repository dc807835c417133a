"""The live classifier as configured: its model, its source, and everything that is told."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog import __version__
from edge_recog.cameras import CAMERAS, open_source
from edge_recog.cameras.isolated import IsolatedSource
from edge_recog.classifier import Classifier
from edge_recog.errors import DelegateError, EdgeRecogError, UsageError
from edge_recog.pipeline import OUTCOMES
from edge_recog.service.jsonl import JsonlSettings, JsonlSink
from edge_recog.service.live import LiveClassifier
from edge_recog.service.models import open_models
from edge_recog.service.notify import open_notifier
from edge_recog.service.sinks import SinkQueue, close_all
from edge_recog.service.text import TextSink
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog.interpreters.twins import Twins
    from edge_recog.pipeline import Outcome, PipelineRules
    from edge_recog.service.config.sections import Config
    from edge_recog.service.live import Output, Where
    from edge_recog.service.sinks import Sink
    from edge_recog.service.updating import Updating
    from edge_recog.service.web.site import Site
    from edge_recog.updates import Report

_LOG = logging.getLogger(__name__)
_FLUSH_S: Final = 1.0
"""For all sinks together, at the end."""


class Daemon:
    """Runs a configuration, until it is closed."""

    def __init__(self, config: Config, *, web_is_extra: bool = False) -> None:
        """Open model, sinks and live page; the source is opened by `run`.

        Args:
            config: What to run.
            web_is_extra: Whether to go on without the page where it cannot be served, which is then
                logged: for those who did not ask for it.

        Raises:
            EdgeRecogError: The model, a sink or the page's address cannot be used.
        """
        self._config = config
        self._names: dict[str, str] = {}
        """Of models, by id."""
        self._mqtt: Any = None
        self._reloading = threading.Lock()
        self._counting = threading.Lock()
        self.frames: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
        """How many frames there were, by what became of them."""
        self._site: Site | None = None
        self._models = open_models(config, given_up=self.reload)
        self._first: Classifier | None = None
        try:
            self._first = self._open_model("given")
            self._site = self._open_site(self._first, is_extra=web_is_extra)
            self._queues = tuple(SinkQueue(sink) for sink in self._sinks(self._first))
        except BaseException:
            if self._first is not None:
                self._first.close()
            if self._site is not None:
                self._site.close()
            self._models.close()
            raise
        outputs: tuple[Output, ...] = self._queues
        if self._site is not None:
            self._site.watch(self._queues)
            outputs += self._site.outputs
        self._updating = self._open_updating()
        self._notifier = open_notifier()
        self.live = LiveClassifier(
            lambda: open_source(config.source),
            self._model,
            open_isolated=lambda: IsolatedSource(config.source),
            rules=_rules_for(config),
            supervision=config.supervision_rules,
            outputs=outputs,
            count=self._count,
            notifier=self._notifier,
        )

    def run(self) -> None:
        """Classify until `stop`, or until a source that has an end comes to it."""
        try:
            self.live.run()
        finally:
            told = (f"{number:,} {outcome}" for outcome, number in self.frames.items() if number)
            _LOG.info("frames: %s", ", ".join(told) or "none")

    def stop(self) -> None:
        """Have `run` end, soon; from any thread."""
        self.live.stop()

    def reload(self) -> None:
        """Load the model anew; keep the one at work if that fails or does not verify."""
        try:
            self.activate()
        except EdgeRecogError as error:
            _LOG.error("the model at work stays: %s", error)

    def activate(self) -> Classifier:
        """Load the model anew, and return it: it is at work and not to be closed.

        Raises:
            EdgeRecogError: That failed, or it does not verify; the one at work stays.
        """
        with self._reloading:
            self._notifier.reloading()
            try:
                classifier = self._swapped()
            finally:
                self._notifier.ready()
        if self._mqtt is not None:
            self._mqtt.change_model(_card(classifier))
        if self._site is not None:
            self._site.change_model(classifier)
        _LOG.info("%s is loaded", classifier.bundle.name)
        return classifier

    def close(self) -> None:
        """Flush and let go of everything. Safe to call twice."""
        if self._updating is not None:
            self._updating.close()
        if self._site is not None:
            self._site.close()
        close_all(self._queues, _FLUSH_S)
        if self._first is not None:
            self._first.close()
        self._models.close()
        self._notifier.close()

    def _count(self, outcome: Outcome) -> None:
        with self._counting:
            self.frames[outcome] += 1
        if outcome == "answered":
            self._models.answered()
        elif outcome == "failed":
            self._models.unhealthy("it failed on a frame", counts=self._is_to_blame)
        if self._site is not None:
            self._site.metrics.frame(outcome)

    def _open_site(self, classifier: Classifier, *, is_extra: bool) -> Site | None:
        settings = self._config.web
        if settings is None:
            return None
        from edge_recog.service.web.site import Site

        try:
            return Site(
                settings,
                self._config,
                classifier,
                name_of=self._name_of,
                frames=self.frames,
                activate=self.activate,
                stand_by=lambda reason: self.live.stand_by(reason),
                wake=lambda: self.live.wake(),
            )
        except UsageError as error:
            if not is_extra:
                raise
            _LOG.warning("there is no live page: %s", error)
            return None

    def _open_updating(self) -> Updating | None:
        settings = self._config.updates
        if settings is None:
            return None
        from edge_recog.service.updating import Updating

        return Updating(settings, self._config, tell=self._tell_update, reload=self.reload)

    def _tell_update(self, report: Report) -> None:
        about = "" if report.number is None else f" {report.number}"
        reason = f": {report.reason}" if report.reason else ""
        _LOG.info("release%s of %s: %s%s", about, report.channel, report.state, reason)
        if self._mqtt is not None:
            self._mqtt.update(report)

    @property
    def _is_to_blame(self) -> bool:
        """Whether a model that fails is itself to blame, and not, perhaps, its accelerator."""
        return self._config.delegate is None

    def _swapped(self) -> Classifier:
        """Return the model that is now at work, loaded anew."""
        classifier = self._open_model("given")
        try:
            self.live.swap(classifier)
        except BaseException:
            classifier.close()
            raise
        return classifier

    def _model(self, where: Where) -> Classifier:
        """Return the model that was opened at the start, and later others."""
        first, self._first = self._first, None
        if first is not None:
            return first
        self._models.unhealthy(
            "it failed or hung, and had to be loaded again", counts=self._is_to_blame
        )
        classifier = self._open_model(where)
        if self._site is not None:
            self._site.change_model(classifier)
        return classifier

    def _open_model(self, where: Where) -> Classifier:
        return self._models.load(lambda twins: self._opened(twins, where))

    def _opened(self, twins: Twins, where: Where) -> Classifier:
        config = self._config
        classifier = Classifier.open(
            twins,
            threads=config.threads,
            delegate=config.delegate if where == "given" else None,
            fallback=config.fallback if where == "given" else None,
        )
        if where == "cpu":
            classifier.fell_back = DelegateError("the accelerator failed while it was at work")
        try:
            if classifier.bundle.golden():
                verify(classifier).require(classifier.bundle.where)
        except BaseException:
            classifier.close()
            raise
        self._names[classifier.bundle.id] = classifier.bundle.name
        return classifier

    def _sinks(self, classifier: Classifier) -> Iterator[Sink]:
        config = self._config
        jsonl = config.jsonl
        if jsonl is None and config.mqtt is None and config.webhook is None:
            if sys.stdout.isatty():
                yield TextSink(sys.stdout)
            else:
                jsonl = JsonlSettings()
        if jsonl is not None:
            yield JsonlSink(jsonl, name_of=self._name_of)
        if config.webhook is not None:
            from edge_recog.service.webhook import WebhookSink

            yield WebhookSink(config.webhook)
        if config.mqtt_settings is not None:
            from edge_recog.service.mqtt.sink import MqttSink

            self._mqtt = MqttSink(
                config.mqtt_settings,
                model=_card(classifier),
                labels=config.events.labels,
                name_of=self._name_of,
                version=__version__,
            )
            yield self._mqtt

    def _name_of(self, model_id: str) -> str:
        return self._names.get(model_id, model_id)


def _rules_for(config: Config) -> PipelineRules:
    """Return what is done with every frame: recordings and test pictures may stand still."""
    rules = config.pipeline_rules
    is_camera = config.source.partition(":")[0] in CAMERAS
    if is_camera or rules.watch is None:
        return rules
    watch = msgspec.structs.replace(rules.watch, freeze_s=None)
    return msgspec.structs.replace(rules, watch=watch)


def _card(classifier: Classifier) -> Any:
    from edge_recog.service.mqtt.topics import ModelCard

    bundle = classifier.bundle
    return ModelCard(bundle.id, bundle.name, bundle.labels)
