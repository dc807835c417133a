"""Trying a model in a process of its own, which may crash, hang or eat memory."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle
from edge_recog.packing import pack_bundle
from edge_recog.store import FailedTryoutError, StoreRules
from edge_recog.store.tryout import Outcome, require, try_on_device

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def pretend_runtime(pretend: Callable[[str, str], None]) -> Callable[[str], None]:
    return partial(pretend, "ai_edge_litert")


def test_a_sound_model_is_measured(tiny_bytes: bytes) -> None:
    outcome = try_on_device(tiny_bytes, where="m")

    assert outcome.vectors == 2
    assert 0 < outcome.p50_ms < 60_000
    assert outcome.memory_mb is not None
    assert 0 <= outcome.memory_mb < 500
    assert "XNNPACK" in outcome.runtime or outcome.runtime.startswith("tflite-runtime")


def test_a_model_that_answers_otherwise_has_failed(tiny_bytes: bytes) -> None:
    bundle = Bundle.from_bytes(tiny_bytes, where="m")
    good, bad = bundle.golden()
    golden = ("XNNPACK", [good, replace(bad, score=bad.score / 2)])
    spoilt = pack_bundle(tiny_bytes, bundle.contract, bundle.labels, name="m", golden=golden)
    with pytest.raises(FailedTryoutError, match=r"kitchen: 1 of 2 golden vectors failed"):
        try_on_device(spoilt, where="kitchen")


def test_a_model_without_golden_vectors_cannot_be_judged(
    tiny_model: Callable[..., bytes], contract: Callable[..., Any], tiny_labels: tuple[str, ...]
) -> None:
    plain = pack_bundle(tiny_model(), contract(), tiny_labels, name="m")
    with pytest.raises(FailedTryoutError, match=r"no golden vectors.*edge-recog adopt"):
        try_on_device(plain, where="m")


def test_a_file_name_that_is_no_text_is_no_problem(tiny_bytes: bytes) -> None:
    assert try_on_device(tiny_bytes, where=os.fsdecode(b"caf\xe9.tflite")).vectors == 2


def test_a_crash_of_the_interpreter_is_a_verdict(
    tiny_bytes: bytes, pretend_runtime: Callable[[str], None]
) -> None:
    pretend_runtime("os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(FailedTryoutError, match=r"m: the interpreter crashed.*SIGSEGV"):
        try_on_device(tiny_bytes, where="m")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for others")
def test_root_has_a_model_tried_by_whom_the_store_belongs_to(
    tiny_bytes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    os.chown(tmp_path / "models", 12345, 23456)
    seen: list[dict[str, Any]] = []
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        seen.append({name: options.pop(name) for name in ("user", "group", "extra_groups")})
        # What the test runs in, others may not be able to read.
        return real(command, **options)

    monkeypatch.setattr("edge_recog.store.tryout.subprocess.run", run)
    try_on_device(tiny_bytes, where="m", folder=tmp_path / "models")

    assert seen == [{"user": 12345, "group": 23456, "extra_groups": []}]


def test_a_model_that_hangs_is_stopped(
    tiny_bytes: bytes, pretend_runtime: Callable[[str], None]
) -> None:
    pretend_runtime("time.sleep(600)")
    with pytest.raises(FailedTryoutError, match=r"within 3 s"):
        try_on_device(tiny_bytes, where="m", timeout_s=3.0)


@pytest.mark.usefixtures("held_to_its_memory")
def test_a_model_that_eats_memory_is_stopped(
    tiny_bytes: bytes, pretend_runtime: Callable[[str], None]
) -> None:
    pretend_runtime("bytearray(3 * 10**9)")
    with pytest.raises(FailedTryoutError, match=r"far more than 100 MB"):
        try_on_device(tiny_bytes, where="m", memory_mb=100.0)


def test_a_process_that_says_nothing_is_a_verdict_with_its_last_words(
    tiny_bytes: bytes, pretend_runtime: Callable[[str], None]
) -> None:
    pretend_runtime("os.write(1, b'hello\\n'); sys.exit('gave up')")
    with pytest.raises(FailedTryoutError, match=r"status 1: gave up"):
        try_on_device(tiny_bytes, where="m")


def test_a_delegate_that_cannot_be_used_is_said(tiny_bytes: bytes, tmp_path: Path) -> None:
    with pytest.raises(FailedTryoutError, match=r"libnone\.so"):
        try_on_device(tiny_bytes, where="m", delegate=str(tmp_path / "libnone.so"))


@pytest.mark.parametrize(
    ("p50_ms", "memory_mb", "reason"),
    [
        (10.1, 1.0, "--most-ms"),
        (1.0, 20.1, "--most-mb"),
        (10.0, 20.0, ""),
        (1.0, None, ""),
    ],
    ids=["slow", "large", "just", "unknown"],
)
def test_budgets(p50_ms: float, memory_mb: float | None, reason: str) -> None:
    rules = StoreRules(most_p50_ms=10.0, most_memory_mb=20.0)
    outcome = Outcome(runtime="r", vectors=1, p50_ms=p50_ms, memory_mb=memory_mb)
    if reason:
        with pytest.raises(FailedTryoutError, match=reason):
            require(outcome, rules, where="m")
    else:
        require(outcome, rules, where="m")
