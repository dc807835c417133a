"""What can be configured: the Struct of the whole file; the sections' own are where they are used.

In the file `false` stands for None: `watch = false` switches a section off.
"""

from __future__ import annotations

import re
import socket
from typing import Annotated, Final, Literal

import msgspec

from edge_recog.errors import UsageError
from edge_recog.events import EventRules
from edge_recog.interpreters import DelegateSpec
from edge_recog.masks import Region
from edge_recog.pipeline import PipelineRules
from edge_recog.service.jsonl import JsonlSettings
from edge_recog.service.mqtt.settings import MqttSettings, node_name
from edge_recog.service.web.settings import WebSettings
from edge_recog.service.webhook import WebhookSettings
from edge_recog.store.rules import StoreRules, TrialRules
from edge_recog.supervision import SupervisionRules
from edge_recog.updates.settings import UpdateSettings
from edge_recog.watching import MotionRules, WatchRules

BUILT_IN: Final = "built-in"
"""Name of the model that comes with the package."""
ACTIVE: Final = "active"
"""Name of whichever model is active in the store of this device."""

SET_AT_TOP: Final = {"mqtt.node": "node", "supervision.cpu_fallback": "fallback"}
"""Fields of sections that a file does not set there → the key that does."""

_NODE = "^[a-z0-9_-]{1,64}$"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class SmoothingRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How scores of the last moments are put together."""

    half_life_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.3
    """After which a score counts half; 0 for no smoothing."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it; every key has a default."""

    source: Text = "picamera2:0"
    """Where frames come from, see `edge-recog cameras`."""
    model: Text = BUILT_IN
    """`built-in`, `active` for the one of this device's store, or a path."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    """For the interpreter."""
    delegate: Text | None = None
    """An accelerator: `edgetpu`, `edgetpu:usb:0`, `edgetpu:pci` or a library with ?key=value."""
    fallback: Literal["cpu"] | None = None
    """`cpu`: go on there if the accelerator cannot be used or is lost."""
    rate_limit_fps: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None
    """Answers a second at most; as many as there are frames if None."""
    roi: Region | None = None
    """The part of the picture that is looked at; all of it if None."""
    masks: tuple[Region, ...] = ()
    """Parts that nobody sees, neither the model nor people."""
    top_k: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 5
    """Labels that are told."""
    node: Annotated[str, msgspec.Meta(pattern=_NODE)] | None = None
    """Name of this device in MQTT topics and documents: a-z, 0-9, _ and -. The host's if None."""
    smoothing: SmoothingRules = SmoothingRules()
    events: EventRules = EventRules()
    watch: WatchRules | None = WatchRules()
    """None for pictures that may stand still or be black."""
    motion: MotionRules | None = None
    """Classify only where something moves; every frame if None."""
    supervision: SupervisionRules = SupervisionRules()
    store: StoreRules = StoreRules()
    trial: TrialRules = TrialRules()
    updates: UpdateSettings | None = None
    web: WebSettings | None = WebSettings()
    mqtt: MqttSettings | None = None
    jsonl: JsonlSettings | None = None
    webhook: WebhookSettings | None = None

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ValueError: A text is out of its form, or two settings contradict each other.
        """
        for name in ("source", "model"):
            if not getattr(self, name).isprintable():
                raise ValueError(f"{name} has characters that cannot be seen; write it anew")
        # By `fullmatch`: `$` alone lets a line feed through.
        if self.node is not None and not re.fullmatch(_NODE, self.node):
            raise ValueError(f"node is {self.node!r}; it must match {_NODE}")
        if self.delegate is not None:
            try:
                DelegateSpec.parse(self.delegate)
            except UsageError as error:
                raise ValueError(f"delegate: {error}") from error
        elif self.fallback is not None:
            raise ValueError("fallback is for a delegate: name one, or leave it out")
        if self.updates is not None and self.model != ACTIVE:
            raise ValueError(
                f'updates bring models into the store of this device: set model = "{ACTIVE}"'
            )
        for key, instead in SET_AT_TOP.items():
            section, _, name = key.partition(".")
            if getattr(getattr(self, section), name, None):
                raise ValueError(f"{key}: set {instead} at the top of the file instead")

    @property
    def node_name(self) -> str:
        """`node`, or the host's name as far as it can be used."""
        return self.node or node_name(socket.gethostname())

    @property
    def mqtt_settings(self) -> MqttSettings | None:
        """The section mqtt, with this device's name in it."""
        if self.mqtt is None:
            return None
        return msgspec.structs.replace(self.mqtt, node=self.node_name)

    @property
    def supervision_rules(self) -> SupervisionRules:
        """The section supervision, with `fallback` in it."""
        return msgspec.structs.replace(self.supervision, cpu_fallback=self.fallback == "cpu")

    @property
    def pipeline_rules(self) -> PipelineRules:
        """What is done with every frame."""
        return PipelineRules(
            roi=self.roi,
            masks=self.masks,
            rate_limit_fps=self.rate_limit_fps,
            top_k=self.top_k,
            half_life_s=self.smoothing.half_life_s,
            events=self.events,
            watch=self.watch,
            motion=self.motion,
        )
