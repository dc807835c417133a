"""The page's sections on the machine, the models and the method, and the command to repeat it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from edge_recog.cli.output import size_text
from edge_recog.markup import NOTHING, Markup, escape, joined, name, section, tag
from edge_recog_benchmarks.device.plan import SyntheticFrames
from edge_recog_benchmarks.report.markup import keyed, table
from edge_recog_benchmarks.report.texts import DASH, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import Result

_SCENARIOS = {
    "single-stream": "the next picture as soon as the last one is answered",
    "paced": "pictures arrive at a fixed rate, as from a camera",
    "offline": "all pictures are there, and throughput counts",
    "sustained": "without a pause for minutes, one contestant after the other",
}

_SWITCHES = {"backend": "--backend", "delegate": "--delegate", "xnnpack": "--no-xnnpack"}
"""Option of the runners → what sets it on the command line."""
_DEFAULTS = ("", "auto", "1")
_SAID_ELSEWHERE = ("cores", "load_1min", "measured")
"""Facts of the machine that are in the list already."""


def machine(digest: Digest) -> Markup:
    """Return what is known of the device."""
    machine = digest.result.system.machine
    others = {key: value for key, value in machine.items() if key not in _SAID_ELSEWHERE}
    facts = [*_system_facts(digest.result), *_flat(others)]
    return section(
        f"{digest.key}machine",
        "Machine",
        tag("dl", *(joined([tag("dt", key), tag("dd", value)]) for key, value in facts)),
    )


def models(digest: Digest) -> Markup:
    """Return what ran, exactly."""
    rows = [
        [
            keyed(one.name, index),
            joined([name(one.model.file), tag("small", tag("code", one.model.id))]),
            size_text(one.model.size_bytes),
            one.model.input or DASH,
            str(one.contestant.threads),
            one.runtime or DASH,
        ]
        for index, one in enumerate(digest.result.contestants)
    ]
    columns = ["", "file", "size", "input", "threads", "run by"]
    return section(f"{digest.key}models", "Models", table(columns, rows, numbers=(2, 4)))


def method(digest: Digest) -> Markup:
    """Return how it was measured, and what to type to measure it again."""
    command, missing = repeat(digest.result)
    return section(
        f"{digest.key}method",
        "How it was measured",
        *(tag("p", paragraph) for paragraph in _paragraphs(digest.result)),
        tag("h3", "To measure it again"),
        tag("pre", tag("code", command)),
        tag("p", missing, class_="faint") if missing else NOTHING,
    )


def repeat(result: Result) -> tuple[str, str]:
    """Return the command that repeats a run, and what it leaves out; empty if nothing."""
    plan = result.plan
    words = ["edge-recog", "bench"]
    words += dict.fromkeys(one.model.file for one in result.contestants)
    if result.accuracy is not None:
        words += ["--data", result.accuracy.folder]
    threads = sorted({one.contestant.threads for one in result.contestants})
    words += ["--threads", ",".join(map(str, threads)), "--scenario", plan.scenario]
    if result.device != "local":
        words += ["--device", result.device]
    if plan.scenario == "paced":
        words += ["--fps", plain(1 / plan.period_s)]
    seconds = plan.generations * plan.turns * plan.burst_s
    words += ["--seconds", plain(seconds), "--generations", str(plan.generations)]
    words += ["--burst-seconds", plain(plan.burst_s), "--seed", str(plan.seed)]
    runners = {one.contestant.runner for one in result.contestants}
    if "bare" in runners:
        words.append("--bare")
    if plan.profile:
        words.append("--profile")
    others = sorted(runners - {"classifier", "bare"})
    missing = [f"contestants that another runner ran: {', '.join(others)}"] if others else []
    if result.accuracy is None and not isinstance(plan.frames, SyntheticFrames):
        missing.append("the folder of the pictures (--data)")
    options, unknown = _options(result)
    words += options
    if unknown:
        missing.append(f"options of the runners: {', '.join(unknown)}")
    said = f"Not in the command: {'; '.join(missing)}." if missing else ""
    return shlex.join(words), said


def _options(result: Result) -> tuple[list[str], list[str]]:
    """Return what to say on the command line, and which options cannot be said there."""
    given = sorted({item for one in result.contestants for item in one.contestant.options.items()})
    words: list[str] = []
    unknown = []
    for key, value in given:
        if len([other for other, _ in given if other == key]) > 1 or key not in _SWITCHES:
            unknown.append(f"{key}={value}")
        elif value not in _DEFAULTS:
            words += [_SWITCHES[key]] if key == "xnnpack" else [_SWITCHES[key], value]
    return words, unknown


def _paragraphs(result: Result) -> Iterator[str]:
    plan, frames = result.plan, result.plan.frames
    yield f"Scenario {plan.scenario}: {_SCENARIOS[plan.scenario]}."
    least = f" and {plan.least_samples} samples" if plan.least_samples > 1 else ""
    yield (
        f"Each of {plan.generations} generations started a fresh process for every contestant and "
        f"warmed it up for {plain(plan.warm_up_s)} s. Within a generation the contestants took "
        f"{plan.turns} turns in random order (seed {plan.seed}), each a burst of at least "
        f"{plain(plan.burst_s)} s{least}: what drifts hits all alike, and what differs from "
        "process to process shows between generations."
    )
    if isinstance(frames, SyntheticFrames):
        yield f"Pictures: a moving test card of {frames.width} by {frames.height} pixels."
    else:
        yield f"Pictures: {len(frames.paths)} files, in memory beforehand and decoded each time."
    if result.accuracy is not None:
        data = result.accuracy
        yield (
            f"Accuracy: {len(data.pictures)} pictures of {data.name}, labelled by the same code "
            f"path after the timings; fingerprint {data.fingerprint}."
        )


def _system_facts(result: Result) -> Iterator[tuple[str, object]]:
    system = result.system
    yield "board", system.board or "unknown"
    yield "cores", system.cores
    if system.governor:
        yield "governor", system.governor
    if system.max_frequency_mhz:
        yield "highest frequency", f"{plain(system.max_frequency_mhz)} MHz"
    temperatures = [one.temperature_c for one in result.history if one.temperature_c is not None]
    if temperatures:
        yield "temperature", f"{min(temperatures):.0f} to {max(temperatures):.0f} °C"
    loads = [one.load_1min for one in result.history if one.load_1min is not None]
    if loads:
        yield "load, 1 minute", f"{min(loads):.2f} to {max(loads):.2f}"


def _flat(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield plain values, those of nested tables under both names."""
    for key, value in facts.items():
        label = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{label}: ")
        elif key.endswith("_bytes") and isinstance(value, int):
            yield label.removesuffix(" bytes"), size_text(value)
        elif isinstance(value, list):
            yield label, escape(", ".join(map(str, value)))
        elif value not in (None, ""):
            yield label, escape(value)
