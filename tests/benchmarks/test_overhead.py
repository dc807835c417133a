"""The study of what measuring costs: which times it takes for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from edge_recog_benchmarks.studies.overhead import (
    between_samples_us,
    main,
    outside_stages_us,
    pairs,
    row,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from edge_recog_benchmarks.results import Result


@pytest.fixture
def measured(make_result: Callable[..., Result]) -> Result:
    """Return a model through the classifier, 2 % slower than alone, in three generations."""
    result = make_result({"model": [[[10.2] * 4]] * 3, "model (bare)": [[[10.0] * 4]] * 3})
    runners = {"model": "classifier", "model (bare)": "bare"}
    contestants = tuple(
        msgspec.structs.replace(
            one,
            contestant=msgspec.structs.replace(
                one.contestant, runner=runners[one.name], model="model.tflite"
            ),
        )
        for one in result.contestants
    )
    return msgspec.structs.replace(result, contestants=contestants)


def test_each_model_is_set_against_the_interpreter_alone(measured: Result) -> None:
    ((classifier, bare),) = pairs(measured)
    assert (classifier.name, bare.name) == ("model", "model (bare)")
    told = row(measured, classifier, bare)
    assert told["invoke_to_bare"]["estimate"] == pytest.approx(1.02, abs=1e-4)
    assert told["stages_p50_ms"]["end_to_end"] == pytest.approx(10.2)
    assert told["peak_rss_mb"] == 96


def test_time_in_no_stage_and_between_samples_is_told_apart(measured: Result) -> None:
    one = measured.contestants[0]
    burst = one.bursts[0]
    samples = {"invoke": (8_000, 8_000), "end_to_end": (10_000, 10_000)}
    changed = msgspec.structs.replace(burst, samples=samples, elapsed_ns=23_000)
    one = msgspec.structs.replace(one, bursts=(changed,))
    assert outside_stages_us(one) == 2.0
    assert between_samples_us(one) == 1.5


def test_it_measures_a_model(
    measuring: Callable[..., Any],
    uint8_model: Path,
    tmp_path: Path,
    read_result: Callable[..., Any],
) -> None:
    out = tmp_path / "overhead.json"
    outcome = measuring(main, uint8_model, "--seconds", "0.2", "--out", out)
    assert outcome.code == 0, outcome.err
    (told,) = read_result(out)["models"]
    assert 0 < told["invoke_to_bare"]["low"] <= told["invoke_to_bare"]["high"]
    assert told["between_samples_us"] > 0
    assert "the interpreter alone" in outcome.out
