"""Keep a broker up to date until killed. Run as: python publish_until_killed.py SETTINGS-JSON."""

from __future__ import annotations

import sys
import threading

import msgspec

from edge_recog.service.mqtt.settings import MqttSettings
from edge_recog.service.mqtt.sink import MqttSink
from edge_recog.service.mqtt.topics import ModelCard

settings = msgspec.json.decode(sys.argv[1], type=MqttSettings)
sink = MqttSink(
    settings,
    model=ModelCard("sha256:ab", "clothing", ("shirt",)),
    labels=(),
    name_of=str,
    version="0.1.0",
)
threading.Event().wait()
