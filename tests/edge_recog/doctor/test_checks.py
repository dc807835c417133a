"""The table of checks, over whole machines."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.doctor import CHECKS, Check, Row, Subject, document, examine, is_fit
from edge_recog.doctor.findings import OUTCOMES, Finding, bad, good, skipped, warning
from edge_recog.doctor.probes import Machine, Said
from edge_recog.errors import SourceError
from edge_recog.service.addresses import Listen
from edge_recog.service.mqtt.settings import Broker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BY_ID = {check.id: check for check in CHECKS}
_OF_MODELS = (
    "model-file",
    "model-runtime",
    "golden-vectors",
    "first-answer",
    "threads",
    "int8-speed",
    "xnnpack",
)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_recog.doctor.timing._SECONDS", 0.0)


def _look(subject: Subject, *ids: str) -> dict[str, Finding]:
    rows = examine(subject, [_BY_ID[one] for one in ids] if ids else None)
    return {row.check.id: row.finding for row in rows}


def test_there_are_more_than_thirty_checks_each_with_a_name_of_its_own() -> None:
    assert len(CHECKS) >= 30
    assert len(_BY_ID) == len({check.title for check in CHECKS}) == len(CHECKS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.id) for check in CHECKS)


_PI_HEALTHY = {
    "operating-system": "good",
    "camera-permission": "good",
    "camera-in-use": "good",
    "under-voltage": "good",
    "throttling": "good",
    "temperature": "good",
    "cpu-governor": "good",
    "clock": "good",
    "memory": "good",
    "swap": "good",
    "file-system": "good",
    "journal": "good",
    "edge-tpu-library": "skipped",
    "edge-tpu-permission": "skipped",
    "edge-tpu-usb": "skipped",
}


not_for_32_bits = pytest.mark.skipif(
    sys.maxsize < 2**32, reason="a 32-bit system is not quite healthy"
)


@not_for_32_bits
@pytest.mark.parametrize("board", ["Pi 3", "Pi 4", "Pi 5"])
def test_a_raspberry_pi_in_good_health_is_good(
    build: Callable[..., Machine], board_files: dict[str, dict[str, str | bytes]], board: str
) -> None:
    if board == "Pi 3":
        # Its limit is 60 °C.
        board_files[board]["/sys/class/thermal/thermal_zone0/temp"] = "45000\n"
    found = _look(Subject(build(board_files[board])), *_PI_HEALTHY)

    assert {name: finding.outcome for name, finding in found.items()} == _PI_HEALTHY


@not_for_32_bits
def test_a_pc_has_other_pains(
    build: Callable[..., Machine], board_files: dict[str, dict[str, str | bytes]]
) -> None:
    found = _look(Subject(build(board_files["PC"])), *_PI_HEALTHY, "camera-bindings")

    assert {name: finding.outcome for name, finding in found.items()} == _PI_HEALTHY | {
        "camera-bindings": "skipped",
        "camera-permission": "skipped",
        "under-voltage": "skipped",
        "throttling": "skipped",
    }


_ILL: dict[str, tuple[str, dict[str, str | bytes]]] = {
    "under-voltage": (
        "bad",
        {"/sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n"},
    ),
    "throttling": ("bad", {"/sys/devices/platform/soc/soc:firmware/get_throttled": "4\n"}),
    "temperature": ("bad", {"/sys/class/thermal/thermal_zone0/temp": "83100\n"}),
    "cpu-governor": (
        "warning",
        {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n"},
    ),
    "memory": ("bad", {"/proc/meminfo": "MemTotal: 440000 kB\nMemAvailable: 90000 kB\n"}),
    "swap": ("warning", {"/proc/swaps": "Filename Type\n/var/swap file 102396 0 -2\n"}),
    "file-system": ("bad", {"/proc/mounts": "/dev/mmcblk0p2 / ext4 ro,noatime 0 0\n"}),
    "journal": ("warning", {"/etc/systemd/journald.conf": "Storage=persistent\n"}),
    "edge-tpu-library": (
        "bad",
        {
            "/sys/bus/usb/devices/1-1/idVendor": "1a6e\n",
            "/sys/bus/usb/devices/1-1/idProduct": "089a\n",
        },
    ),
    "edge-tpu-permission": (
        "bad",
        {
            "/sys/bus/pci/devices/0000:01:00.0/vendor": "0x1ac1\n",
            "/sys/bus/pci/devices/0000:01:00.0/device": "0x089a\n",
        },
    ),
    "edge-tpu-usb": (
        "warning",
        {
            "/sys/bus/usb/devices/1-1/idVendor": "1a6e\n",
            "/sys/bus/usb/devices/1-1/idProduct": "089a\n",
            "/sys/bus/usb/devices/1-1/speed": "480\n",
        },
    ),
    "camera-bindings": (
        "warning",
        {
            "/usr/lib/python3/dist-packages/picamera2/__init__.py": "",
            "/usr/lib/python3/dist-packages/libcamera/__init__.py": "",
        },
    ),
}


@pytest.mark.parametrize("name", _ILL)
def test_an_ill_raspberry_pi_is_told_what_to_do(
    build: Callable[..., Machine], board_files: dict[str, dict[str, str | bytes]], name: str
) -> None:
    outcome, files = _ILL[name]
    found = _look(Subject(build(board_files["Pi 4"] | files)), name)[name]

    assert found.outcome == outcome
    assert found.evidence
    assert found.fix


def test_a_clock_that_was_never_set_is_bad(build: Callable[..., Machine]) -> None:
    assert _look(Subject(build({}, now_s=0.0)), "clock")["clock"].outcome == "bad"


def test_a_camera_in_use_is_bad_for_the_source_that_needs_it(
    build: Callable[..., Machine],
) -> None:
    machine = build({"/proc/812/comm": "motion\n"}, links={"/proc/812/fd/5": "/dev/video0"})
    source = "v4l2:/dev/video0"

    assert _look(Subject(machine, source=source), "camera-in-use")["camera-in-use"].outcome == "bad"


def test_a_sources_format_and_rows_are_judged() -> None:
    found = _look(
        Subject(source="picamera2:0?format=YUV420&lores=456x256"), "colour-order", "stride"
    )

    assert {name: finding.outcome for name, finding in found.items()} == {
        "colour-order": "good",
        "stride": "warning",
    }


@pytest.mark.usefixtures("patient")
def test_a_source_an_address_and_a_broker_are_tried_where_they_are_named() -> None:
    subject = Subject(
        source="synthetic:32x32",
        listen=Listen("127.0.0.1", 0),
        broker=Broker("127.0.0.1", 1, False),
    )
    ids = ("first-frame", "port", "broker")

    assert [_look(subject, one)[one].outcome for one in ids] == ["good", "good", "bad"]
    assert {_look(Subject(), one)[one].outcome for one in ids} == {"skipped"}


def test_without_a_model_its_checks_are_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("edge_recog.models._FILE", tmp_path / "none.tflite")
    found = _look(Subject(), *_OF_MODELS, "edge-tpu-model")

    assert {finding.outcome for finding in found.values()} == {"skipped"}
    assert found["threads"].evidence == "no model is named, and none is built in"


def test_the_built_in_model_is_taken_where_none_is_named(built_in: Path) -> None:
    subject = Subject()

    assert subject.model_path == built_in
    assert _look(subject, "model-file")["model-file"].outcome == "good"


def test_a_model_that_runs_is_judged_in_every_way(tiny_path: Path) -> None:
    found = _look(Subject(model=tiny_path), *_OF_MODELS, "edge-tpu-model")
    outcomes = {name: finding.outcome for name, finding in found.items()}

    assert outcomes.pop("threads") in {"good", "skipped"}
    assert outcomes == {
        "model-file": "good",
        "model-runtime": "good",
        "golden-vectors": "good",
        "first-answer": outcomes["first-answer"],
        "int8-speed": "skipped",
        "xnnpack": outcomes["xnnpack"],
        "edge-tpu-model": "good",
    }
    assert outcomes["first-answer"] in {"good", "warning"}  # A busy machine is no failure.
    assert outcomes["xnnpack"] in {"good", "warning"}


def test_a_model_that_cannot_be_opened_is_bad_once(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no model")
    found = _look(Subject(model=path), *_OF_MODELS)

    assert found.pop("model-file").outcome == "bad"
    assert {(one.outcome, one.evidence) for one in found.values()} == {
        ("skipped", "the model cannot be opened")
    }


def test_a_model_that_does_not_run_is_bad_once(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise SourceError("the interpreter crashed (signal 11, SIGSEGV)")

    monkeypatch.setattr("edge_recog.doctor.subject.try_model", crash)
    found = _look(Subject(model=tiny_path), *_OF_MODELS)

    assert found.pop("model-file").outcome == "good"
    assert found["model-runtime"].outcome == "bad"
    assert "SIGSEGV" in found.pop("model-runtime").evidence
    assert {one.outcome for one in found.values()} == {"skipped"}


def test_nothing_is_said_of_a_model_where_no_interpreter_can_be_imported(
    build: Callable[..., Machine], tiny_path: Path
) -> None:
    def run(*_: Any, **__: Any) -> Said:
        return Said(1, "", "ImportError: broken")

    subject = Subject(build({}, run=run), model=tiny_path)
    found = _look(subject, "interpreter", "model-runtime")

    assert [found[name].outcome for name in ("interpreter", "model-runtime")] == ["bad", "skipped"]


def test_an_edge_tpu_model_without_an_edge_tpu_is_bad(
    build: Callable[..., Machine], shared_data: Path
) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    found = _look(Subject(build({}), model=path), "edge-tpu-library", "edge-tpu-model", "threads")

    assert [one.outcome for one in found.values()] == ["bad", "bad", "skipped"]


def test_a_model_on_the_edge_tpu_has_no_pains_of_the_cpu(shared_data: Path) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    subject = Subject(model=path, float_model=path)
    # As if the delegate had run it.
    vars(subject)["trial_problem"] = ""
    found = _look(subject, "threads", "int8-speed", "xnnpack")

    assert {one.evidence for one in found.values()} == {"the model runs on the Edge TPU"}


def test_a_model_without_golden_vectors_is_a_warning(shared_data: Path) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite"
    found = _look(Subject(model=path), "golden-vectors")

    assert found["golden-vectors"].outcome == "warning"


def test_a_float_twin_beside_the_model_is_timed(tiny_path: Path, tiny_bytes: bytes) -> None:
    assert Subject(model=tiny_path).float_path is None
    twin = tiny_path.with_name("tiny-float.tflite")
    twin.write_bytes(tiny_bytes)
    subject = Subject(model=tiny_path)

    assert subject.float_path == twin
    assert "float" in _look(subject, "int8-speed")["int8-speed"].evidence


def test_a_twin_that_is_named_but_missing_does_not_end_the_examination(
    tiny_path: Path, tmp_path: Path
) -> None:
    subject = Subject(model=tiny_path, float_model=tmp_path / "none.tflite")
    finding = _look(subject, "int8-speed")["int8-speed"]

    assert finding.outcome == "bad"
    assert finding.evidence.startswith("could not be checked: ")


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), SourceError("the camera burns"), OSError()]
)
def test_a_check_that_fails_is_bad_and_the_others_go_on(error: Exception) -> None:
    def fail(_: Subject) -> Finding:
        raise error

    checks = [Check("a", "A", fail), Check("b", "B", lambda _: good("fine"))]
    first, second = examine(Subject(), checks)

    assert first.finding.outcome == "bad"
    assert first.finding.evidence == f"could not be checked: {str(error) or 'OSError'}"
    assert first.finding.fix
    assert second.finding == good("fine")


def test_a_mistake_of_ours_is_not_hidden() -> None:
    def fail(_: Subject) -> Finding:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        list(examine(Subject(), [Check("a", "A", fail)]))


def test_the_document_has_stable_keys(build: Callable[..., Machine], tiny_path: Path) -> None:
    findings = [good("g"), warning("w", "do"), bad("b", "do"), skipped("s")]
    rows = [Row(Check(f.outcome, f.outcome.title(), lambda _: good("")), f) for f in findings]
    model = {"/proc/device-tree/model": b"Raspberry Pi 5\0"}
    found = document(Subject(build(model), model=tiny_path), rows)

    assert found == {
        "schema": 1,
        "fit": False,
        "counts": dict.fromkeys(OUTCOMES, 1),
        "board": "Raspberry Pi 5",
        "model": str(tiny_path),
        "checks": [
            {"id": f.outcome, "title": f.outcome.title(), "outcome": f.outcome}
            | {"evidence": f.evidence, "fix": f.fix}
            for f in findings
        ],
    }
    assert is_fit([row for row in rows if row.finding.outcome != "bad"])


def test_only_what_is_wrong_has_a_fix(build: Callable[..., Machine]) -> None:
    for row in examine(Subject(build({}), model=None)):
        wrong = row.finding.outcome in {"bad", "warning"}
        assert bool(row.finding.fix) == wrong, row
