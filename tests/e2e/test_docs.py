"""Every example in README.md and docs/ works as printed.

Blocks of one document run in order, in one folder that holds what `prepare` puts there: `python`
by a new interpreter, `console` (its `$ ` lines) and `sh` by bash, `toml` and `json` are parsed.
A block that cannot run here says why in the line above it: `<!-- not run: needs a camera -->`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from edge_recog_converter.photographs import load_photographs

from edge_recog.annotation import encode_jpeg
from edge_recog.colour_card import colour_card
from edge_recog.files import write_file

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

PATTERNS = """
schema_version = 1
name = "patterns"
data = { splits = "stratified" }
model = { architecture = "efficientnet-lite0", input = { height = 64, width = 64 } }
stage = [{ kind = "head", epochs = 2 }, { kind = "quantize", calibration = 4 }]
"""
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"

FENCE = re.compile(r"^ {0,3}(`{3,})\s*(\S*)\s*$")
OUR_FILE = re.compile(
    r"`((?:\.ci|benchmarks|converter|devices|docs|edge_recog|tests|tools)/[\w./-]*)`"
)
NOT_RUN = re.compile(r"^<!-- not run: *(.*?) *-->$")
TIMEOUT_S = 300


def prepare(folder: Path, demo: Path, data: Path) -> None:
    """Put what the documents name into `folder`.

    Args:
        folder: Empty.
        demo: In which the demo has run.
        data: With the models of others.
    """
    shutil.copytree(demo / "runs", folder / "runs")
    photographs = [frame for frame in load_photographs() if frame.source in {"chelsea", "coffee"}]
    for frame in photographs:
        write_file(
            folder / "photos" / f"{frame.source}.png", encode_jpeg(frame.pixels), force=False
        )
    for seed, label in enumerate(("plain", "speckled")):
        for number in range(12):
            pixels = colour_card(60, 80, seed * 100 + number)
            if label == "speckled":
                pixels[::3, ::3] = 255
            path = folder / "patterns" / label / f"{number}.jpg"
            write_file(path, encode_jpeg(pixels), force=False)
    (folder / "recipes").mkdir()
    (folder / "recipes" / "patterns.toml").write_text(PATTERNS, encoding="utf-8")
    resnet = data / "mlperf_tiny/image_classification/trained_models/pretrainedResnet_quant.tflite"
    shutil.copy(resnet, folder / "resnet8.tflite")
    (folder / "cifar10.txt").write_text("\n".join(CIFAR10.split()), encoding="utf-8")


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    """Of the opening fence, from 1."""
    language: str
    text: str
    not_run: str | None
    """The reason given, if the block is marked as not to be run."""

    @property
    def where(self) -> str:
        return f"{self.document}:{self.line}"


def read_blocks(document: str, text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text."""
    blocks: list[Block] = []
    before = ""  # the last line that is not blank
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        fence = FENCE.match(line)
        if fence:
            body: list[str] = []
            for _, inner in lines:
                if inner.strip() == fence[1]:
                    break
                body.append(inner)
            else:
                pytest.fail(f"{document}:{number}: this block is never closed")
            mark = NOT_RUN.match(before)
            reason = mark[1] if mark else None
            blocks.append(Block(document, number, fence[2], "\n".join(body) + "\n", reason))
        if line.strip():
            before = line.strip()
    return blocks


def typed_lines(console: str) -> str:
    """Return what a person types in a console block: `$ ` lines and what they continue with."""
    typed: list[str] = []
    continues = False
    for line in console.splitlines():
        if line.startswith("$ "):
            typed.append(line[2:])
        elif continues:
            typed.append(line.removeprefix("> "))
        else:
            continue
        continues = line.endswith("\\")
    return "\n".join(typed) + "\n"


def execute(command: list[str], block: Block, folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "HOME": str(folder), "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"{block.where} exited {done.returncode}:\n{done.stdout}"


def check_block(block: Block, folder: Path) -> None:
    match block.language:
        case "python":
            execute([sys.executable, "-c", block.text], block, folder)
        case "console":
            commands = typed_lines(block.text)
            assert commands.strip(), f"{block.where}: no line starts with `$ `"
            execute(["bash", "-euo", "pipefail", "-c", commands], block, folder)
        case "sh" | "bash":
            execute(["bash", "-euo", "pipefail", "-c", block.text], block, folder)
        case "toml":
            tomllib.loads(block.text)
        case "json":
            json.loads(block.text)
        case "":
            pytest.fail(f"{block.where}: say what this is: ```python, ```console, ```text …")


def blocks_of(path: Path) -> list[Block]:
    return read_blocks(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


NOT_RUN_BLOCKS = [
    block for path in DOCUMENTS for block in blocks_of(path) if block.not_run is not None
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_examples_work_as_printed(
    path: Path, tmp_path: Path, demo_folder: Path, shared_data: Path
) -> None:
    prepare(tmp_path, demo_folder, shared_data)
    for block in blocks_of(path):
        if block.not_run is None:
            check_block(block, tmp_path)


@pytest.mark.parametrize("block", NOT_RUN_BLOCKS, ids=lambda block: block.where)
def test_example_that_is_not_run_says_why(block: Block) -> None:
    assert block.not_run, f"{block.where}: give the reason: <!-- not run: … -->"


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    named = OUR_FILE.findall(path.read_text(encoding="utf-8"))

    assert [name for name in named if not (ROOT / name).exists()] == []


EXAMPLE = """\
# Title
<!-- not run: needs a camera -->

```python
1 / 0
```

<!-- not run: -->
```sh
false
```
```console
$ cat a \\
    b
output
$ true
```
"""


def test_blocks_are_found_with_their_reasons() -> None:
    blocks = read_blocks("x.md", EXAMPLE)

    assert [(block.line, block.language, block.not_run) for block in blocks] == [
        (4, "python", "needs a camera"),
        (9, "sh", ""),
        (12, "console", None),
    ]


def test_only_what_is_typed_is_run() -> None:
    assert typed_lines(read_blocks("x.md", EXAMPLE)[2].text) == "cat a \\\n    b\ntrue\n"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "1 / 0\n"),
        ("console", "$ false\n$ true\n"),
        ("console", "only output\n"),
        ("sh", "false\ntrue\n"),
    ],
    ids=["python", "console", "nothing-typed", "sh"],
)
def test_a_block_that_fails_is_reported_with_its_place(
    language: str, text: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=r"x\.md:7"):
        check_block(Block("x.md", 7, language, text, None), tmp_path)
