"""`edge-recog devices`, as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.profiles import shipped_profiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_profiles_are_listed(edge_recog: Callable[..., Any]) -> None:
    outcome = edge_recog("devices", "list")
    assert (outcome.code, outcome.err) == (0, "")
    for profile in shipped_profiles():
        (line,) = (line for line in outcome.out.splitlines() if line.startswith(f"{profile.name} "))
        assert profile.title in line
        assert profile.hardware.architecture in line


def test_profiles_are_listed_for_programs(edge_recog: Callable[..., Any]) -> None:
    document = json.loads(edge_recog("devices", "list", "--json").out)
    names = [one["name"] for one in document["profiles"]]
    assert names == [profile.name for profile in shipped_profiles()]
    assert document["profiles"][0]["schema_version"] == 1


def test_a_profile_is_shown_with_the_sources_of_its_figures(edge_recog: Callable[..., Any]) -> None:
    outcome = edge_recog("devices", "show", "raspberry-pi-4")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    (int8,) = (line for line in lines if line.startswith("MobileNetV2 1.0 int8"))
    number = int8.split()[-1]
    assert int8.split()[3] == "17"
    assert f"{number} XNNPACK, https://github.com/google/XNNPACK, README.md 2022-02-08" in lines
    assert "budgets" in outcome.out


@pytest.mark.parametrize("name", [profile.name for profile in shipped_profiles()])
def test_every_profile_is_shown(edge_recog: Callable[..., Any], name: str) -> None:
    outcome = edge_recog("devices", "show", name)
    assert (outcome.code, outcome.err) == (0, "")
    assert name in outcome.out
    assert json.loads(edge_recog("devices", "show", name, "--json").out)["name"] == name


def test_a_profile_that_is_not_there_is_a_mistake_in_usage(edge_recog: Callable[..., Any]) -> None:
    outcome = edge_recog("devices", "show", "raspberry-pi-6")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "edge-recog: no profile 'raspberry-pi-6'; did you mean raspberry-pi-5?\n"


def test_a_device_is_probed(edge_recog: Callable[..., Any], device: Any) -> None:
    outcome = edge_recog("devices", "probe", device.address, "--folder", device.home)
    assert outcome.err == ""
    for title in ("Board", "Architecture", "Python", "Space", "File system", "Clock"):
        assert title in outcome.out
    assert "may write into" in outcome.out


def test_a_device_is_probed_for_programs(edge_recog: Callable[..., Any], device: Any) -> None:
    outcome = edge_recog("devices", "probe", device.address, "--folder", device.home, "--json")
    document = json.loads(outcome.out)
    assert (document["schema"], document["host"]) == (1, device.address)
    assert document["facts"]["user"] == device.user
    assert document["fit"] == all(one["outcome"] != "bad" for one in document["checks"])
    assert outcome.code == (0 if document["fit"] else 1)
    assert outcome.err == ""


def test_a_device_that_is_not_fit_ends_with_1_and_a_clear_sentence(
    edge_recog: Callable[..., Any], make_device: Callable[..., Any]
) -> None:
    device = make_device(setup="mount -t tmpfs -o ro tmpfs /srv")
    outcome = edge_recog("devices", "probe", device.address, "--folder", "/srv/x", "--quiet")
    assert outcome.code == 1
    assert "/srv is on a file system that is read-only" in outcome.out
    assert "remount,rw" in outcome.out
    assert "good" not in outcome.out


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        ("ssh://pi@127.0.0.1:1", 1, "nothing listens for ssh"),
        ("pi@no-such-host.invalid", 1, "there is no such name"),
        ("-oProxyCommand=x", 2, ""),
        ("pi@host; reboot", 2, "write it like pi@kitchen.local"),
    ],
)
@pytest.mark.parametrize("verb", ["probe", "wheels"])
def test_a_device_that_is_not_reached_is_one_sentence(
    edge_recog: Callable[..., Any],
    device: Any,
    tmp_path: Path,
    verb: str,
    host: str,
    code: int,
    words: str,
) -> None:
    del device  # Its ssh knows no hosts and no keys of whoever runs the tests.
    out = tmp_path / "wheels"
    arguments = [host] if verb == "probe" else [f"--host={host}", "--out", out]
    outcome = edge_recog("devices", verb, *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.err
    if words:
        assert outcome.err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name either --profile or --host"),
        (["--profile", "raspberry-pi-5", "--host", "pi@k"], "name either"),
        (["--host", "pi@k", "--python", "3.13"], "--python is asked of the --host itself"),
        (["--profile", "raspberry-pi-5", "--python", "3.9"], "write one from 3.11 to 3.14"),
        (["--profile", "coral-dev-board"], "Mendel Linux 5 (eagle) has Python 3.7"),
        (["--profile", "raspberry-pi-5", "--extra", "demon"], "no extra 'demon'; it has"),
    ],
)
def test_wheels_that_cannot_be_meant_are_refused(
    edge_recog: Callable[..., Any], tmp_path: Path, arguments: list[str], words: str
) -> None:
    out = tmp_path / "wheels"
    if not arguments:
        arguments = ["--quiet"]
    outcome = edge_recog("devices", "wheels", "--out", out, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
    assert not out.exists()


def test_help_has_an_example_for_each(edge_recog: Callable[..., Any]) -> None:
    for verb in ("list", "show", "probe", "wheels"):
        outcome = edge_recog("devices", verb, "--help")
        assert outcome.code == 0
        assert f"Example: edge-recog devices {verb}" in outcome.out


def test_help_loads_neither_pip_nor_packaging() -> None:
    code = (
        "import sys, edge_recog_devices.cli\n"
        "heavy = {'packaging', 'pip', 'numpy', 'cv2', 'tomllib', 'subprocess'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "packaging" not in done.stdout
    assert "pip" not in done.stdout
    assert "cv2" not in done.stdout
