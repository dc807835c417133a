"""Opening a source in a process of its own, which can be stopped when a camera hangs.

`read_frame` starts `python -m edge_recog.doctor.first_frame`, hands it the source on stdin, since
an address may have a password in it, and reads one JSON document from its stdout.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from edge_recog.cameras import open_source
from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.errors import EdgeRecogError
from edge_recog.processes import module_command, same_packages

if TYPE_CHECKING:
    from edge_recog.doctor.probes import Machine

_TIMEOUT_S = 20.0
_SECRET = re.compile(r"//\S*@")
_BLACK, _WHITE = 8.0, 247.0
"""Average pixel values beyond which a picture shows nothing."""


class FirstFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a source gave."""

    problem: str = ""
    """Why it gave no frame; empty if it did."""
    width: int = 0
    height: int = 0
    took_s: float = 0.0
    """From opening to the first frame."""
    mean: float = 0.0
    """Average of all pixel values, 0-255."""


def read_frame(machine: Machine, source: str) -> FirstFrame:
    """Return what the first frame of a source is like."""
    said = machine.run(
        module_command(__spec__.name),
        given=source,
        environment=same_packages(),
        timeout_s=_TIMEOUT_S,
    )
    if said is None or said.code is None:
        return FirstFrame(f"no frame within {_TIMEOUT_S:.0f} s")
    try:
        frame = msgspec.json.decode(said.out, type=FirstFrame)
    except msgspec.DecodeError:
        last = (said.err.strip().splitlines() or ["it said nothing"])[-1]
        frame = FirstFrame(f"the process that opened it ended with status {said.code}: {last}")
    # What was told may quote an address with user and password.
    return msgspec.structs.replace(frame, problem=_SECRET.sub("//…@", frame.problem))


def judge_frame(frame: FirstFrame | None) -> Finding:
    """Judge whether a source works.

    Args:
        frame: What it gave; None if no source is named.
    """
    if frame is None:
        return skipped("no source is named: --source picamera2:0")
    if frame.problem:
        return bad(frame.problem, "look at the camera's checks above, its cable and its address")
    evidence = f"{frame.width}x{frame.height}, first frame after {frame.took_s:.2f} s"
    if not _BLACK <= frame.mean <= _WHITE:
        kind = "black" if frame.mean < _BLACK else "white"
        return warning(
            f"{evidence}, all but {kind} (average {frame.mean:.0f} of 255)",
            "take off the lens cap, switch on the light, or set the exposure",
        )
    return good(evidence)


def _look(source: str) -> FirstFrame:
    begun = time.monotonic()
    try:
        with open_source(source) as frames:
            for frame in frames:
                return FirstFrame(
                    width=frame.width,
                    height=frame.height,
                    took_s=time.monotonic() - begun,
                    mean=float(frame.pixels.mean()),
                )
    except EdgeRecogError as error:
        return FirstFrame(str(error))
    return FirstFrame("it ends before its first frame")


def main() -> None:
    """Be the child."""
    # Only the answer goes to stdout: native code that prints is sent to stderr.
    answer = os.dup(1)
    os.dup2(2, 1)
    frame = _look(sys.stdin.read())
    os.write(answer, msgspec.json.encode(frame))


if __name__ == "__main__":
    main()
