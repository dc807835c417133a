from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest
import rich.console

from edge_recog.cli.output import print_rows, set_up_logging, size_text, track

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (655_000, "655 kB"),
        (3_802_000, "3.8 MB"),
        (512 * 2**20, "537 MB"),
    ],
)
def test_sizes_have_units_and_sensible_digits(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_rows_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([("a", "one"), ("long", "two", "three"), ("empty", "")])

    assert capsys.readouterr().out == "a      one\nlong   two  three\nempty\n"


@pytest.mark.parametrize(("verbose", "level"), [(True, logging.DEBUG), (False, logging.WARNING)])
def test_the_log_goes_to_stderr(
    edge_recog: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    verbose: bool,
    level: int,
) -> None:
    set_up_logging(verbose=verbose)
    logging.getLogger("edge_recog").debug("detail")
    logging.getLogger("edge_recog").warning("careful")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("edge-recog: detail" in captured.err) == (level == logging.DEBUG)
    assert "edge-recog: careful" in captured.err


def test_other_libraries_keep_their_details_to_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging(verbose=True)
    logging.getLogger("somebody.else").info("every font there is")
    logging.getLogger("edge_recog_converter.build").debug("ours")

    assert capsys.readouterr().err == "edge-recog: ours\n"


@pytest.mark.parametrize("quiet", [True, False])
def test_progress_is_shown_on_a_terminal_only_and_never_when_quiet(
    monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    terminal = io.StringIO()
    console = rich.console.Console(file=terminal, force_terminal=True)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)

    items = list(track([1, 2, 3], description="count", total=3, quiet=quiet))

    assert items == [1, 2, 3]
    assert ("count" in terminal.getvalue()) == (not quiet)


def test_without_a_terminal_no_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2], description="count", total=None, quiet=False)) == [1, 2]
    assert capsys.readouterr() == ("", "")
