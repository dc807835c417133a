"""What Home Assistant is told, so that it shows a device without being configured: pure.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, get_args

from edge_recog.service.mqtt.topics import Message
from edge_recog.service.sinks import encoded
from edge_recog.supervision import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog.service.mqtt.topics import ModelCard, Topics

MAX_LABELS: Final = 64
"""Labels that get a sensor of their own where nobody chose any."""


def discovery_messages(
    topics: Topics,
    model: ModelCard,
    *,
    labels: Sequence[str],
    prefix: str,
    version: str,
) -> Iterator[Message]:
    """Yield what makes Home Assistant show the top label, each label's presence and the camera.

    Args:
        topics: Of this device.
        model: In use.
        labels: That get a sensor of their own.
        prefix: Where Home Assistant looks, by default `homeassistant`.
        version: Of this program.
    """
    node = topics.node
    shared = {
        "availability_topic": topics.availability,
        "device": {
            "identifiers": [f"edge_recog_{node}"],
            "name": node,
            "manufacturer": "edge_recog",
            "model": model.name,
            "sw_version": version,
        },
        "origin": {"name": "edge_recog", "sw_version": version},
    }

    def message(component: str, thing: str, config: dict[str, Any]) -> Message:
        unique = f"edge_recog_{node}_{thing}"
        topic = f"{discovery_root(prefix, node).format(component=component)}/{thing}/config"
        return Message(topic, encoded({**config, "unique_id": unique, **shared}), retain=True)

    yield message(
        "sensor",
        "top_label",
        {
            "name": "Top label",
            "icon": "mdi:eye",
            "state_topic": topics.state,
            # 255 is the length of a state there.
            "value_template": (
                "{{ (value_json.smoothed[0].label if value_json.smoothed else 'none')[:255] }}"
            ),
            "json_attributes_topic": topics.state,
            "json_attributes_template": (
                "{{ {'score': value_json.smoothed[0].score if value_json.smoothed else 0,"
                " 'present': value_json.present} | tojson }}"
            ),
        },
    )
    yield message(
        "sensor",
        "camera_state",
        {
            "name": "Camera state",
            "icon": "mdi:cctv",
            "device_class": "enum",
            "options": list(get_args(State)),
            "entity_category": "diagnostic",
            "state_topic": topics.status,
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": topics.status,
        },
    )
    yield message(
        "sensor",
        "model",
        {
            "name": "Model",
            "icon": "mdi:brain",
            "entity_category": "diagnostic",
            "state_topic": topics.model,
            "value_template": "{{ value_json.name[:255] }}",
        },
    )
    for label in labels:
        yield message(
            "binary_sensor",
            f"label_{slug(label)}",
            {
                "name": label,
                "device_class": "occupancy",
                "state_topic": topics.state,
                "value_template": (
                    f"{{{{ 'ON' if {template_text(label)} in value_json.present else 'OFF' }}}}"
                ),
            },
        )


def discovery_root(prefix: str, node: str) -> str:
    """Return where a device's things are told of, with `{component}` for their kind."""
    return f"{prefix}/{{component}}/edge_recog_{node}"


def chosen_labels(wanted: Sequence[str], model: ModelCard) -> tuple[str, ...]:
    """Return the labels that get a sensor: those wanted that the model knows.

    Where none are wanted in particular, all of the model's; of a model with more than
    `MAX_LABELS`, none.
    """
    if wanted:
        known = frozenset(model.labels)
        return tuple(dict.fromkeys(label for label in wanted if label in known))
    labels = tuple(dict.fromkeys(model.labels))
    return labels if len(labels) <= MAX_LABELS else ()


def slug(label: str) -> str:
    """Return a label as a part of topics: different for different labels, the same every time."""
    plain = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:40]
    if plain and plain == label:
        return plain
    digest = hashlib.sha256(label.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{plain}_{digest}".lstrip("_")


def template_text(text: str) -> str:
    """Return a text as a literal of Home Assistant's template language (Jinja).

    Whatever a label has in it, nothing of it is taken for a part of the template.
    """
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in " _-") else f"\\U{ord(one):08x}"
        for one in text
    )
    return f"'{plain}'"
