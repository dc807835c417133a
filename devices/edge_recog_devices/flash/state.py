"""What a device has of edge_recog, and the strict reader of what it says about that."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge_recog.store.document import decode
from edge_recog.store.errors import UnusableStoreError
from edge_recog.store.state import State
from edge_recog_devices.errors import FactsError

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_LINE: Final = "edge-recog-survey 1"
LAST_LINE: Final = "end"
MOST_BYTES: Final = 8 * 2**20

_LINE = re.compile(r"([a-z]{1,20})=([ -~]*)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_RULE = re.compile(r"([a-z0-9-]{1,60}\.rules) ([0-9a-f]{64})", re.ASCII)
_KEYS: Final = (
    *("environment", "version", "complete", "config", "unit", "anchor", "rule", "models", "state"),
    *("pending", "user", "manager", "service", "enabled", "stamp"),
)
_NOTHING: Final = State()


@dataclass(frozen=True)
class Installed:
    """What is there. An empty text: it is not there, or not known."""

    environment: str = ""
    """Name of the one in use; `before` for one that is a folder of its own."""
    version: str = ""
    """Of edge_recog in it."""
    complete: frozenset[str] = frozenset()
    """Names of environments that are whole, in use or not."""
    config: str | None = None
    """Its text."""
    unit_digest: str = ""
    """SHA-256 of the unit's file."""
    anchor_digest: str = ""
    """SHA-256 of the root of updates that it trusts."""
    rule_digests: Mapping[str, str] = field(default_factory=dict)
    """Name of udev rules of ours → SHA-256."""
    has_models: bool = False
    """Whether there is a folder for them."""
    store: State = _NOTHING
    has_user: bool = False
    """Whether the service's user exists."""
    manager: str = ""
    """`ok`, or what systemctl complains of."""
    service: str = ""
    """As systemd's `ActiveState` says it."""
    enabled: str = ""
    """As its `UnitFileState` says it."""
    is_pending: bool = False
    """Whether a flash began and came to no end."""
    stamp: str = ""
    """What the last flash that came to a good end left, see `planning.stamp_of`."""

    @property
    def runs(self) -> bool:
        """Whether the service is at work."""
        return self.service in {"active", "reloading"}

    @property
    def is_there(self) -> bool:
        """Whether edge_recog has been installed."""
        return bool(self.environment and self.unit_digest)


def parse_survey(data: bytes) -> Installed:
    """Return what a device says of itself.

    Raises:
        FactsError: It is not what the script writes, whole and in its form.
    """
    told: dict[str, list[str]] = {key: [] for key in _KEYS}
    lines = data.decode("ascii", "replace").split("\n")
    if lines[0] != FIRST_LINE or lines[-2:] != [LAST_LINE, ""]:
        raise FactsError("the answer about what is installed is not whole")
    for number, line in enumerate(lines[1:-2], start=2):
        found = _LINE.fullmatch(line)
        if found is None or found[1] not in told:
            raise FactsError(f"line {number} of what is installed makes no sense")
        told[found[1]].append(found[2])

    def one(key: str) -> str:
        return told[key][0] if told[key] else ""

    rules = [_RULE.fullmatch(text) for text in told["rule"]]
    return Installed(
        environment=_checked("environment", one("environment"), _NAME),
        version=_checked("version", one("version"), _NAME),
        complete=frozenset(_checked("complete", name, _NAME) for name in told["complete"]),
        config=_text(one("config")) if told["config"] else None,
        unit_digest=_checked("unit", one("unit"), _DIGEST),
        anchor_digest=_checked("anchor", one("anchor"), _DIGEST),
        rule_digests={rule[1]: rule[2] for rule in rules if rule is not None},
        has_models=one("models") == "yes",
        store=_store(one("state")),
        has_user=bool(one("user")),
        manager=one("manager"),
        service=one("service"),
        enabled=one("enabled"),
        is_pending=one("pending") == "yes",
        stamp=_checked("stamp", one("stamp"), _DIGEST),
    )


def _checked(key: str, text: str, pattern: re.Pattern[str]) -> str:
    if text and not pattern.fullmatch(text):
        raise FactsError(f"{key} in what is installed makes no sense")
    return text


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FactsError("a file in what is installed arrived damaged") from error


def _text(packed: str) -> str:
    try:
        return _unpacked(packed).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FactsError("the configuration there is no text in UTF-8: correct it") from error


def _store(packed: str) -> State:
    """Return the state of the store; one without models where it is damaged, as the device does."""
    if not packed:
        return State()
    try:
        return decode(_unpacked(packed)) or State()
    except UnusableStoreError as error:
        raise FactsError(f"the models there: {error}") from error
