from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.doctor import CHECKS, Check
from edge_recog.doctor.findings import Finding, bad, good, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.doctor import Subject

_BAD = bad("83 °C [hot]", "fit a fan")
_WARNING = warning("swap on the card", "sudo swapoff -a")
_GOOD = good("64-bit")
_SKIPPED = skipped("not a Raspberry Pi")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Subject]]:
    """Return what puts checks with these findings in the place of the table."""
    seen: list[Subject] = []

    def put(*findings: Finding) -> list[Subject]:
        def check(number: int) -> Check:
            def look(subject: Subject) -> Finding:
                seen.append(subject)
                return findings[number]

            return Check(f"check-{number}", f"Check {number}", look)

        table = tuple(map(check, range(len(findings))))
        monkeypatch.setattr("edge_recog.doctor.checks.CHECKS", table)
        return seen

    return put


def test_this_machine_is_examined(
    edge_recog: Callable[..., Any], tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_recog.doctor.timing._SECONDS", 0.0)
    outcome = edge_recog("doctor", tiny_path, "--source", "synthetic:32x32", "--json")
    document = json.loads(outcome.out)

    assert outcome.err == ""
    assert [one["id"] for one in document["checks"]] == [check.id for check in CHECKS]
    assert document["model"] == str(tiny_path)
    assert outcome.code == (0 if document["fit"] else 1)
    sure = {"python", "interpreter", "numpy-abi", "first-frame", "model-file", "golden-vectors"}
    if sys.maxsize < 2**32:
        sure -= {"interpreter"}  # Half of ai-edge-litert is there, for the tests alone.
    outcomes = {one["id"]: one["outcome"] for one in document["checks"]}
    assert {outcomes[name] for name in sure} == {"good"}


@pytest.mark.parametrize(
    ("findings", "code"),
    [((_GOOD, _SKIPPED), 0), ((_GOOD, _WARNING), 0), ((_GOOD, _BAD), 1)],
    ids=["good", "warning", "bad"],
)
@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]], ids=["table", "json", "quiet"])
def test_only_what_is_bad_is_exit_1(
    edge_recog: Callable[..., Any],
    found: Callable[..., Any],
    findings: tuple[Finding, ...],
    code: int,
    options: list[str],
) -> None:
    found(*findings)

    assert edge_recog("doctor", *options).code == code


def test_the_table_tells_evidence_and_fix_as_they_are(
    edge_recog: Callable[..., Any], found: Callable[..., Any]
) -> None:
    found(_GOOD, _WARNING, _BAD, _SKIPPED)
    outcome = edge_recog("doctor")

    assert "Check 2" in outcome.out
    assert "83 °C [hot]" in outcome.out
    assert "→ fit a fan" in outcome.out
    assert "not a Raspberry Pi" in outcome.out
    assert outcome.out.splitlines()[-1] == "1 good, 1 warning, 1 bad, 1 skipped"


def test_quiet_tells_what_is_wrong_only(
    edge_recog: Callable[..., Any], found: Callable[..., Any]
) -> None:
    found(_GOOD, _WARNING, _SKIPPED)
    out = edge_recog("doctor", "--quiet").out

    assert "swap on the card" in out
    assert "64-bit" not in out
    assert "not a Raspberry Pi" not in out


def test_json_is_one_document(edge_recog: Callable[..., Any], found: Callable[..., Any]) -> None:
    found(_GOOD, _BAD)
    document = json.loads(edge_recog("doctor", "--json").out)

    assert sorted(document) == ["board", "checks", "counts", "fit", "model", "schema"]
    assert document["counts"] == {"good": 1, "warning": 0, "bad": 1, "skipped": 0}
    assert document["checks"][1] == {
        "id": "check-1",
        "title": "Check 1",
        "outcome": "bad",
        "evidence": "83 °C [hot]",
        "fix": "fit a fan",
    }


def test_options_say_what_is_meant_to_run(
    edge_recog: Callable[..., Any], found: Callable[..., list[Subject]], tmp_path: Path
) -> None:
    seen = found(_GOOD)
    secret = tmp_path / "password"
    secret.write_bytes(b"hunter2\n")
    arguments = ["m.tflite", "--float", "f.tflite", "--threads", "3", "--source", "picamera2:0"]
    arguments += ["--listen", "[::1]:8080", "--broker", "mqtts://pi@home"]
    edge_recog("doctor", *arguments, "--broker-password-file", secret)
    (subject,) = seen

    assert (str(subject.model), str(subject.float_model)) == ("m.tflite", "f.tflite")
    assert (subject.threads, subject.source) == (3, "picamera2:0")
    assert str(subject.listen) == "[::1]:8080"
    assert (str(subject.broker), subject.broker_password) == ("home:8883", b"hunter2")
    assert "hunter2" not in repr(subject)


@pytest.mark.parametrize(
    "options",
    [
        ["--listen", "8080"],
        ["--broker", "http://home"],
        ["--broker", "mqtt://pi:hunter2@home"],
        ["--broker-password-file", "/nowhere/password"],
        ["--threads", "0"],
    ],
    ids=" ".join,
)
def test_an_option_that_makes_no_sense_is_exit_2(
    edge_recog: Callable[..., Any], options: list[str]
) -> None:
    outcome = edge_recog("doctor", *options)

    assert outcome.code == 2
    assert "hunter2" not in outcome.err + outcome.out
