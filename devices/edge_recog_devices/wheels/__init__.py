"""Wheels for a device, collected on another computer, so that the device needs no network."""

from edge_recog_devices.wheels.collecting import collect
from edge_recog_devices.wheels.manifest import Manifest, WheelFile, read_manifest
from edge_recog_devices.wheels.project import ProjectWheel, project_wheel
from edge_recog_devices.wheels.target import Target, target_of_facts, target_of_profile

__all__ = [
    "Manifest",
    "ProjectWheel",
    "Target",
    "WheelFile",
    "collect",
    "project_wheel",
    "read_manifest",
    "target_of_facts",
    "target_of_profile",
]
