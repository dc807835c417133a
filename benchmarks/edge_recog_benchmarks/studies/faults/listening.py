"""Hearing what a live classifier tells: in its file of answers, and at the broker."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog.errors import UsageError
from edge_recog_benchmarks.studies.faults.judging import Heard, Told
from edge_recog_benchmarks.studies.faults.pictures import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_recog_benchmarks.studies.faults.judging import Channel

_POLL_S: Final = 0.02


class _Prediction(msgspec.Struct):
    label: str
    score: float


class _Document(msgspec.Struct):
    """What is looked at of any document."""

    predictions: list[_Prediction] | None = None
    time: str = ""
    frame: int | None = None
    state: str | None = None
    reason: str | None = None


_decoder = msgspec.json.Decoder(_Document)


class Listener:
    """Keeps what is heard."""

    def __init__(self, sent_ns: Mapping[int, int]) -> None:
        """Begin with nothing.

        Args:
            sent_ns: Number of a picture → when it was sent last; grows meanwhile.
        """
        self._sent_ns = sent_ns
        self._answers: list[Heard] = []
        self._states: list[Told] = []
        self._last: dict[Channel, tuple[str, int | None]] = {}
        self.state: str | None = None
        """The last that was told."""
        self.news = threading.Condition()
        """Notified with everything that is heard."""

    def hear(self, channel: Channel, text: bytes) -> None:
        """Take one document."""
        at_ns = time.monotonic_ns()
        document = _decoder.decode(text)
        with self.news:
            if document.predictions is not None:
                which = document.time, document.frame
                if channel == "broker" and self._last.get(channel) == which:
                    return  # The last one, told again with what is present now.
                self._last[channel] = which
                self._answers.append(self._answer(at_ns, channel, document.predictions))
            elif document.state is not None and channel == "file":
                self.state = document.state
                self._states.append(Told(at_ns, document.state, document.reason))
            self.news.notify_all()

    def since(self, at_ns: int) -> tuple[list[Heard], list[Told]]:
        """Return what was heard since, oldest first."""
        with self.news:
            return (
                [one for one in self._answers if one.at_ns >= at_ns],
                [one for one in self._states if one.at_ns >= at_ns],
            )

    def forget(self, before_ns: int) -> None:
        """Let go of what was heard before."""
        with self.news:
            self._answers = [one for one in self._answers if one.at_ns >= before_ns]
            self._states = [one for one in self._states if one.at_ns >= before_ns]

    def _answer(self, at_ns: int, channel: Channel, predictions: list[_Prediction]) -> Heard:
        found = read({one.label: one.score for one in predictions})
        if found is None:
            return Heard(at_ns, channel, None, "not a picture that was sent")
        number, is_bad = found
        if is_bad:
            return Heard(at_ns, channel, None, "marked as bad")
        return Heard(at_ns, channel, self._sent_ns.get(number))


class FileTail:
    """Reads a file of answers as it grows, from its beginning."""

    def __init__(self, path: Path, hear: Callable[[bytes], None]) -> None:
        """Begin.

        Args:
            path: Of a file that may not be there yet.
            hear: Called with each line, in a thread of its own.
        """
        self._path = path
        self._hear = hear
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tail", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End. Safe to call twice."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._path.exists():
            if self._ended.wait(_POLL_S):
                return
        rest = b""
        with self._path.open("rb", 0) as file:
            while not self._ended.wait(_POLL_S):
                *lines, rest = (rest + file.read()).split(b"\n")
                for line in lines:
                    self._hear(line)


class BrokerEar:
    """Listens to one topic of a broker that may come and go."""

    def __init__(self, port: int, topic: str, hear: Callable[[bytes], None]) -> None:
        """Begin to connect.

        Args:
            port: Of a broker on this machine.
            topic: That is listened to; what is retained is not.
            hear: Called with each payload, in a thread of its own.

        Raises:
            UsageError: paho-mqtt is not installed.
        """
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise UsageError('this needs paho-mqtt: pip install "edge-recog[daemon]"') from error

        def connected(client: Any, *_: object) -> None:
            client.subscribe(topic)

        def received(_client: object, _data: object, message: Any) -> None:
            if not message.retain:
                hear(bytes(message.payload))

        self._client = client = paho.Client(CallbackAPIVersion.VERSION2)
        # Sooner than whoever is listened to.
        client.reconnect_delay_set(1, 1)
        client.on_connect, client.on_message = connected, received
        client.connect_async("127.0.0.1", port)
        client.loop_start()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()
        # Else the two know each other, and its sockets wait for the garbage collector.
        self._client.on_connect = self._client.on_message = None
