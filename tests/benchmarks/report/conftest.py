"""A result as a Raspberry Pi would give it, made up: latencies and answers are drawn by a seed."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_benchmarks.device.events import Answer, Failed, Profiled, SystemSample
from edge_recog_benchmarks.device.profile import OperatorTime, Profile
from edge_recog_benchmarks.results import AccuracyData, ContestantResult, Finding, LabelledPicture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edge_recog_benchmarks.results import Result

CONTESTANTS = {
    "mobilenet_v2_1.0_224_float": (19.4, 0.915, "float32 [1, 224, 224, 3]", 14_000_000),
    "mobilenet_v2_1.0_224_quant": (9.6, 0.0, "uint8 [1, 224, 224, 3]", 3_600_000),
}
"""Name → latency in ms, share right (of the second: as the first, but for a few), input, size."""
GENERATIONS, TURNS = 10, 10


class Outline(HTMLParser):
    """What a page consists of; complains about an element that is not closed, or not opened."""

    VOID = frozenset({"meta", "link", "img", "br", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def outline() -> type[Outline]:
    """Return what reads a page."""
    return Outline


@pytest.fixture
def hostile_name() -> str:
    """Return a name that is markup, mathematics, a command, writes backwards and is long."""
    return (
        "=<script>alert(1)</script>\"'&amp;$x^2$ `rm` | \u202e\u0645\u0631\u062d\u0628\u0627 \x07"
        "@name0@ ](javascript:alert(2))\n" + "long" * 40
    )


@pytest.fixture
def realistic(make_result: Callable[..., Result], shared_data: Path) -> Result:
    """Return two models on a Raspberry Pi 5 that labelled photographs of clothing."""
    return _realistic(make_result, shared_data / "clothing_small" / "test")


@pytest.fixture
def two(make_result: Callable[..., Result]) -> Result:
    """Return a float model and an INT8 one that is twice as fast, measured five times."""
    slow, fast = ([[[ms, ms + 0.1, ms + 0.2]] * 4] * 5 for ms in (20.0, 10.0))
    return make_result({"net-float": slow, "net-int8": fast})


@pytest.fixture
def throttled() -> Finding:
    """Return a reason not to believe a run."""
    return Finding(
        severity="invalid",
        kind="throttled",
        reason="the machine was throttled in 12 of 94 samples",
        advice="Cool it, and measure again.",
    )


@pytest.fixture
def failing() -> Callable[..., Result]:
    """Return what makes a contestant of a result fail."""
    return _failing


@pytest.fixture
def labelled() -> Callable[..., Result]:
    """Return what gives the contestants of a result answers: for each, which ones are right."""
    return _labelled_result


def _failing(result: Result, name: str, reason: str = "it ran out of memory") -> Result:
    failed = Failed(contestant=name, generation=0, reason=reason)
    parts = [
        msgspec.structs.replace(one, bursts=(), failed=failed) if one.name == name else one
        for one in result.contestants
    ]
    return msgspec.structs.replace(result, contestants=tuple(parts))


def _labelled_result(
    result: Result, right: Sequence[Iterable[bool]], folder: str = "/nowhere"
) -> Result:
    """Return the result with pictures of label 0 of three; a wrong answer is label 1."""
    answers = [
        tuple(
            Answer(picture=index, top=(0, 1, 2) if good else (1, 0, 2), scores=(0.8, 0.1, 0.1))
            for index, good in enumerate(one)
        )
        for one in right
    ]
    pictures = tuple(
        LabelledPicture(id=f"cat/{index}.png", labels=(0,)) for index in range(len(answers[0]))
    )
    data = AccuracyData(
        name="animals",
        folder=folder,
        fingerprint=f"sha256:{64 * '1'}",
        labels=("cat", "dog", "hen"),
        task="single-label",
        pictures=pictures,
    )
    parts = [
        msgspec.structs.replace(one, answers=given)
        for one, given in zip(result.contestants, answers, strict=True)
    ]
    return msgspec.structs.replace(result, accuracy=data, contestants=tuple(parts))


def _realistic(make_result: Callable[..., Result], folder: Path) -> Result:
    rng = np.random.default_rng(7)
    data = _labelled(folder)
    result = make_result({name: _latencies(rng, one[0]) for name, one in CONTESTANTS.items()})
    answers = _answers(rng, data)
    contestants = [
        _dressed(one, order, given)
        for order, (one, given) in enumerate(zip(result.contestants, answers, strict=True))
    ]
    governor = Finding(
        severity="warning",
        kind="governor",
        reason="the governor is ondemand, which changes the clock while measuring",
        advice="Set it to performance: sudo cpupower frequency-set -g performance.",
    )
    return msgspec.structs.replace(
        result,
        contestants=tuple(contestants),
        plan=msgspec.structs.replace(result.plan, profile=True),
        accuracy=data,
        history=tuple(_weather(rng)),
        findings=(governor,),
    )


def _latencies(rng: np.random.Generator, typical_ms: float) -> list[list[list[float]]]:
    generations = []
    for _ in range(GENERATIONS):
        level = typical_ms * np.exp(0.01 * rng.standard_normal())
        turns = []
        for _ in range(TURNS):
            samples = level * np.exp(rng.gamma(1.5, 0.02, int(100 / typical_ms)))
            samples[rng.random(samples.size) < 0.004] *= rng.uniform(1.5, 4)
            turns.append(samples.tolist())
        generations.append(turns)
    return generations


def _dressed(one: ContestantResult, order: int, answers: list[Answer]) -> ContestantResult:
    _, _, model_input, size = CONTESTANTS[one.name]
    replace = msgspec.structs.replace
    steps = {"Convolution (NHWC, QS8) IGEMM": 4_100, "DWConv (NHWC, QS8)": 1_900, "SOFTMAX": 12}
    operators = tuple(
        OperatorTime(name=f"delegate:{index}", kind=kind, mean_ns=us * 1000, share=us / 6_012)
        for index, (kind, us) in enumerate(steps.items())
    )
    profile = Profile(
        method="LiteRT profiler",
        runtime="ai-edge-litert 2.3.0, 1 thread",
        threads=1,
        runs=50,
        inference_ns=6_200_000,
        operators=operators,
    )
    bursts = tuple(
        replace(
            burst,
            started_ns=int(1e9 * (burst.generation * 4.6 + 1.5 + burst.turn * 0.3 + 0.12 * order)),
        )
        for burst in one.bursts
    )
    return replace(
        one,
        model=replace(one.model, input=model_input, size_bytes=size),
        bursts=bursts,
        answers=tuple(answers),
        profiled=Profiled(contestant=one.name, profile=profile)
        if order
        else Profiled(contestant=one.name, reason="the profiler gave no times"),
    )


def _labelled(folder: Path) -> AccuracyData:
    labels = tuple(sorted(path.name for path in folder.iterdir()))
    pictures = tuple(
        LabelledPicture(
            id=path.relative_to(folder).as_posix(), labels=(labels.index(path.parent.name),)
        )
        for path in sorted(folder.glob("*/*.jpg"))
    )
    return AccuracyData(
        name="clothing_small",
        folder=str(folder),
        fingerprint=f"sha256:{64 * '7'}",
        labels=labels,
        task="single-label",
        pictures=pictures,
    )


def _answers(rng: np.random.Generator, data: AccuracyData) -> list[list[Answer]]:
    """Return the float model's answers, and those of one that differs on every twentieth."""
    before, after = [], []
    for index, picture in enumerate(data.pictures):
        truth = picture.labels[0]
        others = [label for label in range(len(data.labels)) if label != truth]
        wrong = int(rng.choice(others))
        right = rng.random() < 0.915
        flips = rng.random() < 0.05
        before.append(_answer(rng, index, truth if right else wrong, truth, others))
        right = right != flips if right else flips or rng.random() < 0.3
        after.append(_answer(rng, index, truth if right else wrong, truth, others))
    return [before, after]


def _answer(
    rng: np.random.Generator, picture: int, best: int, truth: int, others: list[int]
) -> Answer:
    score = float(rng.beta(9, 1.2) if best == truth else rng.beta(4, 3))
    rest = [label for label in (*others, truth) if label != best][-4:]
    parts = (1 - score) * rng.dirichlet(np.ones(5))[:4]
    scores = [score, *sorted((float(part) for part in parts), reverse=True)]
    return Answer(picture=picture, top=(best, *rest), scores=tuple(scores))


def _weather(rng: np.random.Generator) -> list[SystemSample]:
    samples: list[Any] = []
    for second in np.arange(0, 47, 0.5):
        warm = 48 + 14 * (1 - np.exp(-second / 18)) + 0.3 * rng.standard_normal()
        samples.append(
            SystemSample(
                at_ns=int(second * 1e9),
                temperature_c=round(float(warm), 1),
                frequencies_mhz=(2400.0, 2400.0, 2400.0, 2400.0),
                throttled=0,
                load_1min=1.1,
            )
        )
    return samples
