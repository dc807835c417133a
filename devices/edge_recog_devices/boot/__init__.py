"""Preparing an SD card, or an image of one, so that a Raspberry Pi comes up with our service.

    plan (what the device shall be) ──▶ payload, documents (texts) ──▶ preparing ──▶ card
                                            ▲                             folder: mounted
                            systems (which Raspberry Pi OS it is)         image: by mtools

`setup.sh` and `firstrun.sh` run on the device: the latter is the first boot of bookworm, where
trixie has cloud-init.
"""

from edge_recog_devices.boot.identity import Login, parse_keys
from edge_recog_devices.boot.plan import FirstBoot
from edge_recog_devices.boot.preparing import Written, describe, open_card, prepare
from edge_recog_devices.boot.systems import System, recognise
from edge_recog_devices.boot.wifi import Wifi, join, read_passphrase

__all__ = [
    "FirstBoot",
    "Login",
    "System",
    "Wifi",
    "Written",
    "describe",
    "join",
    "open_card",
    "parse_keys",
    "prepare",
    "read_passphrase",
    "recognise",
]
