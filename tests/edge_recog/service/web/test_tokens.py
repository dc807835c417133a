from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.service.web.tokens import (
    SESSION_S,
    Tokens,
    Tries,
    find_token,
    state_directory,
)

TOKEN = "a-token-that-is-long-enough"


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    environ = {"STATE_DIRECTORY": str(tmp_path / "state")}
    first = find_token(None, environ)
    path = tmp_path / "state" / "web-token"

    assert len(first) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert find_token(None, environ) == first
    assert [one.name for one in path.parent.iterdir()] == ["web-token"]


def test_two_devices_have_different_tokens(tmp_path: Path) -> None:
    found = {find_token(None, {"STATE_DIRECTORY": str(tmp_path / name)}) for name in "ab"}

    assert len(found) == 2


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/edge-recog"}, "/var/lib/edge-recog"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/home/ada/.state"}, "/home/ada/.state/edge-recog"),
        ({"XDG_STATE_HOME": "relative"}, str(Path.home() / ".local/state/edge-recog")),
        ({}, str(Path.home() / ".local/state/edge-recog")),
    ],
    ids=["systemd", "several", "xdg", "relative", "nothing"],
)
def test_the_state_directory(environ: dict[str, str], expected: str) -> None:
    assert str(state_directory(environ)) == expected


@pytest.mark.parametrize("text", ["short", "with a space in between", "ümläute-sind-keine-token"])
def test_what_cannot_be_a_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(UsageError, match="no token") as error:
        find_token(str(path), {})
    assert text not in str(error.value)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o644)

    with pytest.raises(UsageError, match="chmod 600"):
        find_token(str(path), {})


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match=r"cannot be kept there.*web\.token_file"):
        find_token(None, {"STATE_DIRECTORY": str(tmp_path / "file" / "below")})


@seed(1)
@given(st.text())
def test_only_the_token_is_the_token(brought: str) -> None:
    assert Tokens(TOKEN).is_token(brought) == (brought == TOKEN)


def test_a_session_runs_out_and_outlives_a_restart() -> None:
    session = Tokens(TOKEN, clock=lambda: 1000.0).session()

    assert Tokens(TOKEN, clock=lambda: 999.0 + SESSION_S).is_session(session)
    assert not Tokens(TOKEN, clock=lambda: 1000.0 + SESSION_S).is_session(session)
    assert not Tokens(f"{TOKEN}2", clock=lambda: 1000.0).is_session(session)


@seed(1)
@given(st.data())
def test_a_session_that_was_changed_is_none(data: st.DataObject) -> None:
    tokens = Tokens(TOKEN, clock=lambda: 1000.0)
    session = tokens.session()
    at = data.draw(st.integers(0, len(session) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda one: one != session[at]))

    assert not tokens.is_session(session[:at] + other + session[at + 1 :])


@seed(1)
@given(st.text())
def test_no_text_is_a_session(text: str) -> None:
    assert not Tokens(TOKEN).is_session(text)


def test_after_some_wrong_ones_an_address_has_to_wait() -> None:
    now = [0.0]
    tries = Tries(each=2, together=5, per_s=60, clock=lambda: now[0])
    for _ in range(2):
        assert tries.wait_s("a") == 0
        tries.wrong("a")

    assert tries.wait_s("a") == 60
    assert tries.wait_s("b") == 0
    now[0] = 59.0
    assert tries.wait_s("a") == 1
    now[0] = 60.0
    assert tries.wait_s("a") == 0


def test_after_many_wrong_ones_everybody_has_to_wait() -> None:
    tries = Tries(each=2, together=5, per_s=60, clock=lambda: 0.0)
    for number in range(5):
        tries.wrong(f"address {number}")

    assert tries.wait_s("somebody else") == 60
