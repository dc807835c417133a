"""Profiles: what kinds of devices there are. The shipped ones are the `*.toml` files in here."""

from edge_recog_devices.profiles.reading import find_profile, load_profile, shipped_profiles
from edge_recog_devices.profiles.schema import Profile

__all__ = ["Profile", "find_profile", "load_profile", "shipped_profiles"]
