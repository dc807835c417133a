from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.boot import System

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_devices.boot import FirstBoot

    MakePlan = Callable[..., FirstBoot]

BOOKWORM = System("bookworm", "2025-05-13", 64)
TRIXIE = System("trixie", "2025-10-01", 64)
OURS = "edge_recog-0.1.0-py3-none-any.whl"


def test_a_plan_is_taken(make_plan: MakePlan) -> None:
    for system in (BOOKWORM, TRIXIE, replace(TRIXIE, bits=32)):
        make_plan().check(system)


def test_the_configuration_gets_the_model(make_plan: MakePlan) -> None:
    plan = make_plan(config='source = "picamera2:0"\n[events]\nthreshold = 0.6')

    assert plan.checked_config() == (
        'model = "active"\nsource = "picamera2:0"\n[events]\nthreshold = 0.6\n'
    )


def test_the_unit_is_for_the_system(make_plan: MakePlan) -> None:
    unit = make_plan().unit(TRIXIE)

    assert "ExecStart=/opt/edge-recog/venv/bin/edge-recog run --config /etc/edge-recog/" in unit
    assert "SupplementaryGroups=video render" in unit
    assert "RestartSteps" in unit
    assert "RestartSteps" not in make_plan().unit(BOOKWORM)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hostname": "a b"}, "hostname"),
        ({"config": "source ="}, "no TOML"),
        ({"config": 'source = "picamera2:0"\nsauce = 1\n'}, "sauce"),
        ({"config": 'model = "other.tflite"\n'}, "leave it out"),
        ({"config": '[mqtt]\nbroker = "mqtt://h"\npassword_file = "/p"\n'}, "mqtt.password_file"),
        ({"config": 'source = "rtsp://u:p@camera/x"\n'}, "password"),
        ({"groups": ("video", "a b")}, "group"),
        ({"udev_rules": {"../x.rules": ""}}, "rules of udev"),
        ({"constraints": ("--index-url=http://x",)}, "constraint"),
        ({"constraints": ("numpy<2\n--pre",)}, "constraint"),
        ({"memory_max": "1; reboot"}, "memory"),
    ],
)
def test_what_cannot_work_is_refused(
    changes: dict[str, Any], said: str, make_plan: MakePlan
) -> None:
    plan = make_plan(**changes)

    with pytest.raises(UsageError, match=said):
        check_all(plan)


def check_all(plan: FirstBoot) -> None:
    plan.check(TRIXIE)
    plan.unit(TRIXIE)


def test_what_is_no_model_is_refused(make_plan: MakePlan, tmp_path: Path) -> None:
    for name, said in (("a b.tflite", "name"), ("x.bin", "name"), ("x.tflite", "not a TFLite")):
        (tmp_path / name).write_bytes(b"\0\0\0\0what")
        with pytest.raises(UsageError, match=said):
            make_plan(model=tmp_path / name).check(TRIXIE)
    with pytest.raises(UsageError, match="cannot be read"):
        make_plan(model=tmp_path / "none.tflite").check(TRIXIE)


@pytest.mark.parametrize(
    ("name", "system", "fits"),
    [
        ("a-1-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", TRIXIE, True),
        ("a-1-cp311-cp311-manylinux_2_17_aarch64.whl", TRIXIE, False),
        ("a-1-cp311-cp311-manylinux_2_17_aarch64.whl", BOOKWORM, True),
        ("a-1-cp37-abi3-manylinux_2_28_aarch64.whl", TRIXIE, True),
        ("a-1-cp313-abi3-manylinux_2_28_aarch64.whl", BOOKWORM, False),
        ("a-1-cp313-cp313t-manylinux_2_28_aarch64.whl", TRIXIE, False),
        ("a-1-py2.py3-none-any.whl", TRIXIE, True),
        ("a-1-py2-none-any.whl", TRIXIE, False),
        ("a-1-py313-none-any.whl", BOOKWORM, False),
        ("a-1-cp313-none-any.whl", TRIXIE, True),
        ("a-1-cp313-cp313-manylinux_2_17_x86_64.whl", TRIXIE, False),
        ("a-1-cp313-cp313-linux_armv7l.whl", TRIXIE, False),
        ("a-1-cp313-cp313-linux_armv7l.whl", replace(TRIXIE, bits=32), True),
        ("a-1-pp310-pypy310_pp73-manylinux_2_17_aarch64.whl", TRIXIE, False),
    ],
)
def test_wheels_must_be_for_the_system(
    name: str, system: System, fits: bool, make_plan: MakePlan, tmp_path: Path
) -> None:
    for each in (OURS, name):
        (tmp_path / each).write_bytes(b"")
    plan = make_plan(wheels=(tmp_path / OURS, tmp_path / name))

    if fits:
        plan.check(system)
    else:
        with pytest.raises(UsageError, match=rf"{name}: not for Raspberry Pi OS"):
            plan.check(system)


def test_the_wheels_must_have_ours_once(make_plan: MakePlan, tmp_path: Path) -> None:
    other = tmp_path / "edge_recog-0.2.0-py3-none-any.whl"
    for wheels, said in (
        ((), "there are 0"),
        ((tmp_path / OURS, other), "there are 2"),
        ((tmp_path / "edge_recog.whl",), "no name of a wheel"),
        ((tmp_path / OURS,), "no such file"),
    ):
        with pytest.raises(UsageError, match=said):
            make_plan(wheels=wheels).check(TRIXIE)


def test_two_wheels_of_one_name_are_refused(make_plan: MakePlan, wheels: tuple[Path, ...]) -> None:
    with pytest.raises(UsageError, match="same name"):
        make_plan(wheels=(*wheels, Path(wheels[1]))).check(TRIXIE)
