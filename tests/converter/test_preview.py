"""A sheet shows what training sees: the same order, the same pixels, the same labels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from edge_recog_converter.datasets import find_dataset
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.learning.balance import epoch_order
from edge_recog_converter.lettering import Lettering
from edge_recog_converter.previewing import LARGEST_BATCH, preview
from edge_recog_converter.recipe import parse_recipe
from edge_recog_converter.reporting import Reporter
from edge_recog_converter.sheets import encode_sheet, sheet

from edge_recog.cameras.images import read_image
from edge_recog.cli import main
from edge_recog.errors import UsageError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_converter.previewing import Preview
    from edge_recog_converter.recipe import Recipe

HEAD = """
schema_version = 1
name = "patterns"
[model]
architecture = "efficientnet-lite0"
input = { height = 48, width = 64 }
"""
EVERY_KIND = """
{ kind = "flip" }, { kind = "rotation" }, { kind = "zoom" }, { kind = "translation" },
{ kind = "contrast" }, { kind = "brightness" }, { kind = "white-balance", p = 1.0 },
{ kind = "motion-blur", p = 1.0 }, { kind = "defocus", p = 1.0 }, { kind = "low-light", p = 1.0 },
{ kind = "jpeg", p = 1.0 }, { kind = "rand-augment" }, { kind = "random-erasing", p = 1.0 },
{ kind = "mixup", alpha = 1.0 }, { kind = "cutmix" },
"""


def text_of(
    augment: str = '{ kind = "mixup", alpha = 1.0 }',
    *,
    data: str = "",
    size: str = "height = 32, width = 40",
    batch_size: int = 10,
    stages: int = 1,
) -> str:
    stage = f"""
[[stage]]
kind = "train"
epochs = 3
batch_size = {batch_size}
augment = [{augment}]
"""
    return f"""
