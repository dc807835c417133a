"""From what a user asks for to a plan."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge_recog.bundle import Bundle, read_model_file
from edge_recog.cameras.images import image_paths, read_image
from edge_recog.errors import (
    BundleError,
    MissingContractError,
    SourceError,
    UnsupportedModelError,
    UsageError,
)
from edge_recog.tflite import read_model
from edge_recog_benchmarks.device.events import ModelFacts
from edge_recog_benchmarks.device.plan import Contestant, PictureFrames, Plan, SyntheticFrames
from edge_recog_benchmarks.labelled import find_labelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_benchmarks.device.plan import Scenario
    from edge_recog_benchmarks.results import AccuracyData

_Item = TypeVar("_Item")

MOST_FRAMES = 32
"""Pictures that are answered in turn while time is taken; they are kept in memory."""


@dataclass(frozen=True)
class Shape:
    """How the time of one contestant is cut up."""

    seconds: float
    generations: int
    burst_s: float


SHAPES: Mapping[Scenario, Shape] = {
    "single-stream": Shape(seconds=10.0, generations=10, burst_s=0.1),
    "paced": Shape(seconds=20.0, generations=5, burst_s=2.0),
    "offline": Shape(seconds=10.0, generations=5, burst_s=0.5),
    "sustained": Shape(seconds=600.0, generations=1, burst_s=1.0),
}
"""Defaults. Ten generations give an interval of a ratio from ten pairs of processes."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a user asks for; None takes the scenario's default."""

    models: Sequence[Path]
    data: Path | None = None
    accuracy: bool = True
    """Label the pictures of `data` as well."""
    threads: Sequence[int] = (1,)
    scenario: Scenario = "single-stream"
    seconds: float | None = None
    """Of each contestant."""
    generations: int | None = None
    burst_s: float | None = None
    pictures_per_s: float = 15.0
    """For `paced`."""
    bare: bool = False
    """Measure the interpreter alone as well."""
    profile: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """For the runners."""
    seed: int = 1
    system_root: str = "/"


@dataclass(frozen=True)
class Prepared:
    """A plan and what the result needs to know beside it."""

    plan: Plan
    models: Mapping[str, ModelFacts]
    """By path."""
    accuracy: AccuracyData | None
    notes: tuple[str, ...]
    """What the user should know before it starts."""


def prepare(wish: Wish) -> Prepared:
    """Return a plan.

    Raises:
        BundleError: A model cannot be used.
        SourceError: The folder of pictures cannot be read.
        UsageError: A wish cannot be met.
    """
    notes: list[str] = []
    bundles: dict[Path, Bundle | None] = {}
    models = {}
    for path in dict.fromkeys(wish.models):
        bundles[path], models[str(path)], note = _look_at(path)
        notes += note
    frames: PictureFrames | SyntheticFrames = SyntheticFrames()
    accuracy = None
    labelled: tuple[str, ...] = ()
    if wish.data is not None:
        if wish.accuracy:
            accuracy = _labelled(wish.data, bundles)
        if accuracy is not None:
            root = Path(accuracy.folder)
            labelled = tuple(str(root / picture.id) for picture in accuracy.pictures)
        pictures = labelled or tuple(map(str, image_paths(wish.data)))
        frames, damaged = _decodable(spread(pictures, MOST_FRAMES))
        notes += [f"left out while time is taken: {reason}" for reason in damaged]
    given = SHAPES[wish.scenario]
    seconds = given.seconds if wish.seconds is None else wish.seconds
    generations = given.generations if wish.generations is None else wish.generations
    burst_s = given.burst_s if wish.burst_s is None else wish.burst_s
    plan = Plan(
        contestants=_contestants(wish, bundles),
        scenario=wish.scenario,
        frames=frames,
        generations=generations,
        turns=max(1, round(seconds / generations / burst_s)),
        burst_s=burst_s,
        period_s=1 / wish.pictures_per_s,
        accuracy=labelled,
        all_scores=accuracy is not None and accuracy.task == "multi-label",
        profile=wish.profile,
        seed=wish.seed,
        system_root=wish.system_root,
    )
    return Prepared(plan, models, accuracy, tuple(notes))


