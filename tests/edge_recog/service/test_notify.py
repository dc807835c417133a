from __future__ import annotations

import logging
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.service.notify import (
    Notifier,
    SystemdNotifier,
    open_notifier,
    watchdog_interval_s,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Systemd:
    """The other end: a real datagram socket."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(10)

    def heard(self) -> str:
        """Return the next datagram."""
        return self.socket.recv(4096).decode()

    def heard_nothing(self) -> bool:
        """Whether no datagram waits: sending to a unix socket leaves it there at once."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(10)
        return False


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    address = f"@{tmp_path}" if request.param == "abstract" else str(tmp_path / "notify")
    end = Systemd(address)
    yield end
    end.socket.close()


@pytest.fixture
def notifier(systemd: Systemd) -> Iterator[Notifier]:
    with closing(open_notifier(systemd.environ)) as notifier:
        yield notifier


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("ready", "READY=1"),
        ("watchdog", "WATCHDOG=1"),
        ("stopping", "STOPPING=1"),
    ],
)
def test_a_state_is_one_datagram(
    notifier: Notifier, systemd: Systemd, call: str, said: str
) -> None:
    getattr(notifier, call)()

    assert systemd.heard() == said
    assert systemd.heard_nothing()


@pytest.mark.parametrize("call", ["ready", "stopping"])
def test_a_state_may_come_with_a_line_for_people(
    notifier: Notifier, systemd: Systemd, call: str
) -> None:
    getattr(notifier, call)("15 fps, shirt")

    assert systemd.heard() == f"{call.upper()}=1\nSTATUS=15 fps, shirt"


def test_a_reload_says_when_it_began(notifier: Notifier, systemd: Systemd) -> None:
    before_us = time.monotonic_ns() // 1000
    notifier.reloading("new model")
    after_us = time.monotonic_ns() // 1000
    state, began, status = systemd.heard().split("\n")

    assert (state, status) == ("RELOADING=1", "STATUS=new model")
    assert before_us <= int(began.removeprefix("MONOTONIC_USEC=")) <= after_us


def test_a_status_is_told_when_it_changes(notifier: Notifier, systemd: Systemd) -> None:
    for text in ("running", "running", "running\n", "degraded: black", "running"):
        notifier.status(text)

    assert systemd.heard() == "STATUS=running"
    assert systemd.heard() == "STATUS=degraded: black"
    assert systemd.heard() == "STATUS=running"
    assert systemd.heard_nothing()


@given(text=st.text(max_size=2000))
def test_a_status_is_never_taken_for_another_variable(text: str) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end,
        closing(SystemdNotifier("@" + _bind_to_free_name(end))) as notifier,
    ):
        end.settimeout(10)
        notifier.status(f"STATUS {text}")
        said = end.recv(4096).decode()

    assert said.startswith("STATUS=STATUS")
    assert "\n" not in said
    assert len(said) < 600


def test_whoever_does_not_listen_any_more_is_said_once(
    notifier: Notifier, systemd: Systemd, caplog: pytest.LogCaptureFixture
) -> None:
    systemd.socket.close()
    with caplog.at_level(logging.WARNING):
        notifier.watchdog()
        notifier.ready("running")

    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith("systemd cannot be told: ")


def test_a_status_that_got_lost_is_told_again(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with closing(SystemdNotifier(str(address))) as notifier:
        notifier.status("running")
        systemd = Systemd(str(address))
        notifier.status("running")

        assert systemd.heard() == "STATUS=running"
        systemd.socket.close()


def test_closing_twice_is_once_and_ends_the_talk(notifier: Notifier, systemd: Systemd) -> None:
    notifier.close()
    notifier.close()
    notifier.watchdog()

    assert systemd.heard_nothing()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}], ids=["absent", "empty"])
def test_without_systemd_nobody_is_told(environ: dict[str, str]) -> None:
    with closing(open_notifier(environ)) as notifier:
        notifier.ready("running")
        notifier.status("running")
        notifier.watchdog()
        notifier.reloading()
        notifier.stopping()

        assert type(notifier) is Notifier


@pytest.mark.parametrize("address", ["notify", "vsock:2:1234", "/" + "a" * 107, "@" + "a" * 107])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="NOTIFY_SOCKET is"):
        open_notifier({"NOTIFY_SOCKET": address})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "78"}, None),
        ({"WATCHDOG_PID": "77"}, None),
    ],
    ids=["none", "anybody", "this process", "another process", "no interval"],
)
def test_the_watchdog_waits_for_the_process_it_names(
    environ: dict[str, str], expected: float | None
) -> None:
    assert watchdog_interval_s(environ, pid=77) == expected


@pytest.mark.parametrize("interval", ["", "soon", "0", "-1", "1.5"])
def test_an_interval_that_is_none_is_refused(interval: str) -> None:
    with pytest.raises(UsageError, match="WATCHDOG_USEC is"):
        watchdog_interval_s({"WATCHDOG_USEC": interval})


def _bind_to_free_name(end: socket.socket) -> str:
    """Bind to an abstract name that the kernel chooses (unix(7), autobind), and return it."""
    end.bind("")
    name: bytes = end.getsockname()
    return name[1:].decode()
