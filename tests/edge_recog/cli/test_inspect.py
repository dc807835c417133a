from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.contract import (
    Accuracy,
    Card,
    Compatibility,
    EdgeTpuBreak,
    EdgeTpuFacts,
    Provenance,
    XnnpackFacts,
)
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rows_of(out: str) -> dict[str, str]:
    """Return the first value of each row by its label."""
    rows: dict[str, str] = {}
    for line in out.splitlines():
        label, _, value = line.strip().partition("  ")
        rows.setdefault(label, value.strip())
    return rows


def test_a_model_is_described_in_rows(edge_recog: Callable[..., Any], tiny_path: Path) -> None:
    outcome = edge_recog("inspect", tiny_path)
    rows = rows_of(outcome.out)

    assert (outcome.code, outcome.err) == (0, "")
    assert rows["name"] == "tiny"
    assert rows["id"].startswith("sha256:")
    assert rows["input"] == "uint8 [1, 8, 8, 3], scale 0.0039215689, zero point 0"
    assert rows["contract"] == "from edge_recog.json in the file"
    assert rows["feed"] == "8x8 RGB NHWC, center-crop, linear, (pixel - 0) / 255"
    assert rows["read"] == "single-label, activation none"
    assert rows["labels"] == "4: ant · bee · cat · dog"
    assert rows["operators"] == "FULLY_CONNECTED v1, SOFTMAX v1"
    assert rows["runtime"] == "TFLite 1.5 or later"
    product = "ai-edge-litert" if sys.maxsize > 2**32 else "tflite-runtime"
    assert rows["golden"].startswith(f"2 vectors by {product} 2.")


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [((0.25, 0.5, 0.5, 0.75), "0.25 to 0.75"), ((0.5,) * 4, "0.5")],
    ids=["range", "same"],
)
def test_thresholds_and_temperature_are_shown(
    edge_recog: Callable[..., Any],
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Any],
    tiny_labels: tuple[str, ...],
    tmp_path: Path,
    thresholds: tuple[float, ...],
    said: str,
) -> None:
    path = tmp_path / "m.tflite"
    reading = contract(
        task="multi-label", activation="sigmoid", temperature=1.5, thresholds=thresholds
    )
    path.write_bytes(pack_bundle(tiny_model(), reading, tiny_labels, name="m"))
    rows = rows_of(edge_recog("inspect", path).out)

    assert rows["read"] == (f"multi-label, activation sigmoid, temperature 1.5, thresholds {said}")


def test_all_that_a_model_says_is_shown(
    edge_recog: Callable[..., Any],
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Any],
    tiny_labels: tuple[str, ...],
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(
        pack_bundle(
            tiny_model(),
            contract(mean=(1.0, 2.0, 3.5)),
            tiny_labels,
            name="m",
            description="Tells ants.",
            license="CC0",
            accuracy=[Accuracy(dataset="ants", split="test", metric="top-1", value=0.5, count=10)],
            provenance=Provenance(created="2026-01-02T03:04:05Z", tools={"keras": "3.1"}),
        )
    )
    rows = rows_of(edge_recog("inspect", path).out)

    assert rows["description"] == "Tells ants."
    assert rows["license"] == "CC0"
    assert rows["measured"] == "top-1 50.0% on 10 of ants test"
    assert rows["made"] == "2026-01-02T03:04:05Z  keras 3.1"
    assert rows["feed"].endswith("(pixel - 1/2/3.5) / 255")


_BREAK = EdgeTpuBreak(index=3, name="HARD_SWISH", reason="is not in the table")


def _edge_tpu(**facts: Any) -> EdgeTpuFacts:
    plain = {"mapped": 5, "total": 5, "parameters_bytes": 2_500_000, "fits_on_chip": True}
    return EdgeTpuFacts(**(plain | facts))


