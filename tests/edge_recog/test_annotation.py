from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_recog.annotation import annotate, encode_jpeg
from edge_recog.frames import Frame
from edge_recog.predictions import Classification, Prediction, Timings

BAR = (64, 160, 96)


def result(*scores: float, label: str = "cat") -> Classification:
    predictions = tuple(Prediction(label, score, 0) for score in scores)
    return Classification(predictions, Timings(0, 0, 0), "", 0, 0, "")


def frame(height: int = 240, width: int = 320, value: int = 200) -> Frame:
    return Frame.from_rgb(np.full((height, width, 3), value, np.uint8))


@pytest.mark.parametrize(
    ("height", "width"), [(240, 320), (1080, 1920), (1, 1), (10, 500), (500, 10), (16, 16)]
)
def test_the_picture_keeps_its_size(height: int, width: int) -> None:
    drawn = annotate(frame(height, width), result(0.9, 0.1, 0.0))

    assert (drawn.shape, drawn.dtype) == ((height, width, 3), np.uint8)


def test_the_frame_itself_is_left_alone() -> None:
    picture = frame()
    annotate(picture, result(0.9))

    assert (picture.pixels == 200).all()


def test_only_the_bottom_is_drawn_on() -> None:
    drawn = annotate(frame(), result(0.9, 0.05))

    assert (drawn[:120] == 200).all()
    assert (drawn[-1] < 200).all()


@pytest.mark.parametrize("score", [0.25, 0.5, 1.0])
def test_bars_are_as_long_as_the_score(score: float) -> None:
    drawn = annotate(frame(value=0), result(score, label=""))
    columns = np.flatnonzero((drawn[-10] == BAR).all(axis=-1) | (drawn[-10].max(axis=-1) > 160))

    assert columns.max() == pytest.approx(score * 320, abs=2)


@pytest.mark.parametrize(("lines", "bars"), [(1, 1), (2, 2), (9, 3)])
def test_there_are_no_more_lines_than_asked_for(lines: int, bars: int) -> None:
    drawn = annotate(frame(value=0), result(1.0, 1.0, 1.0, label=""), lines=lines)
    green = (drawn[:, -2] == BAR).all(axis=-1).astype(int)

    assert int((np.diff(green) == 1).sum()) == bars


def test_letters_that_opencv_cannot_draw_do_no_harm() -> None:
    plain = annotate(frame(), result(0.5, label="K?fer"))

    np.testing.assert_array_equal(annotate(frame(), result(0.5, label="Käfer")), plain)


def test_nothing_predicted_is_nothing_written() -> None:
    drawn = annotate(frame(), result())

    assert set(np.unique(drawn)) <= {200, 90}


def test_a_jpeg_has_the_colours_of_the_picture() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:] = (250, 128, 10)

    bgr = cv2.imdecode(np.frombuffer(encode_jpeg(pixels), np.uint8), cv2.IMREAD_COLOR)

    np.testing.assert_allclose(bgr[16, 16], (10, 128, 250), atol=6)


def test_quality_costs_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    assert len(encode_jpeg(pixels, 30)) < len(encode_jpeg(pixels, 95))
