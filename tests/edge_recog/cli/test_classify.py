from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_recog.cameras.images import read_image
from edge_recog.classifier import Classifier
from edge_recog.frames import Frame
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable


def test_each_picture_is_one_line(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path, tiny_labels: tuple[str, ...]
) -> None:
    outcome = edge_recog("classify", tiny_path, pictures)
    lines = outcome.out.splitlines()

    assert (outcome.code, outcome.err) == (0, "")
    assert [line.partition(": ")[0] for line in lines] == [
        str(pictures / name) for name in ("a.png", "b.png", "c.png")
    ]
    for line in lines:
        assert line.endswith(" ms)")
        assert sum(label in line.partition(": ")[2] for label in tiny_labels) == 3


_SAID = "edge-recog: no model is named, so the built-in tiny answers\n"


def test_without_a_model_the_built_in_one_answers_and_that_is_said_once(
    edge_recog: Callable[..., Any], built_in: Path, pictures: Path
) -> None:
    outcome = edge_recog("classify", pictures / "a.png", pictures / "b.png")
    named = edge_recog("classify", built_in, pictures / "a.png", pictures / "b.png")

    assert (outcome.code, outcome.err, named.err) == (0, _SAID, "")

    def answers(out: str) -> list[str]:
        return [line.rpartition("  (")[0] for line in out.splitlines()]

    assert answers(outcome.out) == answers(named.out)
    assert len(answers(named.out)) == 2


def test_json_and_quiet_hold_without_a_model_too(
    edge_recog: Callable[..., Any], built_in: Path, pictures: Path
) -> None:
    outcome = edge_recog("classify", pictures, "--json")

    assert json.loads(outcome.out)["model"]["name"] == "tiny"
    assert outcome.err == _SAID
    assert edge_recog("classify", pictures, "--quiet").err == ""


def test_a_model_need_not_be_called_tflite(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    path = tiny_path.rename(tiny_path.with_suffix(".bin"))
    outcome = edge_recog("classify", path, pictures / "a.png")

    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m.TFLITE"], "m.TFLITE is a model: name pictures"),
        (["cat.jpg", "m.tflite"], "m.tflite is a model: name it first"),
    ],
    ids=["no picture", "model comes late"],
)
def test_a_model_out_of_place_is_exit_2(
    edge_recog: Callable[..., Any], built_in: Path, arguments: list[str], message: str
) -> None:
    outcome = edge_recog("classify", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert message in " ".join(outcome.err.split())


def test_a_built_in_model_that_is_missing_is_one_line_and_exit_1(
    edge_recog: Callable[..., Any], built_in: Path, pictures: Path
) -> None:
    built_in.unlink()
    outcome = edge_recog("classify", pictures / "a.png")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert "--force-reinstall edge-recog" in outcome.err


def test_of_several_labels_all_are_said_that_reach_their_thresholds(
    edge_recog: Callable[..., Any],
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Any],
    tiny_labels: tuple[str, ...],
    pictures: Path,
    tmp_path: Path,
) -> None:
    path = tmp_path / "several.tflite"
    said = contract(task="multi-label", thresholds=(0.0, 0.0, 0.0, 0.0))
    path.write_bytes(pack_bundle(tiny_model(), said, tiny_labels, name="several"))

    def labels(*options: str) -> int:
        outcome = edge_recog("classify", path, pictures / "a.png", "--json", *options)
        return len(json.loads(outcome.out)["results"][0]["predictions"])

    assert (labels(), labels("--top-k", "2")) == (4, 2)


