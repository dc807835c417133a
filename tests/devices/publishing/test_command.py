from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.cli.publish import parse_share

from edge_recog.cli import app as command_line
from edge_recog.errors import UsageError
from edge_recog.models import default_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def publish(
    edge_recog: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Return what runs `edge-recog publish` in a folder of its own."""
    monkeypatch.setitem(command_line.VERBS, "publish", "edge_recog_devices.cli.publish:app")
    monkeypatch.delenv("EDGE_RECOG_FLEET", raising=False)
    monkeypatch.delenv("EDGE_RECOG_KEY_PASSPHRASE", raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: edge_recog("publish", *arguments)


@pytest.fixture
def document(publish: Callable[..., Any]) -> Callable[..., Any]:
    def read(*arguments: object) -> Any:
        outcome = publish(*arguments, "--json")
        assert (outcome.code, outcome.err) == (0, "")
        return json.loads(outcome.out)

    return read


def test_a_model_is_published_stopped_and_shown(
    publish: Callable[..., Any], document: Callable[..., Any], tmp_path: Path
) -> None:
    assert publish("init").code == 0
    outcome = publish(default_model(), "--channel", "stable", "--rollout", "10%")
    assert outcome.code == 0
    assert "10 % of the devices" in outcome.out

    assert publish("stop", "--reason", "too slow").code == 0
    shown = document("show")

    latest = shown["channels"]["stable"]["latest"]
    assert (latest["number"], latest["share"]) == (1, 0.1)
    assert shown["channels"]["stable"]["stopped"][0]["reason"] == "too slow"
    assert (tmp_path / "fleet" / "metadata" / "timestamp.json").exists()
    assert "stopped: too slow" in publish("show").out


def test_the_long_form_and_options_first_mean_the_same(
    publish: Callable[..., Any], document: Callable[..., Any]
) -> None:
    publish("init")

    first = document("model", default_model(), "--rollout", "1%")
    second = document("--rollout", "2.5%", default_model())

    assert first["release"]["number"] == second["release"]["number"] == 1
    assert second["release"]["share"] == 0.025


def test_the_signature_beside_a_model_goes_along(
    publish: Callable[..., Any], document: Callable[..., Any], tmp_path: Path
) -> None:
    publish("init")
    model = tmp_path / "model.tflite"
    model.write_bytes(default_model().read_bytes())
    (tmp_path / "model.tflite.sig").write_bytes(b"{}")

    assert document(model)["release"]["signature"] is True


@pytest.mark.parametrize("role", ["root", "targets", "stops", "snapshot", "timestamp"])
def test_keys_are_replaced(
    publish: Callable[..., Any], document: Callable[..., Any], role: str
) -> None:
    publish("init")

    assert role in document("rotate", role)["expires"]


def test_signatures_are_refreshed(
    publish: Callable[..., Any], document: Callable[..., Any]
) -> None:
    publish("init")

    assert set(document("refresh")["expires"]) == {
        "root",
        "targets",
        "stops",
        "snapshot",
        "timestamp",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("show",), 1, "publish init"),
        (("none.tflite",), 1, "none.tflite"),
        (("rotate", "king"), 2, "no role"),
        (("stop", "--reason", "x"), 1, "publish init"),
        (("init", "--root-keys", "1", "--root-threshold", "2"), 2, "cannot sign"),
        (("watch", "--broker", "http://x"), 2, "mqtt"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_said_in_one_line(
    publish: Callable[..., Any], arguments: tuple[str, ...], code: int, told: str
) -> None:
    outcome = publish(*arguments)

    assert outcome.code == code
    assert told in outcome.err
    assert "Traceback" not in outcome.err


def test_help_shows_what_there_is(publish: Callable[..., Any]) -> None:
    shown = publish("--help").out

    assert all(verb in shown for verb in ("init", "model", "refresh", "rotate", "stop", "watch"))


@pytest.mark.parametrize(
    ("text", "share_ppm"),
    [("10%", 100_000), ("0.5 %", 5_000), ("100%", 1_000_000), ("0.0001%", 1), ("0%", 0)],
)
def test_shares_are_read_exactly(text: str, share_ppm: int) -> None:
    assert parse_share(text) == share_ppm


@pytest.mark.parametrize("text", ["10", "101%", "-1%", "1e1%", "%", "0.00001%", "\u0661%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no share"):
        parse_share(text)
