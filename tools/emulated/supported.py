"""The systems on which the runtime's tests were run, and README.md's table of them.

python tools/emulated/supported.py          # writes the table anew
python tools/emulated/supported.py --check  # says whether it is that of the results
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
from outcomes import Outcome, Skip, count_skips
from tree import Tree

from edge_recog.files import write_file

CHECKOUT = Path(__file__).parents[2]
RESULTS = CHECKOUT / "benchmarks" / "results" / "supported-systems.json"
README = CHECKOUT / "README.md"
BEGIN, END = "<!-- supported systems: begin -->", "<!-- supported systems: end -->"


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a system says of itself."""

    system: str
    """`Debian GNU/Linux 13 (trixie)`."""
    architecture: str
    """`uname -m`."""
    python: str
    interpreter: str
    """Distribution and version, of which the runtime uses it: `ai-edge-litert 2.3.0`."""
    numpy: str
    opencv: str


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the runtime's tests came to on one system."""

    name: str
    """`trixie-aarch64`: what tools/emulated/make_system.sh makes."""
    facts: Facts
    emulator: str
    """With its version, and the processor that it plays."""
    finished: str
    """RFC 3339, UTC: when the last file was run."""
    tree: Tree
    """What was tested: all that is counted here was run on files that are alike in it."""
    files: int
    passed: int
    skips: tuple[Skip, ...] = ()
    failures: tuple[str, ...] = ()
    """`tests/edge_recog/test_frames.py: test_name`."""
    tried_again: tuple[str, ...] = ()
    """Test files that were run more than once, because something in them had failed."""
    not_run: tuple[str, ...] = ()
    """Test files that have not been run on this tree yet."""

    @property
    def skipped(self) -> int:
        return sum(skip.count for skip in self.skips)


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`benchmarks/results/supported-systems.json`."""

    schema_version: int
    note: str
    made_by: str
    systems: tuple[System, ...]


def sum_up(
    name: str,
    facts: Facts,
    emulator: str,
    finished: str,
    tree: Tree,
    outcomes: dict[str, Outcome],
    inputs: dict[str, str],
) -> System:
    """Add up the outcomes of a tree; those of other states of a test's inputs do not count.

    Args:
        name: Of the system.
        facts: Of the system.
        emulator: What played its processor.
        finished: When the last file was run.
        tree: The state of the checkout.
        outcomes: By test file.
        inputs: Digests by test file, of that state.
    """
    counted = [
        outcomes[file]
        for file, digest in inputs.items()
        if file in outcomes and outcomes[file].inputs == digest
    ]
    ran = {outcome.file for outcome in counted}
    return System(
        name=name,
        facts=facts,
        emulator=emulator,
        finished=finished,
        tree=tree,
        files=len(counted),
        passed=sum(outcome.passed for outcome in counted),
        skips=count_skips(skip for outcome in counted for skip in outcome.skips),
        failures=tuple(f"{one.file}: {name}" for one in counted for name in one.failures),
        tried_again=tuple(one.file for one in counted if one.tries > 1),
        not_run=tuple(file for file in inputs if file not in ran),
    )


def merged(document: Document | None, system: System) -> Document:
    """Return the document with this system in it, in place of what it said of it."""
    others = () if document is None else document.systems
    systems = {one.name: one for one in others} | {system.name: system}
    return Document(
        schema_version=1,
        note="emulated: times mean nothing, and no camera or accelerator was there",
        made_by="make emulated",
        systems=tuple(systems[name] for name in sorted(systems)),
    )


def read(path: Path) -> Document | None:
    """Return what is in the file; None if there is no such file."""
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=Document)


def write(path: Path, document: Document) -> None:
    """Write the file whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=1)
    write_file(path, text + b"\n", force=True)


def table(document: Document) -> str:
    """Return the table and what is to be said of it, in Markdown, without the markers."""
    lines = [
        "All tests of the runtime, on emulated processors (`make emulated`; no real camera):",
        "",
        "| system | architecture | Python | interpreter | NumPy, OpenCV | tests |",
        "|---|---|---|---|---|---|",
    ]
    for one in document.systems:
        facts = one.facts
        cells = (
            facts.system.replace("GNU/Linux ", ""),
            facts.architecture,
            facts.python,
            facts.interpreter,
            f"{facts.numpy}, {facts.opencv}",
            verdict(one),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(said_of(one) for one in document.systems)]
    return "\n".join(lines)


def verdict(system: System) -> str:
    """Return what the tests came to, in words."""
    parts = [f"**{system.passed:,} passed**" if is_whole(system) else f"{system.passed:,} passed"]
    if system.failures:
        parts.append(f"**{len(system.failures):,} failed**")
    if system.skips:
        parts.append(f"{system.skipped:,} skipped")
    if system.not_run:
        parts.append(f"{len(system.not_run)} of {system.files + len(system.not_run)} files not run")
    return ", ".join(parts)


def is_whole(system: System) -> bool:
    """Return whether every file was run and nothing failed."""
    return not system.failures and not system.not_run


def said_of(system: System) -> str:
    """Return one line: when, on which tree, and why tests were skipped."""
    tree = f"commit {system.tree.commit[:8]}" + _changed(len(system.tree.changed))
    line = f"- {system.name}: {system.finished[:10]}, {tree}, {system.emulator}."
    if system.skips:
        reasons = "; ".join(f"{skip.count} {_short(skip.reason)}" for skip in system.skips[:4])
        more = "; and others" if len(system.skips) > 4 else ""
        line += f" Skipped: {reasons}{more}."
    return line


def with_table(readme: str, document: Document) -> str:
    """Return the README with the table between its markers.

    Raises:
        ValueError: It does not have both markers, in order, once.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError(f"{README.name} must have {BEGIN} and, below it, {END}, each once")
    return f"{before}{BEGIN}\n{table(document)}\n{END}{after}"


def _changed(count: int) -> str:
    return f" and {count} changed {'file' if count == 1 else 'files'}" if count else ""


def _short(reason: str) -> str:
    text = reason.removeprefix("Skipped: ").replace("|", "/")
    return text if len(text) <= 90 else f"{text[:87]}..."


def write_table(document: Document) -> None:
    """Put the table into README.md.

    Raises:
        ValueError: It has no place for it.
    """
    old = README.read_text(encoding="utf-8")
    new = with_table(old, document)
    if new != old:
        write_file(README, new.encode(), force=True)


def main() -> None:
    """Write or check README.md's table; exit 1 if it is not that of the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    is_check = parser.parse_args().check
    document = read(RESULTS)
    if document is None:
        sys.exit(f"{RESULTS}: not there yet; make emulated writes it")
    try:
        if not is_check:
            write_table(document)
        elif with_table(text := README.read_text(encoding="utf-8"), document) != text:
            sys.exit(
                f"README.md's table is not that of {RESULTS.name}. "
                "Write it anew: .venv/bin/python tools/emulated/supported.py"
            )
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
