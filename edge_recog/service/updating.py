"""The thread of the service that looks for releases."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from edge_recog.service.models import open_store
from edge_recog.updates.places import updates_folder
from edge_recog.updates.repository.isolated import IsolatedRepository
from edge_recog.updates.updater import Updater

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.service.config.sections import Config
    from edge_recog.updates import Report, UpdateSettings

_END_S: Final = 1.0
"""For what is going on to end."""


class Updating:
    """Looks for releases until it is closed."""

    def __init__(
        self,
        settings: UpdateSettings,
        config: Config,
        *,
        tell: Callable[[Report], None],
        reload: Callable[[], None],
    ) -> None:
        """Begin.

        Args:
            settings: Where releases are, and how often to look.
            config: The whole, for the store.
            tell: Gets each report; must not raise.
            reload: Loads the store's model anew; must not raise.
        """
        folder = updates_folder(os.environ)
        self._updater = Updater(
            open_store(config),
            IsolatedRepository(settings, folder),
            folder,
            channel=settings.channel,
            tell=tell,
            reload=reload,
            rules=settings,
            profile=settings.profile,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._updater.run, args=(self._stop,), name="updates", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End. Safe to call twice."""
        self._stop.set()
        self._updater.close()
        self._thread.join(_END_S)
