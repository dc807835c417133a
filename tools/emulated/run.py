"""Runs the runtime's tests in an emulated system, file by file, and writes what they came to.

    python tools/emulated/run.py trixie-aarch64             # all files that are still to be run
    python tools/emulated/run.py trixie-aarch64 tests/edge_recog/test_frames.py
    python tools/emulated/run.py trixie-aarch64 --failed    # once more, what failed
    python tools/emulated/run.py trixie-aarch64 --renew     # of the checkout as it is now

A run that was interrupted goes on where it stopped, with the copy of the checkout that it began
with; `--renew` copies anew. What a file's tests came to stays known until something changes that
they depend on. All is kept in build/emulated; the sum goes to benchmarks/results and README.md.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import supported
import tree
from outcomes import Counts, Outcome, ended, made, read_junit
from supported import CHECKOUT, Facts

from edge_recog.files import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS = Path(__file__).parent
TEST_S = 3000
"""A test is given up after this time; a hundred times what the slowest take by themselves."""
RUN_S = 6 * 3600
EMULATORS = {
    "aarch64": ("qemu-aarch64-static", "cortex-a72"),
    "armv7l": ("qemu-arm-static", "cortex-a15"),
}


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The copy of the checkout that is tested."""

    tree: tree.Tree
    inputs: dict[str, str]
    """Test files, and the digests of what they depend on."""


class Run:
    """The tests of one system."""

    def __init__(self, system: str) -> None:
        self.system = system
        self.folder = CHECKOUT / "build" / "emulated" / system
        self.checkout = self.folder / "root" / "checkout" / "edge_recog"
        self.outcomes = self.folder / "outcomes"

    def inside(self, *command: str) -> list[str]:
        """Return the command that runs another one in the system."""
        return [str(TOOLS / "inside.sh"), self.system, *command]

    def snapshot(self, *, renew: bool, committed: bool) -> Snapshot:
        """Return the copy that is there, or make one."""
        path = self.folder / "snapshot.json"
        if path.exists() and not renew:
            return msgspec.json.decode(path.read_bytes(), type=Snapshot)
        path.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            state = tree.export(CHECKOUT, folder, committed=committed)
            made = Snapshot(state, tree.inputs(folder))
            self._install(folder)
            shutil.rmtree(self.checkout, ignore_errors=True)
            self.checkout.mkdir(parents=True)
            for part in ("pyproject.toml", "tests"):
                shutil.move(folder / part, self.checkout / part)
        _write(path, made)
        return made

    def _install(self, folder: Path) -> None:
        """Build the wheel and unpack it where the system's Python looks."""
        uv = str(CHECKOUT / "tools" / "uv.sh")
        wheels = folder / "wheels"
        subprocess.run(
            [
                uv,
                "build",
                "--quiet",
                "--no-config",
                "--wheel",
                "--out-dir",
                str(wheels),
                str(folder),
            ],
            check=True,
        )
        (wheel,) = wheels.glob("edge_recog-*.whl")
        (packages,) = (self.folder / "root" / "opt" / "edge-recog" / "lib").glob("*/site-packages")
        for old in packages.glob("edge_recog*"):
            shutil.rmtree(old)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)

    def known(self) -> dict[str, Outcome]:
        """Return what is known by now, by test file."""
        found = (
            msgspec.json.decode(path.read_bytes(), type=Outcome)
            for path in self.outcomes.glob("*.json")
        )
        return {outcome.file: outcome for outcome in found}

    def test(self, files: Sequence[str]) -> tuple[dict[str, Counts], str | None]:
        """Run the tests of some files in one process.

        What pytest said is kept in the folder of outcomes, by the name of the first.

        Returns:
            What the tests of each file came to, and how pytest broke off if it did.
        """
        self.outcomes.mkdir(exist_ok=True)
        junit = self.checkout / "outcome.xml"
        junit.unlink(missing_ok=True)
        plugins = [f"-pno:{name}" for name in ("cacheprovider", *self._unused(files))]
        command = self.inside(
            "python", "-m", "pytest", "-rA", "--tb=short", "--durations=10", *plugins,
            f"--timeout={TEST_S}", "--basetemp=/tmp/pytest", f"--junitxml={junit.name}", *files,
        )  # fmt: skip
        with self.kept(files[0]).with_suffix(".log").open("wb") as log:
            try:
                done = subprocess.run(command, stdout=log, stderr=log, timeout=RUN_S, check=False)
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = -9
        counts = read_junit(junit.read_text(encoding="utf-8")) if junit.exists() else {}
        return counts, ended(code, RUN_S)

    def kept(self, file: str) -> Path:
        """Return where a test file's outcome is, less its suffix."""
        return self.outcomes / file.replace("/", "+")

    def _unused(self, files: Sequence[str]) -> list[str]:
        """Return plugins of pytest that no file names; one takes half a minute to load."""
        text = "".join((self.checkout / file).read_text(encoding="utf-8") for file in files)
        return [name for name in ("anyio", "schemathesis") if name not in text]

    def facts(self) -> Facts:
        """Ask the system what it is."""
        path = self.folder / "facts.json"
        if not path.exists():
            shutil.copy(TOOLS / "facts.py", self.checkout / "facts.py")
            done = subprocess.run(
                self.inside("python", "facts.py"), check=True, stdout=subprocess.PIPE
            )
            _write(path, msgspec.json.decode(done.stdout, type=Facts))
        return msgspec.json.decode(path.read_bytes(), type=Facts)

    def emulator(self) -> str:
        """Return the emulator's name and version, and the processor that it plays."""
        program, processor = EMULATORS[self.system.rpartition("-")[2]]
        said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
        version = said.stdout.split("version ")[1].split()[0]
        return f"{program.removesuffix('-static')} {version} ({processor})"


