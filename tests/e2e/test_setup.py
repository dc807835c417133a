"""`tools/setup.sh` asks the index that pip asks, and says in one line what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

UV = """#!/bin/bash
case $* in
    *--help*) echo --group ;;
    venv*) mkdir -p .venv/bin ;;
    *) env >"$SEEN" ;;
esac
"""

CORPORATE = """[global]
index-url = https://packages.example/simple
extra-index-url =
    https://one.example/simple
    https://two.example/simple
find-links = /srv/wheels /srv/more
cert = /srv/ca.pem
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has pip (those that uv makes have none)."""
    pytest.importorskip("ensurepip")
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
    return folder / "bin" / "python"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "tools").mkdir(parents=True)
    for script in ("setup.sh", "uv.sh"):
        shutil.copy(ROOT / "tools" / script, folder / "tools")
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(UV)
    uv.chmod(0o755)
    return folder


def set_up(
    checkout: Path, python: Path | str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the script with a stand-in for uv that writes down its environment."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_")) and name != "SSL_CERT_FILE"
    }
    path = os.pathsep.join([str(checkout.parent / "bin"), os.environ["PATH"]])
    home = {"PIP_CONFIG_FILE": os.devnull, "SEEN": str(checkout / "seen")}
    return subprocess.run(
        [str(checkout / "tools" / "setup.sh")],
        env={**inherited, **home, "PATH": path, "PYTHON": str(python), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def seen_by_uv(checkout: Path, python: Path, **environment: str) -> dict[str, str]:
    done = set_up(checkout, python, **environment)
    assert done.returncode == 0, done.stderr
    lines = (checkout / "seen").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith(("UV_", "SSL_CERT_FILE")))


@pytest.fixture
def corporate(tmp_path: Path) -> str:
    path = tmp_path / "pip.conf"
    path.write_text(CORPORATE)
    return str(path)


def test_uv_gets_what_pip_is_configured_with(checkout: Path, python: Path, corporate: str) -> None:
    seen = seen_by_uv(checkout, python, PIP_CONFIG_FILE=corporate)

    assert seen == {
        "UV_DEFAULT_INDEX": "https://packages.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/srv/wheels,/srv/more",
        "SSL_CERT_FILE": "/srv/ca.pem",
    }


def test_an_environment_variable_of_pip_comes_before_its_file(
    checkout: Path, python: Path, corporate: str
) -> None:
    index = "https://today.example/simple"
    seen = seen_by_uv(checkout, python, PIP_CONFIG_FILE=corporate, PIP_INDEX_URL=index)

    assert seen["UV_DEFAULT_INDEX"] == index


def test_what_the_user_told_uv_wins(checkout: Path, python: Path, corporate: str) -> None:
    mine = {"UV_INDEX": "https://mine.example/simple", "SSL_CERT_FILE": "/mine.pem"}
    seen = seen_by_uv(checkout, python, PIP_CONFIG_FILE=corporate, **mine)

    assert seen == mine


def test_without_settings_of_pip_uv_keeps_its_own(checkout: Path, python: Path) -> None:
    seen = seen_by_uv(checkout, python)

    assert [name for name in seen if name.startswith("UV_")] == []


@pytest.mark.parametrize(
    ("fails_at", "says"),
    [
        ("sys.version_info", "Python 3.11 or newer is needed, and {python} is Python 3.9.2."),
        ("struct.calcsize", "training needs a 64-bit system."),
        ("ensurepip", "python3-venv is missing. Install it: sudo apt install python3-venv"),
    ],
    ids=["too-old", "32-bit", "no-venv"],
)
def test_what_is_missing_is_said_in_one_line(
    checkout: Path, tmp_path: Path, fails_at: str, says: str
) -> None:
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/bash\n[[ "$*" == -V ]] && echo Python 3.9.2\n[[ "$*" != *{fails_at}* ]]\n'
    )
    python.chmod(0o755)
    (tmp_path / "bin" / "uv").write_text("#!/bin/bash\nexit 2\n")  # too old for us
    done = set_up(checkout, python)

    assert done.returncode == 1
    assert done.stderr.startswith(f"set-up: {says.format(python=python)}")
    assert done.stderr.count("\n") == 1


def test_an_absent_python_is_named(checkout: Path) -> None:
    done = set_up(checkout, "python9.9")

    assert done.returncode == 1
    assert done.stderr.startswith("set-up: no python9.9 here.")
