"""The time of each operator, as the runtime's own profiler tells it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from edge_recog_benchmarks.device.profile import (
    Profile,
    ProfileUnavailableError,
    Session,
    Step,
    find_library,
    parse_summary,
    profile_model,
    summarise,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import InterpreterError, InterpreterMissingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

RESNET = "mlperf_tiny/image_classification/trained_models/pretrainedResnet_quant.tflite"
RESNET_OF_ANY_BATCH = (
    "mlperf_tiny/image_classification/trained_models/pretrainedResnet_large_int8.tflite"
)
MOBILENET = "coral/mobilenet_v1_0.25_128_quant.tflite"

STEPS = (
    Step("delegate:0", "Convolution (NHWC, QU8) IGEMM", 5, 630.0),
    Step("delegate:1", "Static Reshape (NC)", 5, 0.0),
    Step("builtin:30", "SOFTMAX", 5, 20.0),
)


@pytest.fixture(scope="module")
def require_profiler() -> None:
    try:
        find_library()
    except InterpreterError as error:
        pytest.skip(str(error))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes | None], None]:
    """Return what installs an ai-edge-litert of a version, with these bytes as its library."""

    def put(version: str, library: bytes | None) -> None:
        package = tmp_path / "ai_edge_litert"
        package.mkdir()
        (package / "__init__.py").touch()
        if library is not None:
            (package / "libLiteRt.so").write_bytes(library)
        facts = tmp_path / f"ai_edge_litert-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: {version}\n", encoding="utf-8"
        )
        monkeypatch.syspath_prepend(tmp_path)

    return put


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what puts a shell script in the place of the child process."""

    def replace(script: str) -> None:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return replace


def written(steps: Sequence[Step]) -> str:
    """Return the summary that LiteRT writes of steps, in the parts that are read."""
    rows = "".join(
        f"{'' if step.name.startswith('builtin') else 'Delegate/'}{step.kind}".rjust(60)
        + f" {0:10.3f} {0:10.3f} {step.total_us / step.calls / 1000:10.3f}"
        + f" {1:9.3f}% {1:9.3f}% {0:10.3f} {step.calls:14d}   "
        + f"[{step.name.split(':')[0].capitalize()}]:{step.name.split(':')[1]}\n"
        for step in steps
    )
    header = (
        f"{'[node type]':>60} {'[start]':>10} {'[first]':>10} {'[avg ms]':>10} [%] ... [Name]\n"
    )
    return (
        f"====== Run Order ======\n{header}{rows}\n"
        f"====== Top by Computation Time ======\n{header}{rows}\n"
        f"Number of nodes executed: {len(steps)}\n\n"
        f"Timings (microseconds): count={len(steps)} "
        f"curr={round(sum(step.total_us for step in steps))}\n"
    )


def session(total_us: float, *, inference_us: float = 1000.0, runs: int = 5) -> Session:
    """Return a session of one operator."""
    step = Step("builtin:0", "CONV_2D", runs, total_us * runs)
    return Session(runs, inference_us * 1000, (step,))


@pytest.mark.usefixtures("require_profiler")
@pytest.mark.parametrize("model", [MOBILENET, RESNET], ids=["mobilenet", "resnet"])
def test_every_operator_has_its_time(shared_data: Path, model: str) -> None:
    profile = profile_model((shared_data / model).read_bytes(), runs=11)
    kinds = [operator.kind for operator in profile.operators]

    assert profile.runs == 11
    assert profile.runtime.endswith("(CompiledModel, XNNPACK, 1 thread)")
    assert "Convolution" in kinds[0]
    assert any("SOFTMAX" in kind.upper() for kind in kinds[-2:])
    assert sum("Convolution" in kind or "Fully Connected" in kind for kind in kinds) >= 10
    assert all(operator.mean_ns >= 0 for operator in profile.operators)
    assert sum(operator.share for operator in profile.operators) == pytest.approx(1)
    assert profile.coverage == profile.operators_ns / profile.inference_ns > 0


@pytest.mark.usefixtures("require_profiler")
def test_a_model_of_any_batch_size_is_profiled_with_one_picture(shared_data: Path) -> None:
    profile = profile_model((shared_data / RESNET_OF_ANY_BATCH).read_bytes(), threads=2, runs=3)
    assert profile.operators_ns > 0
    assert (profile.threads, profile.runs) == (2, 3)
    assert "2 threads" in profile.runtime


