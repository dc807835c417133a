"""Why nothing is published.

EdgeRecogError
└── PublishError (RuntimeError)     devices see what they saw before, unless the message says else
    ├── MissingKeyError             too few of a role's private keys are here, or can be opened
    └── TamperedError               the files are not those that were published
"""

from __future__ import annotations

from edge_recog.errors import EdgeRecogError


class PublishError(EdgeRecogError, RuntimeError):
    """It is not published."""


class MissingKeyError(PublishError):
    """Too few of a role's private keys are here, or can be opened."""


class TamperedError(PublishError):
    """The files are not those that were published."""
