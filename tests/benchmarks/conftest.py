"""Small real models to measure, and what runs a measuring program in this process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Outcome(NamedTuple):
    """What a program came to."""

    code: int
    """Exit status."""
    out: str
    err: str


@pytest.fixture
def measuring(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Return what calls a program's `main` with a command line."""

    def run(main: Callable[[], None], *arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["measuring", *map(str, arguments)])
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def read_result() -> Callable[[Path], dict[str, Any]]:
    """Return what reads a result, and checks what all results have."""

    def read(path: Path) -> dict[str, Any]:
        text = path.read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        assert text.endswith("}\n")
        assert document["schema_version"] == 1
        assert document["machine"]["cores"] >= 1
        return document

    return read


@pytest.fixture(scope="session")
def mobilenets(shared_data: Path) -> Path:
    """Return a folder with MobileNetV1 0.25 as float and uint8 model, and photographs."""
    return shared_data / "mobilenet_v1_025"


@pytest.fixture(scope="session")
def uint8_model(mobilenets: Path) -> Path:
    return mobilenets / "mobilenet_v1_0.25_224_quant.tflite"


@pytest.fixture(scope="session")
def float_model(mobilenets: Path) -> Path:
    return mobilenets / "mobilenet_v1_0.25_224_1_metadata_1.tflite"