@pytest.mark.usefixtures("require_profiler")
@pytest.mark.parametrize("size", [0, 1000, 200_000], ids=["empty", "a beginning", "half"])
def test_a_damaged_model_is_refused(shared_data: Path, size: int) -> None:
    model = (shared_data / MOBILENET).read_bytes()[:size]
    with pytest.raises(InterpreterError, match=r"cannot profile this model .* damaged"):
        profile_model(model, runs=1)


@pytest.mark.usefixtures("require_profiler")
def test_a_model_for_another_accelerator_is_refused(shared_data: Path) -> None:
    model = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    with pytest.raises(InterpreterError, match="needs what this runtime does not have"):
        profile_model(model.read_bytes(), runs=1)


@pytest.mark.parametrize(
    ("version", "library"),
    [("2.1.6", b""), ("3.0.0", b""), ("2.3.0", None)],
    ids=["too old", "too new", "without the library"],
)
def test_a_runtime_without_a_known_profiler_says_so(
    install: Callable[[str, bytes | None], None], version: str, library: bytes | None
) -> None:
    install(version, library)
    with pytest.raises(
        ProfileUnavailableError,
        match=rf"the installed ai-edge-litert {version} gives no per-operator times",
    ):
        profile_model(b"", runs=1)


def test_a_library_that_cannot_be_loaded_is_told(
    install: Callable[[str, bytes | None], None],
) -> None:
    install("2.3.0", b"not a library")
    with pytest.raises(ProfileUnavailableError, match=r"cannot be loaded: .*libLiteRt\.so"):
        profile_model(b"", runs=1)


def test_a_library_without_the_calls_is_told(
    install: Callable[[str, bytes | None], None], tmp_path: Path
) -> None:
    other = importlib.util.find_spec("msgspec._core")
    assert other is not None
    assert other.origin is not None
    install("2.3.0", None)
    (tmp_path / "ai_edge_litert" / "libLiteRt.so").symlink_to(other.origin)
    with pytest.raises(ProfileUnavailableError, match="it has no LiteRtCreateEnvironment"):
        profile_model(b"", runs=1)


@pytest.mark.parametrize(
    ("version", "error", "reason"),
    [
        ("2.14.0", ProfileUnavailableError, "tflite-runtime 2.14.0 gives no per-operator times"),
        (None, InterpreterMissingError, "no TFLite interpreter is installed"),
    ],
    ids=["tflite-runtime", "none"],
)
def test_where_ai_edge_litert_is_missing_what_is_there_is_told(
    monkeypatch: pytest.MonkeyPatch, version: str | None, error: type[Exception], reason: str
) -> None:
    def installed(name: str) -> str:
        if version is None or name != "tflite-runtime":
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(importlib.metadata, "version", installed)
    with pytest.raises(error, match=reason):
        find_library()


def test_what_takes_too_long_is_stopped() -> None:
    with pytest.raises(InterpreterError, match=r"50 profiled runs .* within 0\.001 s"):
        profile_model(b"", timeout_s=0.001)


def test_a_crash_is_an_error_of_the_model_or_the_version(child: Callable[[str], None]) -> None:
    child("kill -SEGV $$")
    with pytest.raises(InterpreterError, match=r"crashed the runtime \(Segmentation fault\)"):
        profile_model(b"")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo went wrong >&2; exit 3", "status 3: went wrong"),
        ("echo '{\"profile\": 1}'", "status 0: it said nothing"),
    ],
    ids=["it fails", "it says something else"],
)
def test_a_child_without_an_answer_is_told(
    child: Callable[[str], None], script: str, reason: str
) -> None:
    child(script)
    with pytest.raises(InterpreterError, match=reason):
        profile_model(b"")


@pytest.mark.parametrize("name", ["threads", "runs", "timeout_s"])
@pytest.mark.parametrize("value", [0, -1], ids=["none", "fewer"])
def test_arguments_must_be_positive(name: str, value: int) -> None:
    arguments = {name: value}
    with pytest.raises(UsageError, match=f"{name} {value}: give more than 0"):
        profile_model(b"", **arguments)


