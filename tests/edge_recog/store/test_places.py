"""Where a device keeps its models."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_recog.store import models_folder


@pytest.mark.parametrize(
    ("user", "environ", "expected"),
    [
        (0, {}, "/var/lib/edge-recog/models"),
        (1000, {"STATE_DIRECTORY": "/var/lib/edge-recog"}, "/var/lib/edge-recog/models"),
        (1000, {"STATE_DIRECTORY": "/a:/b"}, "/a/models"),
        (1000, {"XDG_STATE_HOME": "/home/ada/state"}, "/home/ada/state/edge-recog/models"),
    ],
    ids=["root", "service", "several", "user"],
)
def test_the_folder(
    monkeypatch: pytest.MonkeyPatch, user: int, environ: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)

    assert models_folder(environ) == Path(expected)


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "relative"}], ids=["unset", "relative"])
def test_a_user_without_more_to_say_has_it_at_home(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert models_folder(environ) == Path.home() / ".local/state/edge-recog/models"