@pytest.fixture
def told(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Any],
    tiny_labels: tuple[str, ...],
    tmp_path: Path,
) -> Callable[..., Path]:
    """Return what writes a model file that tells this of itself."""

    def write(**says: Any) -> Path:
        path = tmp_path / "told.tflite"
        path.write_bytes(pack_bundle(tiny_model(), contract(), tiny_labels, name="m", **says))
        return path

    return write


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({}, "takes 7 of 7 operators  asked of litert 2"),
        (
            {"QUANTIZE": 2, "SOFTMAX": 1},
            "takes 7 of 10 operators, leaves 2 QUANTIZE, 1 SOFTMAX  asked of litert 2",
        ),
        (
            {f"K{index}": 1 for index in range(7)},
            "takes 7 of 14 operators, leaves 1 K0, 1 K1, 1 K2, 1 K3, 1 K4, 1 K5, …"
            "  asked of litert 2",
        ),
    ],
    ids=["all", "some left", "many kinds left"],
)
def test_what_xnnpack_takes_is_one_line(
    edge_recog: Callable[..., Any], told: Callable[..., Path], left: dict[str, int], said: str
) -> None:
    share = XnnpackFacts(runtime="litert 2", taken=7, total=7 + sum(left.values()), left=left)
    path = told(compatibility=Compatibility(xnnpack=share, edge_tpu=_edge_tpu()))

    assert rows_of(edge_recog("inspect", path).out)["xnnpack"] == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "should map 5 of 5 operators; its parameters of 2.5 MB fit on the chip"),
        (
            {"parameters_bytes": 9_000_000, "fits_on_chip": False, "open_batch": True},
            "should map 5 of 5 operators; its parameters of 9.0 MB do not fit on the chip; "
            "its batch size is open and must be fixed first",
        ),
        (
            {"mapped": 3, "breaks_at": _BREAK},
            "should map 3 of 5 operators: operator 3 (HARD_SWISH) is not in the table; "
            "its parameters of 2.5 MB fit on the chip",
        ),
        (
            {"mapped": 0, "parameters_bytes": 0, "breaks_at": _BREAK},
            "should map 0 of 5 operators: operator 3 (HARD_SWISH) is not in the table",
        ),
    ],
    ids=["all", "large and open", "a part", "none"],
)
def test_what_the_edge_tpu_would_map_is_one_line_and_called_unmeasured(
    edge_recog: Callable[..., Any], told: Callable[..., Path], facts: dict[str, Any], said: str
) -> None:
    share = XnnpackFacts(runtime="litert 2", taken=5, total=5)
    path = told(compatibility=Compatibility(xnnpack=share, edge_tpu=_edge_tpu(**facts)))

    rows = rows_of(edge_recog("inspect", path).out)
    assert rows["edge tpu"] == f"{said}  by documented rules, not measured"


def test_a_card_is_wrapped_at_80_columns(
    edge_recog: Callable[..., Any], told: Callable[..., Path]
) -> None:
    data = " ".join(["photographs"] * 20)
    card = Card(data=data, limits="Not in the dark.\nNot wet.", intended_use="Sorting ants.")
    out = edge_recog("inspect", told(card=card)).out
    lines = out[out.index("intended use") :].splitlines()

    assert max(map(len, lines)) <= 80
    assert [line[:12].rstrip() for line in lines[:4]] == ["intended use", "limits", "", "data"]
    assert [line[14:] for line in lines[:3]] == ["Sorting ants.", "Not in the dark.", "Not wet."]
    assert " ".join(" ".join(lines[3:]).split()) == f"data {data}"


def test_json_has_compatibility_and_card(
    edge_recog: Callable[..., Any], told: Callable[..., Path]
) -> None:
    share = XnnpackFacts(runtime="litert 2", taken=4, total=5, left={"SOFTMAX": 1})
    path = told(
        compatibility=Compatibility(xnnpack=share, edge_tpu=_edge_tpu(breaks_at=_BREAK)),
        card=Card(data_license="CC0"),
    )
    document = json.loads(edge_recog("inspect", path, "--json").out)

    assert document["compatibility"]["xnnpack"] == {
        "runtime": "litert 2",
        "taken": 4,
        "total": 5,
        "left": {"SOFTMAX": 1},
    }
    assert document["compatibility"]["edge_tpu"]["breaks_at"]["name"] == "HARD_SWISH"
    assert document["card"] == {
        "data": "",
        "data_license": "CC0",
        "limits": "",
        "intended_use": "",
    }


def test_without_a_model_the_built_in_one_is_described(
    edge_recog: Callable[..., Any], built_in: Path
) -> None:
    outcome = edge_recog("inspect")

    assert (outcome.code, outcome.err) == (0, "")
    assert rows_of(outcome.out)["file"].startswith(f"{built_in}  ")


def test_json_is_the_document(edge_recog: Callable[..., Any], tiny_path: Path) -> None:
    outcome = edge_recog("inspect", tiny_path, "--json")
    document = json.loads(outcome.out)

    assert (outcome.code, outcome.err) == (0, "")
    assert document["usable"]
    assert document["golden_vectors"] == 2


def test_a_model_of_others_is_described(edge_recog: Callable[..., Any], shared_data: Path) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    rows = rows_of(edge_recog("inspect", path).out)

    assert rows["contract"] == "from TFLite Metadata and its conventions"
    assert rows["accelerator"] == "compiled for the Edge TPU"
    assert rows["runtime"] == "not known"
    assert rows["labels"].endswith("· …")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["rows", "json"])
def test_a_model_that_cannot_be_used_is_described_with_exit_1(
    edge_recog: Callable[..., Any], shared_data: Path, options: list[str]
) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_1_default_1.tflite"
    outcome = edge_recog("inspect", path, *options)

    assert outcome.code == 1
    if options:
        assert "does not say how to feed it" in json.loads(outcome.out)["problem"]
        assert outcome.err == ""
    else:
        assert rows_of(outcome.out)["contract"] == "none this runtime can use"
        assert outcome.err.startswith("edge-recog: ")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["rows", "json"])
def test_what_is_no_model_is_one_line_and_exit_1(
    edge_recog: Callable[..., Any], pictures: Path, options: list[str]
) -> None:
    outcome = edge_recog("inspect", pictures / "a.png", *options)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
