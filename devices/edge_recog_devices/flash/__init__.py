"""From a model file to a device that answers with it, or still with the one before.

    facts, what is installed, what is wanted ──planning──▶ steps ──acting──▶ device
                                                             │
                                                        --dry-run shows them

Decisions are pure (`planning`, `refusing`); `hand` runs the shell scripts beside it on the device,
each of which does one thing whole or not at all. Before anything is changed the device begins a
journal of how it was (`scripts/begin.sh`); until the new model answers, `scripts/restore.sh` can
put that back, after a killed run too.
"""

from edge_recog_devices.flash.fleet import Progress, flash_all, prepare_all
from edge_recog_devices.flash.session import Outcome, Session, Way
from edge_recog_devices.flash.wanted import Admission, ModelFile, Runtime, Wanted

__all__ = [
    "Admission",
    "ModelFile",
    "Outcome",
    "Progress",
    "Runtime",
    "Session",
    "Wanted",
    "Way",
    "flash_all",
    "prepare_all",
]
