"""Every error this package raises on purpose, besides the runtime's `UsageError`.

    EdgeRecogError
    ├── ProfileError (ValueError)             a profile that cannot be used
    ├── WheelsError (RuntimeError)            wheels that cannot be collected
    └── DeviceError (OSError)                 a device that does not do what is asked
        ├── ConnectError                      there is no connection to it
        ├── DroppedError                      the connection ended in the middle
        ├── FactsError (ValueError)           its answer to a probe makes no sense
        ├── UnfitError                        it cannot have what is asked; nothing was changed
        └── FlashError                        installing or updating failed
            └── SupersededError               another flash of the device counts

Each message is one sentence or two: what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from typing import Literal

from edge_recog.errors import EdgeRecogError

ConnectFailure = Literal[
    "host-key-changed",
    "host-key-unknown",
    "name-unknown",
    "refused",
    "timeout",
    "unreachable",
    "key-file",
    "denied",
    "algorithms",
    "closed",
    "configuration",
    "shell",
    "program",
    "other",
]
"""What kept ssh from connecting; `program` is ssh itself, `shell` what the device logs in to."""


class ProfileError(EdgeRecogError, ValueError):
    """A profile that cannot be read, or does not say what a profile says."""


class WheelsError(EdgeRecogError, RuntimeError):
    """Wheels that cannot be collected, or of which some are missing."""


class DeviceError(EdgeRecogError, OSError):
    """A device that does not do what is asked."""


class ConnectError(DeviceError):
    """There is no connection to a device."""

    def __init__(self, message: str, kind: ConnectFailure) -> None:
        """Say why."""
        super().__init__(message)
        self.kind = kind


class DroppedError(DeviceError):
    """The connection ended in the middle of something."""


class FactsError(DeviceError, ValueError):
    """What a device says of itself is no list of facts."""


class UnfitError(DeviceError):
    """A device that cannot have what is asked; nothing was changed."""


class FlashError(DeviceError):
    """Installing or updating a device failed; the message says how it is now."""


class SupersededError(FlashError):
    """Another flash of the device is the one that counts, and decides what becomes of it."""
