"""What becomes of a state: values in, values out. No file, no clock.

A transition that changes nothing returns the very state that it was given, so that nothing is
written for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from edge_recog.errors import UsageError
from edge_recog.store.errors import BadVersionError, NoRoomError
from edge_recog.store.state import BUILT_IN, DIGEST, Candidate, State, Trouble

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge_recog.store.state import Version

MOST_TROUBLES: Final = 64
"""Versions whose failures are remembered; the latest."""
_LEAST_PREFIX: Final = 4


def installed(state: State, digest: str, version: Version) -> State:
    """Keep a version, as the newest; one that is kept already only becomes the newest."""
    order = 1 + max((other.order for other in state.versions.values()), default=0)
    known = state.versions.get(digest)
    is_pinned = version.pinned or (known is not None and known.pinned)
    added = {digest: replace(version, order=order, pinned=is_pinned)}
    return replace(state, versions={**state.versions, **added})


def make_room(state: State, size_bytes: int, *, quota_bytes: int) -> State:
    """Let the oldest versions go until there is room for one of this size.

    Raises:
        NoRoomError: Without those that must stay there is not enough either.
    """
    versions = dict(state.versions)
    protected = state.protected
    left = [digest for digest in state.oldest_first if digest not in protected]
    used_bytes = state.used_bytes
    while used_bytes + size_bytes > quota_bytes:
        if not left:
            raise NoRoomError(
                f"it takes {size_bytes / 1e6:.2f} MB and the models that must stay "
                f"{used_bytes / 1e6:.2f} MB of {quota_bytes / 1e6:.2f} MB: unpin or remove some, "
                "or allow more with --quota-mb"
            )
        used_bytes -= versions.pop(left.pop(0)).size_bytes
    if len(versions) == len(state.versions):
        return state
    return replace(state, versions=versions)


def nominated(state: State, digest: str, *, even_if_bad: bool = False) -> State:
    """Make a version the candidate, in the place of another one.

    To nominate the active one is to withdraw the candidate.

    Raises:
        BadVersionError: It failed too often.
    """
    if digest == state.active:
        return withdrawn(state)
    if state.nominee == digest:
        return state
    if not even_if_bad:
        require_good(state, digest)
    # Whoever insists gives it three new chances.
    troubles = state.troubles
    if state.is_bad(digest):
        troubles = {name: kept for name, kept in troubles.items() if name != digest}
    return replace(state, candidate=Candidate(version=digest), troubles=troubles)


def require_good(state: State, digest: str) -> None:
    """Refuse a version that failed too often.

    Raises:
        BadVersionError: It did.
    """
    trouble = state.troubles.get(digest)
    if trouble is not None and trouble.is_bad and digest != state.active:
        raise BadVersionError(
            f"sha256:{digest[:12]} failed {trouble.failures} times in a row, last because "
            f"{trouble.reason}; build another one, or try it all the same with --force"
        )


def withdrawn(state: State) -> State:
    """Have no candidate any more; that says nothing about it."""
    return state if state.candidate is None else replace(state, candidate=None)


def begun(state: State) -> State:
    """Note that a process begins with the candidate."""
    if state.candidate is None:
        return state
    starts = state.candidate.starts + 1
    return replace(state, candidate=replace(state.candidate, is_running=True, starts=starts))


def paused(state: State, digest: str, *, frames: int, healthy_s: float, ran_s: float) -> State:
    """Note that the process with the candidate ends in order, and how far it has come."""
    if state.candidate is None or state.nominee != digest:
        return state
    candidate = replace(
        state.candidate, is_running=False, frames=frames, healthy_s=healthy_s, ran_s=ran_s
    )
    return state if candidate == state.candidate else replace(state, candidate=candidate)


def committed(state: State, digest: str) -> State:
    """Make the candidate the active one; nothing if it is not `digest` any more."""
    if state.candidate is None or state.nominee != digest:
        return state
    troubles = {name: trouble for name, trouble in state.troubles.items() if name != digest}
    return replace(state, active=digest, previous=state.active, candidate=None, troubles=troubles)


def failed(state: State, digest: str, reason: str, *, counts: bool = True) -> State:
    """Go back to the active one; nothing if the candidate is not `digest` any more.

    Args:
        state: Before.
        digest: Of the candidate.
        reason: A sentence, without a full stop.
        counts: Whether the version is to blame.
    """
    if state.candidate is None or state.nominee != digest:
        return state
    state = replace(state, candidate=None)
    if not counts:
        return state
    troubles = dict(state.troubles)
    before = troubles.pop(digest, None)
    failures = 1 if before is None else before.failures + 1
    order = 1 + max((trouble.order for trouble in troubles.values()), default=0)
    troubles[digest] = Trouble(failures=failures, reason=reason, order=order)
    if len(troubles) > MOST_TROUBLES:
        del troubles[min(troubles, key=lambda name: troubles[name].order)]
    return replace(state, troubles=troubles)


def rolled_back(state: State) -> State:
    """Withdraw the candidate; without one, change places with the previous one.

    Raises:
        UsageError: There is no previous one.
    """
    if state.candidate is not None:
        return withdrawn(state)
    if state.previous is None:
        raise UsageError(
            "there is neither a candidate nor a previous model to go back to; "
            "edge-recog model activate names another one"
        )
    return replace(state, active=state.previous, previous=state.active)


def built_in_activated(state: State) -> State:
    """Go back to the model of the package, at once."""
    state = withdrawn(state)
    if state.active == BUILT_IN:
        return state
    return replace(state, active=BUILT_IN, previous=state.active)


def pinned(state: State, digest: str, *, on: bool) -> State:
    """Keep a version from being cleaned up, or no longer."""
    version = state.versions[digest]
    if version.pinned == on:
        return state
    return replace(state, versions={**state.versions, digest: replace(version, pinned=on)})


def removed(state: State, digest: str) -> State:
    """Keep a version no longer.

    Raises:
        UsageError: It is in use or pinned.
    """
    named = {
        "active": state.active,
        "previous": state.previous,
        "candidate": state.nominee,
    }
    used = [place for place, name in named.items() if name == digest]
    if used:
        raise UsageError(f"sha256:{digest[:12]} is the {used[0]} model; activate another one first")
    if state.versions[digest].pinned:
        raise UsageError(
            f"sha256:{digest[:12]} is pinned; edge-recog model pin --off {digest[:12]} unpins it"
        )
    return _without(state, {digest})


def lost(state: State, digests: Collection[str]) -> State:
    """Go on without versions whose files are damaged or gone, whatever they are used for."""
    gone = set(digests) & state.versions.keys()
    if not gone:
        return state
    active, previous, candidate = state.active, state.previous, state.candidate
    if candidate is not None and candidate.version in gone:
        candidate = None
    if previous in gone:
        previous = None
    if active in gone:
        active, previous = previous or BUILT_IN, None
    if candidate is not None and candidate.version == active:
        candidate = None  # It was the previous one, tried anew.
    whole = replace(state, active=active, previous=previous, candidate=candidate)
    return _without(whole, gone)


def resolved(state: State, text: str) -> str:
    """Return the model that somebody means.

    Args:
        state: Of the store.
        text: `built-in`, `active`, `previous`, `candidate`, a model's name, or its id or the first
            digits of it; those of its files will do where it has a compiled twin.

    Raises:
        UsageError: It is none of these, or could be several.
    """
    places = {
        BUILT_IN: BUILT_IN,
        "active": state.active,
        "previous": state.previous,
        "candidate": state.nominee,
    }
    if text in places:
        found = places[text]
        if found is None:
            raise UsageError(f"there is no {text} model")
        return found
    digits = text.removeprefix("sha256:").lower()
    named = [digest for digest in state.oldest_first if state.versions[digest].name == text]
    if not named and len(digits) >= _LEAST_PREFIX:
        named = [digest for digest in state.oldest_first if _is_called(state, digest, digits)]
    if not named:
        hint = "" if DIGEST.fullmatch(digits) else f" ({_LEAST_PREFIX} digits of its id will do)"
        raise UsageError(f"{text}: no such model here{hint}; edge-recog model list shows them")
    if len(named) > 1:
        several = ", ".join(digest[:12] for digest in named)
        raise UsageError(f"{text}: {len(named)} models are called so: name one of {several}")
    return named[0]


def _is_called(state: State, digest: str, digits: str) -> bool:
    twin = state.versions[digest].twin
    ids = (digest,) if twin is None else (digest, twin.model, twin.compiled)
    return any(one.startswith(digits) for one in ids)


def _without(state: State, digests: Collection[str]) -> State:
    kept = {digest: value for digest, value in state.versions.items() if digest not in digests}
    return replace(state, versions=kept)
