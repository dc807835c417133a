from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xef\xbb\xbfant\r\nbee\r\ncat\r\ndog\r\n")
    return path


@pytest.fixture
def bare(tmp_path: Path, tiny_model: Callable[..., bytes]) -> Path:
    path = tmp_path / "ants.tflite"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture
def adopt(edge_recog: Callable[..., Any], bare: Path, labels: Path) -> Callable[..., Any]:
    """Return what adopts the model with these options besides."""

    def run(*options: str | Path, model: Path = bare) -> Any:
        numbers = ["--mean", "0", "--std", "255"]
        return edge_recog("adopt", model, "--labels", labels, *numbers, *options)

    return run


def test_the_command_that_opening_suggests_gives_a_model_that_verifies(
    edge_recog: Callable[..., Any], adopt: Callable[..., Any], bare: Path
) -> None:
    suggested = edge_recog("classify", bare, "cat.jpg").err
    outcome = adopt()
    target = bare.with_name("ants-adopted.tflite")

    assert f"edge-recog adopt {bare} --labels labels.txt --mean 0 --std 255" in suggested
    assert (outcome.code, outcome.err) == (0, "")
    assert str(target) in outcome.out
    assert f"edge-recog classify {target} PICTURE" in outcome.out
    assert Bundle.open(target).labels == ("ant", "bee", "cat", "dog")
    assert edge_recog("verify", target).code == 0


def test_what_is_said_is_kept(adopt: Callable[..., Any], tmp_path: Path, pictures: Path) -> None:
    out = tmp_path / "new" / "ants.tflite"
    outcome = adopt(
        "--mean",
        "1,2,3",
        "--std",
        "4",
        "--colour",
        "BGR",
        "--crop",
        "letterbox",
        "--interpolation",
        "area",
        "--task",
        "multi-label",
        "--name",
        "my ants",
        "--golden",
        pictures / "a.png",
        "--out",
        out,
    )
    bundle = Bundle.open(out)
    preprocessing = bundle.contract.preprocessing

    assert outcome.code == 0
    assert bundle.name == "my ants"
    assert (preprocessing.mean, preprocessing.std) == ((1.0, 2.0, 3.0), (4.0,))
    assert (preprocessing.colour, preprocessing.crop) == ("BGR", "letterbox")
    assert preprocessing.interpolation == "area"
    assert bundle.contract.task == "multi-label"
    assert bundle.golden()[0].pixels.shape == (60, 80, 3)


def test_large_golden_pictures_are_shrunk(
    adopt: Callable[..., Any], shared_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.tflite"
    outcome = adopt("--golden", shared_data / "coral" / "cat_720p.jpg", "--out", out)

    assert outcome.code == 0
    assert max(Bundle.open(out).golden()[0].pixels.shape) == 128


def test_a_file_that_is_there_is_not_overwritten(adopt: Callable[..., Any], bare: Path) -> None:
    target = bare.with_name("ants-adopted.tflite")
    target.write_bytes(b"old")

    outcome = adopt()

    assert outcome.code == 2
    assert "exists already; name another file, or add --force" in outcome.err
    assert target.read_bytes() == b"old"


def test_a_file_that_is_there_is_overwritten_by_force(
    adopt: Callable[..., Any], bare: Path
) -> None:
    assert adopt("--out", bare, "--force").code == 0
    assert Bundle.open(bare).origin == "edge_recog"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--mean", "x"], 2, "one number, or one for each channel"),
        (["--std", "1,2,x"], 2, "one number, or one for each channel"),
        (["--std", "0"], 2, "std is 0.0; it must be greater than 0"),
        (["--mean", "nan"], 2, "mean has a number that is not finite"),
        (["--colour", "CMYK"], 2, "CMYK"),
        (["--activation", "softmax"], 2, "its graph ends with a softmax already"),
        (["--colour", "GRAY"], 1, "its contract says [1, 8, 8, 1]"),
        (["--golden", "none.jpg"], 1, "none.jpg: cannot be read"),
        (["--labels", "none.txt"], 2, "none.txt: cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_told_and_nothing_is_written(
    adopt: Callable[..., Any], bare: Path, options: list[str], code: int, message: str
) -> None:
    before = sorted(bare.parent.iterdir())
    outcome = adopt(*options)

    assert outcome.code == code
    assert message in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err
    assert sorted(bare.parent.iterdir()) == before


def test_a_model_with_logits_needs_an_activation(
    adopt: Callable[..., Any], tmp_path: Path, tiny_model: Callable[..., bytes]
) -> None:
    path = tmp_path / "logits.tflite"
    path.write_bytes(tiny_model(ends_with=""))

    outcome = adopt(model=path)

    assert outcome.code == 2
    assert "add --activation softmax if one label is right" in outcome.err
    assert adopt("--activation", "softmax", model=path).code == 0


def test_a_model_for_the_edge_tpu_gets_no_golden_vectors(
    edge_recog: Callable[..., Any], shared_data: Path, tmp_path: Path
) -> None:
    coral = shared_data / "coral"
    model = coral / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {index}\n" for index in range(1001)))
    out = tmp_path / "out_edgetpu.tflite"

    numbers = ["--mean", "128", "--std", "128", "--out", out]
    outcome = edge_recog("adopt", model, "--labels", labels, *numbers)

    assert outcome.code == 0
    assert "none: it needs its accelerator to answer" in outcome.out
