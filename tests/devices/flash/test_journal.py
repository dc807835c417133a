"""The scripts that change a device, and the one that puts everything back, in a folder here."""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edge_recog_devices.flash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPTS = Path(edge_recog_devices.flash.__file__).parent / "scripts"


def run(name: str, *words: object, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = ["sh", str(SCRIPTS / name), *map(str, words)]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def good(name: str, *words: object, data: bytes = b"") -> bytes:
    done = run(name, *words, data=data)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def put(root: Path, key: str, path: Path, data: bytes, packing: str = "gzip") -> None:
    sent = gzip.compress(data) if packing == "gzip" else data
    digest = hashlib.sha256(data).hexdigest()
    good("put.sh", root, key, path, "644", digest, packing, data=sent)


def tree(folder: Path) -> dict[str, Any]:
    """Return all that is in a folder: name → content, target, or None for a folder."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", path.readlink().as_posix())
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "device/root"


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.sh")))
def test_shellcheck_finds_nothing(script: str, missing: Callable[[str], Any]) -> None:
    program = shutil.which("shellcheck")
    if program is None:
        missing("shellcheck is not installed")
    command = [str(program), "--shell=sh", str(SCRIPTS / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("packing", ["gzip", "plain"])
def test_a_file_arrives_as_it_is(root: Path, tmp_path: Path, packing: str) -> None:
    path = tmp_path / "new/folder/file"
    put(root, "", path, b"\0data\n" * 1000, packing)
    assert path.read_bytes() == b"\0data\n" * 1000
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("cut", [b"", b"da", b"other"])
def test_a_file_that_arrives_damaged_is_not_taken(root: Path, tmp_path: Path, cut: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    digest = hashlib.sha256(b"data").hexdigest()
    done = run("put.sh", root, "", path, "644", digest, "plain", data=cut)
    assert done.returncode == 1
    assert b"arrived damaged" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"before"


def test_a_file_that_is_there_keeps_its_mode(root: Path, tmp_path: Path) -> None:
    good("begin.sh", root)
    path = tmp_path / "config"
    path.write_bytes(b"before")
    path.chmod(0o600)
    put(root, "config", path, b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_missing_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"a")
    (tmp_path / "damaged").write_bytes(b"b")
    digest = hashlib.sha256(b"a").hexdigest()
    words = [word for name in ("whole", "damaged", "absent") for word in (name, digest)]
    assert good("lacking.sh", tmp_path, *words) == b"damaged\nabsent\n"


def test_an_environment_is_changed_by_its_link(root: Path) -> None:
    good("begin.sh", root)
    for name in ("one", "two"):
        (root / "venvs" / name).mkdir()
        good("use.sh", root, name)
        assert (root / "venv").readlink() == Path("venvs", name)


def test_a_commit_keeps_only_the_environment_in_use(root: Path) -> None:
    good("begin.sh", root)
    for name in ("one", "two"):
        (root / "venvs" / name).mkdir()
        good("use.sh", root, name)
    (root / "incoming").mkdir()
    good("commit.sh", root, "0123")
    assert tree(root) == {
        "flashed": b"0123\n",
        "venv": ("link", "venvs/two"),
        "venvs": None,
        "venvs/two": None,
    }


def test_what_was_not_there_is_gone_afterwards(root: Path, tmp_path: Path) -> None:
    state = tmp_path / "device/state/edge-recog"
    good("begin.sh", root, state, state / "models")
    put(root, "config", tmp_path / "device/config", b"text")
    (state / "models/state.json").write_text("{}")
    good("restore.sh", "user", root)
    assert tree(tmp_path) == {}


def test_what_others_put_beside_stays(root: Path, tmp_path: Path) -> None:
    good("begin.sh", root)
    (tmp_path / "device/other").write_text("mine")
    good("restore.sh", "user", root)
    assert set(tree(tmp_path)) == {"device", "device/other"}


def test_to_begin_again_forgets_nothing(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"before")
    good("begin.sh", root)
    put(root, "config", path, b"first")
    # The run was killed here.
    good("begin.sh", root)
    put(root, "config", path, b"second")
    good("restore.sh", "user", root)
    assert path.read_bytes() == b"before"


ALONE = (SCRIPTS / "alone.sh").read_text()


@pytest.fixture
def lock() -> Iterator[str]:
    name = f"edge-recog-test-{secrets.token_hex(8)}"
    yield name
    for folder in ("/run", os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"), "/tmp"):
        Path(folder, name).unlink(missing_ok=True)


def alone(how: str, flash: str, lock: str, *words: str, patience: int = 0) -> tuple[str, ...]:
    return ("sh", "-c", ALONE, "alone.sh", how, flash, lock, str(patience), *words)


def said(command: tuple[str, ...]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_program_gets_its_words_its_input_and_its_status(lock: str) -> None:
    program = ("sh", "-c", 'cat; echo "$#:$2" >&2; exit 7', "x", "a b", "", "*")
    command = alone("begin", "mine", lock, *program)
    done = subprocess.run(command, input=b"data", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"data", b"3:\n")


def test_of_two_flashes_the_one_that_began_last_goes_on(lock: str) -> None:
    assert said(alone("begin", "first", lock, "true")) == (0, "")
    assert said(alone("go-on", "first", lock, "echo", "1")) == (0, "1\n")
    assert said(alone("begin", "second", lock, "true")) == (0, "")
    status, text = said(alone("go-on", "first", lock, "echo", "1"))
    assert (status, text) == (76, "another flash has begun there meanwhile, and goes on\n")
    assert said(alone("go-on", "second", lock, "echo", "2")) == (0, "2\n")


@pytest.mark.parametrize(("how", "status"), [("begin", 76), ("go-on", 1)])
def test_nothing_is_done_beside_what_a_lost_connection_left_behind(
    lock: str, how: str, status: int
) -> None:
    left = ("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
    _, pid = said(alone("begin", "mine", lock, *left))
    try:
        code, text = said(alone(how, "mine", lock, "echo", "1"))
    finally:
        os.kill(int(pid), signal.SIGKILL)
    assert code == status
    assert text.startswith("another flash is still at work there: ")
    assert said(alone(how, "mine", lock, "echo", "1", patience=60)) == (0, "1\n")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(["a", "b"]), st.binary(max_size=20)),
        st.tuples(st.just("use"), st.sampled_from(["new", "newer"]), st.none()),
        st.tuples(st.just("begin"), st.none(), st.none()),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=15)
@given(steps=STEPS, kind=st.sampled_from(["absent", "link", "folder"]), has_file=st.booleans())
def test_whatever_was_done_everything_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, str | None, bytes | None]],
    kind: str,
    has_file: bool,
) -> None:
    folder = tmp_path_factory.mktemp("device")
    root = folder / "root"
    if kind != "absent":
        (root / "venvs/old").mkdir(parents=True)
    if kind == "folder":
        (root / "venv").mkdir()
        (root / "venv/marker").write_text("old")
    if kind == "link":
        (root / "venv").symlink_to("venvs/old")
    if has_file:
        (folder / "a").write_bytes(b"old")
    before = tree(folder)
    good("begin.sh", root)
    for verb, name, data in steps:
        if verb == "put":
            put(root, str(name), folder / str(name), data or b"")
        elif verb == "use":
            (root / "venvs" / str(name)).mkdir(exist_ok=True)
            good("use.sh", root, name)
        else:
            good("begin.sh", root)
    good("restore.sh", "user", root)
    assert tree(folder) == before
