"""Which devices come first: a place in line for each device and release. Pure.

A device keeps its place while a release's share grows, so nobody who has it loses his turn; and
the line is another one for each release, so that the same devices are not always the canaries.
"""

from __future__ import annotations

import hashlib
from typing import Final

WHOLE_PPM: Final = 1_000_000
"""All devices. Shares are whole millionths: what is signed has no fractions."""
_DOMAIN: Final = b"edge_recog cohort v1\n"


def place_ppm(device: str, release: str) -> int:
    """Return a device's place in the line for a release: 0 to 999,999.

    Args:
        device: Its id.
        release: Id of the release, see `Release.id`.
    """
    # Lengths in front, so that no two pairs are the same bytes.
    parts = b"".join(b"%d:%b" % (len(part), part) for part in (device.encode(), release.encode()))
    number = int.from_bytes(hashlib.sha256(_DOMAIN + parts).digest()[:8], "big")
    return number * WHOLE_PPM >> 64


def has_turn(device: str, release: str, share_ppm: int) -> bool:
    """Tell whether a device is among the share that gets a release; for all of them 1,000,000."""
    return place_ppm(device, release) < share_ppm
