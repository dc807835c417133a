"""What an installation needs of a set of wheels, and what it lacks: decided for the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_recog_devices.wheels.archives import Wheel


class Closure(NamedTuple):
    """All that a distribution leads to."""

    needed: frozenset[str]
    """Names of distributions that are there."""
    missing: tuple[Requirement, ...]
    """That no wheel meets, without markers, by name."""


def close(
    root: str, extras: Iterable[str], wheels: Mapping[str, Wheel], environment: Mapping[str, str]
) -> Closure:
    """Return what installing a distribution needs.

    Args:
        root: Its name, canonical.
        extras: Of it.
        wheels: By their distribution's name, canonical.
        environment: The target's, for markers.
    """
    needed = {root}
    missing: dict[str, Requirement] = {}
    seen: set[tuple[str, str]] = set()
    # An empty extra stands for the distribution itself.
    left = [(root, extra) for extra in ("", *extras)]
    while left:
        name, extra = left.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in wheels[name].requires:
            if not _applies(requirement, extra, environment):
                continue
            wanted = canonicalize_name(requirement.name)
            found = wheels.get(wanted)
            if found is None or not requirement.specifier.contains(found.version, prereleases=True):
                missing[str(_plain(requirement))] = _plain(requirement)
                continue
            needed.add(wanted)
            asked = map(canonicalize_name, requirement.extras)
            left += [(wanted, one) for one in ("", *asked)]
    return Closure(frozenset(needed), tuple(missing[name] for name in sorted(missing)))


def first_requirements(
    wheel: Wheel, extras: Iterable[str], environment: Mapping[str, str]
) -> list[Requirement]:
    """Return what a wheel itself requires on the target, without markers."""
    return [
        _plain(requirement)
        for requirement in wheel.requires
        if any(_applies(requirement, extra, environment) for extra in ("", *extras))
    ]


def _applies(requirement: Requirement, extra: str, environment: Mapping[str, str]) -> bool:
    """Tell whether a requirement is one of an extra; of none, if that is empty.

    What holds without the extra holds with it too: it is seen twice, which does no harm.
    """
    marker = requirement.marker
    return marker is None or marker.evaluate({**environment, "extra": extra})


def _plain(requirement: Requirement) -> Requirement:
    plain = Requirement(str(requirement))
    plain.marker = None
    return plain
