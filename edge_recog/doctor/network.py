"""The address to listen on, and the MQTT broker to talk to."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.doctor.findings import Finding, bad, good, skipped
from edge_recog.errors import UsageError
from edge_recog.processes import Holder, read_holders
from edge_recog.service.mqtt.settings import Broker

if TYPE_CHECKING:
    from edge_recog.doctor.probes import Machine
    from edge_recog.service.addresses import Listen

_TIMEOUT_S = 5.0
_LISTENING = "0A"
_NO_NAME = "that is no name of a host"


@dataclass(frozen=True)
class Port:
    """What came of trying to take an address."""

    address: Listen
    error: int | None
    """The errno; None if it is free."""
    reason: str
    """The error in words."""
    holder: Holder | None = None
    """Who has it, as far as this user may see."""


def read_port(machine: Machine, address: Listen) -> Port:
    """Try to take an address, and give it back at once."""
    try:
        found = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, where = found[0]
        with socket.socket(family, kind, protocol) as one:
            # As servers do: connections that have ended do not count.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(where)
    except UnicodeError:
        return Port(address, 0, _NO_NAME)
    except OSError as error:
        holder = _holder(machine, address.port) if error.errno == errno.EADDRINUSE else None
        return Port(address, error.errno or 0, error.strerror or str(error), holder)
    return Port(address, None, "")


def _holder(machine: Machine, port: int) -> Holder | None:
    """Return the process that listens on a port; None if it is another user's."""
    sockets = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (machine.text(name) or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTENING:
                local = fields[1].rpartition(":")[2]
                if int(local, 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    found = read_holders(lambda target: target in sockets, proc=machine.path("/proc")).found
    return found[0] if found else None


def judge_port(port: Port | None) -> Finding:
    """Judge whether the daemon can listen.

    Args:
        port: What came of trying; None if no address is named.
    """
    if port is None:
        return skipped("no address is named: --listen 127.0.0.1:8080")
    if port.error is None:
        return good(f"{port.address} is free")
    if port.error == errno.EADDRINUSE:
        who = str(port.holder) if port.holder else "a process of another user"
        number = port.holder.pid if port.holder else ""
        stop = f"kill {number}" if number else f"sudo ss -ltnp 'sport = {port.address.port}'"
        return bad(
            f"{port.address} is taken by {who}",
            f"listen on another port, or stop it: {stop}",
        )
    if port.error == errno.EACCES:
        return bad(
            f"{port.address}: this user may not listen below port 1024",
            "choose a port from 1024 on, such as 8080",
        )
    if port.error == errno.EADDRNOTAVAIL:
        return bad(
            f"{port.address.host} is no address of this machine", "ip address shows those it has"
        )
    return bad(f"{port.address}: {port.reason}", "name an address of this machine, or 0.0.0.0")


def broker_of(text: str) -> Broker:
    """Return what `home.local`, `mqtt://user@host:1883` or `mqtts://host` names.

    Raises:
        UsageError: It has another form, or a password in it.
    """
    return Broker.parse(
        text if "://" in text else f"mqtt://{text}",
        name="--broker",
        password_name="--broker-password-file",
    )


@dataclass(frozen=True)
class Greeting:
    """What came of greeting a broker."""

    broker: Broker
    code: int | None
    """Of its answer (CONNACK); 0 lets us in, None if there was no answer."""
    problem: str = ""
    """Why there was none."""


def greet(broker: Broker, password: bytes | None = None) -> Greeting:
    """Log in to a broker with MQTT 3.1.1, which all brokers speak, and out again.

    Raises:
        UsageError: User or password are too long for the protocol.
    """
    try:
        plain = socket.create_connection((broker.host, broker.port), _TIMEOUT_S)
    except UnicodeError:
        return Greeting(broker, None, _NO_NAME)
    except OSError as error:
        return Greeting(broker, None, f"cannot be reached: {error.strerror or error}")
    with closing(plain):
        try:
            talk: socket.socket = plain
            if broker.tls:
                talk = ssl.create_default_context().wrap_socket(plain, server_hostname=broker.host)
            with closing(talk):
                talk.sendall(connect_packet(f"edgerecogdoctor{os.getpid()}", broker.user, password))
                answer = _receive(talk, 4)
                if answer[3:] == b"\0":
                    talk.sendall(b"\xe0\x00")  # DISCONNECT
        except ssl.SSLCertVerificationError as error:
            return Greeting(broker, None, f"its certificate is refused: {error.verify_message}")
        except ssl.SSLError as error:
            return Greeting(broker, None, f"speaks no TLS that we do: {error.reason}")
        except UnicodeError:
            return Greeting(broker, None, "the user's name cannot be written in UTF-8")
        except OSError as error:
            said = "it does not answer" if isinstance(error, TimeoutError) else str(error)
            return Greeting(broker, None, f"{said}, though the port is open")
    if answer[:2] != b"\x20\x02" or len(answer) < 4:
        what = "it hangs up" if not answer else "its answer is no MQTT"
        return Greeting(broker, None, f"{what}, though the port is open")
    return Greeting(broker, answer[3])


def connect_packet(client: str, user: str, password: bytes | None) -> bytes:
    """Return a CONNECT of MQTT 3.1.1 with a clean session and ten seconds to keep alive.

    http://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718028
    """
    flags = 0x02 | (0x80 if user else 0) | (0x40 if user and password is not None else 0)
    body = _text(b"MQTT") + bytes([4, flags, 0, 10]) + _text(client.encode())
    if user:
        body += _text(user.encode())
        if password is not None:
            body += _text(password)
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return b"\x10" + length + body


def _text(data: bytes) -> bytes:
    """Return a string of the protocol: its length in two bytes, and itself.

    Raises:
        UsageError: It is longer than the protocol allows.
    """
    if len(data) > 0xFFFF:
        raise UsageError("MQTT allows at most 65,535 bytes of user name and password")
    return len(data).to_bytes(2, "big") + data


def _receive(talk: socket.socket, size: int) -> bytes:
    """Return that many bytes, or fewer if the other side ends."""
    data = b""
    while len(data) < size:
        more = talk.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def judge_broker(greeting: Greeting | None) -> Finding:
    """Judge whether the broker lets us in.

    Args:
        greeting: What came of it; None if no broker is named.
    """
    if greeting is None:
        return skipped("no broker is named: --broker mqtt://host")
    broker, code = greeting.broker, greeting.code
    if code is None:
        return bad(
            f"{broker}: {greeting.problem}",
            "see on the broker's machine whether it runs, systemctl status mosquitto, and whether "
            "it listens on the network: a line such as listener 1883 in its configuration",
        )
    if code == 0:
        return good(f"{broker} lets us in" + (f" as {broker.user}" if broker.user else ""))
    if code in {4, 5}:
        who = f"the user {broker.user!r}" if broker.user else "us without a user"
        return bad(
            f"{broker} refuses {who} (code {code})",
            "name the user in the address, mqtt://user@host, and its password with "
            "--broker-password-file",
        )
    # Table 3.1 of MQTT 3.1.1.
    reasons = {1: "the protocol's version", 2: "the client's name", 3: "everyone: it is not ready"}
    reason = reasons.get(code, f"with code {code}")
    return bad(f"{broker} refuses {reason}", "look into the broker's log: journalctl -u mosquitto")
