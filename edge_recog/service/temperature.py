"""How warm the processor is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ZONES: Final = Path("/sys/class/thermal")
_PROCESSORS = ("cpu", "soc", "x86_pkg")


def processor_celsius(zones: Path = ZONES) -> float | None:
    """Return the processor's temperature, the highest where there are several.

    None where there is no sensor, or none that says that it is the processor's.

    Args:
        zones: Folder of the kernel's thermal zones.
    """
    found = [value for zone in zones.glob("thermal_zone*") if (value := _read(zone)) is not None]
    return max(found, default=None)


def _read(zone: Path) -> float | None:
    try:
        if not (zone / "type").read_text().startswith(_PROCESSORS):
            return None
        # In thousandths: Documentation/driver-api/thermal/sysfs-api.rst of the kernel.
        return int((zone / "temp").read_text()) / 1000
    except (OSError, ValueError):
        return None
