"""Wheels are collected with pip: from a folder here, and for real from where pip fetches them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels import Target, collect, read_manifest
from edge_recog_devices.wheels.archives import read_wheel
from edge_recog_devices.wheels.collecting import parse_extras

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

PI5 = Target(architecture="aarch64", python=(3, 13), glibc=(2, 41))
PI32 = Target(architecture="armv7l", python=(3, 11), glibc=(2, 36))
AARCH64 = "cp313-cp313-manylinux_2_28_aarch64"


@pytest.fixture
def own(make_wheel: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a wheel of the project, with requirements that are small."""
    return make_wheel(
        "edge-recog",
        "0.1.0",
        "fast>=2; platform_machine != 'armv7l'",
        "slow; platform_machine == 'armv7l'",
        "web; extra == 'daemon'",
        extras=("daemon",),
        folder=tmp_path / "own",
    )


def test_all_that_the_target_needs_is_collected_and_no_more(
    index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    make_wheel("fast", "2.1", "native", tag="cp313-abi3-manylinux_2_28_aarch64", folder=index)
    make_wheel("fast", "2.2", tag="cp313-cp313-manylinux_2_28_x86_64", folder=index)
    make_wheel("native", "1.0", "only-there; python_version >= '3.13'", tag=AARCH64, folder=index)
    # Only for the computer that collects, if that is older.
    make_wheel("only-here", "1.0", folder=index)
    make_wheel("web", "1.0", "only-here; python_version < '3.13'", folder=index)
    make_wheel("only-there", "1.0", folder=index)
    out = tmp_path / "wheels"

    manifest = collect(PI5, out, extras=["daemon"], wheel=own)

    found = {one.distribution: one.version for one in manifest.files}
    assert found == {
        "edge-recog": "0.1.0",
        "fast": "2.1",
        "native": "1.0",
        "only-there": "1.0",
        "web": "1.0",
    }
    assert manifest.project == "edge-recog[daemon]"
    assert manifest.project_from == f"the file {own}"
    assert read_manifest(out) == manifest
    names = {path.name for path in out.iterdir()}
    assert names == {one.file for one in manifest.files} | {"manifest.json", "requirements.txt"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_markers_are_those_of_the_target(
    index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    # As piwheels names them.
    make_wheel("slow", "1.0", tag="cp311-cp311-linux_armv7l", folder=index)
    manifest = collect(PI32, tmp_path / "wheels", wheel=own)
    assert [one.distribution for one in manifest.files] == ["edge-recog", "slow"]


def test_constraints_hold(
    index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    for version in ("2.1", "2.5"):
        make_wheel("fast", version, folder=index)
    target = Target(
        architecture="aarch64", python=(3, 11), glibc=(2, 36), constraints=("fast<2.4",)
    )
    manifest = collect(target, tmp_path / "wheels", wheel=own)
    assert [one.version for one in manifest.files if one.distribution == "fast"] == ["2.1"]


def sdist(index: Path, name: str) -> None:
    import io
    import tarfile

    with tarfile.open(index / f"{name}-2.9.tar.gz", "w:gz") as archive:
        data = f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.9\n".encode()
        member = tarfile.TarInfo(f"{name}-2.9/PKG-INFO")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def test_a_package_without_a_wheel_is_told_and_leaves_nothing(
    index: Path, own: Path, tmp_path: Path
) -> None:
    sdist(index, "fast")
    out = tmp_path / "wheels"
    with pytest.raises(
        WheelsError, match=r"there is no wheel of fast>=2 for aarch64, Python 3\.13"
    ):
        collect(PI5, out, wheel=own)
    assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "own", "pip.conf"]


def test_what_only_the_target_needs_and_is_not_to_be_had_is_told(
    index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    make_wheel("fast", "2.1", "gone; platform_machine == 'aarch64'", folder=index)
    with pytest.raises(WheelsError, match="there is no wheel of gone for aarch64"):
        collect(PI5, tmp_path / "wheels", wheel=own)


def test_versions_that_do_not_go_together_are_told(
    index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    make_wheel("fast", "2.1", "common<2", folder=index)
    make_wheel("web", "1.0", "common>=2", folder=index)
    for version in ("1.0", "2.0"):
        make_wheel("common", version, folder=index)
    with pytest.raises(WheelsError, match="no versions go together for aarch64"):
        collect(PI5, tmp_path / "wheels", extras=["daemon"], wheel=own)


def test_an_index_that_does_not_answer_is_told(
    own: Path, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del index
    config = tmp_path / "unreachable.conf"
    config.write_text("[global]\nindex-url = http://127.0.0.1:1/simple\nretries = 1\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(WheelsError, match="pip does not reach its package index"):
        collect(PI5, tmp_path / "wheels", wheel=own)


def test_nothing_is_overwritten_without_being_told(
    index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    make_wheel("fast", "2.1", folder=index)
    out = tmp_path / "wheels"
    collect(PI5, out, wheel=own)
    before = read_manifest(out)
    with pytest.raises(UsageError, match="exists already; name another folder, or add --force"):
        collect(PI5, out, wheel=own)
    make_wheel("fast", "2.2", folder=index)
    after = collect(PI5, out, wheel=own, force=True)
    assert read_manifest(out) == after
    assert {one.version for one in after.files} - {one.version for one in before.files} == {"2.2"}


def test_a_folder_with_anything_else_in_it_is_never_replaced(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "wheels"
    out.mkdir()
    (out / "photo.jpg").write_text("mine")
    with pytest.raises(UsageError, match="there are other files in it"):
        collect(PI5, out, wheel=own, force=True)
    with pytest.raises(UsageError, match="not a folder"):
        collect(PI5, out / "photo.jpg", wheel=own, force=True)
    assert (out / "photo.jpg").read_text() == "mine"


def test_a_failure_leaves_what_was_there(
    index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    fast = make_wheel("fast", "2.1", folder=index)
    out = tmp_path / "wheels"
    before = collect(PI5, out, wheel=own)
    fast.unlink()
    with pytest.raises(WheelsError, match="no wheel of fast"):
        collect(PI5, out, wheel=own, force=True)
    assert read_manifest(out) == before


def test_another_project_s_wheel_is_refused(
    make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="a wheel of thing, not of edge-recog"):
        collect(PI5, tmp_path / "wheels", wheel=make_wheel("thing"))


def test_an_extra_that_is_not_there_is_refused(own: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no extra 'demon'; it has daemon"):
        collect(PI5, tmp_path / "wheels", extras=["demon"], wheel=own)


def test_extras_are_named_one_by_one_or_together() -> None:
    assert parse_extras(["daemon", "devices,daemon"]) == ("daemon", "devices")
    with pytest.raises(UsageError, match="no name of an extra"):
        parse_extras(["daemon]; reboot"])


def test_a_device_is_asked_for_what_wheels_it_needs(
    edge_recog: Callable[..., Any],
    device: Any,
    index: Path,
    own: Path,
    make_wheel: Callable[..., Path],
    tmp_path: Path,
) -> None:
    make_wheel("fast", "2.1", folder=index)
    out = tmp_path / "wheels"
    outcome = edge_recog(
        "devices", "wheels", "--host", device.address, "--wheel", own, "--out", out, "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    manifest = json.loads(outcome.out)
    assert manifest["target"]["architecture"] == os.uname().machine
    assert {one["distribution"] for one in manifest["files"]} == {"edge-recog", "fast"}
    assert read_manifest(out).target.glibc[0] == 2


# The manifest ------------------------------------------------------------------------------------


@pytest.fixture
def collected(index: Path, own: Path, make_wheel: Callable[..., Path], tmp_path: Path) -> Path:
    make_wheel("fast", "2.1", folder=index)
    out = tmp_path / "wheels"
    collect(PI5, out, wheel=own)
    return out


def test_a_manifest_says_what_pip_shall_install(collected: Path) -> None:
    manifest = read_manifest(collected)
    text = (collected / "requirements.txt").read_text()
    assert text == manifest.requirements()
    for one in manifest.files:
        assert f"{one.distribution}=={one.version} --hash=sha256:{one.sha256}\n" in text


def change(wheel: Path) -> None:
    data = bytearray(wheel.read_bytes())
    data[-1] ^= 1
    wheel.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (change, "missing or damaged"),
        (Path.unlink, "missing or damaged"),
        (lambda wheel: wheel.with_name("x-1-py3-none-any.whl").touch(), "not listed"),
        (lambda wheel: (wheel.parent / "manifest.json").unlink(), "cannot be read"),
        (lambda wheel: (wheel.parent / "manifest.json").write_text("{}"), "no manifest"),
    ],
    ids=["a bit", "a file", "one more", "no manifest", "not a manifest"],
)
def test_wheels_that_are_not_as_the_manifest_says_are_refused(
    collected: Path, spoil: Callable[[Path], Any], reason: str
) -> None:
    spoil(next(collected.glob("fast-*.whl")))
    with pytest.raises(WheelsError, match=reason):
        read_manifest(collected)


def test_a_manifest_names_no_file_elsewhere(collected: Path) -> None:
    path = collected / "manifest.json"
    path.write_text(path.read_text().replace('"fast-', '"../fast-'))
    with pytest.raises(WheelsError, match="no manifest of wheels"):
        read_manifest(collected)


# For real ----------------------------------------------------------------------------------------


def require_index(missing: Callable[[str], Any]) -> None:
    """End the test where pip reaches no index."""
    command = [sys.executable, "-m", "pip", "index", "versions", "flatbuffers"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        missing(f"pip reaches no package index: {done.stderr.strip()[-200:]}")


def machines_of(wheels: Path) -> set[int]:
    """Return the ELF machines of the libraries in all wheels."""
    found = set()
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    head = file.read(20)
                if head[:4] == b"\x7fELF":
                    found.add(int.from_bytes(head[18:20], "little"))
    return found


@pytest.mark.parametrize(
    ("python", "glibc", "constraints"),
    [((3, 13), (2, 41), ()), ((3, 11), (2, 36), ("numpy<2",))],
    ids=["trixie", "bookworm"],
)
def test_wheels_for_a_raspberry_pi_are_collected(
    missing: Callable[[str], Any],
    tmp_path: Path,
    python: tuple[int, int],
    glibc: tuple[int, int],
    constraints: tuple[str, ...],
) -> None:
    require_index(missing)
    target = Target(architecture="aarch64", python=python, glibc=glibc, constraints=constraints)
    out = tmp_path / "wheels"

    manifest = collect(target, out, extras=["daemon"])

    found = {one.distribution: one for one in manifest.files}
    assert {"edge-recog", "ai-edge-litert", "numpy", "opencv-python-headless"} <= found.keys()
    assert {"paho-mqtt", "uvicorn", "starlette", "msgspec", "typer"} <= found.keys()
    assert found["ai-edge-litert"].file.split("-")[2] == f"cp3{python[1]}"
    assert (found["numpy"].version < "2") == bool(constraints)
    assert machines_of(out) == {183}
    for path in out.glob("*.whl"):
        assert read_wheel(path).tags & target.tags
    assert read_manifest(out) == manifest


def test_collected_wheels_install_without_a_network(
    missing: Callable[[str], Any], tmp_path: Path
) -> None:
    require_index(missing)
    libc = subprocess.run(
        ["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True, check=False
    ).stdout
    machine = os.uname().machine
    if machine not in ("x86_64", "aarch64") or not libc.startswith("glibc 2."):
        pytest.skip("no wheels for this machine")
    architecture: Any = machine
    target = Target(
        architecture=architecture,
        python=sys.version_info[:2],
        glibc=(2, int(libc.split(".")[1])),
    )
    out = tmp_path / "wheels"
    manifest = collect(target, out, extras=["daemon"])
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    nowhere = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "HOME": str(tmp_path)}
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "-r", "requirements.txt"], cwd=out, env=nowhere, check=True)
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "edge-recog", "inspect", "--help"],
        capture_output=True,
        check=True,
        env=nowhere,
    )
    assert b"Usage" in done.stdout
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        capture_output=True,
        check=True,
        env=nowhere,
    )
    there = {one["name"].lower(): one["version"] for one in json.loads(listed.stdout)}
    assert there["edge-recog"] == manifest.version
