"""What an installation needs is decided for the target, whatever computer collects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels import Target
from edge_recog_devices.wheels.archives import Wheel, read_wheel
from edge_recog_devices.wheels.closure import close, first_requirements
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PI = Target(architecture="aarch64", python=(3, 13), glibc=(2, 41)).marker_environment
PI32 = Target(architecture="armv7l", python=(3, 11), glibc=(2, 36)).marker_environment


def wheel(name: str, version: str, *requires: str) -> Wheel:
    from pathlib import Path

    needs = tuple(map(Requirement, requires))
    return Wheel(Path(f"{name}.whl"), name, version, frozenset(), needs)


def of(*wheels: Wheel) -> dict[str, Wheel]:
    return {one.name: one for one in wheels}


ROOT = wheel(
    "edge-recog",
    "0.1.0",
    "litert>=2; platform_machine != 'armv7l'",
    "runtime; platform_machine == 'armv7l' and python_version < '3.12'",
    "NumPy>=1.26",
    "web>=1; extra == 'daemon'",
    "edge-recog-devices; extra == 'devices'",
)


def test_markers_are_those_of_the_target() -> None:
    both = [
        "numpy>=1.26",
        "web>=1",
    ]
    pi = [str(one).lower() for one in first_requirements(ROOT, ["daemon"], PI)]
    pi32 = [str(one).lower() for one in first_requirements(ROOT, ["daemon"], PI32)]
    assert pi == ["litert>=2", *both]
    assert pi32 == ["runtime", *both]


def test_what_is_needed_is_found_by_way_of_extras_and_others() -> None:
    wheels = of(
        ROOT,
        wheel("litert", "2.3", "numpy", "tqdm"),
        wheel("numpy", "2.5"),
        wheel("tqdm", "4", "colorama; sys_platform == 'win32'"),
        wheel("web", "1.2", "server[fast]"),
        wheel("server", "1", "loop; extra == 'fast'", "slow; extra == 'slow'"),
        wheel("loop", "1", "web"),
        wheel("superfluous", "1"),
    )
    closure = close("edge-recog", ["daemon"], wheels, PI)
    needed = {"edge-recog", "litert", "numpy", "tqdm", "web", "server", "loop"}
    assert closure.needed == needed
    assert closure.missing == ()


def test_without_the_extra_less_is_needed() -> None:
    wheels = of(ROOT, wheel("litert", "2.3"), wheel("numpy", "2.5"))
    assert close("edge-recog", [], wheels, PI).needed == {"edge-recog", "litert", "numpy"}


def test_what_is_missing_is_told_as_it_can_be_asked_for() -> None:
    wheels = of(
        ROOT,
        wheel("litert", "1.9"),
        wheel("numpy", "2.5", "typing-extensions>=4; python_version >= '3.13'"),
        wheel("web", "1.0rc1"),
    )
    missing = close("edge-recog", ["daemon"], wheels, PI).missing
    assert list(map(str, missing)) == ["litert>=2", "typing-extensions>=4", "web>=1"]


def test_a_wheel_says_what_it_is(make_wheel: Callable[..., Path]) -> None:
    path = make_wheel("My-Thing", "1.2", "numpy>=1", "web; extra == 'all'", extras=("all",))
    found = read_wheel(path)
    assert (found.name, found.version) == ("my-thing", "1.2")
    assert [str(one) for one in found.requires] == ["numpy>=1", 'web; extra == "all"']
    assert {str(tag) for tag in found.tags} == {"py3-none-any"}


def test_what_is_no_wheel_is_refused(make_wheel: Callable[..., Path], tmp_path: Path) -> None:
    good = make_wheel("thing", "1.0")
    for name, data, reason in [
        ("thing-1.0.whl", good.read_bytes(), "thing-1.0.whl: no wheel"),
        ("thing-1.0-py3-none-any.whl", b"PK\x03\x04nothing", "no wheel"),
        ("thing-1.0-py3-none-any.whl", good.read_bytes()[:100], "no wheel"),
        ("two-1.0-py3-none-any.whl", b"PK\x05\x06" + bytes(18), "not one METADATA"),
    ]:
        place = tmp_path / "bad" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        with pytest.raises(WheelsError, match=reason):
            read_wheel(place)


def test_a_requirement_that_is_none_is_refused(make_wheel: Callable[..., Path]) -> None:
    with pytest.raises(WheelsError, match="no wheel"):
        read_wheel(make_wheel("thing", "1.0", "not a requirement!"))