def read_threads(text: str) -> tuple[int, ...]:
    """Return the numbers of a list like `1,2,4`.

    Raises:
        UsageError: It is none.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise UsageError(f"--threads {text!r}: write whole numbers from 1 up, as in 1,2,4")
    return tuple(dict.fromkeys(int(part) for part in parts))


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return at most `count` items, evenly spread over all of them."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def _decodable(paths: Sequence[str]) -> tuple[PictureFrames, list[str]]:
    """Return the pictures that can be decoded, and what is wrong with the others.

    Raises:
        SourceError: None of them can.
    """
    good, damaged = [], []
    for path in paths:
        try:
            read_image(Path(path))
            good.append(path)
        except SourceError as error:
            damaged.append(str(error))
    if not good:
        raise SourceError(damaged[0])
    return PictureFrames(paths=tuple(good)), damaged


def _look_at(path: Path) -> tuple[Bundle | None, ModelFacts, list[str]]:
    """Return a model, its facts, and what is to be said of it.

    Raises:
        BundleError: It cannot be run at all.
    """
    data = read_model_file(path)
    facts: dict[str, Any] = {
        "file": path.name,
        "id": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size_bytes": len(data),
    }
    try:
        bundle = Bundle.from_bytes(data, where=str(path))
    except (MissingContractError, UnsupportedModelError) as error:
        # It has no contract, or is no classifier: its speed can be told all the same.
        try:
            model = read_model(data)
        except BundleError as broken:
            raise type(broken)(f"{path}: {broken}") from broken
        inputs = ", ".join(map(str, model.input_specs()))
        note = f"only invoke is measured, on random input: {error}"
        return None, ModelFacts(**facts, name=path.stem, input=inputs), [note]
    return (
        bundle,
        ModelFacts(
            **facts,
            name=bundle.name,
            input=str(bundle.inputs),
            labels=bundle.labels,
            task=bundle.contract.task,
        ),
        [],
    )


def _labelled(folder: Path, bundles: Mapping[Path, Bundle | None]) -> AccuracyData | None:
    """Return the labelled pictures for all models that have labels.

    Raises:
        UsageError: The models have different labels, or the folder has other ones.
    """
    with_labels = {path: bundle for path, bundle in bundles.items() if bundle is not None}
    if not with_labels:
        return None
    (first, reference), *others = with_labels.items()
    for path, bundle in others:
        if bundle.labels != reference.labels:
            raise UsageError(
                f"{path} and {first} have different labels, so that their accuracy cannot be "
                "compared: measure them apart, or add --no-accuracy"
            )
    try:
        return find_labelled(folder, reference.labels, reference.contract.task)
    except UsageError as error:
        raise UsageError(f"{error} (--no-accuracy measures speed alone)") from error


def _contestants(wish: Wish, bundles: Mapping[Path, Bundle | None]) -> tuple[Contestant, ...]:
    stems = Counter(path.stem for path in bundles)
    names: Counter[str] = Counter()
    contestants = []
    for path in wish.models:
        plain = path.stem if stems[path.stem] == 1 else f"{path.parent.name}/{path.stem}"
        for threads in wish.threads:
            runners = ["bare"] if bundles[path] is None else ["classifier"]
            if wish.bare and bundles[path] is not None:
                runners.append("bare")
            for runner in runners:
                name = plain if len(wish.threads) == 1 else f"{plain} ({_threads(threads)})"
                if wish.bare and runner == "bare":
                    name += " (bare)"
                names[name] += 1
                if names[name] > 1:
                    name += f" #{names[name]}"
                contestants.append(
                    Contestant(
                        name=name,
                        model=str(path),
                        runner=runner,
                        threads=threads,
                        options=dict(wish.options),
                    )
                )
    return tuple(contestants)


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"
