"""What ssh writes to stderr becomes one sentence."""

from __future__ import annotations

import pytest
from edge_recog_devices.remote import Address
from edge_recog_devices.remote.failures import connect_error, last_line, visible
from hypothesis import given, settings
from hypothesis import strategies as st

ADDRESS = Address("kitchen.local", "pi", 2222)

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Host key for [kitchen.local]:2222 has changed and you have requested strict checking.
Host key verification failed.
"""


# As OpenSSH 9.2 writes them.
@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (CHANGED, "host-key-changed", "ssh-keygen -R '[kitchen.local]:2222'"),
        (
            "No ED25519 host key is known for [kitchen.local]:2222 and you have requested strict "
            "checking.\nHost key verification failed.\n",
            "host-key-unknown",
            "log in once by hand with ssh -p 2222 pi@kitchen.local",
        ),
        (
            "ssh: Could not resolve hostname kitchen.local: Name or service not known\n",
            "name-unknown",
            "no such name",
        ),
        (
            "ssh: connect to host kitchen.local port 2222: Connection refused\n",
            "refused",
            "sudo systemctl enable --now ssh",
        ),
        (
            "ssh: connect to host kitchen.local port 2222: Connection timed out\n",
            "timeout",
            "does not answer in time",
        ),
        ("Connection timed out during banner exchange\n", "timeout", "does not answer in time"),
        (
            "ssh: connect to host 10.0.0.7 port 22: No route to host\n",
            "unreachable",
            "cannot be reached",
        ),
        (
            "pi@kitchen.local: Permission denied (publickey).\n",
            "denied",
            "put your key there with ssh-copy-id -p 2222 pi@kitchen.local",
        ),
        (
            "Permissions 0644 for '/home/me/.ssh/id' are too open.\n"
            "WARNING: UNPROTECTED PRIVATE KEY FILE!\npi@k: Permission denied (publickey).\n",
            "key-file",
            "chmod 600",
        ),
        (
            "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures\n",
            "denied",
            "refuses to let pi in",
        ),
        (
            "Unable to negotiate with 10.0.0.7 port 22: no matching host key type found. Their "
            "offer: ssh-dss\n",
            "algorithms",
            "no algorithm in common",
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\n",
            "closed",
            "hangs up before anybody is logged in",
        ),
        (
            "/home/me/.ssh/config: line 3: Bad configuration option: prt\n"
            "/home/me/.ssh/config: terminating, 1 bad configuration options\n",
            "configuration",
            "line 3: Bad configuration option: prt",
        ),
        # What ssh says last is a consequence of what happened to the jump host.
        (
            "ssh: connect to host jump port 22: Connection refused\n"
            "kex_exchange_identification: Connection closed by remote host\n"
            "Connection closed by UNKNOWN port 65535\n",
            "refused",
            "ssh: connect to host jump port 22",
        ),
        ("something new\n", "other", "ssh does not connect: something new"),
        ("", "other", "it says nothing"),
    ],
)
def test_a_failure_is_told_in_one_sentence(said: str, kind: str, words: str) -> None:
    error = connect_error(ADDRESS, said)

    assert error.kind == kind
    assert words in str(error)
    assert str(error).startswith("ssh://pi@kitchen.local:2222: ")
    assert "\n" not in str(error)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text())
def test_whatever_is_said_can_be_shown(said: str) -> None:
    assert str(connect_error(ADDRESS, said)).isprintable()
    assert visible(said).isprintable()
    assert last_line(said).isprintable()
    assert len(visible(said)) <= 200
