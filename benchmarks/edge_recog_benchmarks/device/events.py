"""What the conductor tells while it measures: one JSON document a line, the newest fact each.

Times called `at_ns` and `started_ns` are nanoseconds of the device's monotonic clock since the run
began.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge_recog_benchmarks.device.profile import Profile


class Event(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="event"
):
    """One line."""


class SystemSample(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="system"):
    """The state of the machine at one moment. None or empty: this machine does not tell."""

    at_ns: int
    temperature_c: float | None = None
    """Of the hottest thermal zone."""
    frequencies_mhz: tuple[float, ...] = ()
    """Of each core."""
    throttled: int | None = None
    """Raspberry Pi's `vcgencmd get_throttled`: bits 0-3 now, bits 16-19 since it booted."""
    load_1min: float | None = None
    cpu_ns: tuple[int, int, int] | None = None
    """Of all cores since boot: busy (user, nice, system, irq), stolen by the hypervisor, and all
    together."""
    own_cpu_ns: int = 0
    """Used by the conductor and the processes it measures, since the run began."""
    energy_uj: int | None = None
    """Of all packages (RAPL) since the run began."""
    wall_clock_s: float = 0.0
    """Seconds since 1970, by the clock that may be set."""


class SystemFacts(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="system-facts"):
    """What does not change while measuring."""

    governor: str = ""
    """Of the cores' clock; several are joined by commas."""
    max_frequency_mhz: float | None = None
    cores: int
    """That the measured processes may use."""
    board: str = ""
    """As the device tree names it: `Raspberry Pi 5 Model B Rev 1.0`."""
    machine: dict[str, Any]
    """Processor, memory, operating system, versions."""


class ModelFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model file is."""

    file: str
    name: str
    id: str
    """`sha256:` and 64 hexadecimal digits."""
    size_bytes: int
    input: str = ""
    """Shape and dtype of its first input."""
    labels: tuple[str, ...] | None = None
    """None where it has no contract."""
    task: str = "single-label"


class Started(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="started"):
    """A process has given its first answer."""

    contestant: str
    generation: int
    runtime: str
    """What runs the model."""
    stages: tuple[str, ...]
    """That it can time, `end_to_end` not among them."""
    load_ns: int
    """Opening the model."""
    first_answer_ns: int
    """From the start of the process to its first answer, imports and loading included."""
    rehearsal: bool = False
    """The uncounted first start, which fills caches and finds out whether it runs at all."""


class Ended(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="ended"):
    """A process has ended as it should."""

    contestant: str
    generation: int
    peak_rss_bytes: int
    steady_rss_bytes: int
    """When it had done its work."""


class Burst(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="burst"):
    """Samples taken without a pause."""

    contestant: str
    generation: int
    turn: int
    started_ns: int
    elapsed_ns: int
    """From the first sample's start to the last one's end."""
    samples: dict[str, tuple[int, ...]]
    """Nanoseconds by stage, in the order taken, all of one length; `end_to_end` is one of them."""
    pictures: int
    """Answered; more than the samples for `offline`, where only throughput is measured."""
    dropped: int = 0
    """Pictures that a newer one overtook (`paced`)."""
    switches: int = 0
    """Times the kernel took the core away from the process."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model said of one labelled picture."""

    picture: int
    """Index into the plan's `accuracy`."""
    top: tuple[int, ...]
    """The best five labels, best first; all of them with `all_scores`."""
    scores: tuple[float, ...]
    """0-1, of `top`."""


class Answers(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="answers"):
    """Some of the labelled pictures."""

    contestant: str
    answers: tuple[Answer, ...]
    unreadable: dict[int, str] = {}
    """Pictures that could not be decoded, and why."""


class Profiled(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="profiled"):
    """Where the time of one inference goes; taken after everything else."""

    contestant: str
    profile: Profile | None = None
    reason: str = ""
    """Why there is no profile."""


class Failed(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="failed"):
    """A contestant is out; the others go on."""

    contestant: str
    generation: int
    reason: str


class Done(Event, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="done"):
    """The run is over."""

    complete: bool
    """False if it was stopped."""


AnyEvent = SystemSample | SystemFacts | Started | Ended | Burst | Answers | Profiled | Failed | Done
