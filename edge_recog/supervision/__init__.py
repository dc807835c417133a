"""What to do when camera or model fail: a state machine, values in and actions out.

It has no clock, no thread and no device: whoever runs it tells it what happened and when, and does
what it answers.
"""

from edge_recog.supervision.actions import (
    AbandonInference,
    AbandonReader,
    Action,
    CheckModel,
    CloseSource,
    FallBackToCpu,
    FeedWatchdog,
    Finish,
    NotifyReady,
    OpenSource,
    Publish,
    ReloadModel,
)
from edge_recog.supervision.rules import Backoff, SupervisionRules
from edge_recog.supervision.status import State, Status
from edge_recog.supervision.supervisor import Supervisor

__all__ = [
    "AbandonInference",
    "AbandonReader",
    "Action",
    "Backoff",
    "CheckModel",
    "CloseSource",
    "FallBackToCpu",
    "FeedWatchdog",
    "Finish",
    "NotifyReady",
    "OpenSource",
    "Publish",
    "ReloadModel",
    "State",
    "Status",
    "SupervisionRules",
    "Supervisor",
]
