from __future__ import annotations

import errno
import grp
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from edge_recog.errors import UsageError
from edge_recog.service import unit
from edge_recog.service.unit import (
    installed_groups,
    installed_program,
    installed_systemd,
    render_unit,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CREDENTIALS = {
    "web.token_file": "/etc/edge-recog/web-token",
    "mqtt.password_file": "/etc/edge-recog/mqtt-password",
}
# prctl(2): PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN.
_WITHOUT_WRITABLE_CODE = """
import ctypes, mmap, sys
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(200 + ctypes.get_errno())
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    pass
else:
    sys.exit("the kernel allows it")
from edge_recog.cli import main
sys.argv = ["edge-recog", "classify", sys.argv[1], "synthetic:32x32?count=2", "--json"]
main()
"""


@pytest.fixture
def analyse(
    tmp_path: Path, missing: Callable[[str], NoReturn]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what has systemd judge a unit's text."""
    program = shutil.which("systemd-analyze")
    if program is None:
        missing("systemd-analyze is not installed (systemd)")

    def run(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "edge-recog.service"
        path.write_text(text)
        return subprocess.run(
            [program, *arguments, str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"SYSTEMD_PAGER": "", "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    return run


def lines_of(text: str) -> list[str]:
    """Return the lines that are no comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("credentials", [{}, _CREDENTIALS], ids=["bare", "with credentials"])
def test_systemd_finds_nothing_wrong_with_the_unit(
    analyse: Callable[..., subprocess.CompletedProcess[str]], credentials: dict[str, str]
) -> None:
    program = shutil.which("true", path="/usr/bin:/bin")
    assert program is not None
    text = render_unit(program=program, credentials=credentials, systemd=installed_systemd())
    done = analyse(text, "verify")

    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_would_tell_of_a_key_that_it_does_not_know(
    analyse: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    text = render_unit(program="/usr/bin/true").replace("WatchdogSec=", "WatchdogSecs=")

    assert "WatchdogSecs" in analyse(text, "verify").stderr


def test_the_unit_is_hardened(analyse: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    text = render_unit(program="/usr/bin/true", groups=("video", "plugdev"))
    done = analyse(text, "security", "--offline=true", "--threshold=30")

    assert done.returncode == 0, done.stdout
    exposure = re.search(r"Overall exposure level for edge-recog.service: ([0-9.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= 3.0


def test_a_unit_without_hardening_would_not_pass(
    analyse: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    text = "[Service]\nExecStart=/usr/bin/true\n"

    assert analyse(text, "security", "--offline=true", "--threshold=30").returncode != 0


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "NotifyAccess=main",
        "ExecStart=/opt/edge-recog/bin/edge-recog run --config /etc/edge-recog/kitchen.toml",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "DynamicUser=yes",
        "SupplementaryGroups=video plugdev",
        "StateDirectory=edge-recog",
        "DevicePolicy=closed",
        "MemoryMax=512M",
        "MemorySwapMax=0",
        "ProtectSystem=strict",
        "LoadCredential=mqtt.password_file:/etc/edge-recog/mqtt-password",
        "LoadCredential=web.token_file:/etc/edge-recog/web-token",
        "WantedBy=multi-user.target",
    ],
)
def test_the_unit_says_what_it_is_asked_to(line: str) -> None:
    text = render_unit(
        program="/opt/edge-recog/bin/edge-recog",
        config="/etc/edge-recog/kitchen.toml",
        credentials=_CREDENTIALS,
        groups=("video", "plugdev"),
        memory_max="512M",
    )

    assert lines_of(text).count(line) == 1
    assert re.search("@[A-Z]+@", text) is None


def test_only_devices_that_are_needed_are_allowed() -> None:
    allowed = {
        line.removeprefix("DeviceAllow=")
        for line in lines_of(render_unit(program="/usr/bin/true"))
        if line.startswith("DeviceAllow=")
    }
    classes = ("video4linux", "media", "dma_heap", "usb_device", "apex")

    assert allowed == {f"char-{name} rw" for name in classes}


@pytest.mark.parametrize(
    ("version", "grows"), [(252, False), (253, False), (254, True), (257, True)]
)
def test_the_wait_before_a_restart_grows_where_systemd_can(version: int, grows: bool) -> None:
    lines = lines_of(render_unit(program="/usr/bin/true", systemd=version))

    assert ("RestartSec=1s" if grows else "RestartSec=5s") in lines
    assert ("RestartMaxDelaySec=5min" in lines) is grows
    assert ("RestartSteps=8" in lines) is grows


def test_a_systemd_that_is_too_old_is_refused() -> None:
    with pytest.raises(UsageError, match="systemd 247; the unit needs 252 or newer"):
        render_unit(program="/usr/bin/true", systemd=247)


@pytest.mark.parametrize(
    "path",
    [
        "edge-recog",
        "./edge-recog",
        "/opt/a b/edge-recog",
        "/opt/a\nExecStartPre=/bin/sh",
        "/opt/%h/x",
        "/opt/$x/y",
        "/opt/a;b",
        '/opt/"a"',
        "/opt/../home/x",
        "",
    ],
)
def test_a_path_that_means_something_else_to_systemd_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a unit"):
        render_unit(program=path)
    with pytest.raises(UsageError, match="cannot stand in a unit"):
        render_unit(program="/usr/bin/true", config=path)
    with pytest.raises(UsageError, match="cannot stand in a unit"):
        render_unit(program="/usr/bin/true", credentials={"web.token_file": path})


@pytest.mark.parametrize("path", ["/home/pi/venv/bin/edge-recog", "/root/edge-recog"])
def test_a_path_that_the_service_cannot_see_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="home folder, which a service cannot see"):
        render_unit(program=path)
    with pytest.raises(UsageError, match="home folder, which a service cannot see"):
        render_unit(program="/usr/bin/true", config=path)


def test_a_secret_may_be_where_only_root_sees_it() -> None:
    text = render_unit(program="/usr/bin/true", credentials={"web.token_file": "/root/token"})

    assert "LoadCredential=web.token_file:/root/token" in lines_of(text)


@pytest.mark.parametrize("memory", ["", "0", "256 M", "256MB", "infinity", "1\nUser=root", "-1"])
def test_an_amount_of_memory_that_is_none_is_refused(memory: str) -> None:
    with pytest.raises(UsageError, match="no amount of memory"):
        render_unit(program="/usr/bin/true", memory_max=memory)


@pytest.mark.parametrize("name", ["", "a b", "a\nUser=root"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a group"):
        render_unit(program="/usr/bin/true", groups=(name,))
    with pytest.raises(UsageError, match="no name for a credential"):
        render_unit(program="/usr/bin/true", credentials={name: "/etc/x"})


def test_this_installations_command_is_found() -> None:
    assert installed_program().endswith("/bin/edge-recog")


def test_an_installation_without_a_command_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))

    with pytest.raises(UsageError, match="--program"):
        installed_program()


def test_groups_that_are_not_here_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def group(name: str) -> grp.struct_group:
        return grp.struct_group((name, "x", 1, []))

    monkeypatch.setattr(grp, "getgrall", lambda: [group("plugdev"), group("video"), group("pi")])
    assert installed_groups() == ("video", "plugdev")
    monkeypatch.setattr(grp, "getgrall", list)
    assert installed_groups() == ("video",)


def test_systemds_version_is_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "systemd 257 (257.9-1~deb13u1)"\necho "+PAM"\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert installed_systemd() == 257


def test_where_there_is_no_systemd_the_unit_is_for_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert installed_systemd() == unit.OLDEST_SYSTEMD


def test_a_model_runs_without_memory_that_is_both_written_and_executed(
    tiny_path: Path, missing: Callable[[str], NoReturn]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_WRITABLE_CODE, str(tiny_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == 200 + errno.EINVAL:
        missing("the kernel cannot refuse writable code (Linux 6.3)")

    assert done.returncode == 0, done.stderr
    assert '"predictions"' in done.stdout
