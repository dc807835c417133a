"""What a device is asked to measure: one JSON document from the workstation to the conductor."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Scenario = Literal["single-stream", "paced", "offline", "sustained"]
"""`single-stream`: the next picture as soon as the last is answered. `paced`: pictures arrive at a
fixed rate, as from a camera. `offline`: all pictures are there, throughput counts. `sustained`:
single-stream without a pause for minutes, one contestant after the other."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Contestant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way of running one model."""

    name: str
    """Unique within a plan; what tables say."""
    model: str
    """Path of the model file on the device."""
    runner: str = "classifier"
    """A key of `edge_recog_benchmarks.device.runners.RUNNERS`."""
    threads: Count = 1
    python: str = ""
    """The Python that runs it, where it has an environment of its own; empty for the device's."""
    options: dict[str, str] = {}
    """What else the runner knows: `backend`, `delegate`, `xnnpack`, …"""


class SyntheticFrames(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="synthetic"
):
    """A moving test card, as a camera would deliver it: nothing to decode."""

    width: Count = 640
    height: Count = 480
    count: Count = 8


class PictureFrames(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="pictures"
):
    """Encoded pictures, read into memory beforehand and decoded each time."""

    paths: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """On the device."""


Frames = SyntheticFrames | PictureFrames


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole run.

    A *generation* starts a fresh process for every contestant. Within it contestants take *turns*
    in an order drawn anew each time; a turn is one *burst* of samples of each contestant. What
    drifts (clock frequency, neighbours) therefore hits all alike, and what differs from process to
    process (where memory landed) is seen between generations.
    """

    contestants: Annotated[tuple[Contestant, ...], msgspec.Meta(min_length=1)]
    scenario: Scenario = "single-stream"
    frames: Frames = msgspec.field(default_factory=SyntheticFrames)
    generations: Count = 10
    turns: Count = 10
    """In each generation."""
    burst_s: Positive = 0.1
    """Least duration of a burst."""
    least_samples: Count = 1
    """In each burst, however long they take."""
    warm_up_s: Annotated[float, msgspec.Meta(ge=0)] = 0.3
    """Of each process, not counted."""
    period_s: Positive = 1 / 15
    """Between pictures, for `paced`."""
    accuracy: tuple[str, ...] = ()
    """Paths, on the device, of the pictures that every contestant labels once, after the timings;
    empty for none."""
    all_scores: bool = False
    """Keep every score of a labelled picture (several labels a picture), not only the best five."""
    profile: bool = False
    """Ask for the time of each operator, after everything else."""
    seed: int = 1
    time_limit_s: Positive = 120.0
    """For one answer of one process; then it counts as hung."""
    system_root: str = "/"
    """Where the files are that tell frequency, temperature and load; tests put others there."""
