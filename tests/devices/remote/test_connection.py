"""Commands on a device, over the system's ssh and a real sshd."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Any

import pytest
from edge_recog_devices.errors import ConnectError, DeviceError, DroppedError
from edge_recog_devices.remote import Address, Remote

from edge_recog.errors import ClosedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


WORDS = [
    "",
    "two words",
    "it's",
    '"quoted"',
    "$HOME `id` $(id)",
    "a\nb",
    "*",
    "~",
    "\\",
    "-n",
    "Küche",
    ";reboot",
    "%s",
    "a\tb",
]


def test_words_reach_the_program_as_they_are(device: Any) -> None:
    with device.remote() as remote:
        answer = remote.run("printf", "%s\\0", *WORDS)
    assert answer.code == 0
    assert answer.out.decode().split("\0")[:-1] == WORDS


def test_a_word_with_nul_is_refused(device: Any) -> None:
    with device.remote() as remote, pytest.raises(UsageError, match="NUL"):
        remote.run("echo", "a\0b")


def test_data_goes_over_stdin_and_comes_back(device: Any, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    file = tmp_path / "data"
    file.write_bytes(data)
    with device.remote() as remote:
        assert remote.run("cat", given=data).out == data
        with file.open("rb") as opened:
            assert remote.run("cat", given=opened).out == data


def test_a_command_that_reads_nothing_takes_its_data_anyway(device: Any) -> None:
    with device.remote() as remote:
        assert remote.run("true", given=bytes(1_000_000)).code == 0


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_the_status_is_the_command_s(device: Any, code: int) -> None:
    with device.remote() as remote:
        answer = remote.run("sh", "-c", f"echo problem >&2; exit {code}")
    assert (answer.code, answer.last_words) == (code, "problem")


def test_a_program_that_is_not_there_has_a_status(device: Any) -> None:
    with device.remote() as remote:
        answer = remote.run("no-such-program")
    assert answer.code == 127
    assert "not found" in answer.last_words


def test_a_script_gets_its_arguments(device: Any) -> None:
    script = 'main() { printf "%s|" "$@"; }\nmain "$@"\n'
    with device.remote() as remote:
        assert remote.script(script, "a b", "-x", "$HOME").out == b"a b|-x|$HOME|"


def test_all_commands_share_one_log_in(make_device: Callable[..., Any]) -> None:
    device = make_device()
    with device.remote() as remote:
        for _ in range(3):
            remote.run("true")
    assert device.log.read_text().count("Accepted publickey") == 1


def test_nothing_is_left_behind(device: Any, own_temp: Path) -> None:
    with device.remote() as remote:
        (folder,) = own_temp.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        socket_path = folder / "s"
        assert socket_path.is_socket()
        remote.run("true")
    assert list(own_temp.iterdir()) == []
    check = ["ssh", "-O", "check", "-o", f"ControlPath={socket_path}", "x"]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 255
    remote.close()
    with pytest.raises(ClosedError):
        remote.run("true")


def test_what_a_shell_says_to_those_who_log_in_is_no_answer(
    make_device: Callable[..., Any], devices: Any
) -> None:
    greeting = devices.folder / "greeting"
    greeting.write_text('#!/bin/sh\necho "Welcome!"\necho tip >&2\nexec /bin/sh "$@"\n')
    greeting.chmod(0o755)
    with make_device(shell=str(greeting)).remote() as remote:
        assert remote.run("echo", "answer").out == b"answer\n"


def test_a_user_without_a_shell_is_told_so(make_device: Callable[..., Any]) -> None:
    device = make_device(shell="/usr/sbin/nologin")
    with pytest.raises(ConnectError, match=r"no command runs: .*not available") as caught:
        device.remote().open()
    assert caught.value.kind == "shell"


# The user's own configuration --------------------------------------------------------------------


def test_names_users_ports_and_jump_hosts_of_ssh_config_hold(
    make_device: Callable[..., Any],
) -> None:
    device = make_device()
    ours = device.config.read_text()
    device.config.write_text(
        f"Host kitchen\n  HostName 127.0.0.1\n  Port {device.port}\n  User {device.user}\n"
        f"Host behind\n  HostName 127.0.0.1\n  Port {device.port}\n  User {device.user}\n"
        "  ProxyJump kitchen\n"
        # Made for a terminal, all of these would be in the way.
        "Host *\n  RequestTTY force\n  RemoteCommand uptime\n  ForwardAgent yes\n"
        "  LogLevel QUIET\n  ControlMaster no\n  ControlPath none\n" + ours
    )
    for name in ("kitchen", "behind"):
        with Remote(Address.parse(name)) as remote:
            assert remote.run("id", "-un").out.decode().strip() == device.user
    assert device.log.read_text().count("Accepted publickey") == 3


def test_a_mistake_in_ssh_config_is_told(make_device: Callable[..., Any]) -> None:
    device = make_device()
    device.config.write_text("Prt 22\n")
    with pytest.raises(ConnectError, match=r"configuration on this computer .*line 1") as caught:
        device.remote().open()
    assert caught.value.kind == "configuration"


# No connection -----------------------------------------------------------------------------------


def fails_with(address: str, kind: str, words: str, **options: Any) -> None:
    with pytest.raises(ConnectError, match=words) as caught:
        Remote(Address.parse(address), **options).open()
    assert caught.value.kind == kind
    assert "\n" not in str(caught.value)


def test_a_port_at_which_nobody_listens(device: Any) -> None:
    fails_with("ssh://pi@127.0.0.1:1", "refused", "ssh://pi@127.0.0.1:1: .*nothing listens")


def test_a_name_that_does_not_exist(device: Any) -> None:
    fails_with("pi@no-such-host.invalid", "name-unknown", "no such name")


def test_a_host_that_takes_the_connection_and_is_silent(device: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fails_with(
            f"ssh://127.0.0.1:{port}", "timeout", "does not answer in time", connect_timeout_s=1
        )


def test_a_host_that_hangs_up(device: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        fails_with(f"ssh://127.0.0.1:{server.getsockname()[1]}", "closed", "hangs up")


def test_a_key_that_is_not_wanted(make_device: Callable[..., Any]) -> None:
    device = make_device()
    (device.folder / "id.pub").write_text("")
    fails_with(device.address, "denied", "refuses to let .* in: .*ssh-copy-id -p")


def test_a_host_key_that_is_not_known(make_device: Callable[..., Any]) -> None:
    device = make_device()
    device.known_hosts.write_text("")
    fails_with(device.address, "host-key-unknown", "not known yet: log in once by hand")
    assert device.known_hosts.read_text() == ""


def test_a_host_key_that_has_changed(make_device: Callable[..., Any]) -> None:
    device = make_device()
    another = " ".join((device.folder / "id.pub").read_text().split()[:2])
    device.known_hosts.write_text(f"[127.0.0.1]:{device.port} {another}\n")
    fails_with(device.address, "host-key-changed", r"ssh-keygen -R '\[127\.0\.0\.1\]:")


def test_a_computer_without_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fails_with("pi@kitchen", "program", "apt install openssh-client")


def test_a_failed_log_in_leaves_nothing_behind(device: Any, own_temp: Path) -> None:
    fails_with("ssh://pi@127.0.0.1:1", "refused", "nothing listens")
    assert list(own_temp.iterdir()) == []


# In the middle -----------------------------------------------------------------------------------


class Line:
    """A connection to a device that can be cut."""

    def __init__(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._to = port
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        self._server.close()
        for end in self._ends:
            # Both directions, also for threads that wait on it.
            end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve(self) -> None:
        here, _ = self._server.accept()
        there = socket.create_connection(("127.0.0.1", self._to))
        self._ends += [here, there]
        for source, sink in ((here, there), (there, here)):
            threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                sink.sendall(data)
        except OSError:
            pass  # It was cut.


@pytest.fixture
def cut_while(make_device: Callable[..., Any]) -> Iterator[Callable[..., None]]:
    """Return what runs a command, and cuts the connection when it has told that it runs."""

    def run(command: Callable[[Remote, str], Any]) -> None:
        device = make_device()
        line = Line(device.port)
        key = device.known_hosts.read_text().partition(" ")[2]
        device.known_hosts.write_text(f"[127.0.0.1]:{line.port} {key}")
        told = device.home / "told"
        os.mkfifo(told)
        told.chmod(0o666)

        def cut() -> None:
            told.read_text()  # Until the command has written.
            line.cut()

        cutter = threading.Thread(target=cut, daemon=True)
        cutter.start()
        with Remote(Address("127.0.0.1", device.user, line.port)) as remote:
            command(remote, str(told))
        cutter.join()

    return run


@pytest.fixture
def endless() -> Iterator[IO[bytes]]:
    """Return something to read that neither says anything nor ends."""
    reading, writing = os.pipe()
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        yield pipe
    os.close(writing)


def test_a_connection_that_drops_is_told_so(
    cut_while: Callable[..., None], endless: IO[bytes]
) -> None:
    def command(remote: Remote, told: str) -> None:
        with pytest.raises(DroppedError, match=r"ended in the middle .*try again"):
            remote.run("sh", "-c", 'echo running > "$0"; cat', told, given=endless, timeout_s=300)
        # Nothing connects anew behind the caller's back.
        with pytest.raises(DroppedError):
            remote.run("true")

    cut_while(command)


def test_a_command_that_does_not_end_is_given_up(device: Any, endless: IO[bytes]) -> None:
    with device.remote() as remote:
        with pytest.raises(DeviceError, match=r"cat - is not over after 0\.5 s"):
            remote.run("cat", "-", given=endless, timeout_s=0.5)
        assert remote.run("echo", "next").out == b"next\n"


@pytest.mark.parametrize("where", ["yes", "yes >&2"], ids=["stdout", "stderr"])
def test_a_command_that_says_too_much_is_given_up(device: Any, where: str) -> None:
    with device.remote() as remote, pytest.raises(DeviceError, match="says more than 10000 bytes"):
        remote.run("sh", "-c", where, most_bytes=10_000)
