"""Fixtures for the tests of all four distributions."""

import os
from pathlib import Path

import pytest

_SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Pictures and models beside the checkout that are too large to keep in it."""
    if not _SHARED_DATA.is_dir():
        reason = f"the shared data is not at {_SHARED_DATA}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return _SHARED_DATA
