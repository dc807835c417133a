"""Published figures: found for the same network on the same board, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import edge_recog_benchmarks
import msgspec
import pytest
from edge_recog_benchmarks.anchors import (
    Anchor,
    all_anchors,
    decode_anchors,
    figure,
    find_anchors,
    find_elsewhere,
    relation,
    table,
)
from edge_recog_benchmarks.networks import NETWORKS, Network, recognise
from hypothesis import given, settings
from hypothesis import strategies as st

PI_5 = "Raspberry Pi 5 Model B Rev 1.0"
UINT8 = "uint8 [1, 224, 224, 3], scale 0.0078125, zero point 127"
SMALL = "[1, 128, 128, 3] uint8"
FLOAT = "float32 [1, 224, 224, 3]"
MOBILENET = "mobilenet_v2_1.0_224_quant"
FILE = Path(edge_recog_benchmarks.__file__).with_name("anchors.toml")


@pytest.mark.parametrize(
    ("name", "model_input", "network"),
    [
        (MOBILENET, UINT8, ("MobileNetV2", 1.0, 224, "int8", "")),
        ("models/Mobilenet_V2_1.0_224_quant.tflite", UINT8, ("MobileNetV2", 1.0, 224, "int8", "")),
        ("tf2_mobilenet_v2_1.0_224_ptq", UINT8, ("MobileNetV2", 1.0, 224, "int8", "")),
        ("mobilenet_v2_100_224_fp32", FLOAT, ("MobileNetV2", 1.0, 224, "float32", "")),
        ("mobilenet_v1_0.25_128_quant", SMALL, ("MobileNetV1", 0.25, 128, "int8", "")),
        (
            "mobilenet_v1_0.25_128_quant_edgetpu",
            SMALL,
            ("MobileNetV1", 0.25, 128, "int8", "edge-tpu"),
        ),
        ("efficientnet-lite0-float", FLOAT, ("EfficientNet-Lite0", None, 224, "float32", "")),
        ("resnet50_fp16", FLOAT, ("ResNet-50", None, 224, "float16", "")),
    ],
)
def test_what_a_name_says_in_full_is_recognised(
    name: str, model_input: str, network: tuple[str, float | None, int, str, str]
) -> None:
    found = recognise(name, model_input)
    assert found is not None
    assert msgspec.structs.astuple(found) == network


@pytest.mark.parametrize(
    ("name", "model_input"),
    [
        ("mobilenet_v2_224_quant", UINT8),
        ("ssd_mobilenet_v2_1.0_224_quant", UINT8),
        ("mobilenet_v2_1.0_224_pruned_quant", UINT8),
        ("mobilenet_v2_1.0_0.5_quant", UINT8),
        ("mobilenet_v2_1.0_192_quant", UINT8),
        ("mobilenet_v2_1.0_224_float", UINT8),
        ("mobilenet_v2_1.0_224", FLOAT),
        ("mobilenet_v2_1.0_224_int8", FLOAT),
        ("mobilenet_v2_1.0_quant", "uint8 [1, 224, 160, 3]"),
        ("mobilenet_v2_1.0_quant", "uint8 [1, 3, 224, 224]"),
        ("mobilenet_v2_1.0_quant", ""),
        ("resnet50_v2_quant", UINT8),
        ("resnet500_quant", UINT8),
        ("squeezenet_quant", UINT8),
        ("clothing", UINT8),
        ("", UINT8),
    ],
    ids=[
        *("no width", "detector", "pruned", "two widths", "other size", "float with uint8 input"),
        *("unknown precision", "8 bits behind float input", "not square", "channels first"),
        *("no input", "other version", "longer number", "several networks' name", "own", "none"),
    ],
)
def test_a_name_that_leaves_something_open_is_not_recognised(name: str, model_input: str) -> None:
    assert recognise(name, model_input) is None


@settings(derandomize=True)
@given(st.text(max_size=40), st.sampled_from([UINT8, FLOAT, "nonsense"]))
def test_no_text_at_all_is_an_error(name: str, model_input: str) -> None:
    found = recognise(name, model_input)
    assert found is None or isinstance(found, Network)


def test_the_figures_of_this_board_are_found() -> None:
    found = find_anchors(PI_5, MOBILENET, UINT8, threads=1)
    assert {(one.by, one.statistic, one.value) for one in found} == {
        ("Arm", "mean", 4.01),
        ("Arm", "p50", 3.98),
        ("Arm", "max", 4.56),
    }


@pytest.mark.parametrize(
    "board",
    [
        *("", "Raspberry Pi 500", "Raspberry Pi Compute Module 5 Rev 1.0", "Acme Board"),
        *("Raspberry Pi 5", "not a Raspberry Pi 5 Model B"),
    ],
)
def test_no_figure_of_a_raspberry_pi_5_is_found_for_another_board(board: str) -> None:
    assert find_anchors(board, MOBILENET, UINT8, threads=1) == ()


def test_a_figure_for_a_64_bit_system_is_not_found_for_a_32_bit_one() -> None:
    board = "Raspberry Pi 4 Model B Rev 1.4"
    (found,) = find_anchors(board, MOBILENET, UINT8, threads=4, machine="aarch64")
    assert (found.by, found.value) == ("XNNPACK", 17)
    assert find_anchors(board, MOBILENET, UINT8, threads=4, machine="armv7l") == ()


@pytest.mark.parametrize(("threads", "values"), [(1, {10.89}), (4, {10.89, 10.5})])
def test_figures_of_another_number_of_threads_are_left_out(
    threads: int, values: set[float]
) -> None:
    found = find_anchors(PI_5, "mobilenet_v2_1.0_224_float", FLOAT, threads=threads)
    assert {one.value for one in found} == values


def test_another_width_has_no_figures() -> None:
    assert find_anchors(PI_5, "mobilenet_v2_0.35_224_quant", UINT8, threads=1) == ()
    assert find_elsewhere(PI_5, "mobilenet_v2_0.35_224_quant", UINT8) == ()


def test_a_model_for_the_edge_tpu_is_not_compared_with_processors() -> None:
    found = find_elsewhere(PI_5, f"{MOBILENET}_edgetpu", UINT8)
    assert found
    assert {one.accelerator for one in found} == {"edge-tpu"}


def test_elsewhere_is_everything_but_this_board() -> None:
    here = find_anchors(PI_5, MOBILENET, UINT8, threads=4)
    there = find_elsewhere(PI_5, MOBILENET, UINT8)
    assert not set(here) & set(there)
    assert "Raspberry Pi 5" not in {one.device for one in there}


def test_a_relation_says_to_what() -> None:
    anchor = find_anchors(PI_5, MOBILENET, UINT8, threads=1)[0]
    assert relation(anchor, 4.9) == (
        "1.2 \N{MULTIPLICATION SIGN} of 4.01 ms (Arm, MobileNetV2 224 INT8 on Raspberry Pi 5, "
        "ExecuTorch + XNNPACK, mean of 50 runs)"
    )


@pytest.mark.parametrize(
    ("measured_ms", "ratio"), [(1.0, "0.25"), (4.0, "1.0"), (39.8, "9.9"), (400.0, "100")]
)
def test_a_ratio_has_two_digits_or_more(measured_ms: float, ratio: str) -> None:
    anchor = Anchor(model="X", value=4.0, by="Y", document="Z")
    assert relation(anchor, measured_ms).split(" ")[0] == ratio


def test_every_figure_has_a_source_and_a_unit() -> None:
    for anchor in all_anchors():
        assert anchor.by
        assert anchor.document
        assert figure(anchor)
        assert anchor.value > 0


def test_every_network_that_is_recognised_has_a_figure() -> None:
    assert set(NETWORKS) <= {anchor.model for anchor in all_anchors()}


def test_the_listing_names_every_source_and_figure() -> None:
    listing = table()
    for anchor in all_anchors():
        assert anchor.source in listing
        assert figure(anchor) in listing
    assert not [line for line in listing.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema_version = 1", "schema_version = 2"),
        ('source = "xnnpack"', 'source = "nobody"'),
        ('device = "Raspberry Pi 5"', 'device = "Raspberry Pi 6"'),
        ("threads = 4", "cores = 4"),
        ("value = 4.01", "value = 0"),
        ('statistic = "mean"', 'statistic = "mode"'),
    ],
    ids=["version", "source", "device", "unknown key", "no figure", "unknown statistic"],
)
def test_a_damaged_file_is_refused(old: str, new: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ValueError, match=r"."):
        decode_anchors(text.replace(old, new, 1).encode())


def test_a_machine_without_a_name_has_no_published_figures() -> None:
    model = "efficientnet-lite0-float"
    assert find_anchors("", model, FLOAT, threads=1, machine="x86_64") == ()
    assert {one.device for one in find_elsewhere("", model, FLOAT)} >= {"Pixel 4"}
