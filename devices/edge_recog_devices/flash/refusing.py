"""What keeps a device from being flashed: known before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog.store import transitions
from edge_recog_devices.errors import UnfitError
from edge_recog_devices.flash.steps import MakeEnvironment, SendModel, SendWheels
from edge_recog_devices.probing import is_fit, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.service.config.sections import Config
    from edge_recog_devices.flash.places import Places
    from edge_recog_devices.flash.state import Installed
    from edge_recog_devices.flash.steps import Step
    from edge_recog_devices.flash.wanted import Wanted
    from edge_recog_devices.probing import Facts
    from edge_recog_devices.profiles import Profile

_ALWAYS: Final = ("board", "architecture", "file-system", "services", "clock")
"""Judgements that count for every change; those of Python and space only where it is needed."""
_MODEL_COPIES: Final = 4
"""Of a model, while it is sent and kept."""
_SPARE_MB: Final = 5.0


def refuse_unfit(facts: Facts, profile: Profile | None, *, is_there: bool) -> None:
    """Refuse a device on which it cannot work.

    Args:
        facts: Of the device.
        profile: That it has; None if none is about it.
        is_there: Whether edge_recog is installed there already.

    Raises:
        UnfitError: It cannot; the message tells what to do first.
    """
    rows = [row for row in judge(facts, profile) if row.id in _ALWAYS or not is_there]
    if is_fit(rows):
        return
    wrong = [row.finding for row in rows if row.finding.outcome == "bad"]
    first = wrong[0]
    more = f" (and {len(wrong) - 1} more: edge-recog devices probe)" if len(wrong) > 1 else ""
    raise UnfitError(f"{first.evidence}: {first.fix}{more}")


def refuse_powerless(facts: Facts, places: Places, installed: Installed | None = None) -> None:
    """Refuse where whoever is logged in may not do what is needed.

    Raises:
        UnfitError: They may not become root, or no service manager answers.
    """
    if places.scope == "system" and facts.sudo in {"password", "absent"}:
        how = "sudo asks for a password" if facts.sudo == "password" else "there is no sudo"
        raise UnfitError(
            f"{facts.user} may not become root: {how}; log in as root, allow {facts.user} sudo "
            "without a password, or install for this user alone with --user"
        )
    if places.scope == "system" and facts.systemd is None:
        raise UnfitError("no systemd runs there, and nothing else would start the service")
    if installed is not None and installed.manager != "ok":
        said = installed.manager or "it says nothing"
        raise UnfitError(f"its service manager does not answer {facts.user}: {said}")


def refuse_steps(facts: Facts, profile: Profile, steps: Sequence[Step]) -> None:
    """Refuse what there is no space for.

    Raises:
        UnfitError: There is not enough.
    """
    if facts.folder.free_kib is None:
        return
    needed_mb = _SPARE_MB
    for step in steps:
        if isinstance(step, MakeEnvironment):
            needed_mb += profile.budgets.disk_mb
        elif isinstance(step, SendWheels) and step.runtime.manifest is not None:
            needed_mb += step.runtime.manifest.size / 1e6
        elif isinstance(step, SendModel):
            needed_mb += _MODEL_COPIES * len(step.model.data) / 1e6
    free_mb = facts.folder.free_kib * 1024 / 1e6
    if free_mb < needed_mb:
        raise UnfitError(
            f"{free_mb:,.0f} MB are free for {facts.folder.path}, and {needed_mb:,.0f} MB are "
            "needed: make room (sudo apt clean), or use a larger card"
        )


def refuse_unanchored(
    config: Config, places: Places, anchor: bytes | None, *, is_there: bool
) -> None:
    """Refuse a configuration and a root of updates that have nothing to do with each other.

    Args:
        config: That the device will have.
        places: On it.
        anchor: The root that it will be given.
        is_there: Whether it has one, or nobody asks.

    Raises:
        UsageError: The root would not be looked at, or is missing.
    """
    updates = config.updates
    if anchor is None:
        if updates is not None and updates.root_file == places.anchor and not is_there:
            raise UsageError(
                "the configuration follows updates, but the device knows nobody whose updates to "
                "trust: --updates-root FOLDER.keys/1.root.json"
            )
    elif updates is None:
        raise UsageError(
            "the configuration follows no updates, so --updates-root is of no use: write [updates] "
            "and url into it, and give it with --config"
        )
    elif updates.root_file != places.anchor:
        raise UsageError(
            f"the configuration looks for the root of updates at {updates.root_file}, and it will "
            f'be at another place: write root_file = "{places.anchor}"'
        )


def refuse_bad(installed: Installed, wanted: Wanted) -> None:
    """Refuse a model that has failed on this device too often.

    Raises:
        BadVersionError: It has, and nobody insists.
    """
    if not wanted.admission.insist:
        transitions.require_good(installed.store, wanted.model.digest)
