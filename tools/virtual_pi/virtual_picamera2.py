"""Lies beside picamera2's own modules: what a virtual camera lacks that every Raspberry Pi's has.

Its `Picamera2` is what `import picamera2` finds; all else is the real one.
"""

from typing import Any

import libcamera

from .allocators import LibcameraAllocator
from .picamera2 import Picamera2 as RealPicamera2


class Picamera2(RealPicamera2):  # type: ignore[misc]
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # picamera2's own makes one plane of a picture; the virtual pipeline writes to two.
        self.allocator = LibcameraAllocator(self.camera)

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        # It has no raw pictures; its sizes stand for the sensor's.
        found = self.camera.generate_configuration([libcamera.StreamRole.Viewfinder]).at(0).formats
        return [
            {"format": str(kind), "size": (size.width, size.height)}
            for kind in found.pixel_formats
            for size in found.sizes(kind)
        ]
