"""A recipe that names a device: what follows from its profile, and what is refused."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_converter.acceptance.sections import RUNGS, Accept
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.errors import RecipeError, UnfitError
from edge_recog_converter.recipe import parse_recipe
from edge_recog_converter.report.page import page
from edge_recog_converter.reporting import Reporter
from edge_recog_converter.target_device import TargetDevice, find_device, judge
from edge_recog_devices.profiles.reading import find_profile
from rich.console import Console

from edge_recog.contract import Compatibility, EdgeTpuBreak, EdgeTpuFacts, XnnpackFacts
from edge_recog.errors import UsageError
from edge_recog.store.tryout import Outcome

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
schema_version = 1
name = "small"
device = "raspberry-pi-5"
[model]
architecture = "lenet-5"
weights = "none"
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 1
batch_size = 12
[[stage]]
kind = "quantize"
calibration = 8
accept = { max_drop = 100.0, min_agreement = 0.0 }
"""
FAST = Outcome(runtime="a test", vectors=8, p50_ms=1.0, memory_mb=5.0)


def facts(**edge_tpu: Any) -> Compatibility:
    tpu = {
        "mapped": 30,
        "total": 30,
        "breaks_at": None,
        "open_batch": False,
        "parameters_bytes": 4_000_000,
        "fits_on_chip": True,
    }
    return Compatibility(
        xnnpack=XnnpackFacts(runtime="a test", taken=29, total=30, left={"HASHTABLE": 1}),
        edge_tpu=EdgeTpuFacts(**(tpu | edge_tpu)),
    )


def follow(folder: Path, data: Path, text: str = RECIPE) -> tuple[BuiltModel, str]:
    recipe = folder / "small.toml"
    recipe.write_text(text)
    said = io.StringIO()
    reporter = Reporter(console=Console(file=said, width=300))
    built = build(recipe, data, folder / "runs", reporter=reporter, cache=folder / "cache")
    return built, said.getvalue()


def test_a_build_says_how_its_file_stands_with_the_device(
    small_pictures: Path, tmp_path: Path
) -> None:
    built, said = follow(tmp_path, small_pictures)
    device = built.report.device

    assert device is not None
    assert (device.name, device.title, device.threads) == ("raspberry-pi-5", "Raspberry Pi 5", 2)
    assert {check.title: check.outcome for check in device.checks} == {
        "latency": "good",
        "memory": "good",
        # Average pooling of LeNet-5.
        "kernels": "warning",
    }
    assert "for Raspberry Pi 5 (raspberry-pi-5)" in said
    assert "(2 threads)" in said
    text = str(page(built.report, {}))
    assert "For the device" in text
    assert "edge-recog model install --most-ms 33" in text


def test_a_file_that_is_too_much_for_the_device_does_not_ship(
    small_pictures: Path, tmp_path: Path
) -> None:
    from importlib import resources

    shipped = resources.files("edge_recog_devices.profiles") / "raspberry-pi-5.toml"
    small = shipped.read_text().replace("memory_mb = 256\n", "memory_mb = 64\n")
    (tmp_path / "tiny.toml").write_text(small)
    text = RECIPE.replace("raspberry-pi-5", "tiny.toml")

    with pytest.raises(UnfitError, match=r"small.tflite is not for Raspberry Pi 5: .* of 64 MiB"):
        follow(tmp_path, small_pictures, text)
    assert not list((tmp_path / "runs").rglob("*.tflite"))


def test_an_unknown_device_is_refused_before_anything_is_done(
    small_pictures: Path, tmp_path: Path
) -> None:
    text = RECIPE.replace("raspberry-pi-5", "rasperry-pi-5")

    with pytest.raises(UsageError, match="did you mean raspberry-pi-5"):
        follow(tmp_path, small_pictures, text)


def test_without_a_device_nothing_is_asked_of_one(tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE.replace('device = "raspberry-pi-5"\n', ""), where="a test")

    assert find_device(recipe.device, tmp_path) is None


def test_an_edge_tpu_takes_no_layer_in_float() -> None:
    device = TargetDevice(find_profile("raspberry-pi-coral-usb"))

    assert device.narrowed(Accept()).rungs == tuple(one for one in RUNGS if one[0] != "m")
    with pytest.raises(RecipeError, match="takes no layer in float"):
        device.narrowed(Accept(rungs=("mixed-precision",)))


@pytest.mark.parametrize(
    ("profile", "changes", "edge_tpu", "expected"),
    [
        ("raspberry-pi-5", {}, {}, {"latency": "good", "memory": "good", "kernels": "warning"}),
        (
            "raspberry-pi-5",
            {"p50_ms": 40.0, "memory_mb": 200.0},
            {},
            {"latency": "warning", "memory": "bad", "kernels": "warning"},
        ),
        ("raspberry-pi-5", {"memory_mb": None}, {}, {"memory": "warning"}),
        ("raspberry-pi-coral-usb", {}, {}, {"edge tpu": "good", "edge tpu memory": "good"}),
        (
            "raspberry-pi-coral-usb",
            {},
            {
                "mapped": 3,
                "breaks_at": EdgeTpuBreak(index=3, name="HARD_SWISH", reason="is not mapped"),
                "fits_on_chip": False,
            },
            {"edge tpu": "warning", "edge tpu memory": "warning"},
        ),
        ("raspberry-pi-coral-usb", {}, {"mapped": 0}, {"edge tpu": "bad"}),
        ("coral-dev-board", {}, {"open_batch": True}, {"edge tpu": "bad"}),
    ],
    ids=["fast", "slow and large", "unknown memory", "mapped", "broken", "nothing mapped", "batch"],
)
def test_what_is_judged(
    profile: str, changes: dict[str, Any], edge_tpu: dict[str, Any], expected: dict[str, str]
) -> None:
    import msgspec

    outcome = msgspec.structs.replace(FAST, **changes)
    found = {
        check.title: check.outcome
        for check in judge(find_profile(profile), outcome, facts(**edge_tpu))
    }

    assert found | expected == found
