"""The report of a build: one JSON document, which the page is made of.

Format history of `schema_version`:

- 1: first version.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA_VERSION = 1


class ClassFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How a model does on one class; a ratio of nothing to nothing is None."""

    label: str
    support: int
    """Pictures that have the label."""
    precision: float | None
    """Share of the pictures said to have it that do, 0-1."""
    recall: float | None
    """Share of the pictures that have it that are said to, 0-1."""
    f1: float | None
    """Harmonic mean of the two, 0-1; 0 if there are such pictures and none is found."""
    average_precision: float | None = None
    """Of the ranking by score, 0-1; multi-label only."""


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of which a model is about equally sure."""

    confidence: float
    """Mean score, 0-1."""
    accuracy: float
    """Share that is right, 0-1."""
    count: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Whether scores mean what they say."""

    negative_log_likelihood: float
    """Mean; of multi-label, over pictures and labels."""
    expected_calibration_error: float
    """0-1, over 15 bins of equally many."""
    bins: tuple[Bin, ...]


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A picture on which a model is sure, and wrong."""

    id: str
    said: tuple[str, ...]
    """The best label; of multi-label, all at or above their thresholds."""
    right: tuple[str, ...]
    score: float
    """0-1, of the wrong answer; of multi-label, how far the worst label is on the wrong side."""


class ModelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How one of the two model files does on the test split, each run as it ships."""

    kind: Literal["float", "int8"]
    top1: float | None
    """Share of pictures whose best label is right, 0-1; None for multi-label."""
    macro_f1: float | None
    """Mean over the classes that have one, 0-1."""
    micro_f1: float | None
    """Of all labels of all pictures taken together, 0-1; for single-label the same as `top1`."""
    mean_average_precision: float | None
    """Mean over the labels that have one, 0-1; None for single-label."""
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...] | None
    """Rows: the right label; columns: what was said. None for multi-label."""
    uncalibrated: Calibration
    """With a temperature of 1."""
    calibrated: Calibration
    """With the model's temperature, which was fitted on validation."""
    mistakes: tuple[Mistake, ...]
    """The surest ones first."""
    invoke_ms: tuple[float, float]
    """Median and 90th percentile of the interpreter's run on this machine."""
    size_bytes: int


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """How training stood after one epoch."""

    number: int
    """From 1."""
    loss: float
    """Mean over the epoch, of augmented pictures."""
    validation_loss: float
    score: float
    """On validation, 0-1: top-1, or mean average precision for multi-label."""
    rate: float
    """Learning rate at its end."""
    seconds: float
    waiting_s: float
    """Of them, waiting for pictures."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage in which something was learned."""

    kind: Literal["head", "train", "distill", "prune", "sparsify"]
    best: int
    """Number of the epoch whose weights were kept."""
    seconds: float
    resumed_after: int
    """Epochs done by a process before this one."""
    epochs: tuple[Epoch, ...]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A network on the way to the one that ships: what it costs and how good it is."""

    name: str
    """Such as `train`, `prune 2 of 3` or `INT8`."""
    score: float
    """Of validation, 0-1: top-1, or mean average precision for multi-label."""
    invoke_ms: float
    """Median run of its INT8 file, 1 thread, on this machine."""
    speed_up: float
    """Of the first point, timed alternately with this one, over this one; 1 for the first."""
    size_bytes: int
    """Of its INT8 file without metadata."""
    macs: int
    """Multiply-accumulates for one picture."""
    parameters: int


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """What quantisation changed among the pictures of one class."""

    label: str
    lost: int
    """Pictures that only float gets right."""
    won: int
    """Pictures that only INT8 gets right."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One way to quantise, judged on validation against the float network."""

    rung: str
    """Such as `post-training` or `quantisation-aware training`."""
    detail: str
    """How, in some words."""
    converter: str
    """Which program wrote the file, and its version."""
    accepted: bool
    reason: str
    """Why not; empty if it was accepted."""
    count: int
    """Pictures it was judged on."""
    drop: float
    """Score of float less that of this file, 0-1; negative where this file is better."""
    drop_low: float
    """Lower end of the drop's interval at the stated confidence."""
    drop_high: float
    agreement: float
    """Share of pictures of which both say the same, 0-1."""
    p_value: float
    """Of McNemar's exact test, one-sided: the chance of so many more lost than won pictures if
    nothing were lost."""
    smallest_loss_shown: float
    """The least loss that so many pictures could have shown at the stated confidence, 0-1."""
    lost: tuple[Lost, ...]
    """Classes in which something changed, most lost first."""
    calibration_error: float
    """Expected, of this file, 0-1."""
    float_calibration_error: float
    invoke_ms: float
    """Median run of this file, 1 thread."""
    size_bytes: int
    seconds: float
    """That it took to make and judge."""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What there was to learn from."""

    name: str
    """Of the folder."""
    fingerprint: str
    """SHA-256 over the sorted digests of the pictures."""
    task: Literal["single-label", "multi-label"]
    labels: tuple[str, ...]
    pictures: dict[str, int]
    """Split → pictures that could be read."""
    counts: dict[str, tuple[int, ...]]
    """Split → pictures of each label, in label order."""
    skipped: dict[str, str]
    """Id of each file that cannot be read → why."""


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A picture on which the two models disagree."""

    id: str
    float: tuple[str, ...]
    int8: tuple[str, ...]


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """INT8 beside float on the test split."""

    agreement: float
    """Share of pictures of which both say the same, 0-1: the best label, or for multi-label all
    labels at or above their thresholds."""
    largest_difference: float
    """Of any label's score on any picture, 0-1."""
    flips: tuple[Flip, ...]


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """A further kind of file of the same float network, on the test split, run as it ships."""

    kind: str
    """Such as `float16`."""
    score: float
    """0-1: top-1, or mean average precision for multi-label."""
    agreement: float
    """Share of pictures of which it says what float says, 0-1."""
    invoke_ms: tuple[float, float]
    """Median and 90th percentile of the interpreter's run on this machine."""
    size_bytes: int


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must hold on a device."""

    title: str
    outcome: Literal["good", "warning", "bad"]
    text: str
    """A sentence without a full stop."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """The device that the model is for, and what could be said of it there."""

    name: str
    """Of its profile."""
    title: str
    threads: int
    """With which files were timed."""
    checks: tuple[Check, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema_version: int
    name: str
    created: str
    """RFC 3339, UTC."""
    recipe: str
    """Its text (TOML)."""
    parameters: int
    """Of the float network."""
    input: str
    """Such as `224 x 224 RGB`."""
    data: Data
    stages: tuple[Stage, ...]
    temperature: float
    """Divides the logits; fitted on validation."""
    thresholds: tuple[float, ...] | None
    """Least score of each label, tuned on validation; None for single-label."""
    models: tuple[ModelFigures, ModelFigures]
    """Float, INT8."""
    parity: Parity
    points: tuple[Point, ...] = ()
    """Networks on the way, the first one first; none where nothing was made smaller."""
    attempts: tuple[Attempt, ...] = ()
    """Ways to quantise that were tried, in their order; the last one ships. None where nothing was
    demanded of the INT8 model."""
    others: tuple[Other, ...] = ()
    """Further kinds of files, which the recipe asked for."""
    device: Device | None = None
    """None where the recipe names none."""
    seconds: float
    """Of the whole build, by the process that ended it."""
    peak_memory_mb: float
    """Largest resident memory of that process, in 10^6 bytes."""
    machine: dict[str, str]
    """Processor, cores, system."""
    tools: dict[str, str]
    """Versions."""
