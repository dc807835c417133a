"""Where two models differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_benchmarks.agreement import main, measure

from edge_recog import Bundle
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROW = {"name", "count", "agreement", "sure_count", "sure_agreement"}


def test_each_path_and_all_of_them_are_told_and_kept(
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
    float_model: Path,
    uint8_model: Path,
    mobilenets: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "agreement.json"
    paths = [mobilenets, "synthetic:64x48?count=4"]
    outcome = measuring(main, float_model, uint8_model, *paths, "--out", out)
    document = read_result(out)
    rows = [*document["sets"], document["all"]]
    names = ["mobilenet_v1_025", "synthetic:64x48?count=4", "all"]
    photographs = len(list(mobilenets.glob("*.jpg")))

    assert outcome.code == 0, outcome.err
    assert document["benchmark"] == "agreement"
    assert [model["id"] for model in document["models"]] == [
        Bundle.open(path).id for path in (float_model, uint8_model)
    ]
    assert all(row.keys() == ROW for row in rows)
    assert [row["name"] for row in rows] == names
    assert [row["count"] for row in rows] == [photographs, 4, photographs + 4]
    assert [line.split()[0] for line in outcome.out.splitlines()] == names


def test_a_sure_photograph_is_agreed_on(
    float_model: Path, uint8_model: Path, mobilenets: Path
) -> None:
    burger = str(mobilenets / "burger.jpg")
    document = measure(str(float_model), str(uint8_model), [burger], every=1)
    expected = {"count": 1, "agreement": 1.0, "sure_count": 1, "sure_agreement": 1.0}

    assert document["all"] == {"name": "all", **expected}


def test_models_that_differ_are_seen_to(
    uint8_model: Path, mobilenets: Path, tmp_path: Path
) -> None:
    bundle = Bundle.open(uint8_model)
    swapped = msgspec.structs.replace(bundle.contract.preprocessing, colour="BGR")
    contract = msgspec.structs.replace(bundle.contract, preprocessing=swapped)
    other = tmp_path / "bgr.tflite"
    other.write_bytes(pack_bundle(bundle.data, contract, bundle.labels, name="bgr"))
    document = measure(str(uint8_model), str(other), [str(mobilenets)], every=1)

    assert document["all"]["agreement"] < 1


def test_nothing_is_claimed_where_the_reference_is_never_sure(
    measuring: Callable[..., Any], float_model: Path, tmp_path: Path
) -> None:
    bundle = Bundle.open(float_model)
    # So warm that all scores are nearly alike.
    contract = msgspec.structs.replace(bundle.contract, activation="softmax", temperature=100.0)
    unsure = tmp_path / "unsure.tflite"
    unsure.write_bytes(pack_bundle(bundle.data, contract, bundle.labels, name="unsure"))
    path = "synthetic:64x48?count=1"

    assert measure(str(unsure), str(unsure), [path], every=1)["all"]["sure_agreement"] is None
    assert measuring(main, unsure, unsure, path).out.endswith("       - of 0\n")


@pytest.mark.parametrize(("every", "count"), [(1, 5), (2, 3), (10, 1)], ids=str)
def test_frames_can_be_left_out(uint8_model: Path, every: int, count: int) -> None:
    model = str(uint8_model)
    document = measure(model, model, ["synthetic:64x48?count=5"], every=every)

    assert document["all"]["count"] == count
    assert document["all"]["agreement"] == 1.0


def test_models_with_other_labels_are_not_compared(
    measuring: Callable[..., Any], uint8_model: Path, mobilenets: Path, tmp_path: Path
) -> None:
    bundle = Bundle.open(uint8_model)
    labels = [*bundle.labels[1:], bundle.labels[0]]
    other = tmp_path / "shifted.tflite"
    other.write_bytes(pack_bundle(bundle.data, bundle.contract, labels, name="shifted"))
    outcome = measuring(main, uint8_model, other, mobilenets)

    assert outcome.code == 2
    assert outcome.err == f"measuring: {other}: its labels are not those of {uint8_model}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.jpg"], 1, "nowhere.jpg: no such file or folder"),
        (["synthetic:64x48?count=0"], 2, "synthetic:64x48?count=0: it has no frames"),
        (["x.jpg", "--every", "0"], 2, "argument --every: '0' is not a whole number from 1 up"),
        ([], 2, "the following arguments are required: paths"),
    ],
    ids=["missing-path", "no-frames", "every-none", "no-paths"],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    measuring: Callable[..., Any], uint8_model: Path, arguments: list[str], code: int, said: str
) -> None:
    outcome = measuring(main, uint8_model, uint8_model, *arguments)

    assert outcome.code == code
    assert outcome.err.splitlines()[-1].endswith(said)
    assert "Traceback" not in outcome.err
