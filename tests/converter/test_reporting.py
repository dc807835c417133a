"""Builds say what they do: lines for the log, bars for a terminal, nothing where it is quiet."""

import io

from edge_recog_converter.reporting import Reporter
from rich.console import Console


def reporter(*, terminal: bool = False, quiet: bool = False) -> tuple[Reporter, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=80, color_system=None)
    return Reporter(console, quiet=quiet), text


def test_lines_go_to_the_console_and_the_log() -> None:
    told, text = reporter()
    told.say("data", "3 [pictures]")

    assert text.getvalue() == "  data      3 [pictures]\n"
    assert told.log == "data       3 [pictures]\n"


def test_quiet_lines_go_to_the_log_only() -> None:
    told, text = reporter(quiet=True)
    told.say("data", "3 pictures")

    assert (text.getvalue(), told.log) == ("", "data       3 pictures\n")


def test_items_pass_through_a_bar_on_a_terminal() -> None:
    told, text = reporter(terminal=True)

    assert list(told.track(iter("abc"), topic="train", total=3)) == ["a", "b", "c"]
    assert "3/3" in text.getvalue()


def test_a_bar_moves_by_steps_and_says_how_it_stands() -> None:
    told, text = reporter(terminal=True)
    with told.meter("train", 30) as advance:
        advance(steps=10, note="epoch 1: top-1 [91]")
        advance(steps=20)

    assert "30/30" in text.getvalue()
    assert "epoch 1: top-1 [91]" in text.getvalue()


def test_notes_go_to_the_log_only() -> None:
    told, text = reporter()
    told.note("train", "epoch 1")

    assert (text.getvalue(), told.log) == ("", "train      epoch 1\n")


def test_work_of_unknown_length_shows_that_it_goes_on() -> None:
    told, text = reporter(terminal=True)
    with told.meter("quantise", None) as advance:
        advance()

    assert "quantise" in text.getvalue()


def test_items_pass_without_a_bar_elsewhere() -> None:
    told, text = reporter()

    assert list(told.track(iter("abc"), topic="train", total=3)) == ["a", "b", "c"]
    assert text.getvalue() == ""
