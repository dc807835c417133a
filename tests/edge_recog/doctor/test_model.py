"""The model, and how fast it is here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import XnnpackFacts
from edge_recog.doctor.model import (
    Trial,
    judge_file,
    judge_first_answer,
    judge_golden,
    judge_int8,
    judge_threads,
    judge_trial,
    judge_xnnpack,
    needed_release,
)
from edge_recog.doctor.probes import Machine, Said
from edge_recog.doctor.timing import (
    FirstAnswer,
    median_ms,
    read_first_answer,
    time_threads,
)
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_LITERT = "ai-edge-litert 2.3.0"


@pytest.fixture
def tiny(tiny_bytes: bytes) -> Bundle:
    return Bundle.from_bytes(tiny_bytes, where="tiny.tflite")


def test_a_model_that_opens_is_good(tiny: Bundle) -> None:
    assert judge_file(tiny, "").evidence == "tiny, 4 labels, format version 2"


def test_an_older_format_is_told_and_still_good(tiny: Bundle) -> None:
    older = replace(tiny, files={**tiny.files, "edge_recog.json": b'{"schema_version": 1}'})
    finding = judge_file(older, "")

    assert finding.outcome == "good"
    assert "version 1, an older one" in finding.evidence


def test_a_model_of_others_is_good(shared_data: Path) -> None:
    bundle = Bundle.open(shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite")

    assert "TFLite Metadata" in judge_file(bundle, "").evidence


def test_a_model_newer_than_this_runtime_is_bad_with_its_own_advice() -> None:
    problem = "m: edge_recog.json has schema_version 9, this reads 1 to 2; upgrade edge-recog"
    finding = judge_file(None, problem)

    assert finding.outcome == "bad"
    assert finding.evidence.endswith("this reads 1 to 2")
    assert finding.fix == "upgrade edge-recog"
    assert judge_file(None, "m: damaged").fix


@pytest.mark.parametrize(
    ("problem", "outcome", "fix"),
    [
        ("", "good", ""),
        ("x is too old for this model: it lacks ADD version 9", "bad", "pip install --upgrade"),
        ("the interpreter crashed (signal 11, SIGSEGV)", "bad", "build the model again"),
    ],
)
def test_the_interpreter_must_be_new_enough(problem: str, outcome: str, fix: str) -> None:
    finding = judge_trial(Trial(_LITERT, problem, "2.3"))

    assert finding.outcome == outcome
    assert problem in finding.evidence
    assert fix in finding.fix


def test_operators_tell_the_oldest_release(tiny: Bundle) -> None:
    assert needed_release(tiny) == "1.5"
    assert "of unknown needs" in judge_trial(Trial(_LITERT, "", "")).evidence


def test_golden_vectors_are_compared(tiny: Bundle) -> None:
    with Classifier.open(tiny) as classifier:
        report = verify(classifier)
    good = judge_golden(report)
    spoilt = replace(report.vectors[0], problem="the output differs by 40")
    failed = judge_golden(replace(report, vectors=(spoilt, report.vectors[1])))

    assert good.outcome == "good"
    assert good.evidence.startswith("2 of 2")
    assert failed.outcome == "bad"
    assert failed.evidence == "1 of 2 golden vectors fail: the output differs by 40"
    assert judge_golden(None).outcome == "warning"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (FirstAnswer("", 0.3, 0.1, 0.1), "good"),
        (FirstAnswer("", 2.0, 1.0, 0.5), "warning"),
        (FirstAnswer("", 2.0, 1.0, 20.0), "bad"),
        (FirstAnswer("no interpreter"), "bad"),
    ],
)
def test_the_first_answer_must_not_take_long(answer: FirstAnswer, outcome: str) -> None:
    assert judge_first_answer(answer).outcome == outcome


def test_the_first_answer_is_timed_from_the_start_of_a_process(tiny_path: Path) -> None:
    answer = read_first_answer(Machine(), tiny_path)

    assert answer.problem == ""
    assert min(answer.start_s, answer.open_s, answer.first_s) > 0
    assert answer.total_s == answer.start_s + answer.open_s + answer.first_s


def test_a_model_that_cannot_be_opened_gives_no_answer(tmp_path: Path) -> None:
    assert "cannot be read" in read_first_answer(Machine(), tmp_path / "none.tflite").problem


@pytest.mark.parametrize(
    ("said", "problem"),
    [(Said(None, "", ""), "within 120 s"), (Said(-9, "", ""), "status -9: it said nothing")],
)
def test_a_process_that_gives_no_answer_is_told(
    build: Callable[..., Machine], tiny_path: Path, said: Said, problem: str
) -> None:
    def run(*_: Any, **__: Any) -> Said:
        return said

    assert problem in read_first_answer(build({}, run=run), tiny_path).problem


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no longer than it takes to have a number."""
    monkeypatch.setattr("edge_recog.doctor.timing._SECONDS", 0.0)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    ("cores", "wanted", "counts"),
    [
        (1, 1, [1]),
        (2, 1, [1, 2]),
        (4, 4, [1, 2, 4]),
        (6, 3, [1, 2, 3, 4, 6]),
        (64, 1, [1, 2, 4, 8]),
    ],
)
def test_few_numbers_of_threads_are_timed(
    tiny: Bundle, cores: int, wanted: int, counts: list[int]
) -> None:
    medians_ms = time_threads(tiny, cores=cores, wanted=wanted)

    assert list(medians_ms) == counts
    assert min(medians_ms.values()) > 0


