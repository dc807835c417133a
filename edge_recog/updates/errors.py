"""Why there is no update.

EdgeRecogError
└── UpdateError (RuntimeError)      the model in use stays as it is
    ├── RefusedError                what the server gives is not what the publisher has signed now
    ├── UnreachableError            the server does not answer, or not fast enough; later, perhaps
    └── UnusableUpdatesError        what is needed on this device is missing, unreadable or not set
"""

from __future__ import annotations

from typing import Literal

from edge_recog.errors import EdgeRecogError

Refusal = Literal[
    "unsigned", "expired", "rollback", "altered", "oversized", "malformed", "mixed", "downgrade"
]
"""unsigned: too few signatures of the keys that count. expired: too old to be believed; also a
repository that somebody has frozen. rollback: older than what was seen before. altered: not the
length or hash that was signed. oversized: more bytes than were signed or may be. malformed: cannot
be read. mixed: sound parts that do not belong together. downgrade: a release older than one that
was in use."""


class UpdateError(EdgeRecogError, RuntimeError):
    """There is no update now."""


class RefusedError(UpdateError):
    """What the server gives is not what the publisher has signed now."""

    def __init__(self, message: str, reason: Refusal) -> None:
        """Say why."""
        super().__init__(message)
        self.reason: Refusal = reason


class UnreachableError(UpdateError):
    """The server does not answer, or not fast enough."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        """Say why.

        Args:
            message: The text.
            retry_after_s: What the server asks for; None if it asks for nothing.
        """
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnusableUpdatesError(UpdateError):
    """What is needed on this device is missing, unreadable or not set."""
