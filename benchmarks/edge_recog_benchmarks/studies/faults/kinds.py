"""The kinds of faults, as data: what each is done to, for how long, and what is to be expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SourceKind = Literal["http", "rtsp"]
Expectation = Literal["told", "contained"]
"""`told`: the state leaves `running`, and no answer comes meanwhile. `contained`: answers go on as
if nothing were, and the state stays."""

DETECT_S: Final = 3.0
"""By when a fault is told, and how long answers may pause in one that is contained."""
RECOVER_S: Final = 5.0
"""By when there are answers of fresh pictures again, from the fault's end."""
OLDEST_S: Final = 2.5
"""Age at which an answer's picture is bad: `stall_s` and what it takes to hear of the answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    does: str
    """For people."""
    expect: Expectation
    why: str
    """Why that is right."""
    sources: tuple[SourceKind, ...] = ("http", "rtsp")
    shortest_s: float = 3.5
    """Longer than `DETECT_S` where it is to be told."""
    longest_s: float = 5.5


_NO_PICTURE = "there is no picture, so there must be no answer, and people must know why"
_NO_NEWS = "the pictures say nothing of what is there now"
_ASIDE = "answers do not depend on it"

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("hang", "the camera keeps the connection and sends nothing", "told", _NO_PICTURE),
        Kind("disconnect", "the camera hangs up and lets nobody in", "told", _NO_PICTURE),
        Kind("freeze", "the same few pictures again and again", "told", _NO_NEWS),
        Kind("black", "black pictures", "told", _NO_NEWS),
        Kind("corrupt", "JPEGs that are cut off, torn or garbage", "told", _NO_PICTURE, ("http",)),
        Kind(
            "resolution",
            "pictures of another size",
            "contained",
            "a picture of any size can be answered",
            shortest_s=2.0,
            longest_s=4.0,
        ),
        Kind("trickle", "a picture byte by byte", "told", _NO_PICTURE, ("http",)),
        Kind("killed", "the server dies and is started anew", "told", _NO_PICTURE, ("rtsp",)),
        Kind(
            "interpreter",
            "the accelerator fails in every invocation",
            "told",
            "nothing can be answered without a model",
        ),
        Kind("slow disk", "writing the file of answers does not come back", "contained", _ASIDE),
        Kind("broker", "the broker dies and is started anew", "contained", _ASIDE),
        Kind("clock", "the time of day jumps, and back", "contained", _ASIDE, shortest_s=2.0),
    )
}
"""By name."""
