"""The verbs `devices` and `flash`. Importing this loads nothing heavy, since help does it."""

from edge_recog_devices.cli.devices import app as devices_app
from edge_recog_devices.cli.flash import app as flash_app

__all__ = ["devices_app", "flash_app"]