def main() -> None:
    """Run; exit 0 if every file was run and nothing failed, 1 if not, 130 if interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("system", choices=("bookworm-aarch64", "bookworm-armv7l", "trixie-aarch64"))
    parser.add_argument("files", nargs="*", help="test files; all if left out")
    parser.add_argument("--failed", action="store_true", help="run once more what failed")
    parser.add_argument("--renew", action="store_true", help="test the checkout as it is now")
    parser.add_argument("--committed", action="store_true", help="with --renew: as committed last")
    parser.add_argument(
        "--batch", type=int, default=8, help="files to a process; an interruption loses as many"
    )
    parser.add_argument("--sum", action="store_true", help="run nothing; add up what is known")
    arguments = parser.parse_intermixed_args()
    run = Run(arguments.system)
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"emulated: another run is testing {arguments.system} already")
        if subprocess.run([str(TOOLS / "make_system.sh"), run.system], check=False).returncode:
            sys.exit(1)  # It has said why.
        system = _run(run, arguments)
    print(f"{system.name}: {supported.verdict(system)}")  # noqa: T201
    sys.exit(0 if supported.is_whole(system) else 1)


def _run(run: Run, arguments: argparse.Namespace) -> supported.System:
    snapshot = run.snapshot(renew=arguments.renew, committed=arguments.committed)
    try:
        if not arguments.sum:
            _go(run, snapshot, arguments.files, arguments.batch, again=arguments.failed)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        system = _sum(run, snapshot)
    return system


def _go(run: Run, snapshot: Snapshot, wanted: list[str], batch: int, *, again: bool) -> None:
    for file in wanted:
        if file not in snapshot.inputs:
            sys.exit(f"{file}: there is no such test file in the copy; --renew copies anew")
    known = {
        file: outcome
        for file, outcome in run.known().items()
        if outcome.inputs == snapshot.inputs.get(file)
    }
    pending = wanted or [
        file for file in snapshot.inputs if file not in known or (again and known[file].failures)
    ]
    batches = [pending[start : start + batch] for start in range(0, len(pending), batch)]
    while batches:
        files = batches.pop(0)
        counts, broken = run.test(files)
        if broken and len(files) > 1:
            print(f"{broken}: these {len(files)} files are run one by one")  # noqa: T201
            batches[:0] = [[file] for file in files]
            continue
        for file in files:
            before = known.get(file)
            tries = before.tries + 1 if before is not None and before.failures else 1
            outcome = made(file, snapshot.inputs[file], counts.get(file), broken, tries)
            _write(run.kept(file).with_suffix(".json"), outcome)
            said = f"{outcome.passed} passed, {outcome.skipped} skipped"
            print(f"{file}  {said}, {len(outcome.failures)} failed", flush=True)  # noqa: T201


def _sum(run: Run, snapshot: Snapshot) -> supported.System:
    outcomes = run.known()
    last_s = max((path.stat().st_mtime for path in run.outcomes.glob("*.json")), default=0.0)
    finished = datetime.datetime.fromtimestamp(last_s, datetime.UTC)
    system = supported.sum_up(
        run.system,
        run.facts(),
        run.emulator(),
        finished.strftime("%Y-%m-%dT%H:%M:%SZ"),
        snapshot.tree,
        outcomes,
        snapshot.inputs,
    )
    document = supported.merged(supported.read(supported.RESULTS), system)
    supported.write(supported.RESULTS, document)
    supported.write_table(document)
    return system


def _write(path: Path, value: msgspec.Struct) -> None:
    write_file(path, msgspec.json.format(msgspec.json.encode(value), indent=1), force=True)


if __name__ == "__main__":
    main()
