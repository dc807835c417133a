"""What the web interface is given to show and to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.service.web.documents import ModelDocument
    from edge_recog.service.web.hub import Hub


@dataclass(frozen=True, slots=True)
class Shown:
    """The live classifier, as far as the web interface knows it. All of it is for any thread."""

    hub: Hub
    version: str
    """Of this program."""
    metrics: Callable[[], bytes]
    """Numbers for Prometheus."""
    metrics_type: str
    """Content-Type of these."""
    config: Callable[[], dict[str, Any]]
    """The configuration, without secrets."""
    activate: Callable[[], ModelDocument]
    """Loads the configured model anew; raises EdgeRecogError if the one at work stays."""
    stand_by: Callable[[str], None]
    """Lets the camera go until `wake`; a sentence says why."""
    wake: Callable[[], None]
