"""Why the store does not do what it was told.

EdgeRecogError
└── StoreError (RuntimeError)       the store is as it was, unless the message says otherwise
    ├── BusyError                   another process is changing it
    ├── UnusableStoreError          it cannot be read or written, or is of a newer version
    ├── NoRoomError                 a model does not fit into the quota
    ├── OtherReleaseError           a model and its compiled twin are signed as two releases
    ├── FailedTryoutError           a model does not do on this device what it must
    ├── BadVersionError             a version failed too often while it was on trial
    └── DamagedVersionError         the files of a version are not those that were installed
        └── UnreadableVersionError  nobody knows, since the disk does not give them back
"""

from __future__ import annotations

from edge_recog.errors import EdgeRecogError


class StoreError(EdgeRecogError, RuntimeError):
    """The store cannot do that."""


class BusyError(StoreError):
    """Another process is changing the store."""


class UnusableStoreError(StoreError):
    """The store cannot be read or written, or is of a newer version of this program."""


class NoRoomError(StoreError):
    """A model does not fit beside those that must stay."""


class OtherReleaseError(StoreError):
    """A model and its compiled twin are signed as two releases."""


class FailedTryoutError(StoreError):
    """A model crashes, answers wrongly, or takes too long or too much memory on this device."""


class BadVersionError(StoreError):
    """A version failed so often that it is not tried again."""


class DamagedVersionError(StoreError):
    """A version's files were damaged after they were installed."""


class UnreadableVersionError(DamagedVersionError):
    """A version's files cannot be read now; perhaps later."""
