"""Updates without a server of ours: signed releases as static files, taken in turn and on trial.

    settings = UpdateSettings(url="https://updates.example/fleet")
    folder = Path("/var/lib/edge-recog/updates")
    repository = IsolatedRepository(settings, folder)                   # .repository.isolated
    Updater(store, repository, folder, channel="stable", tell=print)    # .updater

The publisher's half is `edge_recog_devices.publishing`. What is decided is pure (`cohort`,
`deciding`, `polling`); `repository` talks to the web server in a process of its own, `updater`
brings what is decided into the store. Importing this package loads neither the store nor a library
of networks.
"""

from edge_recog.updates.errors import (
    RefusedError,
    UnreachableError,
    UnusableUpdatesError,
    UpdateError,
)
from edge_recog.updates.polling import PollRules
from edge_recog.updates.reports import Report
from edge_recog.updates.settings import UpdateSettings

__all__ = [
    "PollRules",
    "RefusedError",
    "Report",
    "UnreachableError",
    "UnusableUpdatesError",
    "UpdateError",
    "UpdateSettings",
]
