"""What a report's page says, and what it refuses to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
import pytest
from edge_recog_benchmarks.device.plan import Contestant
from edge_recog_benchmarks.report import markdown, page
from edge_recog_benchmarks.report.conditions import repeat
from edge_recog_benchmarks.results import LabelledPicture, Result, ResultError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_benchmarks.results import Finding

    MakeResult = Callable[..., Result]

FAST = [[[10.0, 10.1, 10.2]] * 4] * 5
replace = msgspec.structs.replace


def test_a_report_is_the_same_every_time(two: Result) -> None:
    assert page([two]) == page([two])


def test_names_stand_in_drawings_as_they_are(make_result: MakeResult, outline: Any) -> None:
    seen = outline(page([make_result({"$x^2$ & <b>": FAST})]))
    assert "$x^2$ & <b>" in seen.text


def test_two_runs_share_no_identifier(two: Result, outline: Any) -> None:
    seen = outline(page([two, two]))
    identifiers = [a["id"] for _, a in seen.elements if "id" in a]
    assert len(set(identifiers)) == len(identifiers)


def test_two_runs_are_compared_with_each_other(two: Result, outline: Any) -> None:
    text = outline(page([two, two])).text
    assert "From run 1 to run 2" in text
    assert "no difference" in text


def test_runs_without_a_common_contestant_are_said_to_have_none(
    make_result: MakeResult, two: Result, outline: Any
) -> None:
    assert "no contestant in common" in outline(page([two, make_result({"x": FAST})])).text


@pytest.mark.parametrize("change", ["finding", "stopped"])
def test_an_invalid_run_looks_invalid_and_recommends_nothing(
    two: Result, change: str, labelled: MakeResult, throttled: Finding
) -> None:
    good = labelled(two, [[True] * 2000] * 2)
    assert "may replace" in markdown([good])
    bad = (
        replace(good, findings=(throttled,))
        if change == "finding"
        else replace(good, complete=False)
    )
    html = page([bad])
    assert 'class="run doubtful"' in html
    assert ">INVALID<" in html
    assert "Do not rely on this run" in html
    assert "may replace" not in html
    assert "**INVALID.**" in markdown([bad])


def test_pictures_that_change_sides_are_shown_up_to_a_number(
    two: Result, tmp_path: Path, outline: Any, labelled: MakeResult
) -> None:
    (tmp_path / "cat").mkdir()
    pixels = np.full((40, 80, 3), 128, np.uint8)
    for index in range(60):
        cv2.imwrite(str(tmp_path / "cat" / f"{index}.png"), pixels)
    right = [True] * 30 + [False] * 30
    result = labelled(two, [right, [not one for one in right]], str(tmp_path))
    seen = outline(page([result]))
    pictures = [a for element, a in seen.elements if element == "img"]
    assert len(pictures) == 48
    assert all(str(one["src"]).startswith("data:image/jpeg;base64,") for one in pictures)
    assert all(str(one["alt"]).endswith("labelled cat") for one in pictures)
    assert "6 more are not shown" in seen.text


def test_where_several_labels_apply_all_that_are_said_are_shown(
    two: Result, labelled: MakeResult, outline: Any
) -> None:
    result = labelled(two, [[True], [False]])
    assert result.accuracy is not None
    first, second = result.contestants
    both = replace(second.answers[0], scores=(0.9, 0.7, 0.1))
    data = replace(result.accuracy, task="multi-label")
    result = replace(result, accuracy=data, contestants=(first, replace(second, answers=(both,))))
    assert "dog 90 %, cat 70 %" in outline(page([result])).text


def test_pictures_that_are_gone_are_said_to_be(
    two: Result, outline: Any, labelled: MakeResult
) -> None:
    result = labelled(two, [[True] * 10, [False] * 10], "/nowhere/at/all")
    assert outline(page([result])).text.count("picture not at hand") == 10


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_no_picture_from_outside_the_folder_is_shown(
    two: Result, tmp_path: Path, inside: bool, labelled: MakeResult
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    where = folder if inside else tmp_path
    cv2.imwrite(str(where / "one.png"), np.zeros((8, 8, 3), np.uint8))
    result = labelled(two, [[True], [False]], str(folder))
    assert result.accuracy is not None
    picture = LabelledPicture(id="one.png" if inside else "../one.png", labels=(0,))
    result = replace(result, accuracy=replace(result.accuracy, pictures=(picture,)))
    shown = "data:image/jpeg" in page([result])
    assert shown is inside


def test_published_figures_of_this_board_have_a_ratio(realistic: Result, outline: Any) -> None:
    text = outline(page([realistic])).text
    assert "of 4.01 ms (Arm, MobileNetV2 224 INT8 on Raspberry Pi 5" in text


def test_on_an_unknown_board_published_figures_have_no_ratio(
    realistic: Result, outline: Any
) -> None:
    board = replace(realistic.system, board="Acme Board")
    text = outline(page([replace(realistic, system=board)])).text
    assert "of 4.01 ms" not in text
    assert "4.01 ms" in text


def test_the_command_repeats_the_run(realistic: Result) -> None:
    command, missing = repeat(realistic)
    assert command.startswith("edge-recog bench mobilenet_v2_1.0_224_float.tflite mobilenet_v2_")
    assert "--scenario single-stream --seconds 10 --generations 10 --burst-seconds 0.1" in command
    assert missing == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "auto", "xnnpack": "1"}, ""),
        ({"backend": "tflite_runtime"}, " --backend tflite_runtime"),
        ({"xnnpack": "0"}, " --no-xnnpack"),
        ({"delegate": "edgetpu"}, " --delegate edgetpu"),
    ],
    ids=["defaults", "backend", "without XNNPACK", "delegate"],
)
def test_the_command_has_the_options_that_are_no_defaults(
    two: Result, options: dict[str, str], said: str
) -> None:
    plain, _ = repeat(two)
    parts = [
        replace(one, contestant=replace(one.contestant, options=options)) for one in two.contestants
    ]
    assert repeat(replace(two, contestants=tuple(parts))) == (plain + said, "")


def test_the_command_says_what_it_cannot_repeat(two: Result) -> None:
    other = Contestant(name="x", model="x.tflite", runner="naive", options={"scaling": "cubic"})
    first, second = two.contestants
    result = replace(two, contestants=(first, replace(second, contestant=other)))
    _, missing = repeat(result)
    assert "naive" in missing
    assert "scaling=cubic" in missing


def test_a_stage_of_any_name_is_drawn(two: Result, hostile_name: str, outline: Any) -> None:
    parts = [
        replace(
            one,
            bursts=tuple(
                replace(burst, samples={hostile_name: (1, 1, 1), **burst.samples})
                for burst in one.bursts
            ),
        )
        for one in two.contestants
    ]
    assert "<script>alert(1)" in outline(page([replace(two, contestants=tuple(parts))])).text


def test_a_result_without_contestants_is_refused(two: Result) -> None:
    with pytest.raises(ResultError, match="names no contestant"):
        page([replace(two, contestants=())])


def test_long_runs_make_no_long_pages(make_result: MakeResult) -> None:
    rng = np.random.default_rng(1)
    minutes = [[rng.uniform(9, 30, 20).tolist() for _ in range(2000)]]
    html = page([make_result({f"model {n}": minutes for n in range(4)})])
    assert len(html) < 250_000
