"""All that the web interface consists of, put together for a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog import __version__
from edge_recog.cameras.addresses import without_secrets
from edge_recog.pipeline import OUTCOMES
from edge_recog.service.config.showing import public_document
from edge_recog.service.metrics import CONTENT_TYPE, Metrics
from edge_recog.service.temperature import processor_celsius
from edge_recog.service.web.documents import model_document
from edge_recog.service.web.hub import Hub
from edge_recog.service.web.server import WebServer
from edge_recog.service.web.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_recog.classifier import Classifier
    from edge_recog.pipeline import Outcome
    from edge_recog.service.config.sections import Config
    from edge_recog.service.sinks import SinkQueue
    from edge_recog.service.web.documents import ModelDocument
    from edge_recog.service.web.settings import WebSettings


class Site:
    """Page, REST interface and metrics of one live classifier."""

    def __init__(
        self,
        settings: WebSettings,
        config: Config,
        classifier: Classifier,
        *,
        name_of: Callable[[str], str],
        frames: Mapping[Outcome, int],
        activate: Callable[[], Classifier],
        stand_by: Callable[[str], None],
        wake: Callable[[], None],
    ) -> None:
        """Take the address; the page comes with the first answer.

        Args:
            settings: Where, and for whom.
            config: What runs.
            classifier: The model at the start.
            name_of: From a model's id to its name.
            frames: By what became of them; somebody else counts.
            activate: Loads the configured model anew; raises EdgeRecogError if the old one stays.
            stand_by: Lets the camera go; a sentence says why.
            wake: Takes the camera again.

        Raises:
            UsageError: The page cannot be served.
        """
        self._config = config
        self._activate = activate
        model = self._described(classifier)
        self.hub = Hub(
            node=config.node_name,
            version=__version__,
            source=without_secrets(config.source),
            model=model,
            name_of=name_of,
            frames=frames,
            temperature_c=processor_celsius,
        )
        self.metrics = Metrics(
            version=__version__, outcomes=OUTCOMES, temperature_c=processor_celsius
        )
        self.metrics.model(model.id, model.name)
        self.server = WebServer(
            settings,
            Shown(
                hub=self.hub,
                version=__version__,
                metrics=self.metrics.exposition,
                metrics_type=CONTENT_TYPE,
                config=lambda: public_document(config),
                activate=self._activated,
                stand_by=stand_by,
                wake=wake,
            ),
        )

    @property
    def outputs(self) -> tuple[Hub, Metrics]:
        """For the live classifier."""
        return self.hub, self.metrics

    def watch(self, sinks: Sequence[SinkQueue]) -> None:
        """Tell of these queues from now on."""
        self.hub.watch(sinks)
        self.metrics.watch(sinks)

    def change_model(self, classifier: Classifier) -> None:
        """Tell of another model, or of the same on another device."""
        model = self._described(classifier)
        self.hub.change_model(model)
        self.metrics.model(model.id, model.name)

    def close(self) -> None:
        """End all connections. Safe to call twice."""
        self.server.close()

    def _activated(self) -> ModelDocument:
        return self._described(self._activate())

    def _described(self, classifier: Classifier) -> ModelDocument:
        config = self._config
        return model_document(classifier, threads=config.threads, delegate=config.delegate)
