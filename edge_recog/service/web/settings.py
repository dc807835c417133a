"""Where the live page is, who may see it, and how often pictures come."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_recog.service.addresses import Listen

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The live page and the REST interface."""

    listen: Text = "127.0.0.1:8080"
    """`HOST:PORT`; beyond this machine only with a token."""
    token_file: Text | None = None
    """Its text is the token; one is made in the state directory if None and one is needed."""
    cert_file: Text | None = None
    """This device's certificate (PEM), for https."""
    key_file: Text | None = None
    """Its key (PEM)."""
    viewers: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    """Who may watch the live picture at the same time."""
    stream_fps: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0
    """Live pictures a second; fewer where the camera has fewer."""

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ValueError: The address is none, or one of certificate and key is missing.
        """
        Listen.parse(self.listen)
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file: name both for https, or neither")

    @property
    def needs_token(self) -> bool:
        """Whether nobody is let in without one: beyond this machine, and where one is set."""
        return self.token_file is not None or not Listen.parse(self.listen).is_loopback
