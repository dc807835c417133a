"""README.md says of the systems it supports what the tests came to on them, no more."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools" / "emulated"
JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest">
<testcase classname="tests.web.test_a" name="test_one[x.py]" time="0.1" />
<testcase classname="tests.web.test_a.TestMachine" name="runTest" time="0.2" />
<testcase classname="tests.web.test_a" name="test_two" time="0.1"><failure message="1" /></testcase>
<testcase classname="tests.web.test_a" name="test_two"><error message="tear down" /></testcase>
<testcase classname="tests.web.test_a" name="test_three">
  <skipped type="pytest.skip" message="mosquitto is&#10; not installed">…</skipped></testcase>
<testcase classname="tests.web.test_a" name="test_four">
  <skipped type="pytest.skip" message="mosquitto is not installed">…</skipped></testcase>
<testcase classname="" name="tests.test_b">
  <skipped type="pytest.skip" message="no schemathesis">…</skipped></testcase>
<testcase classname="" name="tests.test_c"><error message="collection failure" /></testcase>
</testsuite></testsuites>"""


@pytest.fixture(scope="module")
def tool() -> Iterator[Callable[[str], ModuleType]]:
    """Return what imports a module of tools/emulated."""
    before = set(sys.modules)
    sys.path.insert(0, str(TOOLS))
    yield importlib.import_module
    sys.path.remove(str(TOOLS))
    for name in {path.stem for path in TOOLS.glob("*.py")} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def outcome(tool: Callable[[str], ModuleType]) -> Callable[..., Any]:
    """Return what makes an outcome of the file `a`."""

    def make(**changes: Any) -> Any:
        values = {"file": "a", "inputs": "1", "passed": 2} | changes
        return tool("outcomes").Outcome(**values)

    return make


@pytest.fixture
def system(tool: Callable[[str], ModuleType]) -> Callable[..., Any]:
    """Return what adds up outcomes of a tree with the files `a` and `b`."""

    def make(*outcomes: Any, name: str = "trixie-aarch64", changed: tuple[str, ...] = ()) -> Any:
        supported = tool("supported")
        facts = supported.Facts(
            system="Debian GNU/Linux 13 (trixie)",
            architecture="aarch64",
            python="3.13.5",
            interpreter="ai-edge-litert 2.3.0",
            numpy="2.5.5",
            opencv="5.0.0",
        )
        return supported.sum_up(
            name,
            facts,
            "qemu-aarch64 7.2.22 (cortex-a72)",
            "2026-11-27T04:00:00Z",
            tool("tree").Tree("0123456789abcdef", changed),
            {one.file: one for one in outcomes},
            {"a": "1", "b": "2"},
        )

    return make


def test_the_table_in_the_readme_is_that_of_the_results() -> None:
    done = subprocess.run(
        [sys.executable, TOOLS / "supported.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_junit_file_tells_what_passed_failed_and_was_skipped_and_why(
    tool: Callable[[str], ModuleType],
) -> None:
    counts = tool("outcomes").read_junit(JUNIT)

    a = counts["tests/web/test_a.py"]
    assert (a.passed, a.failures, a.seconds) == (2, ("test_two",), 0.4)
    assert [(skip.reason, skip.count) for skip in a.skips] == [("mosquitto is not installed", 2)]
    assert [skip.reason for skip in counts["tests/test_b.py"].skips] == ["no schemathesis"]
    assert counts["tests/test_c.py"].failures == ("tests.test_c",)


def test_what_is_no_junit_file_is_refused(tool: Callable[[str], ModuleType]) -> None:
    with pytest.raises(ValueError, match="not a JUnit file"):
        tool("outcomes").read_junit("<testsuites>")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, None),
        (1, None),
        (5, None),
        (4, "pytest could not run these tests (exit status 4)"),
        (-9, "pytest was killed after 60 s"),
        (-11, "pytest was ended by signal 11"),
        (139, "pytest was ended by signal 11"),
    ],
)
def test_a_pytest_that_broke_off_is_a_failure(
    tool: Callable[[str], ModuleType], code: int, said: str | None
) -> None:
    outcomes = tool("outcomes")
    broken = outcomes.ended(code, 60)

    assert broken == said
    outcome = outcomes.made("a", "1", None, broken, 1)
    assert outcome.failures == ((said,) if said else ())


def test_a_system_is_whole_when_every_file_was_run_and_nothing_failed(
    tool: Callable[[str], ModuleType], system: Callable[..., Any], outcome: Callable[..., Any]
) -> None:
    whole = system(outcome(), outcome(file="b", inputs="2", passed=1200))

    assert tool("supported").is_whole(whole)
    assert tool("supported").verdict(whole) == "**1,202 passed**"


def test_an_outcome_of_another_state_of_the_files_does_not_count(
    tool: Callable[[str], ModuleType], system: Callable[..., Any], outcome: Callable[..., Any]
) -> None:
    partly = system(outcome(), outcome(file="b", inputs="old", passed=1200))

    assert partly.not_run == ("b",)
    assert tool("supported").verdict(partly) == "2 passed, 1 of 2 files not run"


