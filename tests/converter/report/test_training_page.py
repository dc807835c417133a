"""The page of a training tells all that the document says, to everybody, and runs nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import msgspec
import numpy as np
import pytest
from edge_recog_converter.datasets.labelled import ArrayPicture
from edge_recog_converter.pages.texts import percent, significant
from edge_recog_converter.report.document import (
    SCHEMA_VERSION,
    Attempt,
    Bin,
    Calibration,
    ClassFigures,
    Data,
    Epoch,
    Flip,
    Lost,
    Mistake,
    ModelFigures,
    Other,
    Parity,
    Point,
    Report,
    Stage,
)
from edge_recog_converter.report.headline import wilson
from edge_recog_converter.report.page import page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog_converter.datasets.labelled import Content

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>&amp;",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}",
    "\N{CJK UNIFIED IDEOGRAPH-732B}\N{DOG FACE}" * 12,
    "a-very-long-label-without-any-place-to-break-it" * 4,
    "lone\ud800surrogate\x00",
)
RECIPE = 'schema_version = 1\nname = "signs"\n\n[model]\narchitecture = "efficientnet-lite0"\n'
BROWSE = Path(__file__).parents[2] / "benchmarks" / "report" / "browse.py"
VOID = {"meta", "link", "img", "wbr"}
INLINE = {"a", "bdi", "code", "em", "span", "strong", "wbr"}


def epochs(count: int, *, first: int = 1) -> tuple[Epoch, ...]:
    rng = np.random.default_rng(count)
    return tuple(
        Epoch(
            number=number,
            loss=1.9 * 0.88**number + 0.21 + float(rng.normal(0, 0.01)),
            validation_loss=1.7 * 0.87**number + 0.33 + float(rng.normal(0, 0.03)),
            score=0.94 - 0.7 * 0.8**number + float(rng.normal(0, 0.008)),
            rate=4e-4 * (0.5 + 0.5 * float(np.cos(np.pi * number / count))) + 1e-7,
            seconds=8.1 + float(rng.normal(0, 0.2)),
            waiting_s=0.9,
        )
        for number in range(first, count + 1)
    )


def calibration(rng: np.random.Generator, *, sure: float) -> Calibration:
    bins = []
    for score in np.linspace(0.35, 0.995, 15) ** 0.6:
        right = float(np.clip(score - sure * (1 - score) + rng.normal(0, 0.01), 0.02, 1))
        bins.append(Bin(confidence=float(score), accuracy=right, count=int(rng.integers(81, 84))))
    return Calibration(
        negative_log_likelihood=0.31 + sure / 7,
        expected_calibration_error=0.011 + sure / 9,
        bins=tuple(bins),
    )


def ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def model(kind: Any, labels: tuple[str, ...], *, multi: bool, mistakes: int) -> ModelFigures:
    count = len(labels)
    supports = np.random.default_rng(count).integers(12, 150, count)
    rng = np.random.default_rng(count + len(kind))
    matrix = np.zeros((count, count), int)
    for row, support in enumerate(supports):
        for column in rng.integers(0, count, round(support * rng.uniform(0, 0.25))):
            matrix[row, int(row + abs(column - row) ** 0.5) % count] += 1
        matrix[row, row] += support - matrix[row].sum()
    hits, said, support = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
    classes = tuple(
        ClassFigures(
            label=label,
            support=int(support[index]),
            precision=ratio(hits[index], said[index]),
            recall=ratio(hits[index], support[index]),
            f1=ratio(2 * hits[index], said[index] + support[index]),
            average_precision=float(rng.uniform(0.5, 1)) if multi else None,
        )
        for index, label in enumerate(labels)
    )
    top1 = float(hits.sum() / matrix.sum())
    return ModelFigures(
        kind=kind,
        top1=None if multi else top1,
        macro_f1=float(np.mean([one.f1 or 0.0 for one in classes])),
        micro_f1=top1,
        mean_average_precision=0.873 if multi else None,
        classes=classes,
        confusion=None if multi else tuple(tuple(map(int, row)) for row in matrix),
        uncalibrated=calibration(rng, sure=0.5),
        calibrated=calibration(rng, sure=0.03),
        mistakes=tuple(
            Mistake(
                id=f"test/{labels[number % count]}/IMG_{number:04}.jpg",
                said=(labels[(number + 1) % count],) if number % 5 or not multi else (),
                right=(labels[number % count],),
                score=0.997 - number / 100,
            )
            for number in range(mistakes)
        ),
        invoke_ms=(4.113, 5.27) if kind == "int8" else (12.34, 14.09),
        size_bytes=3_456_789 if kind == "int8" else 13_579_246,
    )


def points(*names: str) -> tuple[Point, ...]:
    """Networks, each smaller and a little worse than the one before."""
    return tuple(
        Point(
            name=name,
            score=0.924 - 0.011 * at,
            invoke_ms=2.04 / 1.6**at,
            speed_up=1.6**at,
            size_bytes=round(3_890_000 / 1.4**at),
            macs=round(385e6 / 1.7**at),
            parameters=round(3.4e6 / 1.45**at),
        )
        for at, name in enumerate(names)
    )


def attempt(labels: tuple[str, ...], *, accepted: bool) -> Attempt:
    return Attempt(
        rung="calibration" if accepted else "post-training",
        detail="ranges by mean squared error" if accepted else "ranges by min max",
        converter="TFLiteConverter of TensorFlow 2.21.0",
        accepted=accepted,
        reason="" if accepted else "top-1 drops by 0.9 points, 0.5 are allowed",
        count=341,
        drop=0.003 if accepted else 0.009,
        drop_low=-0.009,
        drop_high=0.015,
        agreement=0.979,
        p_value=0.31,
        smallest_loss_shown=0.0147,
        lost=tuple(Lost(label=label, lost=2, won=1) for label in labels[:3]),
        calibration_error=0.031,
        float_calibration_error=0.028,
        invoke_ms=0.711,
        size_bytes=655_360,
        seconds=31.2,
    )


def report(
    labels: tuple[str, ...] = tuple("0123456789"),
    *,
    multi: bool = False,
    mistakes: int = 14,
    flips: int = 20,
    stages: tuple[Stage, ...] | None = None,
) -> Report:
    rng = np.random.default_rng(3)
    counts = {
        split: tuple(int(size * 0.8 ** (index % 9)) + 4 for index in range(len(labels)))
        for split, size in (("train", 900), ("validation", 120), ("test", 140))
    }
    head = Stage(kind="head", best=28, seconds=21.4, resumed_after=0, epochs=epochs(40))
    fine = Stage(kind="train", best=14, seconds=812.0, resumed_after=6, epochs=epochs(16))
    return Report(
        schema_version=SCHEMA_VERSION,
        name="sign-digits-fine",
        created="2026-11-25T17:44:38Z",
        recipe=RECIPE,
        parameters=3_412_345,
        input="128 x 128 RGB",
        data=Data(
            name="sign_digits",
            fingerprint="5f" * 32,
            task="multi-label" if multi else "single-label",
            labels=labels,
            pictures={split: sum(sizes) for split, sizes in counts.items()},
            counts=counts,
            skipped={
                "train/3/IMG_9999.jpg": "/data/train/3/IMG_9999.jpg: the JPEG file ends too early"
            },
        ),
        stages=(head, fine) if stages is None else stages,
        temperature=1.3579,
        thresholds=tuple(rng.uniform(0.2, 0.8, len(labels)).tolist()) if multi else None,
        models=(
            model("float", labels, multi=multi, mistakes=mistakes),
            model("int8", labels, multi=multi, mistakes=mistakes),
        ),
        parity=Parity(
            agreement=0.98765,
            largest_difference=0.3217,
            flips=tuple(
                Flip(
                    id=f"test/flip/{number:03}.png",
                    float=(labels[number % len(labels)],),
                    int8=() if multi and not number % 3 else (labels[(number + 1) % len(labels)],),
                )
                for number in range(flips)
            ),
        ),
        points=points("teacher clothing-fine", "before pruning", *labels[:3], "INT8"),
        attempts=(attempt(labels, accepted=False), attempt(labels, accepted=True)),
        others=(
            Other(
                kind="float16", score=0.921, agreement=1.0, invoke_ms=(9.1, 9.9), size_bytes=6**9
            ),
        ),
        seconds=861.9,
        peak_memory_mb=2345.6,
        machine={"processor": "Cortex-A76", "cores": "4", "system": "Linux 6.12"},
        tools={"tensorflow": "2.21.0", "edge-recog": "0.1.0"},
    )


def pictures(document: Report) -> dict[str, Content]:
    """A picture for every second id that the document names."""
    named = [one.id for one in (*document.models[1].mistakes, *document.parity.flips)]
    rng = np.random.default_rng(0)
    return {
        id_: ArrayPicture(id_, cv2.resize(rng.integers(60, 256, (5, 6, 3), np.uint8), (72, 60)))
        for id_ in named[::2]
    }


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == [], "every element is closed"
        self.text = "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)
        if tag not in INLINE:
            self.texts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag not in INLINE:
            self.texts.append("\n")

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    def row(self, name: str) -> list[str]:
        """Return the first row of this name."""
        return next(row for row in self.rows if row and row[0] == name)


def look(document: Report, contents: Mapping[str, Content] | None = None) -> Seen:
    return Seen(page(document, pictures(document) if contents is None else contents))


def named(count: int) -> tuple[str, ...]:
    return tuple(f"class-{number:03}" for number in range(count))


DOCUMENTS = {
    "single-2": report(named(2)),
    "single-10": report(),
    "single-120": report(named(120)),
    "multi-2": report(named(2), multi=True),
    "multi-10": report(named(10), multi=True),
    "multi-120": report(named(120), multi=True),
    "hostile": report(HOSTILE),
    "hostile-multi": report(HOSTILE, multi=True),
    "no-mistakes": report(mistakes=0, flips=0),
    "head-only": report(
        stages=(Stage(kind="head", best=1, seconds=0.7, resumed_after=0, epochs=epochs(1)),)
    ),
    "no-stages": report(stages=()),
}


@pytest.fixture(params=DOCUMENTS.values(), ids=DOCUMENTS.keys())
def document(request: pytest.FixtureRequest) -> Report:
    found: Report = request.param
    return found


def test_every_figure_of_the_models_appears(document: Report) -> None:
    text = look(document).text
    for one in document.models:
        shares = [one.top1, one.macro_f1, one.mean_average_precision]
        shares += [
            one.uncalibrated.expected_calibration_error,
            one.calibrated.expected_calibration_error,
        ]
        for share in shares:
            assert share is None or f"{percent(share)} %" in text
        for calibrated in (one.uncalibrated, one.calibrated):
            assert f"{calibrated.negative_log_likelihood:.4f}" in text
        for value in one.invoke_ms:
            assert f"{significant(value)} ms" in text
    assert "3.46 MB" in text
    assert "13.6 MB" in text
    assert "98.8 %" in text
    assert "0.322" in text
    assert "1.36" in text


def test_every_class_has_a_row_with_its_figures(document: Report) -> None:
    rows = Counter(tuple(row) for row in look(document).rows)
    multi = document.thresholds is not None
    for index, (float_, int8) in enumerate(
        zip(*(one.classes for one in document.models), strict=True)
    ):
        cells = [shown(int8.label), f"{int8.support:,}", ""]
        for one in (int8, float_):
            cells += map(percent, (one.precision, one.recall, one.f1))
            cells += [percent(one.average_precision)] if multi else []
        if document.thresholds is not None:
            cells.append(f"{document.thresholds[index]:.3f}")
        assert rows[tuple(cells)] == 1
        counts = [document.data.counts[split][index] for split in ("train", "validation", "test")]
        assert rows[shown(int8.label), "", *(f"{n:,}" for n in (*counts, sum(counts)))] == 1


def test_worst_class_comes_first_and_those_without_pictures_last() -> None:
    document = report()
    float_, int8 = document.models
    first, *others = int8.classes
    lost = msgspec.structs.replace(first, support=0, precision=None, recall=None, f1=None)
    int8 = msgspec.structs.replace(int8, classes=(lost, *others))
    seen = look(msgspec.structs.replace(document, models=(float_, int8)))
    shares = [row[5] for row in seen.rows if len(row) == 9 and row[2] == ""]

    assert shares[-1] == "\N{EN DASH}"
    assert list(map(float, shares[:-1])) == sorted(map(float, shares[:-1]))


def test_every_epoch_appears(document: Report) -> None:
    rows = [row for row in look(document).rows if len(row) == 7]
    for stage in document.stages:
        for epoch in stage.epochs:
            best = " (best)" if epoch.number == stage.best else ""
            losses = significant(epoch.loss), significant(epoch.validation_loss)
            start = [f"{epoch.number}{best}", *losses, percent(epoch.score), f"{epoch.rate:.3g}"]
            assert any(row[:5] == start for row in rows)


def test_every_bin_of_the_reliability_diagrams_appears(document: Report) -> None:
    rows = [row for row in look(document).rows if len(row) == 7]
    for one in document.models:
        for number, (before, after) in enumerate(
            zip(one.uncalibrated.bins, one.calibrated.bins, strict=True), 1
        ):
            cells = [str(number)]
            for each in (before, after):
                cells += [str(each.count), percent(each.confidence), percent(each.accuracy)]
            assert cells in rows


def test_where_it_comes_from_appears(document: Report) -> None:
    seen = look(document)
    for text in (
        *("sign-digits-fine", "sign_digits", "5f" * 32, "2026-11-25 17:44:38 UTC", RECIPE),
        *("3,412,345", "128 x 128 RGB", "14 min 22 s", "2,346 MB", "Cortex-A76", "Linux 6.12"),
        *("tensorflow", "2.21.0"),
    ):
        assert text in seen.text
    assert seen.row("train/3/IMG_9999.jpg")[1].endswith("the JPEG file ends too early")


def test_confusion_matrix_has_every_count() -> None:
    document = report()
    seen = look(document)
    matrices = [
        [["" if cell == "0" else cell for cell in map(str, row)] for row in one.confusion or ()]
        for one in document.models
    ]
    found = [row[1:] for row in seen.rows if len(row) == 11 and row[0] in document.data.labels]

    assert found == [*matrices[1], *matrices[0]]


def test_confusions_of_many_classes_are_listed_most_frequent_first() -> None:
    document = report(named(120))
    rows = [row for row in look(document).rows if len(row) == 4 and " → " in row[0]]
    counts = [int(row[1]) for row in rows if row[1] != "INT8"]
    matrix = np.array(document.models[1].confusion)
    np.fill_diagonal(matrix, 0)

    assert counts == sorted(matrix[matrix > 0].tolist(), reverse=True)[:50]


def test_multi_label_has_no_confusion_matrix_and_no_top_1() -> None:
    seen = look(report(named(10), multi=True))

    assert "Confusion" not in seen.text
    assert "Top-1" not in seen.text
    assert seen.row("Mean average precision") == ["Mean average precision", "87.3 %", "87.3 %"]


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # R: binom::binom.wilson(hits, count)
    [(5, 10, 0.236593, 0.763407), (0, 20, 0.0, 0.161125), (95, 100, 0.888250, 0.978456)],
)
def test_interval_is_wilsons(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count) == pytest.approx((low, high), abs=1e-5)


def test_headline_counts_the_pictures_and_gives_the_interval() -> None:
    document = report()
    matrix = np.array(document.models[1].confusion)
    hits, count = int(matrix.trace()), int(matrix.sum())
    low, high = (percent(end) for end in wilson(hits, count))
    text = look(document).text

    assert f"Right on {percent(hits / count)} % of {count:,} test pictures" in text
    assert f"95 % interval {low} to {high} %" in text
    assert f"{hits:,} of {count:,}" in text


@pytest.mark.parametrize(
    ("lost", "said"),
    [(-0.01, "lost nothing"), (0.009, "within the 1 %"), (0.02, "more than the 1 %")],
    ids=["nothing", "little", "much"],
)
def test_headline_says_whether_quantisation_lost_too_much(lost: float, said: str) -> None:
    document = report()
    float_, int8 = document.models
    float_ = msgspec.structs.replace(float_, top1=0.9)
    int8 = msgspec.structs.replace(int8, top1=0.9 * (1 - lost))

    assert said in look(msgspec.structs.replace(document, models=(float_, int8))).text


def test_every_network_on_the_way_has_a_row() -> None:
    document = report()
    seen = look(document)

    for number, point in enumerate(document.points, 1):
        assert seen.row(f"{number}\N{NO-BREAK SPACE}{point.name}")[1:] == [
            percent(point.score),
            f"{significant(point.invoke_ms)} ms",
            significant(point.speed_up),
            f"{point.size_bytes / 1e6:.2f} MB",
            f"{significant(point.macs / 1e6)} M",
            f"{point.parameters:,}",
            "\N{BLACK CIRCLE} yes",
        ]


def test_a_network_that_another_one_beats_is_marked_in_shape_and_words() -> None:
    document = report(stages=())
    good = document.points[0]
    bad = msgspec.structs.replace(good, name="bad", score=good.score - 0.1)
    seen = look(msgspec.structs.replace(document, points=(good, bad)))
    dots = [one["class"] for tag, one in seen.attributes if tag == "circle"]

    assert dots[:2] == ["dot c0", "ring c0"]
    assert seen.row("2\N{NO-BREAK SPACE}bad")[-1] == "\N{WHITE CIRCLE} no"


def test_every_attempt_to_quantise_has_a_row() -> None:
    document = report()
    seen = look(document)
    refused, accepted = (
        next(row for row in seen.rows if row and row[0].startswith(one.rung) and len(row) == 8)
        for one in document.attempts
    )

    assert refused == [
        "post-trainingranges by min maxby TFLiteConverter of TensorFlow 2.21.0",
        "0.90\N{MINUS SIGN}0.90\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}1.50",
        "97.9",
        "0.31",
        "2.8 → 3.1",
        "0.711 ms0.66 MB",
        "31.2 s",
        "refused: top-1 drops by 0.9 points, 0.5 are allowed",
    ]
    assert accepted[-1] == "accepted"
    assert ["2", "2", "1"] in seen.rows


@pytest.mark.parametrize(
    ("tried", "said"),
    [
        ([True], "The first way tried was good enough: calibration (ranges by mean squared error)"),
        ([False, True], "The first way tried was refused; the second was good enough: calibration"),
        ([False] * 3 + [True], "The first 3 ways tried were refused; the next was good enough: "),
        ([False, False], "None of the ways tried was good enough; the last one ships: post-train"),
    ],
    ids=["first", "second", "fourth", "none"],
)
def test_the_way_that_was_accepted_is_said(tried: list[bool], said: str) -> None:
    attempts = tuple(attempt(("a",), accepted=one) for one in tried)

    assert said in look(msgspec.structs.replace(report(), attempts=attempts)).text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drop": 0.003}, "its top-1 is 0.30 points lower than float's, and"),
        ({"drop": -0.003}, "its top-1 is 0.30 points higher than float's, and"),
        ({"drop": -0.00001}, "its top-1 is the same as float's, and"),
        ({"agreement": 0.979}, "it says what float says on 97.9 % of them"),
        ({"smallest_loss_shown": 0.01466}, "341 pictures can show at that confidence is 1.5 point"),
        ({"smallest_loss_shown": 1.0}, "So few pictures (341) cannot show a loss"),
        ({"p_value": 1.2e-7}, "< 0.0001"),
        ({"p_value": 0.0001}, "0.0001"),
        ({"drop_low": -0.00001}, "\n0.00\N{NO-BREAK SPACE}to"),
        ({"lost": ()}, "In no class did an answer change"),
    ],
    ids=lambda one: "-".join(map(str, one)) if isinstance(one, dict) else "",
)
def test_what_the_file_that_ships_lost_is_said(changed: dict[str, Any], said: str) -> None:
    last = msgspec.structs.replace(attempt(("a",), accepted=True), **changed)

    assert said in look(msgspec.structs.replace(report(), attempts=(last,))).text


def test_classes_that_changed_are_all_named_however_many() -> None:
    labels = named(120)
    last = attempt(labels, accepted=True)
    lost = tuple(Lost(label=f"changed {label}", lost=1, won=2_000) for label in labels)
    last = msgspec.structs.replace(last, lost=lost)
    rows = look(msgspec.structs.replace(report(), attempts=(last,))).rows

    assert [row for row in rows if row[0].startswith("changed")] == [
        [f"changed {label}", "1", "2,000"] for label in labels
    ]


def test_what_was_not_done_has_no_section_and_no_link() -> None:
    seen = look(msgspec.structs.replace(report(), points=(), attempts=()))

    assert "Smaller and faster" not in seen.text
    assert "How INT8 was accepted" not in seen.text
    assert not {"#points", "#attempts"} & {one.get("href") for _, one in seen.attributes}


def test_training_tells_the_best_epoch_and_what_was_waited_for() -> None:
    text = look(report()).text

    assert "Epoch 14 of 16 was the best" in text
    assert "It took 13 min 32 s; 11." in text
    assert "by an earlier process" in text


def test_mistakes_are_shown_or_named() -> None:
    document = report()
    seen = look(document)
    alts = {attributes.get("alt") for tag, attributes in seen.attributes if tag == "img"}
    ids = [one.id for one in document.models[1].mistakes]

    assert set(ids[::2]) <= alts
    assert not set(ids[1::2]) & alts
    for id_ in ids:
        assert id_ in seen.text
    assert "99.7\N{NO-BREAK SPACE}%" in seen.text
    assert "picture not at hand" in seen.text


def test_a_picture_that_cannot_be_read_is_named_only(tmp_path: Path) -> None:
    document = report(mistakes=1, flips=0)
    (name,) = (one.id for one in document.models[1].mistakes)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    for content in (tmp_path / "cut.jpg", tmp_path / "missing.jpg", tmp_path):
        seen = look(document, {name: content})
        assert seen.tags["img"] == 0
        assert "picture cannot be read" in seen.text


def test_no_mistake_and_no_flip_are_said_in_words() -> None:
    text = look(report(mistakes=0, flips=0)).text

    assert "The INT8 model makes none." in text
    assert "On no test picture." in text


def test_every_disagreement_is_named() -> None:
    document = report(flips=30)
    rows = [row for row in look(document).rows if len(row) == 3]

    for flip in document.parity.flips[12:]:
        assert [flip.id, *flip.int8, *flip.float] in rows


def test_a_training_that_diverged_has_a_page() -> None:
    epoch = msgspec.structs.replace(epochs(1)[0], loss=float("nan"), validation_loss=float("inf"))
    stage = Stage(kind="train", best=1, seconds=1.0, resumed_after=0, epochs=(epoch,))
    seen = look(report(stages=(stage,)))

    assert ["1 (best)", "nan", "inf"] in [row[:3] for row in seen.rows]


def test_nothing_that_was_named_becomes_an_element(document: Report) -> None:
    plain = look(report(named(len(document.data.labels))))
    seen = look(document)

    assert not set(seen.tags) - set(plain.tags) - {"em"}
    assert seen.tags["script"] == 0
    for tag, attributes in seen.attributes:
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href"):
            address = attributes.get(key) or "#"
            assert address.startswith(("data:", "#")), tag


def test_every_text_of_the_document_is_escaped() -> None:
    evil = "<script>alert(1)</script>\"'&"
    text = msgspec.json.encode(report()).decode()
    for said in (
        *("sign-digits-fine", "sign_digits", "5f" * 32, "2026-11-25T17:44:38Z", "128 x 128 RGB"),
        *("ends too early", "IMG_9999", "Cortex-A76", "processor", "2.21.0", "tensorflow"),
        *("test/flip", "efficientnet-lite0", "teacher clothing-fine", "by mean squared error"),
        *("of TensorFlow", "0.5 are allowed"),
    ):
        assert said in text
        text = text.replace(said, json.dumps(evil)[1:-1])
    seen = look(msgspec.json.decode(text, type=Report))

    assert seen.tags["script"] == 0
    assert seen.text.count("alert(1)") >= 13


def test_page_is_told_to_load_nothing(document: Report) -> None:
    seen = look(document)
    (policy,) = (
        attributes["content"]
        for tag, attributes in seen.attributes
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )

    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_links_lead_to_what_is_there(document: Report) -> None:
    attributes = look(document).attributes
    ids = [one["id"] for _, one in attributes if "id" in one]
    links = [(one["href"] or "")[1:] for tag, one in attributes if tag == "a"]

    assert len(set(ids)) == len(ids)
    assert links == ids


def test_everything_can_be_heard(document: Report) -> None:
    seen = look(document)
    headings = [one for tag, one in seen.attributes if tag == "th"]
    drawings = [one for tag, one in seen.attributes if tag == "svg"]

    assert all(one.get("scope") for one in headings)
    assert seen.tags["caption"] == seen.tags["table"]
    assert all(one.get("role") == "img" for one in drawings)
    assert seen.tags["desc"] == seen.tags["svg"]
    assert all(one.get("alt") for tag, one in seen.attributes if tag == "img")
    assert all(one.get("aria-label") for _, one in seen.attributes if one.get("role") == "region")


@pytest.mark.parametrize("name", ["single-10", "single-120", "multi-10", "hostile"])
def test_page_in_a_browser(
    name: str,
    environment: Callable[..., Path],
    missing: Callable[[str], NoReturn],
    tmp_path: Path,
) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        missing("Chromium is not installed: sudo apt install chromium")
    python = environment("playwright", "playwright>=1.50,<2")
    file = tmp_path / "report.html"
    document = DOCUMENTS[name]
    file.write_text(page(document, pictures(document)), encoding="utf-8")
    views = ("desktop-light", "desktop-dark", "phone-light", "phone-dark")
    done = subprocess.run(
        [python, BROWSE, chromium, file, tmp_path, *views],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    for seen in json.loads(done.stdout).values():
        first, *others = seen["asked"]
        assert seen["said"] == []
        assert first.startswith("file://")
        assert all(url.startswith("data:") for url in others)
        assert seen["scroll_width"] <= seen["width"]
        assert all(width > 0 and height > 0 for width, height, _ in seen["pictures"])
        assert all(width > 100 and height > 100 for width, height in seen["drawings"])
        contrast, text = seen["faintest"][0]
        assert contrast >= 4.5, text


def shown(label: str) -> str:
    """Return a label as text of the page: without what no text may have."""
    valid = label.encode(errors="replace").decode()
    return valid.replace("\0", "\ufffd").replace("\N{RIGHT-TO-LEFT OVERRIDE}", "\ufffd")