def test_json_is_one_document_and_nothing_else(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    outcome = edge_recog("classify", tiny_path, pictures, "--json", "--top-k", "2")
    document = json.loads(outcome.out)

    assert (outcome.code, outcome.err) == (0, "")
    assert document.keys() == {"model", "results", "errors"}
    assert document["model"]["name"] == "tiny"
    assert document["model"]["id"].startswith("sha256:")
    assert document["errors"] == []
    assert [Path(result["source"]).name for result in document["results"]] == [
        "a.png",
        "b.png",
        "c.png",
    ]
    assert {len(result["predictions"]) for result in document["results"]} == {2}


def test_scores_are_those_of_the_library(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    with Classifier.open(tiny_path) as classifier:
        best = classifier.classify(Frame.from_rgb(read_image(pictures / "a.png"))).best

    document = json.loads(edge_recog("classify", tiny_path, pictures / "a.png", "--json").out)

    assert best is not None
    assert document["results"][0]["predictions"][0] == {
        "label": best.label,
        "score": round(best.score, 4),
    }


def test_a_real_photograph_is_recognised(edge_recog: Callable[..., Any], shared_data: Path) -> None:
    coral = shared_data / "coral"
    model = coral / "mobilenet_v2_1.0_224_quant.tflite"

    outcome = edge_recog("classify", model, coral / "cat.bmp", "--quiet")

    assert outcome.code == 0
    assert "Egyptian cat" in outcome.out


def test_one_bad_picture_does_not_stop_the_others(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    (pictures / "b.png").write_bytes(b"broken")
    outcome = edge_recog("classify", tiny_path, pictures)

    assert outcome.code == 1
    assert len(outcome.out.splitlines()) == 2
    assert outcome.err == (
        f"edge-recog: {pictures / 'b.png'}: not a picture that OpenCV can decode, or damaged\n"
    )


def test_bad_pictures_are_told_in_the_document(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    (pictures / "b.png").write_bytes(b"broken")
    outcome = edge_recog("classify", tiny_path, pictures, pictures / "none.jpg", "--json")
    document = json.loads(outcome.out)

    assert outcome.code == 1
    assert len(document["results"]) == 2
    assert [error.partition(": ")[0] for error in document["errors"]] == [
        str(pictures / "b.png"),
        str(pictures / "none.jpg"),
    ]


def test_an_empty_folder_is_an_error_and_the_rest_goes_on(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    outcome = edge_recog("classify", tiny_path, tmp_path / "empty", pictures)

    assert outcome.code == 1
    assert len(outcome.out.splitlines()) == 3
    assert "empty: no picture in it" in outcome.err


def test_a_file_name_that_is_no_text_does_no_harm(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    (pictures / "a.png").rename(os.fsdecode(os.fsencode(pictures) + b"/caf\xe9.png"))

    plain = edge_recog("classify", tiny_path, pictures)
    document = json.loads(edge_recog("classify", tiny_path, pictures, "--json").out)

    assert (plain.code, plain.err) == (0, "")
    assert "caf\\udce9.png: " in plain.out
    names = [Path(result["source"]).name for result in document["results"]]
    assert names == ["b.png", "c.png", "caf?.png"]


def test_frames_of_a_video_are_numbered(edge_recog: Callable[..., Any], tiny_path: Path) -> None:
    outcome = edge_recog("classify", tiny_path, "synthetic:64x48?count=3")

    assert outcome.code == 0
    assert [line.partition(": ")[0] for line in outcome.out.splitlines()] == [
        "synthetic:64x48 #0",
        "synthetic:64x48 #1",
        "synthetic:64x48 #2",
    ]


def test_nothing_above_its_threshold_is_said_so(
    edge_recog: Callable[..., Any],
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Any],
    tiny_labels: tuple[str, ...],
    pictures: Path,
    tmp_path: Path,
) -> None:
    from edge_recog.packing import pack_bundle

    path = tmp_path / "strict.tflite"
    said = contract(thresholds=(1.0,) * 4)
    path.write_bytes(pack_bundle(tiny_model(), said, tiny_labels, name="m"))

    assert "nothing above its threshold" in edge_recog("classify", path, pictures / "a.png").out


@pytest.mark.parametrize(
    ("model", "code", "message"),
    [
        ("none.tflite", 1, "none.tflite: cannot be read: No such file or directory"),
        ("folder.tflite", 1, "folder.tflite: a folder or device, not a model file"),
        ("picture.tflite", 1, "picture.tflite: not a TFLite model"),
    ],
)
def test_a_bad_model_is_one_line_and_exit_1(
    edge_recog: Callable[..., Any],
    pictures: Path,
    tmp_path: Path,
    model: str,
    code: int,
    message: str,
) -> None:
    (tmp_path / "folder.tflite").mkdir()
    (pictures / "a.png").rename(tmp_path / "picture.tflite")
    outcome = edge_recog("classify", tmp_path / model, pictures)

    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith("edge-recog: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_model_without_a_contract_tells_the_command_that_helps(
    edge_recog: Callable[..., Any], shared_data: Path
) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_1_default_1.tflite"
    outcome = edge_recog("classify", path, "cat.jpg")

    assert outcome.code == 1
    assert f"edge-recog adopt {path} --labels labels.txt --mean 127.5" in outcome.err


def test_a_delegate_that_is_none_is_wrong_usage(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    outcome = edge_recog("classify", tiny_path, pictures, "--delegate", "gpu")

    assert outcome.code == 2
    assert "names no delegate" in outcome.err


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--cpu-fallback"], 0)])
def test_without_the_accelerator_it_carries_on_only_if_told_to(
    edge_recog: Callable[..., Any],
    tiny_path: Path,
    pictures: Path,
    options: list[str],
    code: int,
) -> None:
    outcome = edge_recog("classify", tiny_path, pictures, "--delegate", "edgetpu", *options)

    assert outcome.code == code
    assert "not compiled for the Edge TPU" in outcome.err
    assert bool(outcome.out) == (code == 0)


def test_saved_pictures_are_annotated_and_as_large_as_the_originals(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path, tmp_path: Path
) -> None:
    outcome = edge_recog("classify", tiny_path, pictures, "--save", tmp_path / "out")

    assert outcome.code == 0
    written = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*"))
    assert [str(path) for path in written] == [f"pictures/{name}.jpg" for name in "abc"]
    before, after = (
        read_image(pictures / "a.png"),
        read_image(tmp_path / "out" / "pictures" / "a.jpg"),
    )
    assert after.shape == before.shape
    assert np.abs(after.astype(int) - before)[-12:].mean() > 30


def test_a_saved_video_can_be_played(
    edge_recog: Callable[..., Any], tiny_path: Path, tmp_path: Path
) -> None:
    outcome = edge_recog(
        "classify", tiny_path, "synthetic:64x48?count=5", "--save", tmp_path / "out"
    )
    (path,) = (tmp_path / "out").iterdir()
    capture = cv2.VideoCapture(str(path))
    frames = 0
    while capture.read()[0]:
        frames += 1
    capture.release()

    assert outcome.code == 0
    assert path.name == "synthetic_64x48_count=5.mp4"
    assert frames == 5


def test_a_saved_picture_is_not_overwritten_and_the_others_go_on(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path, tmp_path: Path
) -> None:
    old = tmp_path / "out" / "pictures" / "b.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")

    outcome = edge_recog("classify", tiny_path, pictures, "--save", tmp_path / "out")

    assert outcome.code == 1
    assert "b.jpg: exists already; name another file, or add --force" in outcome.err
    assert old.read_bytes() == b"old"
    assert (old.parent / "c.jpg").exists()


def test_a_saved_picture_is_overwritten_by_force(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path, tmp_path: Path
) -> None:
    old = tmp_path / "out" / "a.jpg"
    old.parent.mkdir()
    old.write_bytes(b"old")

    outcome = edge_recog("classify", tiny_path, pictures / "a.png", "--save", old.parent, "--force")

    assert outcome.code == 0
    assert read_image(old).shape == (60, 80, 3)


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
def test_pictures_of_one_name_are_all_saved(
    edge_recog: Callable[..., Any],
    tiny_path: Path,
    pictures: Path,
    tmp_path: Path,
    force: list[str],
) -> None:
    good, jpeg = cv2.imencode(".jpg", np.zeros((40, 40, 3), np.uint8))
    assert good
    (pictures / "a.jpg").write_bytes(bytes(jpeg))
    (pictures / "deeper").mkdir()
    (pictures / "b.png").rename(pictures / "deeper" / "a.png")

    outcome = edge_recog(
        "classify",
        tiny_path,
        pictures / "a.jpg",
        pictures / "a.png",
        pictures / "deeper" / "a.png",
        "--save",
        tmp_path / "out",
        *force,
    )

    assert outcome.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a-2.jpg",
        "a-3.jpg",
        "a.jpg",
    ]


@pytest.mark.parametrize(("where", "inside"), [("..", "pictures"), (".", "sub"), ("../sub", "sub")])
def test_saved_pictures_stay_in_their_folder_wherever_they_are_from(
    edge_recog: Callable[..., Any],
    tiny_path: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    inside: str,
) -> None:
    (pictures / "sub").mkdir()
    (pictures / "b.png").rename(pictures / "sub" / "b.png")
    before = sorted(pictures.rglob("*"))
    monkeypatch.chdir(pictures / "sub")

    outcome = edge_recog("classify", tiny_path, where, "--save", tmp_path / "out", "--force")

    assert outcome.code == 0
    assert sorted(pictures.rglob("*")) == before
    assert (tmp_path / "out" / inside).is_dir()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [inside]


def test_a_folder_that_cannot_be_written_is_wrong_usage(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_bytes(b"")
    outcome = edge_recog("classify", tiny_path, pictures, "--save", tmp_path / "out")

    assert outcome.code == 2
    assert "cannot be written" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_video_that_cannot_be_written_is_an_error(
    edge_recog: Callable[..., Any],
    tiny_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Closed:
        fourcc = staticmethod(cv2.VideoWriter.fourcc)

        def __init__(self, *_: Any) -> None: ...

        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
            return False

        def release(self) -> None: ...

    monkeypatch.setattr(cv2, "VideoWriter", Closed)
    outcome = edge_recog(
        "classify", tiny_path, "synthetic:64x48?count=2", "--save", tmp_path / "out"
    )

    assert outcome.code == 1
    assert "OpenCV cannot write this video" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_video_that_ends_in_an_error_is_not_left_as_a_whole_one(
    edge_recog: Callable[..., Any],
    tiny_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edge_recog.cameras.synthetic import SyntheticSource
    from edge_recog.errors import SourceError

    def broken(self: SyntheticSource) -> Any:
        yield Frame.from_rgb(np.zeros((48, 64, 3), np.uint8))
        raise SourceError("synthetic: it broke")

    monkeypatch.setattr(SyntheticSource, "__iter__", broken)
    outcome = edge_recog(
        "classify", tiny_path, "synthetic:64x48?count=2", "--save", tmp_path / "out"
    )

    assert outcome.code == 1
    assert "it broke" in outcome.err
    assert list((tmp_path / "out").iterdir()) == []


def test_verbose_says_more_and_quiet_no_less_of_the_results(
    edge_recog: Callable[..., Any], tiny_path: Path, pictures: Path
) -> None:
    plain, verbose, quiet = (
        edge_recog("classify", tiny_path, pictures / "a.png", *options)
        for options in ([], ["--verbose"], ["--quiet"])
    )

    assert {outcome.code for outcome in (plain, verbose, quiet)} == {0}
    assert (
        plain.out.partition("(")[0] == verbose.out.partition("(")[0] == quiet.out.partition("(")[0]
    )
