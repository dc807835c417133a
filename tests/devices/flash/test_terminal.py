"""What somebody sees who flashes a device at a terminal, which here is a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.wheels.archives import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LONG_S = 120.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal with `edge-recog flash` in it."""

    def __init__(self, pi: Any, *arguments: object) -> None:
        self._master, inner = pty.openpty()
        command = [sys.executable, "-c", "from edge_recog.cli import main; main()", "flash"]
        self._process = subprocess.Popen(
            [*command, *map(str, arguments)],
            env={
                **os.environ,
                "PATH": f"{pi.device.programs}:{os.environ['PATH']}",
                "TERM": "xterm",
                "COLUMNS": "200",
            },
            stdin=inner,
            stdout=subprocess.PIPE,
            stderr=inner,
            text=True,
        )
        os.close(inner)
        self._shown = ""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def shows(self, text: str) -> None:
        """Wait until it has shown a text."""
        with self._more:
            assert self._more.wait_for(lambda: text in self._shown, _LONG_S), self._shown

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit status, stdout, and all that was shown."""
        out, _ = self._process.communicate(timeout=_LONG_S)
        self._reader.join(_LONG_S)
        return self._process.returncode, out, self._shown

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._reader.join(_LONG_S)
        os.close(self._master)

    def _read(self) -> None:
        # A terminal that nobody has open any more says EIO.
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 4096):
                with self._more:
                    self._shown += _CONTROL.sub("", data.decode("utf-8", "replace"))
                    self._more.notify_all()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def start(*arguments: Any) -> Terminal:
        made.append(Terminal(*arguments))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_an_installation_is_asked_about_once_and_not_done_after_a_no(
    terminal: Callable[..., Terminal], make_pi: Callable[..., Any], models: dict[str, Path]
) -> None:
    bare = make_pi()
    shown = terminal(bare, models["good"], *bare.arguments())
    shown.shows("[y/N]")
    shown.type("n\n")
    code, out, text = shown.end()
    assert (code, out) == (1, "")
    assert f"on {bare.address}? [y/N]" in text
    # What would be done is shown before.
    assert text.index("1. ") < text.index("[y/N]")
    assert "Traceback" not in text
    assert bare.files() == set()


def test_a_yes_installs_and_a_change_of_the_model_is_not_asked_about(
    terminal: Callable[..., Terminal], make_pi: Callable[..., Any], models: dict[str, Path]
) -> None:
    bare = make_pi()
    shown = terminal(bare, models["good"], *bare.arguments())
    shown.shows("[y/N]")
    shown.type("y\n")
    code, out, text = shown.end()
    assert code == 0, text
    assert out.startswith(f"{bare.address}  installed: good answers after ")
    # A row a device, with the step that it is at.
    assert re.search(rf"{re.escape(bare.address)} +\d+/\d+ +install edge-recog", text)
    shown = terminal(bare, models["better"], *bare.arguments())
    code, out, text = shown.end()
    assert code == 0, text
    assert out.startswith(f"{bare.address}  updated: better answers after ")
    assert "[y/N]" not in text
    assert sha256_of(models["better"]) in bare.state()["versions"]
