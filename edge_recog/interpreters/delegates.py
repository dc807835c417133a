"""Accelerators: TFLite delegates in shared libraries, the Edge TPU first among them."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from edge_recog.errors import DelegateError, UsageError
from edge_recog.interpreters.native_errors import reason
from edge_recog.interpreters.presence import read_nodes, why_unusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

# https://coral.ai/docs/edgetpu/tflite-python/#load-tensorflow-lite-and-run-an-inference
_EDGE_TPU_LIBRARIES = {"darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"}
_EDGE_TPU_ON_LINUX = "libedgetpu.so.1"
# Device names: https://coral.ai/docs/reference/py/pycoral.utils/, `make_interpreter`.
_EDGE_TPU = re.compile(r"edgetpu(?::(?P<device>(?:usb|pci)(?::[0-9]{1,3})?|[0-9]{1,3}))?")
_DEVICE = re.compile(r"(?:usb|pci)?(?::[0-9]{1,3})?")
_LIBRARY = re.compile(r".*\.(?:so(?:\.\d+)*|dylib|dll)", re.IGNORECASE)
_OPTIONS = re.compile(r"[^=&]+=[^=&]+(?:&[^=&]+=[^=&]+)*")
_ENTRY_POINTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
"""external_delegate_interface.h of TensorFlow Lite."""
_FORMS = (
    "edgetpu, edgetpu:0, edgetpu:usb, edgetpu:usb:0, edgetpu:pci, edgetpu:pci:0 "
    "or /path/to/libdelegate.so?key=value&key=value"
)


@dataclass(frozen=True, slots=True)
class DelegateSpec:
    """Which delegate to load, and its options."""

    library: str
    """A path, or a file name for the dynamic loader to find."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Handed to the library as they are. The Edge TPU's is `device`: usb, usb:0, pci, pci:0, :0."""

    @classmethod
    def parse(cls, text: str) -> DelegateSpec:
        """Return what `text` names: `edgetpu[:usb|:pci][:N]` or `/path/to/lib.so[?key=value&…]`.

        Without a kind, `edgetpu:1` is the second of all Edge TPUs; without a number any will do.

        Raises:
            UsageError: The text has neither form.
        """
        if match := _EDGE_TPU.fullmatch(text):
            library = _EDGE_TPU_LIBRARIES.get(sys.platform, _EDGE_TPU_ON_LINUX)
            device = match["device"]
            if device and device.isdigit():
                device = f":{device}"
            return cls(library, {"device": device} if device else {})
        library, question_mark, query = text.partition("?")
        if not _LIBRARY.fullmatch(library) or (question_mark and not _OPTIONS.fullmatch(query)):
            raise UsageError(f"{text!r} names no delegate: use {_FORMS}")
        pairs = parse_qsl(query)
        options = dict(pairs)
        if len(options) < len(pairs):
            raise UsageError(f"{text!r} gives an option twice: name each once")
        return cls(library, options)

    @property
    def is_edge_tpu(self) -> bool:
        """Whether the library is Google's for the Edge TPU, going by its file name."""
        return Path(self.library).name.lower().startswith(("libedgetpu", "edgetpu"))

    def __str__(self) -> str:
        """Return e.g. `libedgetpu.so.1 (device=usb:0)`."""
        name = Path(self.library).name
        options = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{name} ({options})" if options else name


def load_delegate(spec: DelegateSpec, api: ModuleType) -> Any:
    """Return the delegate that a runtime's Python module `api` makes of `spec`.

    Whoever holds an interpreter made with it must hold it too, and let go of the interpreter first.

    Raises:
        DelegateError: The library is missing or is no delegate, or it found no device.
    """
    # The runtimes' Delegate class prints "Exception ignored in __del__" on what is refused here.
    try:
        library = ctypes.CDLL(spec.library)
    except OSError as error:
        raise DelegateError(_missing_library(spec, error)) from error
    if not all(hasattr(library, name) for name in _ENTRY_POINTS):
        raise DelegateError(
            f"{spec.library} is not a TFLite delegate: it has no {_ENTRY_POINTS[0]}"
        )
    try:
        return api.load_delegate(spec.library, dict(spec.options))
    except ValueError as error:
        # The first line is "Failed to load delegate from LIBRARY", the rest what the library said.
        said = str(error).partition("\n")[2].strip()
        said = reason(said) if said else ""
        raise DelegateError(_refused(spec, said)) from error.with_traceback(None)


def _missing_library(spec: DelegateSpec, error: OSError) -> str:
    path = Path(spec.library)
    if path.name != spec.library and not path.exists():
        return f"no such file: {spec.library}"
    if not str(error).startswith(f"{spec.library}: cannot open shared object file"):
        return f"{spec.library} cannot be loaded: {reason(str(error))}"
    if spec.is_edge_tpu:
        return (
            f"{spec.library} is not installed: `sudo apt install libedgetpu1-std` from Google's "
            f"Coral repository (https://coral.ai/software), or a build for newer systems from "
            f"https://github.com/feranick/libedgetpu/releases"
        )
    return f"the dynamic loader finds no {spec.library}: give its full path"


def _refused(spec: DelegateSpec, said: str) -> str:
    if not spec.is_edge_tpu:
        return f"{spec} refuses to start: {said or 'it gave no reason'}"
    device = spec.options.get("device", "")
    which = f"Edge TPU '{device}'" if device else "Edge TPU"
    details = f" ({said})" if said else ""
    why = why_unusable(read_nodes(), device if _DEVICE.fullmatch(device) else "")
    return f"the {which} cannot be opened{details}: {why}"
