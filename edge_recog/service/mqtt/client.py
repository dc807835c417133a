"""One connection to a broker that comes back by itself; the only importer of paho-mqtt."""

from __future__ import annotations

import logging
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any, ParamSpec

from edge_recog.errors import UsageError
from edge_recog.service.mqtt.settings import Broker, read_password
from edge_recog.service.sinks import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_recog.service.mqtt.settings import MqttSettings
    from edge_recog.service.mqtt.topics import Message

_LOG = logging.getLogger(__name__)
_Parameters = ParamSpec("_Parameters")
_CONNECT_TIMEOUT_S = 5.0
_RECONNECT_DELAY_S = (1, 60)
_FLUSH_TIMEOUT_S = 1.0
_SAME_AGAIN_S = 3600.0
_MAX_SAID = 50
_SHORT_LIFE_S = 10.0
_SHORT_LIVES = 3
_ENDS = {128: "the connection has ended"}


class Connection:
    """Publishes to a broker, and waits for one that is away without making anybody wait."""

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        will: Message,
        subscriptions: Sequence[str],
        on_up: Callable[[], None],
        on_message: Callable[[str, bytes, bool], None],
    ) -> None:
        """Begin to connect, and return at once.

        Args:
            settings: Which broker, as whom.
            client_id: As which the broker knows this connection.
            will: What the broker publishes should this process die.
            subscriptions: Topics to listen to.
            on_up: Called in the connection's thread, each time it has come about.
            on_message: Called there with topic, payload and whether it was retained.

        Raises:
            UsageError: paho-mqtt is not installed, or a file of the settings cannot be used.
        """
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
        except ImportError as error:
            raise UsageError('MQTT needs paho-mqtt: pip install "edge-recog[daemon]"') from error
        self._broker = Broker.parse(settings.broker)
        self._user = settings.user or self._broker.user
        self._subscriptions = tuple(subscriptions)
        self._on_up = _harmless(on_up)
        self._on_message = _harmless(on_message)
        self._codes = MQTTErrorCode
        self._queue = settings.queue
        self._last: Any = None
        self._said: dict[str, float] = {}
        self._up_s = 0.0
        self._short_lives = 0
        self.problem: str | None = "not connected yet"
        """Why there is no connection; None while there is one."""
        is_5 = settings.version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if is_5 else True,
            protocol=paho.MQTTv5 if is_5 else paho.MQTTv311,
        )
        if self._user:
            password = read_password(settings)
            client.username_pw_set(self._user, password)
            if password is not None and not self._broker.is_private:
                _LOG.warning(
                    "mqtt: the password goes to %s for all to read on the way; use mqtts://",
                    self._broker,
                )
        if self._broker.tls:
            client.tls_set_context(_tls_context(settings))
        client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.reconnect_delay_set(*_RECONNECT_DELAY_S)
        client.max_queued_messages_set(settings.queue)
        client.on_connect = self._connected
        client.on_connect_fail = self._failed
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.connect_async(self._broker.host, self._broker.port, settings.keepalive_s)
        self._client: Any | None = client
        client.loop_start()

    def publish(self, message: Message) -> None:
        """Send a message, or let it wait where its `qos` is 1; one of 0 is lost without a broker.

        Raises:
            SinkError: Too many wait already.
        """
        client = self._client
        if client is None or (message.qos == 0 and not client.is_connected()):
            return
        info = client.publish(
            message.topic, message.payload, qos=message.qos, retain=message.retain
        )
        if info.rc == self._codes.MQTT_ERR_QUEUE_SIZE:
            raise SinkError(
                f"mqtt: {self._queue} events wait for {self._broker} already, so this one is lost; "
                f"{self.problem or 'the broker is slow'}"
            )
        if message.qos:
            self._last = info

    def close(self, last: Message) -> None:
        """Send what waits if the broker is there, and one last message, and leave. Safe twice.

        Args:
            last: Of a `qos` of 0.
        """
        client = self._client
        if client is None:
            return
        if client.is_connected():
            if self._last is not None and self._last.rc == self._codes.MQTT_ERR_SUCCESS:
                self._last.wait_for_publish(_FLUSH_TIMEOUT_S)
            self.publish(last)
        # After the last message, in the same stream of bytes.
        client.disconnect()
        client.loop_stop()
        # The two know each other; with nobody to know it, it closes its sockets.
        client.on_connect = client.on_connect_fail = None
        client.on_disconnect = client.on_message = None
        self._client = None

    def _connected(
        self, client: Any, _data: object, _flags: object, code: Any, _properties: object
    ) -> None:
        if code.is_failure:
            self._trouble(_refusal(str(self._broker), self._user, int(code.value), str(code)))
            return
        self.problem = None
        self._up_s = time.monotonic()
        _LOG.info("mqtt: connected to %s", self._broker)
        for topic in self._subscriptions:
            client.subscribe(topic)
        self._on_up()

    def _failed(self, _client: Any, _data: object) -> None:
        # paho calls this from where it has caught the error, and does not say which.
        error = sys.exception()
        self._trouble(f"{self._broker} cannot be reached: {_reason(error)}")

    def _disconnected(
        self, _client: Any, _data: object, _flags: object, code: Any, _properties: object
    ) -> None:
        if self.problem is not None or not code.is_failure:
            self.problem = self.problem or "disconnected"
            return
        is_short = time.monotonic() - self._up_s < _SHORT_LIFE_S
        self._short_lives = self._short_lives + 1 if is_short else 0
        # Session taken over: MQTT 5, 3.14.2.1. Not every broker says so, but what happens then is
        # that two clients chase each other away for ever.
        if code.value == 142 or self._short_lives >= _SHORT_LIVES:
            self._trouble(
                f"{self._broker} drops us again and again, perhaps for another client of the same "
                "name; give each device its own mqtt.node"
            )
        else:
            self._trouble(f"{self._broker} is lost: {_ENDS.get(int(code.value), str(code))}")

    def _received(self, _client: Any, _data: object, message: Any) -> None:
        self._on_message(message.topic, bytes(message.payload), bool(message.retain))

    def _trouble(self, text: str) -> None:
        self.problem = text
        now = time.monotonic()
        if now - self._said.get(text, -_SAME_AGAIN_S) < _SAME_AGAIN_S:
            return
        if len(self._said) >= _MAX_SAID:
            self._said.clear()
        self._said[text] = now
        _LOG.warning("mqtt: %s", text)


