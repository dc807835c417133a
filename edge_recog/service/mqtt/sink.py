"""Decides what a broker is told, and when."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.service.mqtt.client import Connection
from edge_recog.service.mqtt.discovery import chosen_labels, discovery_messages, discovery_root
from edge_recog.service.mqtt.settings import node_name
from edge_recog.service.mqtt.topics import (
    Message,
    ModelCard,
    Topics,
    frigate_document,
    model_document,
    state_document,
)
from edge_recog.service.sinks import encoded
from edge_recog.wire import classification_document, event_document, status_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_recog.answers import Answer, Vanished
    from edge_recog.events import Event
    from edge_recog.service.mqtt.settings import MqttSettings
    from edge_recog.supervision import Status
    from edge_recog.updates import Report


class MqttSink:
    """Keeps a broker up to date.

    The newest of each retained topic is kept here and told again whenever the connection comes
    back, so only events need to wait for it.
    """

    name = "mqtt"

    def __init__(
        self,
        settings: MqttSettings,
        *,
        model: ModelCard,
        labels: Sequence[str],
        name_of: Callable[[str], str],
        version: str,
    ) -> None:
        """Begin to connect, and return at once.

        Args:
            settings: Which broker, as whom, what it is told.
            model: In use.
            labels: That events are wanted of; all of the model's if empty.
            name_of: From a model's id to its name.
            version: Of this program.

        Raises:
            UsageError: paho-mqtt is not installed, or a file of the settings cannot be used.
        """
        self.topics = Topics(settings.node or node_name(socket.gethostname()))
        """Where it publishes."""
        self._settings = settings
        self._labels = tuple(labels)
        self._name_of = name_of
        self._version = version
        self._lock = threading.RLock()
        self._retained: dict[str, Message] = {}
        self._discovery: dict[str, Message] = {}
        self._present: dict[str, float] = {}  # Label → since when, Unix time.
        self._state: dict[str, Any] | None = None
        self._due_s = 0.0
        self._birth = f"{settings.discovery_prefix}/status"
        self._root = discovery_root(settings.discovery_prefix, self.topics.node)
        self._learn(model)
        own = f"{self._root.format(component='+')}/+/config"
        with self._lock:
            self._connection = Connection(
                settings,
                client_id=settings.client_id or f"edge_recog-{self.topics.node}",
                will=Message(self.topics.availability, b"offline", retain=True, qos=1),
                subscriptions=(self._birth, own) if settings.discovery else (),
                on_up=self._tell_everything,
                on_message=self._hear,
            )

    @property
    def problem(self) -> str | None:
        """Why there is no connection; None while there is one."""
        return self._connection.problem

    def answer(self, answer: Answer) -> None:
        """Tell the state now and then, and at once with its events.

        Raises:
            SinkError: Too many events wait for the broker.
        """
        now_s = time.monotonic()
        with self._lock:
            began = [self._note(event) for event in answer.events]
            if answer.events or now_s >= self._due_s:
                self._due_s = now_s + self._settings.state_interval_s
                result = answer.classification
                classification = classification_document(
                    result, model_name=self._name_of(result.model_id)
                )
                self._state = state_document(classification, answer.smoothed, self._present)
                self._keep(self.topics.state, self._state)
            for event, since in zip(answer.events, began, strict=True):
                self._tell_event(event, answer.classification.source, since)

    def vanished(self, vanished: Vanished) -> None:
        """Tell events that no frame brought, and at once what is left; raises like `answer`."""
        with self._lock:
            began = [self._note(event) for event in vanished.events]
            if self._state is not None:
                self._state = {**self._state, "present": sorted(self._present)}
                self._keep(self.topics.state, self._state)
            for event, since in zip(vanished.events, began, strict=True):
                self._tell_event(event, vanished.source, since)

    def status(self, status: Status) -> None:
        """Tell a change of state; unless frames are answered, nothing is present any more."""
        with self._lock:
            self._keep(self.topics.status, status_document(status))
            if status.state != "running" and self._present:
                self._present.clear()
                if self._state is not None:
                    self._state = {**self._state, "present": []}
                    self._keep(self.topics.state, self._state)

    def change_model(self, model: ModelCard) -> None:
        """Tell of another model; may be called from any thread."""
        with self._lock:
            before = self._discovery
            self._learn(model)
            self._connection.publish(self._retained[self.topics.model])
            for topic in before.keys() - self._discovery.keys():
                self._connection.publish(Message(topic, b"", retain=True))
            self._tell_discovery()

    def update(self, report: Report) -> None:
        """Tell how a release fares here; may be called from any thread."""
        message = Message(self.topics.updates, msgspec.json.encode(report), retain=True, qos=1)
        with self._lock:
            self._retained[message.topic] = message
            self._connection.publish(message)

    def close(self) -> None:
        """Say goodbye and leave. Safe to call twice."""
        self._connection.close(Message(self.topics.availability, b"offline", retain=True))

    def _learn(self, model: ModelCard) -> None:
        """Take a model for what is told from now on."""
        document = encoded(model_document(model))
        self._retained[self.topics.model] = Message(self.topics.model, document, retain=True)
        if self._settings.discovery:
            messages = discovery_messages(
                self.topics,
                model,
                labels=chosen_labels(self._labels, model),
                prefix=self._settings.discovery_prefix,
                version=self._version,
            )
            self._discovery = {message.topic: message for message in messages}

    def _note(self, event: Event) -> float:
        """Keep track of what is present; return since when this is, Unix time."""
        at = time.time() - (time.monotonic_ns() - event.at_ns) / 1e9
        if event.kind == "appeared":
            self._present[event.label] = at
            return at
        return self._present.pop(event.label, at - (event.duration_s or 0.0))

    def _tell_event(self, event: Event, source: str, since: float) -> None:
        document = event_document(event, source=source)
        self._connection.publish(Message(self.topics.event, encoded(document), qos=1))
        if self._settings.frigate_prefix is not None:
            now = since if event.kind == "appeared" else since + (event.duration_s or 0.0)
            shaped = frigate_document(document, node=self.topics.node, began=since, now=now)
            topic = f"{self._settings.frigate_prefix}/events"
            self._connection.publish(Message(topic, encoded(shaped), qos=1))

    def _keep(self, topic: str, document: dict[str, Any]) -> None:
        """Tell something retained, and again when the connection comes back."""
        message = Message(topic, encoded(document), retain=True)
        self._retained[topic] = message
        self._connection.publish(message)

    def _tell_everything(self) -> None:
        with self._lock:
            for message in self._retained.values():
                self._connection.publish(message)
            self._tell_discovery()
            # Last: whoever sees it finds the rest.
            online = Message(self.topics.availability, b"online", retain=True)
            self._connection.publish(online)

    def _tell_discovery(self) -> None:
        for message in self._discovery.values():
            self._connection.publish(message)

    def _hear(self, topic: str, payload: bytes, is_retained: bool) -> None:
        """Tell Home Assistant anew when it is born, and take back what an earlier run told."""
        with self._lock:
            if topic == self._birth:
                if payload == b"online":
                    self._tell_discovery()
            elif is_retained and payload and topic not in self._discovery:
                self._connection.publish(Message(topic, b"", retain=True))
