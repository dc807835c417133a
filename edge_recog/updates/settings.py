"""What can be configured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from edge_recog.updates.polling import PollRules
from edge_recog.updates.release import CHANNEL

ROOT_FILE: Final = "/etc/edge-recog/updates-root.json"
"""Where flashing puts the anchor of trust."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")


class UpdateSettings(PollRules, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where updates come from; the section `updates`."""

    url: Annotated[str, msgspec.Meta(min_length=8, max_length=2048)]
    """Of the folder that `edge-recog publish` writes: `https://…` or `http://…`."""
    channel: Annotated[str, msgspec.Meta(pattern=rf"^{CHANNEL}$")] = "stable"
    root_file: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)] = ROOT_FILE
    """The publisher's root.json, whose keys are trusted."""
    ca_file: str | None = None
    """Certificates (PEM) to trust instead of the system's."""
    profile: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """What kind of device this is; only releases for all kinds are taken if None."""
    slowest_kb_s: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 1.0
    """A server that is slower than this in the mean is given up until the next look."""

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ValueError: It is no address or channel.
        """
        check_url(self.url)
        # By `fullmatch`: `$` alone lets a line feed through.
        if not re.fullmatch(CHANNEL, self.channel):
            raise ValueError(f"channel is {self.channel!r}; use up to 32 of a-z, 0-9 and -")
        if not Path(self.root_file).is_absolute():
            raise ValueError(f"root_file is {self.root_file!r}; give the whole path")


def check_url(url: str) -> None:
    """Refuse what is no address of a web server.

    Raises:
        ValueError: It is none, or has a user, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{url!a}: no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError(f"{url!a}: an address starts with https:// or http:// and a host's name")
    if parts.query or parts.fragment or parts.username is not None or parts.password is not None:
        raise ValueError(f"{url!a}: an address here has no user, ? or #")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{url!a}: an address has only printable ASCII characters")
