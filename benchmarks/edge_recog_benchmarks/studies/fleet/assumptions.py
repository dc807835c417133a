"""What the simulation takes for granted, because no code decides it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Of devices, network and publisher. Ranges are drawn from evenly."""

    away: float = 0.02
    """Share of looks that fail because there is no network."""
    download_kb_s: tuple[float, float] = (100.0, 10_000.0)
    """Of one device, in 1000 bytes a second; drawn evenly in the logarithm."""
    tryout_s: tuple[float, float] = (2.0, 10.0)
    """For the checks before a trial."""
    prove_s: tuple[float, float] = (330.0, 1000.0)
    """Until a candidate is committed: 10,000 frames at 30 to 10 a second."""
    unlucky: float = 0.005
    """Share of sound trials that fail all the same: power cuts, worn-out cards."""
    report_s: float = 1.0
    """From a device to who watches, by MQTT."""
    stop_s: float = 5.0
    """To sign a stop and put it onto the server."""
    cache_s: float = 60.0
    """For as long as a cache on the way may hand out the timestamp of before."""


@dataclass(frozen=True, slots=True)
class Release:
    """How a release behaves; the devices do not know."""

    fails: float
    """Share of the devices on which it fails."""
    fails_after_s: tuple[float, float] = (1.0, 60.0)
    """From the start of its trial."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is published, and when."""

    name: str
    title: str
    release: Release
    stages: tuple[tuple[float, float], ...]
    """Hours from the beginning, and the share from then on, 0 to 1."""
    hours: float
    """That are simulated. At the beginning all devices start at the same moment, as after a power
    cut; after some hours they come as if they had been looking for long."""


SOUND = Release(fails=0.0)
SCENARIOS = (
    Scenario(
        "sound",
        "a sound release: 1 %, 10 %, 50 %, 100 %",
        SOUND,
        ((4.0, 0.01), (8.0, 0.1), (12.0, 0.5), (16.0, 1.0)),
        hours=20.0,
    ),
    Scenario("at-once", "a sound release to all devices at once", SOUND, ((4.0, 1.0),), hours=7.0),
    Scenario(
        "power-cut",
        "all devices start at the same moment, and a release waits for them",
        SOUND,
        ((-1.0, 1.0),),
        hours=3.0,
    ),
    Scenario(
        "bad-1",
        "fails everywhere within a minute; 1 % first",
        Release(fails=1.0),
        ((4.0, 0.01),),
        hours=7.0,
    ),
    Scenario(
        "bad-10",
        "fails everywhere within a minute; 10 % first",
        Release(fails=1.0),
        ((4.0, 0.1),),
        hours=7.0,
    ),
    Scenario(
        "slowly-bad-1",
        "fails everywhere after 4 to 5 minutes; 1 % first",
        Release(fails=1.0, fails_after_s=(240.0, 300.0)),
        ((4.0, 0.01),),
        hours=7.0,
    ),
    Scenario(
        "slowly-bad-10",
        "fails everywhere after 4 to 5 minutes; 10 % first",
        Release(fails=1.0, fails_after_s=(240.0, 300.0)),
        ((4.0, 0.1),),
        hours=7.0,
    ),
    Scenario(
        "a-fifth-bad-1",
        "fails on one device of five within a minute; 1 % first",
        Release(fails=0.2),
        ((4.0, 0.01),),
        hours=7.0,
    ),
    Scenario(
        "bad-100",
        "fails everywhere within a minute; all at once, as one should not",
        Release(fails=1.0),
        ((4.0, 1.0),),
        hours=7.0,
    ),
)