def test_a_summary_lists_steps_in_the_order_executed() -> None:
    assert parse_summary(written(STEPS)) == STEPS


@settings(derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["delegate:0", "delegate:12", "builtin:345"]),
            st.from_regex(r"[A-Za-z(][A-Za-z0-9_,()/ ]{0,70}[a-z)]", fullmatch=True),
            st.integers(1, 9999),
            st.integers(0, 10**6),
        ),
        min_size=1,
        max_size=9,
    )
)
def test_summaries_of_any_steps_are_read(rows: list[tuple[str, str, int, int]]) -> None:
    steps = tuple(
        Step(name, kind, calls, float(mean_us * calls)) for name, kind, calls, mean_us in rows
    )
    for read, step in zip(parse_summary(written(steps)), steps, strict=True):
        assert read[:3] == step[:3]
        assert read.total_us == pytest.approx(step.total_us)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Run Order", "Order"),
        ("[avg ms]", "[avg us]"),
        ("Timings (microseconds)", "Timings (ns)"),
        ("curr=650", "curr=700"),
        ("count=3", "count=4"),
        ("[Builtin]:30", "softmax"),
    ],
    ids=["no run order", "other unit", "other total unit", "other total", "rows lost", "other row"],
)
def test_a_summary_of_another_form_is_refused(old: str, new: str) -> None:
    summary = written(STEPS)
    assert old in summary
    with pytest.raises(ProfileUnavailableError, match="reads otherwise"):
        parse_summary(summary.replace(old, new))


def test_sessions_that_were_disturbed_do_not_count() -> None:
    sessions = [session(100, inference_us=110), session(102, inference_us=112)] * 2
    disturbed = session(5000, inference_us=9000)
    profile = summarise([*sessions, disturbed], runtime="", threads=1)
    assert profile.operators_ns == pytest.approx(101_333, abs=1)
    assert profile.inference_ns == pytest.approx(111_333, abs=1)


def test_sessions_of_unequal_length_count_alike() -> None:
    profile = summarise([session(100, runs=5), session(200, runs=6)], runtime="", threads=1)
    assert (profile.runs, profile.operators[0].calls) == (11, 1)
    assert profile.operators_ns == 150_000


def test_steps_that_the_runtime_takes_together_are_counted() -> None:
    steps = (Step("delegate:0", "Convolution", 4, 60.0),)
    (operator,) = summarise([Session(2, 50e3, steps)], runtime="", threads=1).operators
    assert (operator.calls, operator.mean_ns) == (2, 30_000)


@pytest.mark.parametrize(
    "other",
    [
        Session(5, 1e6, STEPS[:2]),
        Session(5, 1e6, (STEPS[1], STEPS[0], STEPS[2])),
        Session(4, 1e6, STEPS),
    ],
    ids=["a step less", "another order", "events lost"],
)
def test_runs_of_other_steps_have_no_profile_in_common(other: Session) -> None:
    with pytest.raises(ProfileUnavailableError, match="no profile in common"):
        summarise([Session(5, 1e6, STEPS), other], runtime="", threads=1)


def test_events_lost_alike_in_all_sessions_are_noticed() -> None:
    with pytest.raises(ProfileUnavailableError, match="or lost some"):
        summarise([Session(4, 1e6, STEPS)], runtime="", threads=1)


@settings(derandomize=True)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 1e9)), min_size=1, max_size=20
    )
)
def test_times_lie_within_those_of_the_sessions(rows: list[tuple[float, float, float]]) -> None:
    sessions = [
        Session(1, whole, (Step("a:0", "A", 1, one), Step("a:1", "B", 1, other)))
        for one, other, whole in rows
    ]
    profile = summarise(sessions, runtime="", threads=1)
    for operator, column in zip(profile.operators, list(zip(*rows, strict=True))[:2], strict=True):
        assert min(column) * 1000 - 1 <= operator.mean_ns <= max(column) * 1000 + 1
    shares = sum(operator.share for operator in profile.operators)
    assert shares == pytest.approx(1 if profile.operators_ns else 0)


def test_a_profile_survives_json() -> None:
    profile = summarise([Session(5, 1e6, STEPS)], runtime="ai-edge-litert 2.3.0", threads=1)
    assert msgspec.json.decode(msgspec.json.encode(profile), type=Profile) == profile
