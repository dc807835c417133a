"""A run's result: everything that was measured, as one JSON file.

Raw samples are kept and figures are computed from them, so that a later version can compute others.
Format history of `schema_version`:

- 1: first version.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog.files import write_file
from edge_recog_benchmarks.device.events import (
    Answer,
    Burst,
    Ended,
    Failed,
    ModelFacts,
    Profiled,
    Started,
    SystemFacts,
    SystemSample,
)
from edge_recog_benchmarks.device.plan import Contestant, Plan

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1


class ResultError(EdgeRecogError, ValueError):
    """A result file cannot be used."""


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that speaks against believing a run, or should be known of it."""

    severity: Literal["invalid", "warning"]
    kind: str
    """Short and stable, for programs: `throttled`, `too-short`, `noisy`, …"""
    contestant: str = ""
    """Empty if it concerns all."""
    reason: str
    advice: str
    """What to do."""


class LabelledPicture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One picture whose labels are known."""

    id: str
    """Its path below the data folder, with forward slashes."""
    labels: tuple[int, ...]
    """Indices into `AccuracyData.labels`; one of them for a single-label task."""


class AccuracyData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The labelled pictures of a run."""

    name: str
    """Of the folder."""
    folder: str
    """Where it was, so that a report can show pictures."""
    fingerprint: str
    """SHA-256 over the sorted digests of the pictures and their labels."""
    labels: tuple[str, ...]
    """In the order of the models' outputs."""
    task: Literal["single-label", "multi-label"]
    pictures: tuple[LabelledPicture, ...]


class ContestantResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was measured of one contestant."""

    contestant: Contestant
    model: ModelFacts
    starts: tuple[Started, ...] = ()
    """Without the rehearsal."""
    ends: tuple[Ended, ...] = ()
    bursts: tuple[Burst, ...] = ()
    answers: tuple[Answer, ...] = ()
    """To the pictures of `Result.accuracy`, by picture."""
    unreadable: dict[int, str] = {}
    failed: Failed | None = None
    profiled: Profiled | None = None
    """None where nobody asked."""
    energy_j: float | None = None
    """Of one picture, idle power included, from RAPL or a power meter; None where not measured."""

    @property
    def name(self) -> str:
        """What tables say."""
        return self.contestant.name

    @property
    def runtime(self) -> str:
        """What ran the model; empty if it never ran."""
        return self.starts[0].runtime if self.starts else ""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that were timed, `end_to_end` last; none for throughput only."""
        return tuple(self.bursts[0].samples) if self.bursts else ()

    def samples(self, stage: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return all samples of a stage: (samples,) int64 nanoseconds, in the order taken."""
        parts = [burst.samples.get(stage, ()) for burst in self.bursts]
        return np.array([value for part in parts for value in part], np.int64)


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """One run."""

    schema_version: Annotated[int, msgspec.Meta(ge=1)] = SCHEMA_VERSION
    created: str
    """RFC 3339, UTC."""
    device: str
    """`local` or `ssh://user@host`."""
    plan: Plan
    system: SystemFacts
    history: tuple[SystemSample, ...] = ()
    """Before, during and after."""
    contestants: tuple[ContestantResult, ...]
    accuracy: AccuracyData | None = None
    findings: tuple[Finding, ...] = ()
    complete: bool
    """False if it was stopped, or the device was lost, half way."""

    @property
    def valid(self) -> bool:
        """Tell whether nothing speaks against its figures."""
        return not any(finding.severity == "invalid" for finding in self.findings)

    @functools.cached_property
    def by_name(self) -> dict[str, ContestantResult]:
        """The contestants by their names."""
        return {one.name: one for one in self.contestants}


def write_result(result: Result, path: Path, *, force: bool) -> None:
    """Write a result file.

    Raises:
        UsageError: It exists and `force` is not given, or it cannot be written.
    """
    write_file(path, encode_result(result), force=force)


def encode_result(result: Result) -> bytes:
    """Return the JSON document: UTF-8, one line for each contestant's lists."""
    return msgspec.json.encode(result) + b"\n"


def read_result(path: Path) -> Result:
    """Return the result in a file.

    Raises:
        ResultError: It is not one, is damaged, or of a schema_version that is not known here.
        UsageError: It cannot be read.
    """
    try:
        document = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return decode_result(document, where=str(path))


def decode_result(document: bytes, *, where: str) -> Result:
    """Return the result of a JSON document; errors as in `read_result`."""
    try:
        version = msgspec.json.decode(document, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            raise ResultError(
                f"{where}: this result has schema_version {version}, this edge-recog reads "
                f"{SCHEMA_VERSION}; upgrade edge-recog-benchmarks, or measure again"
            )
        return msgspec.json.decode(document, type=Result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultError(f"{where}: not a benchmark result: {error}") from error


class _Version(msgspec.Struct):
    schema_version: int
