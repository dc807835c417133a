"""Which broker, as whom, and what it is told."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from edge_recog.errors import UsageError
from edge_recog.service.config.secret_files import read_secret

PASSWORD_VARIABLE: Final = "EDGE_RECOG_MQTT_PASSWORD"
"""The environment variable that a password is taken from where no file is named."""

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_NODE = "^[a-z0-9_-]{1,64}$"
# What is published to must be a name, not a pattern (MQTT 5, 4.7.1) and no system topic.
_PREFIX = "^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,4}$"
_ID = "^[A-Za-z0-9_-]{1,64}$"


class MqttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A broker, and what it is told."""

    broker: str
    """`mqtts://host`, `mqtt://host:1883`; a user may stand before the host: `mqtt://user@host`."""
    node: Annotated[str, msgspec.Meta(pattern=_NODE)] | None = None
    """Name of this device in topics, unlike any other's: a-z, 0-9, _ and -. The host's if None."""
    client_id: Annotated[str, msgspec.Meta(pattern=_ID)] | None = None
    """As which the broker knows this connection; `edge_recog-NODE` if None."""
    user: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    """Name to log in with."""
    password_file: str | None = None
    """Its first line is the password; from EDGE_RECOG_MQTT_PASSWORD if None."""
    ca_file: str | None = None
    """Certificates (PEM) to trust instead of the system's; for `mqtts://`."""
    cert_file: str | None = None
    """This device's own certificate (PEM), where the broker wants one."""
    key_file: str | None = None
    """Its key (PEM), where it is not in `cert_file`."""
    version: Literal["5", "3.1.1"] = "5"
    """Of MQTT; for brokers that do not know 5."""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    """A connection that is silent for one and a half times that is lost."""
    queue: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """Events that wait for a broker that is away; newer ones are lost and counted."""
    state_interval_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 1.0
    """Least time between two states without events."""
    discovery: bool = True
    """Whether Home Assistant is told what there is."""
    discovery_prefix: Annotated[str, msgspec.Meta(pattern=_PREFIX)] = "homeassistant"
    """Where Home Assistant looks for that."""
    frigate_prefix: Annotated[str, msgspec.Meta(pattern=_PREFIX)] | None = None
    """Events also go to `PREFIX/events` in the shape of Frigate's, if set."""

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ValueError: A text is out of its form, or two settings contradict each other.
        """
        broker = Broker.parse(self.broker)
        for name, text, pattern in (
            ("node", self.node, _NODE),
            ("client_id", self.client_id, _ID),
            ("discovery_prefix", self.discovery_prefix, _PREFIX),
            ("frigate_prefix", self.frigate_prefix, _PREFIX),
        ):
            # By `fullmatch`: `$` alone lets a line feed through.
            if text is not None and not re.fullmatch(pattern, text):
                raise ValueError(f"mqtt.{name} is {text!r}; it must match {pattern}")
        if broker.user and self.user:
            raise ValueError("mqtt.user and the user in mqtt.broker: name only one of them")
        if self.password_file is not None and not (broker.user or self.user):
            raise ValueError("mqtt.password_file needs mqtt.user: MQTT has no password without one")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("mqtt.key_file needs mqtt.cert_file")
        if not broker.tls and (self.ca_file or self.cert_file):
            raise ValueError("mqtt.ca_file and mqtt.cert_file need mqtts:// in mqtt.broker")


@dataclass(frozen=True)
class Broker:
    """Where a broker is."""

    host: str
    port: int
    tls: bool
    user: str = ""
    """Empty for none."""

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        name: str = "mqtt.broker",
        password_name: str = "mqtt.password_file",
    ) -> Broker:
        """Return what `mqtt://user@host:1883` or `mqtts://host` names.

        Args:
            text: The address.
            name: Of the setting or option that has it, for messages.
            password_name: Of the one that names a file with the password.

        Raises:
            UsageError: It has another form, or a password in it.
        """
        form = "write it like mqtt://host:1883 or mqtts://user@host"
        if not re.fullmatch(r"[\x21-\x7e]{1,1000}", text):
            raise UsageError(f"{name} has spaces or characters beyond ASCII; {form}")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{name} cannot be read: {error}; {form}") from error
        # The text is not repeated where it may hold a password.
        if parts.password is not None:
            raise UsageError(
                f"{name} has a password in it; put it into a file and name that with "
                f"{password_name}"
            )
        if parts.scheme not in _PORTS or parts.path not in {"", "/"} or parts.query:
            raise UsageError(f"{name} is {text!r}; {form}")
        if not host or parts.fragment or port == 0 or _is_no_name(host):
            raise UsageError(f"{name} is {text!r}; {form}")
        user = unquote(parts.username or "")
        return cls(host, port or _PORTS[parts.scheme], parts.scheme == "mqtts", user)

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.tls or self.host in {"localhost", "127.0.0.1", "::1"}

    def __str__(self) -> str:
        """Return host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_no_name(host: str) -> bool:
    """Return whether a host is more, or has longer parts, than a name can be (RFC 1035, 2.3.4)."""
    return len(host) > 253 or any(not 0 < len(part) < 64 for part in host.split("."))


def node_name(host: str) -> str:
    """Return a name for topics of a host's, which may be in any form.

    `Küche.local` becomes `k_che`; a host without a usable name, `edge_recog`.
    """
    name = re.sub(r"[^a-z0-9_-]", "_", host.partition(".")[0].lower())[:64]
    return name if name.strip("_-") else "edge_recog"


def read_password(settings: MqttSettings) -> str | None:
    """Return the password: of the file, else of the environment; None where there is neither.

    Raises:
        UsageError: Others can read the file, it cannot be read, or it is empty.
    """
    if settings.password_file is None:
        return os.environ.get(PASSWORD_VARIABLE) or None
    password = read_secret(settings.password_file).splitlines()[0]
    if not password:
        raise UsageError(
            f"{settings.password_file}: its first line is empty; it must be the password"
        )
    return password
