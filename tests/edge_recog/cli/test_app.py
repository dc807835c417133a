from __future__ import annotations

import io
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
import typer

from edge_recog import __version__
from edge_recog.cli import app as module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_version_is_told(edge_recog: Callable[..., Any]) -> None:
    assert edge_recog("--version") == (0, f"edge-recog {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], []], ids=["help", "nothing"])
def test_help_lists_every_verb(edge_recog: Callable[..., Any], arguments: list[str]) -> None:
    outcome = edge_recog(*arguments)

    for verb in module.VERBS:
        assert verb in outcome.out + outcome.err


@pytest.mark.parametrize("verb", module.VERBS)
def test_every_verb_has_help_with_an_example(edge_recog: Callable[..., Any], verb: str) -> None:
    outcome = edge_recog(verb, "--help")

    assert outcome.code == 0
    assert f"edge-recog {verb} " in " ".join(outcome.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["classify"],
        ["classify", "model.tflite"],
        ["inspect", "a", "b"],
        ["classify", "m", "p", "--top-k", "0"],
        ["classify", "m", "p", "--top-k", "x"],
        ["verify", "m", "--threads", "0"],
        ["inspect", "m", "--colour", "red"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2_without_a_traceback(
    edge_recog: Callable[..., Any], arguments: list[str]
) -> None:
    outcome = edge_recog(*arguments)

    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert "Usage: edge-recog" in outcome.out + outcome.err


@pytest.mark.parametrize("verb", ["build", "demo"])
def test_a_verb_of_a_sister_that_is_missing_says_how_to_install_it(
    edge_recog: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(module, "entry_points", lambda **_: ())
    outcome = edge_recog(verb)

    assert outcome.code == 2
    assert outcome.err.startswith(f"edge-recog: `{verb}` is part of edge-recog-converter")
    assert f"pip install edge-recog-converter=={__version__}" in outcome.err


def test_a_verb_of_a_sister_joins_by_its_entry_point(
    edge_recog: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sister = typer.Typer()

    @sister.command()
    def fly(height: int) -> None:
        """Fly."""
        typer.echo(f"flew {height} m")

    monkeypatch.setattr(EntryPoint, "load", lambda _: sister)
    points = [EntryPoint("fly", "sister:app", module.ENTRY_POINTS)]
    monkeypatch.setattr(
        module,
        "entry_points",
        lambda *, group, name=None: points if name in {None, "fly"} else [],
    )

    assert edge_recog("fly", "3") == (0, "flew 3 m\n", "")
    assert "fly" in edge_recog("--help").out


def test_ctrl_c_is_exit_130(
    edge_recog: Callable[..., Any], tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_recog.inspection.read_model_file", interrupt)
    outcome = edge_recog("inspect", tiny_path)

    assert outcome.code == 130
    assert "Traceback" not in outcome.err


def test_output_may_go_to_something_that_is_no_file(
    edge_recog: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = io.StringIO()
    monkeypatch.setattr(sys, "stdout", captured)

    assert edge_recog("--version").code == 0
    assert captured.getvalue() == f"edge-recog {__version__}\n"


def test_the_command_runs_as_a_process(tiny_path: Path) -> None:
    script = "from edge_recog.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "inspect", tiny_path, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("{")
