"""The models on a device: kept by their content, changed as a whole, used once they are proved.

What is to become of the store is decided by values (`state`, `transitions`, `health`); `writing`
and `folder` do it so that the process may be killed and power may fail at any moment.

Names are imported when they are used: a service that runs a file, and everybody's configuration, do
without nearly all of this.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_recog.store.admission import Admission, Anybody, Trusted
    from edge_recog.store.errors import (
        BadVersionError,
        BusyError,
        DamagedVersionError,
        FailedTryoutError,
        NoRoomError,
        OtherReleaseError,
        StoreError,
        UnusableStoreError,
    )
    from edge_recog.store.identity import TwinFile
    from edge_recog.store.places import models_folder
    from edge_recog.store.reading import Chosen
    from edge_recog.store.rules import StoreRules, TrialRules
    from edge_recog.store.state import BUILT_IN, Candidate, Release, State, Trouble, Twin, Version
    from edge_recog.store.store import Store, Verdict
    from edge_recog.store.trial import Ended, Trial

_EXPORTS = {
    "Admission": "admission",
    "Anybody": "admission",
    "BUILT_IN": "state",
    "BadVersionError": "errors",
    "BusyError": "errors",
    "Candidate": "state",
    "Chosen": "reading",
    "DamagedVersionError": "errors",
    "Ended": "trial",
    "FailedTryoutError": "errors",
    "NoRoomError": "errors",
    "OtherReleaseError": "errors",
    "Release": "state",
    "State": "state",
    "Store": "store",
    "StoreError": "errors",
    "StoreRules": "rules",
    "Trial": "trial",
    "TrialRules": "rules",
    "Trouble": "state",
    "Trusted": "admission",
    "Twin": "state",
    "TwinFile": "identity",
    "UnusableStoreError": "errors",
    "Verdict": "store",
    "Version": "state",
    "models_folder": "places",
}

__all__ = [
    "BUILT_IN",
    "Admission",
    "Anybody",
    "BadVersionError",
    "BusyError",
    "Candidate",
    "Chosen",
    "DamagedVersionError",
    "Ended",
    "FailedTryoutError",
    "NoRoomError",
    "OtherReleaseError",
    "Release",
    "State",
    "Store",
    "StoreError",
    "StoreRules",
    "Trial",
    "TrialRules",
    "Trouble",
    "Trusted",
    "Twin",
    "TwinFile",
    "UnusableStoreError",
    "Verdict",
    "Version",
    "models_folder",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value