def test_failures_and_reasons_for_skipping_are_told(
    tool: Callable[[str], ModuleType], system: Callable[..., Any], outcome: Callable[..., Any]
) -> None:
    skip = tool("outcomes").Skip
    failed = system(
        outcome(failures=("test_x",), tries=2),
        outcome(file="b", inputs="2", skips=(skip("no chromium", 3),)),
        changed=("edge_recog/files.py",),
    )

    assert failed.failures == ("a: test_x",)
    assert failed.tried_again == ("a",)
    assert tool("supported").verdict(failed) == "4 passed, **1 failed**, 3 skipped"
    assert tool("supported").said_of(failed) == (
        "- trixie-aarch64: 2026-11-27, commit 01234567 and 1 changed file, "
        "qemu-aarch64 7.2.22 (cortex-a72). Skipped: 3 no chromium."
    )


def test_a_system_that_is_run_again_takes_its_own_place_only(
    tool: Callable[[str], ModuleType], system: Callable[..., Any], outcome: Callable[..., Any]
) -> None:
    supported = tool("supported")
    document = None
    for one in (system(), system(name="bookworm-aarch64"), system(outcome())):
        document = supported.merged(document, one)

    assert [(one.name, one.passed) for one in document.systems] == [
        ("bookworm-aarch64", 0),
        ("trixie-aarch64", 2),
    ]
    again = msgspec.json.decode(msgspec.json.encode(document), type=supported.Document)
    assert again == document


def test_the_table_takes_the_place_between_its_markers(
    tool: Callable[[str], ModuleType], system: Callable[..., Any], outcome: Callable[..., Any]
) -> None:
    supported = tool("supported")
    document = supported.merged(None, system(outcome()))
    readme = f"above\n{supported.BEGIN}\nold\n{supported.END}\nbelow\n"

    written = supported.with_table(readme, document)

    assert written.startswith(f"above\n{supported.BEGIN}\nAll tests of the runtime")
    assert "\n| Debian 13 (trixie) | aarch64 | 3.13.5 | ai-edge-litert 2.3.0 |" in written
    assert written.endswith(f"\n{supported.END}\nbelow\n")
    assert "old" not in written
    assert supported.with_table(written, document) == written


@pytest.mark.parametrize("readme", ["", "{BEGIN}", "{END} {BEGIN}", "{BEGIN} {END} {BEGIN}"])
def test_a_readme_without_both_markers_is_refused(
    tool: Callable[[str], ModuleType], system: Callable[..., Any], readme: str
) -> None:
    supported = tool("supported")
    text = readme.format(BEGIN=supported.BEGIN, END=supported.END)

    with pytest.raises(ValueError, match="must have"):
        supported.with_table(text, supported.merged(None, system()))


def test_what_a_test_file_depends_on_is_the_runtime_itself_and_what_lies_above_it(
    tool: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    tree = tool("tree")
    one, two = "tests/edge_recog/test_one.py", "tests/edge_recog/web/test_two.py"
    files = (
        "edge_recog/a.py",
        "tests/edge_recog/conftest.py",
        "tests/edge_recog/web/conftest.py",
        "tests/edge_recog/mqtt/conftest.py",
        one,
        two,
    )
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    before = tree.inputs(tmp_path)
    changed = {}
    for name in files:
        (tmp_path / name).write_text("changed")
        after = tree.inputs(tmp_path)
        changed[name] = {file for file in after if after[file] != before[file]}
        (tmp_path / name).write_text("")

    assert list(before) == [one, two]
    assert changed == {
        "edge_recog/a.py": {one, two},
        "tests/edge_recog/conftest.py": {one, two},
        "tests/edge_recog/web/conftest.py": {two},
        "tests/edge_recog/mqtt/conftest.py": set(),
        one: {one},
        two: {two},
    }


def test_a_checkout_is_copied_as_it_is_or_as_it_was_committed(
    tool: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    tree = tool("tree")
    checkout, as_is, committed = (tmp_path / name for name in ("checkout", "as-is", "committed"))
    for name in (*tree.PARTS, *tree.WHEEL):
        path = checkout / name if "." in name or name == "LICENSE" else checkout / name / "a.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("first")
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    (checkout / "edge_recog" / "a.py").write_text("second")
    (checkout / "edge_recog" / "new.py").write_text("new")
    (checkout / "tests" / "native" / "a.py").unlink()
    as_is.mkdir()
    committed.mkdir()

    before = tree.export(checkout, committed, committed=True)
    now = tree.export(checkout, as_is, committed=False)

    assert before.changed == ()
    assert before.commit == now.commit
    assert now.changed == ("edge_recog/a.py", "edge_recog/new.py", "tests/native/a.py")
    assert (committed / "edge_recog" / "a.py").read_text() == "first"
    assert (as_is / "edge_recog" / "a.py").read_text() == "second"
    assert (as_is / "edge_recog" / "new.py").exists()
    assert not (as_is / "tests" / "native" / "a.py").exists()
