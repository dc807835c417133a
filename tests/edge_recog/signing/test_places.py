from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_recog.signing import trust_folders

SYSTEM = "/etc/edge-recog/trust"
HOME = str(Path.home() / ".config/edge-recog/trust")


@pytest.mark.parametrize(
    ("user", "environ", "expected"),
    [
        (0, {}, [SYSTEM]),
        (0, {"XDG_CONFIG_HOME": "/root/config"}, [SYSTEM]),
        (61234, {"CONFIGURATION_DIRECTORY": "/etc/edge-recog"}, [SYSTEM]),
        (61234, {"CONFIGURATION_DIRECTORY": "/etc/a:/etc/b"}, ["/etc/a/trust", SYSTEM]),
        (1000, {"XDG_CONFIG_HOME": "/home/ada/c"}, ["/home/ada/c/edge-recog/trust", SYSTEM]),
        (1000, {"XDG_CONFIG_HOME": "relative"}, [HOME, SYSTEM]),
        (1000, {}, [HOME, SYSTEM]),
    ],
    ids=["root", "root-xdg", "service", "services", "xdg", "relative", "user"],
)
def test_what_the_system_trusts_holds_for_everybody(
    monkeypatch: pytest.MonkeyPatch, user: int, environ: dict[str, str], expected: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)

    assert [str(folder) for folder in trust_folders(environ)] == expected