schema_version = 1
name = "patterns"
seed = 5
[data]
{data}
[model]
architecture = "lenet-5"
weights = "none"
input = {{ {size} }}
{stage * stages}
[[stage]]
kind = "quantize"
"""


def recipe_of(*arguments: Any, **named: Any) -> Recipe:
    return parse_recipe(text_of(*arguments, **named), where="test")


def pixels_of(shown: Preview) -> np.ndarray:
    return np.stack([version.pixels for row in shown.rows for version in row.versions])


@pytest.fixture
def data(tmp_path: Path, small_pictures: Path) -> Path:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    return root


def test_rows_are_the_first_of_the_epoch_preprocessed(small_pictures: Path) -> None:
    recipe = recipe_of()
    shown = preview(recipe, small_pictures, pictures=5, versions=2)

    pictures = find_dataset(small_pictures, recipe.data, seed=0).splits["train"]
    labels = np.array([picture.label for picture in pictures])
    order = epoch_order(recipe.data.balance, labels, seed=5, epoch=1)[:5]
    assert [row.id for row in shown.rows] == [pictures[number].id for number in order]
    for row in shown.rows:
        assert row.labels == (row.id.split("/")[1],)
        frame = Frame.from_rgb(read_image(small_pictures / row.id))
        np.testing.assert_array_equal(row.plain, shown.preprocessing.pixels(frame))
        assert row.plain.shape == (32, 40, 3)


@pytest.mark.parametrize(("stage", "epoch", "first"), [(1, 1, 0), (2, 3, 8)])
def test_first_version_is_what_the_build_trains_on(
    small_pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: int,
    epoch: int,
    first: int,
) -> None:
    from edge_recog_converter import learned
    from edge_recog_converter.build import build

    class EnoughError(Exception):
        pass

    plans: list[Any] = []

    def fit(network: Any, train: Any, validation: Any, plan: Any, **_: Any) -> None:
        plans.append((train, plan))
        raise EnoughError

    monkeypatch.setattr(learned, "fit", fit)
    text = text_of(EVERY_KIND, data="balance = { oversample = {} }")
    text = text.replace("seed = 5", f"seed = {5 + stage - 1}")
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(EnoughError):
        build(path, small_pictures, tmp_path, reporter=Reporter(quiet=True), cache=tmp_path / "c")
    ((train, plan),) = plans
    # 36 pictures in 4 batches of 9.
    batch = np.array_split(plan.order(epoch), 4)[0]
    pixels, targets = plan.augment(train.pixels[batch].astype("f"), train.targets[batch], first)

    recipe = recipe_of(EVERY_KIND, data="balance = { oversample = {} }", stages=2)
    shown = preview(recipe, small_pictures, pictures=9, stage=stage, epoch=epoch, versions=1)
    wanted = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    np.testing.assert_array_equal(pixels_of(shown), wanted)
    best = [shown.rows[at].versions[0].labels[0].share for at in range(9)]
    np.testing.assert_allclose(best, np.max(targets, axis=1), atol=1e-3)


def test_rows_go_on_with_the_next_batch(small_pictures: Path) -> None:
    long = preview(recipe_of(), small_pictures, pictures=12, versions=1)
    short = preview(recipe_of(), small_pictures, pictures=9, versions=1)

    assert len({row.id for row in long.rows}) == 12
    np.testing.assert_array_equal(pixels_of(long)[:9], pixels_of(short))


def test_mixed_labels_are_told_with_their_shares(small_pictures: Path) -> None:
    shown = preview(recipe_of(), small_pictures)
    versions = [version for row in shown.rows for version in row.versions]

    assert {len(version.labels) for version in versions} == {1, 2}
    for version in versions:
        shares = [label.share for label in version.labels]
        assert sum(shares) == pytest.approx(1.0, abs=1e-3)
        assert shares == sorted(shares, reverse=True)


def test_oversampling_repeats_the_pictures_of_small_classes(data: Path) -> None:
    for path in sorted((data / "train/noise").iterdir())[1:]:
        path.unlink()
    plain = preview(recipe_of("", batch_size=25), data, pictures=25, versions=1)
    balanced = recipe_of("", data="balance = { oversample = {} }", batch_size=25)
    shown = preview(balanced, data, pictures=25, versions=1)

    rare = [row for row in shown.rows if row.labels == ("noise",)]
    assert sum(row.labels == ("noise",) for row in plain.rows) == 1
    assert {row.draws for row in plain.rows} == {1}
    assert len(rare) == 8
    assert {(row.id, row.draws) for row in rare} == {("train/noise/000.png", 8)}


def test_same_seed_gives_the_same_bytes_and_another_epoch_others(
    small_pictures: Path, tmp_path: Path
) -> None:
    def drawn(epoch: int) -> bytes:
        shown = preview(recipe_of(EVERY_KIND), small_pictures, pictures=2, epoch=epoch)
        return encode_sheet(sheet(shown), tmp_path / "a.png")

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_stages_have_seeds_of_their_own(small_pictures: Path) -> None:
    recipe = recipe_of(stages=2)
    first, default, second = (preview(recipe, small_pictures, stage=one) for one in (1, None, 2))

    assert [row.id for row in default.rows] == [row.id for row in first.rows]
    assert [row.id for row in second.rows] != [row.id for row in first.rows]


@pytest.mark.parametrize(
    ("gain", "remarks"),
    [
        (10.0, ["of the augmented values are outside 0-255"]),
        (1.0, []),
    ],
)
def test_values_outside_are_clipped_and_remarked_on(
    small_pictures: Path, monkeypatch: pytest.MonkeyPatch, gain: float, remarks: list[str]
) -> None:
    from edge_recog_converter.learning.augmentation import augmenter

    monkeypatch.setattr(augmenter, "augmenter_of", lambda *_, **__: lambda x, y, _: (gain * x, y))
    shown = preview(recipe_of(), small_pictures, versions=1)

    assert all(part in remark for part, remark in zip(remarks, shown.remarks, strict=True))
    wanted = [np.clip(gain * row.plain.astype(float), 0, 255) for row in shown.rows]
    np.testing.assert_array_equal(pixels_of(shown), wanted)


def test_a_large_batch_is_cut_and_that_is_said(data: Path) -> None:
    for number in range(60):
        shutil.copy(data / "train/noise/000.png", data / f"train/noise/{number + 100}.png")
    shown = preview(recipe_of(batch_size=96), data, versions=1)

    assert f"batches are of 96 pictures, of which {LARGEST_BATCH} are" in shown.remarks[0]
    assert preview(recipe_of(batch_size=200), data, versions=1).remarks != ()
    assert preview(recipe_of(batch_size=60), data, versions=1).remarks == ()


def test_what_cannot_be_read_is_left_out_and_said(data: Path) -> None:
    order = [row.id for row in preview(recipe_of(""), data, pictures=3, versions=1).rows]
    (data / order[0]).write_text("no picture")
    shown = preview(recipe_of(""), data, pictures=2, versions=1)

    assert [row.id for row in shown.rows] == order[1:]
    assert shown.remarks[0].startswith("one file of those wanted cannot be read")


def test_data_without_a_readable_picture_is_refused(data: Path) -> None:
    for path in data.rglob("*.png"):
        path.write_bytes(b"")

    for recipe in (recipe_of(), parse_recipe(HEAD, where="test")):
        with pytest.raises(DatasetError, match=r"no picture of 36 can be read: .*file is empty"):
            preview(recipe, data)


@pytest.mark.parametrize("flip", [True, False])
def test_a_head_sees_pictures_plain_and_mirrored(small_pictures: Path, flip: bool) -> None:
    stages = f"""