class _TidySocket(ssl.SSLSocket):
    """Closes itself where a handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _harmless(function: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
    """Return the function without its errors: they would end the thread that reconnects."""

    def call(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> None:
        try:
            function(*arguments, **named)
        except Exception:  # noqa: BLE001 - logged with its trace.
            _LOG.exception("mqtt: a message could not be dealt with")

    return call


def _refusal(broker: str, user: str, code: int, said: str) -> str:
    """Return in words why a broker refuses; codes as in MQTT 5, 3.2.2.2."""
    if code in {134, 135}:
        who = f"the user {user!r}" if user else "us without a user"
        return (
            f"{broker} refuses {who} ({said}); check mqtt.user and mqtt.password_file, and what "
            "the broker lets that user do"
        )
    if code == 132:
        return f'{broker} does not know this version of MQTT; set mqtt.version = "3.1.1"'
    if code == 133:
        return f"{broker} refuses our name ({said}); set mqtt.client_id"
    return f"{broker} refuses the connection: {said}"


def _reason(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is refused ({error.verify_message}); name the right authority with "
            "mqtt.ca_file"
        )
    if isinstance(error, ssl.SSLError):
        return f"it speaks no TLS that we do ({error.reason}); is mqtts:// right for this port?"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Return what checks the broker's certificate and name, and shows ours if there is one.

    Raises:
        UsageError: A file cannot be read, or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        reason = (
            "no certificates (PEM) in it" if isinstance(error, ssl.SSLError) else error.strerror
        )
        raise UsageError(f"{settings.ca_file}: cannot be used as mqtt.ca_file: {reason}") from error
    context.sslsocket_class = _TidySocket
    if settings.cert_file is not None:
        try:
            # Without a password to ask for: a daemon has nobody to ask.
            context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
        except (OSError, ValueError) as error:
            names = settings.cert_file + (f" and {settings.key_file}" if settings.key_file else "")
            raise UsageError(
                f"{names}: cannot be used as mqtt.cert_file and mqtt.key_file: they must be a "
                f"certificate and its key without a password, both PEM ({_plain(error)})"
            ) from error
    return context


def _plain(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
