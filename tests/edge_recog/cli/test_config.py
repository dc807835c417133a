from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.service.config.example import example_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the one who runs the tests has set."""
    for name in list(os.environ):
        if name.startswith("EDGE_RECOG_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a configuration."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


def test_a_good_configuration_is_said_to_be_good(
    edge_recog: Callable[..., Any], written: Callable[[str], Path]
) -> None:
    path = written(example_text())

    assert edge_recog("config", "check", path) == (0, f"{path}: good\n", "")
    document = json.loads(edge_recog("config", "check", path, "--json").out)
    assert document == {"path": str(path), "good": True, "problems": []}


def test_all_that_is_wrong_is_told_in_a_line_each(
    edge_recog: Callable[..., Any], written: Callable[[str], Path]
) -> None:
    path = written('threads = 0\n[web]\nlisen = "127.0.0.1:80"\n')

    assert edge_recog("config", "check", path) == (
        1,
        "",
        f"{path}:1: threads is 0; it must be a whole number from 1 to 256\n"
        f"{path}:3: web.lisen: unknown key; did you mean listen?\n",
    )
    outcome = edge_recog("config", "check", path, "--json")
    assert outcome.code == 1
    assert json.loads(outcome.out)["problems"][1] == {
        "where": f"{path}:3",
        "text": "web.lisen: unknown key; did you mean listen?",
    }


def test_a_secret_that_others_can_read_is_a_problem(
    edge_recog: Callable[..., Any], written: Callable[[str], Path], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2")
    token.chmod(0o644)
    outcome = edge_recog("config", "check", written(f'[web]\ntoken_file = "{token}"\n'))

    assert outcome.code == 1
    assert outcome.err.startswith(f"web.token_file: {token}: others can read")
    assert "hunter2" not in outcome.err


def test_what_is_in_force_is_shown_with_its_origin(
    edge_recog: Callable[..., Any],
    written: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGE_RECOG__WEB__LISTEN", "127.0.0.1:81")
    path = written('threads = 2\n[web]\ntoken_file = "/etc/token"\n')
    outcome = edge_recog("config", "show", path)
    shown = [line.split() for line in outcome.out.splitlines()]

    assert (outcome.code, outcome.err) == (0, "")
    assert ["threads", "2", "file"] in shown
    assert ["web.listen", '"127.0.0.1:81"', "environment"] in shown
    assert ["web.token_file", "<from", "/etc/token>", "file"] in shown
    assert ["top_k", "5", "default"] in shown
    assert ["mqtt", "false", "default"] in shown


def test_what_is_in_force_is_one_document(
    edge_recog: Callable[..., Any], written: Callable[[str], Path]
) -> None:
    document = json.loads(edge_recog("config", "show", written("threads = 2"), "--json").out)

    assert document["config"]["threads"] == 2
    assert document["config"]["web"]["listen"] == "127.0.0.1:8080"
    assert document["origins"]["threads"] == "file"
    assert document["origins"]["web.listen"] == "default"


def test_without_a_file_the_defaults_are_shown(edge_recog: Callable[..., Any]) -> None:
    outcome = edge_recog("config", "show")

    assert outcome.code == 0
    assert {line.split()[-1] for line in outcome.out.splitlines()} == {"default"}


def test_a_configuration_that_is_wrong_is_not_shown(
    edge_recog: Callable[..., Any], written: Callable[[str], Path]
) -> None:
    path = written("threads = 0")
    outcome = edge_recog("config", "show", path)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"edge-recog: {path}:1: threads is 0;")


def test_the_schema_is_one_document(edge_recog: Callable[..., Any]) -> None:
    document = json.loads(edge_recog("config", "schema").out)

    assert document["$schema"].startswith("https://json-schema.org/")
    assert "source" in document["$defs"]["Config"]["properties"]


def test_the_example_is_printed_or_written(edge_recog: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"

    assert edge_recog("config", "init") == (0, example_text(), "")
    assert edge_recog("config", "init", path).code == 0
    assert path.read_text() == example_text()
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]


def test_a_file_that_is_there_is_overwritten_by_force_only(
    edge_recog: Callable[..., Any], written: Callable[[str], Path]
) -> None:
    path = written("threads = 2")
    outcome = edge_recog("config", "init", path)

    assert (outcome.code, path.read_text()) == (2, "threads = 2")
    assert "--force" in outcome.err
    assert edge_recog("config", "init", path, "--force").code == 0
    assert path.read_text() == example_text()


def test_the_unit_is_for_this_configuration(
    edge_recog: Callable[..., Any],
    written: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGE_RECOG__WEB__TOKEN_FILE", "/of/this/shell")
    path = written('[mqtt]\nbroker = "mqtt://u@home"\npassword_file = "/etc/password"\n')
    monkeypatch.chdir(path.parent)
    outcome = edge_recog("config", "unit", path.name, "--program", "/opt/x/bin/edge-recog")

    assert (outcome.code, outcome.err) == (0, "")
    assert f"ExecStart=/opt/x/bin/edge-recog run --config {path}\n" in outcome.out
    assert "LoadCredential=mqtt.password_file:/etc/password\n" in outcome.out
    assert "MemoryMax=256M\n" in outcome.out
    assert "/of/this/shell" not in outcome.out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--program", "edge-recog"], "cannot stand in a unit"),
        (["--program", "/home/pi/edge-recog"], "home folder"),
        (["--program", "/usr/bin/true", "--memory", "much"], "no amount of memory"),
    ],
    ids=["relative", "home", "memory"],
)
def test_a_unit_that_would_not_start_is_not_printed(
    edge_recog: Callable[..., Any],
    written: Callable[[str], Path],
    options: list[str],
    reason: str,
) -> None:
    outcome = edge_recog("config", "unit", written("threads = 1"), *options)

    assert (outcome.code, outcome.out) == (2, "")
    assert reason in outcome.err


@pytest.mark.parametrize("verb", ["check", "show", "schema", "init", "unit"])
def test_every_verb_has_help_with_an_example(edge_recog: Callable[..., Any], verb: str) -> None:
    outcome = edge_recog("config", verb, "--help")

    assert outcome.code == 0
    assert f"Example: edge-recog config {verb}" in " ".join(outcome.out.split())
