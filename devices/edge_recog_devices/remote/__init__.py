"""Devices reached through the system's OpenSSH."""

from edge_recog_devices.remote.address import Address
from edge_recog_devices.remote.connection import Answer, Remote

__all__ = ["Address", "Answer", "Remote"]
