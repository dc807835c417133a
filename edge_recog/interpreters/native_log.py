"""TFLite's own log lines go to `logging` instead of the user's terminal.

The runtimes write to file descriptor 2 (`INFO: Created TensorFlow Lite XNNPACK delegate for CPU.`),
and the wheels of ai-edge-litert 2.3 and tflite-runtime 2.14 neither heed an environment variable
nor export a function that would stop them: so the descriptor is diverted while a model is loaded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGER = logging.getLogger(__name__)
_STDERR = 2
_LEVELS = {
    "VERBOSE": logging.DEBUG,
    "INFO": logging.DEBUG,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
}
# The format of tensorflow/lite/minimal_logging_default.cc.
_LINE = re.compile(rb"(VERBOSE|INFO|WARNING|ERROR): (.*)")
_diverted = threading.Lock()


@contextlib.contextmanager
def logged_native_output() -> Iterator[None]:
    """Send TFLite's log lines of this block to `logging`, all else to stderr when it ends.

    Process-wide while it lasts: what other threads write to stderr arrives late, though whole; a
    child process they start then keeps the diverted descriptor; and a native crash inside the
    block takes the text with it. So keep the block to a model's loading (milliseconds).
    Does nothing where there is no memfd (only Linux has it) or no stderr.
    """
    with _diverted, contextlib.ExitStack() as descriptors:
        try:
            terminal = os.dup(_STDERR)
            descriptors.callback(os.close, terminal)
            memory = os.memfd_create("native-log")
            descriptors.callback(os.close, memory)
        except (AttributeError, OSError):
            yield
            return
        os.dup2(memory, _STDERR)
        try:
            yield
        finally:
            os.dup2(terminal, _STDERR)
            _forward(os.pread(memory, os.fstat(memory).st_size, 0))


def _forward(written: bytes) -> None:
    """Log the lines TFLite wrote, and write all others to stderr unchanged."""
    for line in written.splitlines(keepends=True):
        if match := _LINE.fullmatch(line.rstrip(b"\r\n")):
            severity, text = (group.decode(errors="replace") for group in match.groups())
            _LOGGER.log(_LEVELS[severity], "%s", text)
        else:
            os.write(_STDERR, line)
