"""A real broker, and somebody who listens to it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_recog.service.mqtt.topics import ModelCard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PATIENCE_S = 30.0
USER, OBSERVER = "kitchen", "observer"
PASSWORD = "s3cret"


class Heard(NamedTuple):
    """A message that somebody received."""

    topic: str
    payload: bytes
    retain: bool


class Listener:
    """A client of its own that keeps what it hears."""

    def __init__(self, port: int, topics: str = "#", *, ca_file: str | None = None) -> None:
        self.heard: list[Heard] = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._topics = topics
        self.client = client = paho.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(OBSERVER, PASSWORD)
        if ca_file is not None:
            client.tls_set(ca_file)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._connected
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = self._received
        client.connect("127.0.0.1", port)
        client.loop_start()
        assert self._ready.wait(_PATIENCE_S), "the listener could not subscribe"

    def _connected(self, client: Any, *_: object) -> None:
        client.subscribe(self._topics, qos=1)

    def _received(self, _client: object, _data: object, message: Any) -> None:
        with self._changed:
            self.heard.append(Heard(message.topic, bytes(message.payload), message.retain))
            self._changed.notify_all()

    def wait_for(self, is_it: Callable[[Heard], bool]) -> Heard:
        """Return the first message that is it, also of those heard before."""

        def found() -> Heard | None:
            return next((one for one in self.heard if is_it(one)), None)

        with self._changed:
            assert self._changed.wait_for(found, _PATIENCE_S), f"not among {self.heard}"
            message = found()
        assert message is not None
        return message

    def wait_for_topic(self, topic: str) -> Heard:
        """Return the first message to a topic."""
        return self.wait_for(lambda one: one.topic == topic)

    def forget(self) -> None:
        """Begin anew."""
        with self._changed:
            self.heard.clear()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send a message and wait until the broker has it."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(_PATIENCE_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        # Else the two know each other, and its sockets wait for the garbage collector.
        self.client.on_connect = self.client.on_message = self.client.on_subscribe = None


class Broker:
    """A mosquitto of our own, on the loopback; it knows two users and keeps nothing on disk."""

    def __init__(self, mosquitto: str, folder: Path, *, tls: tuple[str, str] | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.password_file = folder / "client-password"
        self.password_file.write_text(f"{PASSWORD}\n")
        self.password_file.chmod(0o600)
        self.ca_file = tls[0] if tls else None
        self._passwords = folder / "broker-passwords"
        self._passwords.touch(0o600)
        for name in (OBSERVER, USER):
            self._change_users("-b", str(self._passwords), name, PASSWORD)
        secure = f"certfile {tls[0]}\nkeyfile {tls[1]}\n" if tls else ""
        # Root would become another user, who cannot read these files.
        user = "user root\n" if os.geteuid() == 0 else ""
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n{secure}allow_anonymous false\n"
            f"password_file {self._passwords}\npersistence false\n{user}"
        )
        self._mosquitto = mosquitto
        self._process: subprocess.Popen[bytes] | None = None
        self._listeners: list[Listener] = []

    @property
    def url(self) -> str:
        return f"mqtt{'s' if self.ca_file else ''}://{USER}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [self._mosquitto, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, "mosquitto has ended"
                assert time.monotonic() < deadline, "mosquitto does not listen"
                time.sleep(0.02)  # There is nothing else to wait for.

    def shut_out(self) -> None:
        """From its next start on, let nobody in but who listens."""
        self._change_users("-D", str(self._passwords), USER)

    def let_in(self) -> None:
        """Let the user in again that was shut out."""
        assert self._process is not None
        self._change_users("-b", str(self._passwords), USER, PASSWORD)
        self._process.send_signal(signal.SIGHUP)

    def _change_users(self, *arguments: str) -> None:
        subprocess.run(["mosquitto_passwd", *arguments], check=True, capture_output=True)

    def kill(self) -> None:
        """End it without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def listen(self, topics: str = "#") -> Listener:
        listener = Listener(self.port, topics, ca_file=self.ca_file)
        self._listeners.append(listener)
        return listener

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self.kill()


@pytest.fixture(scope="session")
def mosquitto(missing: Callable[[str], NoReturn]) -> str:
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None or shutil.which("mosquitto_passwd") is None:
        missing("mosquitto is not installed (Debian: mosquitto)")
    return found


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[Broker]:
    """Run a broker."""
    one = Broker(mosquitto, tmp_path)
    one.start()
    yield one
    one.close()


@pytest.fixture
def secure_broker(
    mosquitto: str, tmp_path: Path, self_signed: Callable[[str], tuple[str, str]]
) -> Iterator[Broker]:
    """Run a broker that speaks TLS with a certificate that only its `ca_file` vouches for."""
    one = Broker(mosquitto, tmp_path, tls=self_signed("IP:127.0.0.1"))
    one.start()
    yield one
    one.close()


@pytest.fixture(scope="session")
def model() -> ModelCard:
    return ModelCard("sha256:" + "ab" * 32, "clothing", ("shirt", "hat"))
