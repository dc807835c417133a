"""What names a version: its content, that of the compiled twin included."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

_TWINS: Final = b"edge_recog twins 1\n"


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """The model files of a version."""

    model: bytes
    compiled: bytes | None = None
    """Its twin for the Edge TPU."""

    @property
    def digest(self) -> str:
        """Name of the version: 64 hexadecimal digits.

        The SHA-256 of the model; where there is a twin, one of both, so that the same model with
        another twin is another version, which has to prove itself.
        """
        model = hashlib.sha256(self.model)
        if self.compiled is None:
            return model.hexdigest()
        compiled = hashlib.sha256(self.compiled)
        return hashlib.sha256(_TWINS + model.digest() + compiled.digest()).hexdigest()


@dataclass(frozen=True, slots=True)
class TwinFile:
    """A compiled twin that is to be installed with its model."""

    data: bytes
    where: str
    """Its path, for messages."""
    signature: bytes | None = None
    """Its own signature's file; None if there is none."""
