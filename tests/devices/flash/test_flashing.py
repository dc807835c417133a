"""A device is flashed for real: sshd, environment, store, live classifier; systemd alone is not."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.wheels.archives import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG_S = 120.0
"""Longer than anything takes on a busy machine."""


def id_of(model: Path) -> str:
    return f"sha256:{sha256_of(model)}"


def wait(until: Callable[[], bool]) -> None:
    # What is waited for happens on the device.
    for _ in range(round(LONG_S / 0.02)):
        if until():
            return
        threading.Event().wait(0.02)
    raise AssertionError("in vain")


def is_committed(pi: Any, model: Path) -> bool:
    state = pi.state()
    return bool(state["active"] == sha256_of(model) and state.get("candidate") is None)


def is_candidate(pi: Any, model: Path) -> bool:
    candidate = pi.state().get("candidate")
    return candidate is not None and bool(candidate["version"] == sha256_of(model))


def blinded(config: Path, folder: Path) -> Path:
    """Return a configuration with which no picture comes."""
    text = config.read_text().replace("synthetic:320x240", "file:/none.mp4")
    blind = folder / "blind.toml"
    blind.write_text(text)
    return blind


@pytest.fixture
def settled(pi: Any, models: dict[str, Path]) -> Any:
    """Return the device once its model is no longer on trial."""
    wait(lambda: pi.state().get("candidate") is None and pi.model() is not None)
    return pi


def test_a_first_flash_ends_with_the_device_answering(pi: Any, models: dict[str, Path]) -> None:
    wait(lambda: pi.model() == id_of(models["good"]))
    wait(lambda: is_committed(pi, models["good"]))


def test_a_flash_leaves_nothing_of_its_own(pi: Any) -> None:
    assert not (pi.root / "flash").exists()
    assert not (pi.root / "incoming").exists()
    assert list(pi.home.rglob("*.new")) == []


def test_the_second_flash_says_that_there_is_nothing_to_do(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path]
) -> None:
    before = settled.status()["uptime_s"]
    outcome = flash(models["good"], settled)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{settled.address}  nothing to do: it runs good\n"
    assert settled.status()["uptime_s"] > before


def test_a_dry_run_shows_the_plan_and_changes_nothing(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path]
) -> None:
    files = settled.files()
    outcome = flash(models["better"], settled, "--dry-run")
    assert outcome.code == 0
    steps = [line.strip() for line in outcome.out.splitlines()[1:]]
    assert [step.split()[1] for step in steps] == ["send", "try", "have", "wait"]
    assert settled.files() == files
    assert settled.model() == id_of(models["good"])


def test_later_only_the_model_travels(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path], tmp_path: Path
) -> None:
    started = settled.status()["uptime_s"]
    picture = tmp_path / "seen.jpg"
    outcome = flash(models["better"], settled, "--picture", picture, "--json")
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    assert document["model"] == {"id": id_of(models["better"]), "name": "better"}
    [device] = document["devices"]
    assert device["result"] == "updated"
    assert len(device["predictions"]) > 0
    assert settled.model() == id_of(models["better"])
    assert settled.status()["uptime_s"] > started, "it was not started anew"
    assert picture.read_bytes().startswith(b"\xff\xd8")
    wait(lambda: is_committed(settled, models["better"]))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("wrong", [], "golden vectors failed"),
        ("slow", ["--most-ms", "0.001"], "ms"),
        ("crashing", [], "crash"),
        ("dying", [], "dying failed: the process or the machine died while it was on trial"),
    ],
)
def test_a_bad_model_ends_with_the_old_one_answering(
    flash: Callable[..., Any],
    settled: Any,
    models: dict[str, Path],
    name: str,
    options: list[str],
    words: str,
) -> None:
    before = settled.model()
    files = {one for one in settled.files() if "incoming" not in one}
    outcome = flash(models[name], settled, *options)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err
    assert "it answers with the model from before" in outcome.err
    assert outcome.err.count("\n") == 1
    assert settled.model() == before
    assert {one for one in settled.files() if "incoming" not in one} == files
    assert sha256_of(models[name]) not in settled.state()["versions"]


def test_a_corrupt_file_does_not_get_as_far_as_the_device(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path]
) -> None:
    before = settled.model()
    outcome = flash(models["corrupt"], settled)
    assert (outcome.code, outcome.out) == (1, "")
    assert "corrupt.tflite" in outcome.err
    assert settled.model() == before


def test_a_configuration_with_which_nothing_is_seen_is_taken_back(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path], tmp_path: Path
) -> None:
    before = settled.model()
    there = settled.home / ".config/edge-recog/config.toml"
    text = there.read_text()
    config = blinded(settled.config, tmp_path)
    outcome = flash(models["good"], settled, "--config", config, "--wait", "4")
    assert (outcome.code, outcome.out) == (1, "")
    assert "no healthy answer of good within 4 s" in outcome.err
    assert "it answers with the model from before" in outcome.err
    assert there.read_text() == text
    assert settled.model() == before


def test_a_flash_that_was_killed_can_simply_be_run_again(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path]
) -> None:
    wanted = models["good"] if settled.model() == id_of(models["better"]) else models["better"]
    with settled.start(wanted, "--healthy", "100") as killed:
        wait(lambda: is_candidate(settled, wanted))
        killed.send_signal(signal.SIGKILL)
    settled.hang_up()
    assert (settled.root / "flash").is_dir()
    outcome = flash(wanted, settled)
    assert outcome.code == 0, outcome.err
    assert settled.model() == id_of(wanted)
    assert not (settled.root / "flash").exists()


def test_a_flash_that_is_interrupted_leaves_the_old_model_answering(
    settled: Any, models: dict[str, Path]
) -> None:
    before = settled.model()
    wanted = models["good"] if before == id_of(models["better"]) else models["better"]
    with settled.start(wanted, "--healthy", "100") as process:
        wait(lambda: is_candidate(settled, wanted))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONG_S)
    assert (process.returncode, out) == (130, "")
    assert "interrupted; it answers with the model from before" in err
    assert "Traceback" not in err
    assert settled.model() == before
    assert not (settled.root / "flash").exists()


def test_of_two_flashes_the_later_one_goes_on_and_the_earlier_one_says_so(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path]
) -> None:
    active = settled.model()
    earlier = models["good"] if active == id_of(models["better"]) else models["better"]
    later = next(model for model in models.values() if id_of(model) == active)
    with settled.start(earlier, "--healthy", "100") as process:
        wait(lambda: is_candidate(settled, earlier))
        outcome = flash(later, settled)
        _, said = process.communicate(timeout=LONG_S)
    assert outcome.code == 0, outcome.err
    assert process.returncode == 1
    assert "another flash has begun there meanwhile, and goes on" in said
    assert said.count("\n") == 1
    assert settled.model() == id_of(later)
    assert not (settled.root / "flash").exists()


def test_a_device_is_told_whose_updates_to_trust(
    flash: Callable[..., Any],
    settled: Any,
    models: dict[str, Path],
    tmp_path: Path,
    updates_root: Path,
) -> None:
    active = next(model for model in models.values() if id_of(model) == settled.model())
    there = settled.home / ".config/edge-recog/updates-root.json"
    config = tmp_path / "following.toml"
    text = settled.config.read_text()
    config.write_text(f'{text}[updates]\nurl = "http://127.0.0.1:1/"\nroot_file = "{there}"\n')
    words = ("--config", config, "--updates-root", updates_root)
    outcome = flash(active, settled, *words)
    assert outcome.code == 0, outcome.err
    assert there.read_bytes() == updates_root.read_bytes()
    assert "nothing to do" in flash(active, settled, *words).out
    # A failure takes it back too.
    there.write_text("before")
    words = ("--config", blinded(config, tmp_path), "--updates-root", updates_root)
    outcome = flash(active, settled, *words, "--wait", "4")
    assert outcome.code == 1
    assert there.read_text() == "before"
    there.unlink()
    assert flash(active, settled).code == 0


def test_a_first_flash_that_fails_leaves_nothing(
    flash: Callable[..., Any], make_pi: Callable[..., Any], models: dict[str, Path]
) -> None:
    bare = make_pi()
    outcome = flash(models["wrong"], bare)
    assert (outcome.code, outcome.out) == (1, "")
    assert "golden vectors failed" in outcome.err
    assert "everything is as it was before" in outcome.err
    assert bare.files() == set()


def test_a_first_service_that_sees_nothing_is_gone_afterwards(
    flash: Callable[..., Any],
    make_pi: Callable[..., Any],
    models: dict[str, Path],
    tmp_path: Path,
) -> None:
    bare = make_pi()
    config = blinded(bare.config, tmp_path)
    outcome = flash(models["good"], bare, "--config", config, "--wait", "4")
    assert (outcome.code, outcome.out) == (1, "")
    assert "no healthy answer of good within 4 s" in outcome.err
    assert "everything is as it was before" in outcome.err
    assert bare.files() == set()
    assert bare.status() is None


def test_one_device_that_is_down_does_not_keep_the_others(
    flash: Callable[..., Any], settled: Any, models: dict[str, Path]
) -> None:
    active = next(model for model in models.values() if id_of(model) == settled.model())
    outcome = flash(active, settled, "ssh://pi@127.0.0.1:1")
    assert outcome.code == 1
    assert "nothing to do" in outcome.out
    assert "1 as wanted already, 1 failed" in outcome.out
    assert "nothing listens for ssh" in outcome.err
