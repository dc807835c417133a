"""The address to listen on, and the broker."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.doctor.network import (
    Greeting,
    Port,
    broker_of,
    connect_packet,
    greet,
    judge_broker,
    judge_port,
    read_port,
)
from edge_recog.doctor.probes import Machine
from edge_recog.errors import UsageError
from edge_recog.processes import Holder
from edge_recog.service.addresses import Listen
from edge_recog.service.mqtt.settings import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HERE = "127.0.0.1"
_WAIT_S = 30


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080)),
        (":8080", Listen("", 8080)),
        ("[::1]:8080", Listen("::1", 8080)),
        ("pi.local:0", Listen("pi.local", 0)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Listen) -> None:
    assert Listen.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "8080", "::1:8080", "host:", "host:x", "h:65536", "h:-1"])
def test_any_other_address_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="write it like"):
        Listen.parse(text)


@given(st.text())
def test_parsing_raises_nothing_but_usage_errors(text: str) -> None:
    for parse in (Listen.parse, broker_of):
        try:
            parse(text)
        except UsageError:
            continue


def test_a_free_port_is_given_back_at_once() -> None:
    for _ in range(2):
        assert read_port(Machine(), Listen(_HERE, 0)).error is None


def test_a_taken_port_is_told_with_who_has_it(build: Callable[..., Machine]) -> None:
    with socket.socket() as other:
        other.bind((_HERE, 0))
        other.listen()
        number = other.getsockname()[1]
        row = f"   0: 0100007F:{number:04X} 00000000:0000 0A 0:0 00:0 0 1000 0 4711 1 0"
        machine = build(
            {"/proc/net/tcp": f"  sl local_address …\n{row}\n", "/proc/812/comm": "nginx\n"},
            links={"/proc/812/fd/6": "socket:[4711]"},
        )
        port = read_port(machine, Listen(_HERE, number))

    assert port.error == errno.EADDRINUSE
    assert port.holder == Holder(812, "nginx", "socket:[4711]")
    assert judge_port(port).evidence == f"127.0.0.1:{number} is taken by nginx (process 812)"


def test_the_holder_of_a_port_of_another_user_is_not_known(build: Callable[..., Machine]) -> None:
    with socket.socket() as other:
        other.bind((_HERE, 0))
        other.listen()
        port = read_port(build({}), Listen(_HERE, other.getsockname()[1]))

    assert port.holder is None
    assert "another user" in judge_port(port).evidence
    assert "sudo ss -ltnp" in judge_port(port).fix


def test_a_host_that_does_not_exist_is_bad() -> None:
    # Of the range for documentation, RFC 5737.
    assert judge_port(read_port(Machine(), Listen("192.0.2.1", 0))).outcome == "bad"


_ADDRESS = Listen(_HERE, 80)


@pytest.mark.parametrize(
    ("port", "outcome", "word"),
    [
        (Port(_ADDRESS, None, ""), "good", "is free"),
        (Port(_ADDRESS, errno.EACCES, "Permission denied"), "bad", "below port 1024"),
        (Port(_ADDRESS, errno.EADDRNOTAVAIL, ""), "bad", "no address of this machine"),
        (Port(_ADDRESS, -2, "Name or service not known"), "bad", "Name or service"),
        (None, "skipped", "--listen"),
    ],
)
def test_the_daemon_must_be_able_to_listen(port: Port | None, outcome: str, word: str) -> None:
    finding = judge_port(port)

    assert finding.outcome == outcome
    assert word in finding.evidence


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtt://home.local", Broker("home.local", 1883, False)),
        ("home.local", Broker("home.local", 1883, False)),
        ("mqtts://home.local", Broker("home.local", 8883, True)),
        ("mqtt://me%40home@10.0.0.1:1884/", Broker("10.0.0.1", 1884, False, "me@home")),
        ("mqtt://[::1]:1884", Broker("::1", 1884, False)),
    ],
)
def test_a_broker_is_an_address(text: str, broker: Broker) -> None:
    assert broker_of(text) == broker


@pytest.mark.parametrize(
    "text", ["", "mqtt://", "http://home", "mqtt://home/topic", "mqtt://home:x", "mqtt://h?x=1"]
)
def test_any_other_broker_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="write it like mqtt://"):
        broker_of(text)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="--broker-password-file") as caught:
        broker_of("mqtt://me:hunter2@home")
    assert "hunter2" not in str(caught.value)


def test_the_greeting_is_the_one_of_the_standard() -> None:
    packet = connect_packet("c", "", None)

    assert packet == b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01c"
    assert connect_packet("c", "u", b"p")[9] == 0xC2
    assert connect_packet("c", "u", None)[9] == 0x82
    assert connect_packet("c", "", b"p")[9] == 0x02


@given(st.text(min_size=1, max_size=300), st.binary(max_size=300))
def test_the_length_of_the_greeting_is_right(user: str, password: bytes) -> None:
    packet = connect_packet("client", user, password)
    # Seven bits in each byte, the lowest first; the last byte of them has no eighth bit.
    size = next(place for place, digit in enumerate(packet[1:5], 1) if digit < 0x80)
    length = sum((digit & 0x7F) << 7 * place for place, digit in enumerate(packet[1 : size + 1]))

    assert len(packet) == 1 + size + length


def test_a_user_too_long_for_the_protocol_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="65,535"):
        connect_packet("c", "u" * 65536, None)


@pytest.fixture
def mosquitto(tmp_path: Path, missing: Callable[[str], NoReturn]) -> Iterator[int]:
    """Run a broker that lets in nobody but `pi` with `secret`, and return its port."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    maker = shutil.which("mosquitto_passwd")
    if program is None or maker is None:
        missing("mosquitto is not installed")
    passwords = tmp_path / "passwords"
    subprocess.run([maker, "-b", "-c", str(passwords), "pi", "secret"], check=True)
    with socket.socket() as free:
        free.bind((_HERE, 0))
        port: int = free.getsockname()[1]
    user = "user root\n" if os.geteuid() == 0 else ""
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"{user}listener {port} {_HERE}\nallow_anonymous false\npassword_file {passwords}\n"
        "persistence false\nlog_dest stderr\n"
    )
    command = [program, "-c", str(config), "-v"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as broker:
        try:
            assert broker.stderr is not None
            assert any("running" in line for line in broker.stderr)
            yield port
        finally:
            broker.terminate()


@pytest.mark.parametrize(
    ("user", "password", "outcome"),
    [("pi", b"secret", "good"), ("pi", b"wrong", "bad"), ("pi", None, "bad"), ("", None, "bad")],
    ids=["right", "wrong", "no password", "nobody"],
)
def test_a_real_broker_lets_in_whom_it_knows(
    mosquitto: int, user: str, password: bytes | None, outcome: str
) -> None:
    finding = judge_broker(greet(Broker(_HERE, mosquitto, False, user), password))

    assert finding.outcome == outcome
    assert "secret" not in finding.evidence + finding.fix
    if outcome == "bad":
        assert "refuses" in finding.evidence


@contextmanager
def _server(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer one client with these bytes, and hang up."""

    def serve() -> None:
        client, _ = listening.accept()
        with client:
            client.settimeout(_WAIT_S)
            try:
                talk = context.wrap_socket(client, server_side=True) if context else client
                with talk:
                    talk.recv(1024)
                    talk.sendall(answer)
            except (ssl.SSLError, ConnectionError):
                return  # The client does not trust us.

    with socket.create_server((_HERE, 0)) as listening:
        listening.settimeout(_WAIT_S)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join(_WAIT_S)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("answer", "tls", "problem"),
    [
        (b"", False, "it hangs up"),
        (b"HTTP/1.1 400 Bad Request", False, "its answer is no MQTT"),
        (b"\x20\x02\x00", False, "its answer is no MQTT"),
        (b"HTTP/1.1 400 Bad Request", True, "speaks no TLS"),
    ],
    ids=["hangs up", "web server", "half an answer", "no TLS"],
)
def test_what_is_no_broker_is_told(answer: bytes, tls: bool, problem: str) -> None:
    with _server(answer) as port:
        finding = judge_broker(greet(Broker(_HERE, port, tls)))

    assert finding.outcome == "bad"
    assert problem in finding.evidence


def test_a_certificate_that_nobody_signed_is_refused(
    self_signed: Callable[[str], tuple[str, str]],
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed("DNS:broker"))
    with _server(b"\x20\x02\x00\x00", context) as port:
        greeting = greet(Broker(_HERE, port, True))

    assert greeting.code is None
    assert "its certificate is refused: self" in greeting.problem


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "\udcff"], ids=["empty", "long", "no text"])
def test_a_name_that_is_none_is_told(host: str) -> None:
    assert judge_broker(greet(Broker(host, 1883, False))).outcome == "bad"
    assert judge_port(read_port(Machine(), Listen(host, 8080))).outcome == "bad"


def test_a_user_that_is_no_text_is_told() -> None:
    with _server(b"") as port:
        greeting = greet(Broker(_HERE, port, False, "\udcff"))

    assert "cannot be written in UTF-8" in greeting.problem


def test_a_dead_broker_cannot_be_reached() -> None:
    with socket.socket() as free:
        free.bind((_HERE, 0))
        greeting = greet(Broker(_HERE, free.getsockname()[1], False))

    assert greeting.problem == "cannot be reached: Connection refused"


def test_a_broker_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_recog.doctor.network._TIMEOUT_S", 0.2)
    with socket.create_server((_HERE, 0)) as silent:
        greeting = greet(Broker(_HERE, silent.getsockname()[1], False))

    assert greeting.problem == "it does not answer, though the port is open"


_BROKER = Broker("home", 1883, False, "pi")


@pytest.mark.parametrize(
    ("greeting", "outcome", "word"),
    [
        (Greeting(_BROKER, 0), "good", "as pi"),
        (Greeting(_BROKER, 1), "bad", "the protocol's version"),
        (Greeting(_BROKER, 3), "bad", "not ready"),
        (Greeting(_BROKER, 4), "bad", "the user 'pi'"),
        (Greeting(_BROKER, 5), "bad", "the user 'pi'"),
        (Greeting(_BROKER, 77), "bad", "code 77"),
        (None, "skipped", "--broker"),
    ],
)
def test_the_broker_must_let_us_in(greeting: Greeting | None, outcome: str, word: str) -> None:
    finding = judge_broker(greeting)

    assert finding.outcome == outcome
    assert word in finding.evidence