@pytest.mark.usefixtures("hurry")
def test_a_model_is_timed_in_milliseconds(tiny: Bundle) -> None:
    assert 0 < median_ms(tiny, threads=1) < 1000


@pytest.mark.parametrize(
    ("medians_ms", "wanted", "outcome", "word"),
    [
        ({1: 100.0, 2: 55.0, 4: 30.0}, 4, "good", "more than 4 bring nothing"),
        ({1: 100.0, 2: 55.0, 4: 54.0}, 1, "good", "--threads 2 would be 1.8 times as fast"),
        ({1: 100.0, 2: 55.0, 4: 54.0}, 4, "warning", "4 are no faster than 2"),
        ({1: 10.0, 2: 11.0, 4: 15.0}, 4, "warning", "4 are slower than 1"),
        ({1: 10.0, 2: 11.0, 4: 15.0}, 1, "good", "more than 1 bring nothing"),
        ({1: 10.0}, 1, "skipped", "one core"),
    ],
)
def test_more_threads_than_help_are_too_many(
    medians_ms: Mapping[int, float], wanted: int, outcome: str, word: str
) -> None:
    finding = judge_threads(medians_ms, wanted)

    assert finding.outcome == outcome
    assert word in finding.evidence


@pytest.mark.parametrize(
    ("int8_ms", "float_ms", "outcome"),
    [(3.0, 9.0, "good"), (10.0, 9.5, "good"), (20.0, 9.0, "warning")],
)
def test_int8_slower_than_float_is_a_warning(int8_ms: float, float_ms: float, outcome: str) -> None:
    assert judge_int8(int8_ms, float_ms).outcome == outcome


_ALL = XnnpackFacts(runtime=_LITERT, taken=30, total=30)
_ENDS = XnnpackFacts(runtime=_LITERT, taken=29, total=30, left={"SOFTMAX": 1})
_MOST = XnnpackFacts(runtime=_LITERT, taken=28, total=30, left={"HARD_SWISH": 2})


@pytest.mark.parametrize(
    ("kernels", "facts", "outcome", "word"),
    [
        ("XNNPACK", _ALL, "good", "takes 30 of 30"),
        ("XNNPACK", None, "good", "was not told"),
        ("XNNPACK", _ENDS, "good", "leaves 1 SOFTMAX"),
        ("XNNPACK", _MOST, "warning", "leaves 2 HARD_SWISH"),
        ("built-in kernels", _ALL, "warning", "takes none of it"),
    ],
)
def test_xnnpack_must_take_the_model(
    kernels: str, facts: XnnpackFacts | None, outcome: str, word: str
) -> None:
    finding = judge_xnnpack(f"{_LITERT} ({kernels}, 1 thread)", facts)

    assert finding.outcome == outcome
    assert word in finding.evidence
