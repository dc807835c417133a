from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest
from edge_recog_devices.boot.identity import Login, check_hostname, parse_keys

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("name", ["kitchen", "a", "Pi-4", "x" * 63, "4"])
def test_a_hostname_is_one_label(name: str) -> None:
    check_hostname(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "x" * 64, "a.b", "a b", "a\n", "ä", "$(reboot)", "a'b", "localhost", "a_b"],
)
def test_what_is_no_hostname_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a hostname"):
        check_hostname(name)


@pytest.mark.parametrize("name", ["root", "edge-recog", "", "Ada", "1a", "a" * 33, "a;b", "a\n"])
def test_what_is_no_name_of_a_user_is_refused(name: str, public_key: str) -> None:
    with pytest.raises(UsageError, match="cannot be the user"):
        Login(name, (public_key,))


def test_a_user_whom_nobody_could_be_is_refused() -> None:
    with pytest.raises(UsageError, match="nobody could log in"):
        Login("ada", ())


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_ssh_are_taken(
    kind: str, tmp_path: Path, missing: Callable[[str], NoReturn]
) -> None:
    program = shutil.which("ssh-keygen")
    if program is None:
        missing("ssh-keygen is not installed (openssh-client)")
    path = tmp_path / "id"
    subprocess.run([program, "-q", "-t", kind, "-N", "", "-C", "é 'x'", "-f", path], check=True)

    keys = parse_keys("# mine\n\n" + path.with_suffix(".pub").read_text())

    assert Login("ada", keys).keys == (path.with_suffix(".pub").read_text().strip(),)
    with pytest.raises(UsageError, match="private"):
        parse_keys(path.read_text())


def test_what_is_no_key_is_refused(public_key: str) -> None:
    kind, blob, _ = public_key.split(" ")
    for line in (
        f"{kind} {blob[:-8]}",
        f"{kind} {blob}!",
        f"ssh-rsa {blob}",
        f'command="reboot" {kind} {blob}',
        f"{kind} {blob} \x1b[2J",
        kind,
        "ssh-dss AAAA",
    ):
        with pytest.raises(UsageError, match="no public ssh key"):
            parse_keys(line)
    with pytest.raises(UsageError, match="no ssh key in it"):
        parse_keys("# none\n")
