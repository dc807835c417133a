"""What the supervisor wants done.

A *reader* is the worker that opens a source, reads its frames and closes it. Readers are numbered,
so that what one says after it was given up is known to be of the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edge_recog.supervision.status import Status


@dataclass(frozen=True, slots=True)
class OpenSource:
    """Start a reader. It tells `opened`, `frame_read`, and last `open_failed` or `source_ended`."""

    reader: int
    """Its number."""
    after_s: float
    """How long it waits before it opens the source; a `CloseSource` ends the wait."""
    isolated: bool = False
    """Whether a reader before it hung, so that this one belongs into a process that can be killed
    together with what it holds of the device."""


@dataclass(frozen=True, slots=True)
class CloseSource:
    """Ask a reader to end, which it tells by `source_ended`, or by `open_failed`."""

    reader: int


@dataclass(frozen=True, slots=True)
class AbandonReader:
    """Give up a reader that hangs: kill its process, or forget its thread. Another may follow."""

    reader: int


@dataclass(frozen=True, slots=True)
class AbandonInference:
    """Give up the thread that runs the model and does not come back; `ReloadModel` may follow."""


@dataclass(frozen=True, slots=True)
class ReloadModel:
    """Load the model again; tell `model_reloaded`, or `inference_failed` if it does not load."""

    after_s: float
    """How long to wait first."""


@dataclass(frozen=True, slots=True)
class FallBackToCpu:
    """Load the model without its accelerator, from now on; answered as `ReloadModel` is."""


@dataclass(frozen=True, slots=True)
class CheckModel:
    """Have the model classify a picture of nothing; tell `checked` or `check_failed`."""


@dataclass(frozen=True, slots=True)
class FeedWatchdog:
    """Tell whoever watches the process that it does its work."""


@dataclass(frozen=True, slots=True)
class NotifyReady:
    """Tell whoever started the process that it is up: it answers, or can say why it does not."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Let everybody know how things are."""

    status: Status


@dataclass(frozen=True, slots=True)
class Finish:
    """End the process; no action comes after this one."""


Action: TypeAlias = (
    OpenSource
    | CloseSource
    | AbandonReader
    | AbandonInference
    | ReloadModel
    | FallBackToCpu
    | CheckModel
    | FeedWatchdog
    | NotifyReady
    | Publish
    | Finish
)