[[stage]]
kind = "head"
flip = {str(flip).lower()}
[[stage]]
kind = "quantize"
"""
    shown = preview(parse_recipe(HEAD + stages, where="test"), small_pictures, pictures=3)

    assert shown.stage is None
    assert "pictures are not augmented" in shown.about
    assert [len(row.versions) for row in shown.rows] == [int(flip)] * 3
    for row in shown.rows if flip else ():
        # The pictures have the input's size: nothing is resized.
        np.testing.assert_array_equal(row.versions[0].pixels, row.plain[:, ::-1])
    assert sheet(shown).shape[2] == 3


def test_pictures_with_several_labels_show_all_of_them(data: Path) -> None:
    rows = [
        f"{split}/{label}/{number:03}.png,{label}|dark,{split}"
        for split in ("train", "test", "validation")
        for label in ("lines", "noise")
        for number in range(4)
    ]
    (data / "labels.csv").write_text("\n".join(["path,labels,split", *rows]))
    recipe = recipe_of('{ kind = "flip" }', data='splits = "manifest"')
    shown = preview(recipe, data, versions=2)

    for row in shown.rows:
        assert row.labels == ("dark", row.id.split("/")[1])
        assert row.versions[0].labels == tuple((label, 1.0) for label in row.labels)
    assert sheet(shown).shape[2] == 3


@pytest.mark.parametrize(
    ("size", "tile"),
    [
        ("height = 32, width = 40", (128, 160)),
        ("height = 32, width = 40, colour = 'BGR'", (128, 160)),
        ("height = 32, width = 40, colour = 'GRAY'", (128, 160)),
        ("height = 200, width = 160", (200, 160)),
        ("height = 640, width = 320", (320, 160)),
    ],
)
def test_a_sheet_has_the_pixels_themselves(
    small_pictures: Path, size: str, tile: tuple[int, int]
) -> None:
    shown = preview(recipe_of("", size=size), small_pictures, pictures=1, versions=1)
    plain = shown.rows[0].plain
    if plain.shape[2] == 1:
        plain = cv2.cvtColor(plain, cv2.COLOR_GRAY2RGB)
    elif shown.preprocessing.colour == "BGR":
        plain = cv2.cvtColor(plain, cv2.COLOR_BGR2RGB)
    larger = max(1, tile[0] // plain.shape[0])
    wanted = plain.repeat(larger, axis=0).repeat(larger, axis=1)
    if plain.shape[0] > tile[0]:
        wanted = cv2.resize(plain, tile[::-1], interpolation=cv2.INTER_AREA)

    drawn = sheet(shown)
    places = np.lib.stride_tricks.sliding_window_view(drawn[:, 28 : 28 + tile[1]], tile[0], axis=0)
    found = [
        top for top in range(len(places)) if (drawn[top, 28 : 28 + tile[1]] == wanted[0]).all()
    ]
    assert any((drawn[top : top + tile[0], 28 : 28 + tile[1]] == wanted).all() for top in found)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Bücher", "Bücher"),
        ("$x^2$ a_b", "$x^2$ a_b"),
        ("брюки", "брюки"),
        ("two\nlines\t", "two lines "),
        ("a\u2028b\x00", "a b "),
        ("\U000f0000s", "□s"),
    ],
)
def test_text_in_any_script_is_drawn_or_boxed(text: str, drawn: str) -> None:
    lettering = Lettering()
    assert lettering.plain(text) == drawn
    assert lettering.has(text) == ("□" not in drawn)


def test_labels_of_all_scripts_make_no_noise(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "validation", "test"):
        (data / split / "noise").rename(data / split / "ズボン \U000f0000 नमस्ते $\\frac{")
        (data / split / "lines").rename(data / split / ("very long label " * 9))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert encode_sheet(sheet(preview(recipe_of(), data, versions=2)), tmp_path / "a.jpg")
    assert [str(one.message) for one in caught if "lyph" in str(one.message)] == []
    assert [record for record in caplog.records if record.name.startswith("matplotlib")] == []


@pytest.mark.parametrize("keep_end", [False, True])
def test_long_text_is_cut_to_its_width(keep_end: bool) -> None:
    lettering = Lettering()
    text = lettering.shortened("i" * 500, size=12, width=100, ending=": 7%", keep_end=keep_end)
    assert 10 < len(text) < 60
    assert text.endswith(": 7%")
    assert "…" in text
    assert lettering.shortened("short", size=12, width=100) == "short"
    lines = lettering.wrapped("some words " * 50, size=12, width=100, lines=3)
    assert len(lines) == 3
    assert lines[0] == "some words"
    assert lines[-1].endswith("…")


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["edge-recog", "data", "preview", *map(str, arguments)])
    status = 0
    try:
        main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text_of())
    return path


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg", "new/sheet.JPEG"])
def test_command_writes_a_picture(
    recipe_file: Path,
    small_pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    out = tmp_path / name
    arguments = (recipe_file, "--data", small_pictures, "--out", out, "--pictures", 2)
    assert run(monkeypatch, capsys, *arguments) == (0, f"wrote {out}\n", "")

    drawn = cv2.imread(str(out))
    assert drawn is not None
    assert drawn.shape[1] > 7 * 160
    magic = out.read_bytes()[:4]
    assert magic == b"\x89PNG" if out.suffix == ".png" else magic[:3] == b"\xff\xd8\xff"


def test_command_prints_one_document(
    recipe_file: Path,
    small_pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "sheet.png"
    arguments = ("--data", small_pictures, "--out", out, "--epoch", 2, "--pictures", 3, "--json")
    status, said, complaint = run(monkeypatch, capsys, recipe_file, *arguments)
    document = json.loads(said)

    assert (status, complaint) == (0, "")
    assert {key: document[key] for key in ("schema_version", "out", "stage", "epoch")} == {
        "schema_version": 1,
        "out": str(out),
        "stage": 1,
        "epoch": 2,
    }
    assert len(document["rows"]) == 3
    row = document["rows"][0]
    assert set(row) == {"id", "labels", "draws", "versions"}
    assert len(row["versions"]) == 6
    shares = [label["share"] for label in row["versions"][0]["labels"]]
    assert sum(shares) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["--out", "sheet.gif"], 2, "sheet.gif: a sheet is written as PNG or JPEG; name it"),
        (["--stage", "2"], 2, "there is no stage 2: the network learns in one stage"),
        (["--epoch", "4"], 2, "there is no epoch 4: the stage has 3"),
        (["--pictures", "0"], 2, "--pictures"),
        (["--data", "nowhere"], 1, "nowhere: not a folder"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    recipe_file: Path,
    small_pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = run(monkeypatch, capsys, recipe_file, "--data", small_pictures, *arguments)

    assert got == status
    assert out == ""
    assert complaint in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.toml"]


def test_nothing_is_overwritten_unless_forced(
    recipe_file: Path,
    small_pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "sheet.png"
    out.write_text("precious")
    arguments = (recipe_file, "--data", small_pictures, "--out", out, "--pictures", 1)
    status, _, err = run(monkeypatch, capsys, *arguments)

    assert status == 2
    assert "exists already" in err
    assert out.read_text() == "precious"
    assert run(monkeypatch, capsys, *arguments, "--force")[0] == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_recipe_without_training_has_no_stage_to_name(small_pictures: Path) -> None:
    with pytest.raises(UsageError, match="there is no stage 1: the network learns in no stage"):
        preview(parse_recipe(HEAD, where="test"), small_pictures, stage=1)


def test_naming_the_verbs_loads_nothing_heavy() -> None:
    code = (
        "import sys; from edge_recog_converter import data_commands; "
        "print([name for name in ('tensorflow', 'matplotlib', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
