"""Wheels are collected once for all devices of a kind, and anew for another edge_recog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels import ProjectWheel, Target, cache, read_manifest
from edge_recog_devices.wheels.cache import collected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PI5 = Target(architecture="aarch64", python=(3, 13), glibc=(2, 41))


@pytest.fixture
def own(
    make_wheel: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    """Return a list whose last file is the wheel of the edge_recog in use."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options: dict[str, Any] = {"extras": ("daemon",), "folder": tmp_path / "own"}
    found = [make_wheel("edge-recog", "0.1.0", "web; extra == 'daemon'", **options)]
    monkeypatch.setattr(cache, "project_wheel", lambda into: ProjectWheel(found[-1], "a test"))
    return found


def test_what_was_collected_is_used_again_without_an_index(
    own: list[Path], index: Path, make_wheel: Callable[..., Path]
) -> None:
    wheel = make_wheel("web", folder=index)
    folder = collected(PI5, ["daemon"])
    assert {one.distribution for one in read_manifest(folder).files} == {"edge-recog", "web"}
    wheel.unlink()
    assert collected(PI5, ["daemon"]) == folder
    with pytest.raises(WheelsError, match="there is no wheel of web"):
        collected(Target(architecture="x86_64", python=(3, 13), glibc=(2, 41)), ["daemon"])


def test_another_edge_recog_is_collected_anew(
    own: list[Path], index: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    make_wheel("web", folder=index)
    folder = collected(PI5, ["daemon"])
    own.append(make_wheel("edge-recog", "0.1.0", folder=tmp_path / "newer", extras=("daemon",)))
    assert collected(PI5, []) != folder


def test_what_was_damaged_since_is_collected_anew(
    own: list[Path], index: Path, make_wheel: Callable[..., Path]
) -> None:
    make_wheel("web", folder=index)
    folder = collected(PI5, ["daemon"])
    [wheel] = folder.glob("web-*.whl")
    wheel.write_bytes(b"damaged")
    assert collected(PI5, ["daemon"]) == folder
    read_manifest(folder)
