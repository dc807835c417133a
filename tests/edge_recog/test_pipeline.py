from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_recog.answers import Answer
from edge_recog.classifier import Classifier
from edge_recog.events import EventRules
from edge_recog.frames import Frame
from edge_recog.masks import Region
from edge_recog.pipeline import Passed, Pipeline, PipelineRules
from edge_recog.watching import Fault, MotionRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FPS = 10


@pytest.fixture
def classifier(tiny_path: Path) -> Iterator[Classifier]:
    with Classifier.open(tiny_path) as opened:
        yield opened


@pytest.fixture
def frame(noise: Callable[..., NDArray[np.uint8]]) -> Callable[..., Frame]:
    """Return what makes frame `number` of a source of 10 frames a second."""

    def make(
        number: int, *, seed: int | None = None, pixels: NDArray[np.uint8] | None = None
    ) -> Frame:
        picture = noise(32, 48, number if seed is None else seed) if pixels is None else pixels
        return Frame.from_rgb(
            picture, captured_ns=10**9 + number * 10**9 // FPS, index=number, source="test"
        )

    return make


def answered(found: Answer | Passed) -> Answer:
    assert isinstance(found, Answer), found
    return found


def outcome(found: Answer | Passed) -> str:
    return found.outcome if isinstance(found, Passed) else "answered"


def test_a_frame_is_answered_as_the_classifier_does(
    classifier: Classifier, frame: Callable[..., Frame]
) -> None:
    answer = answered(Pipeline(classifier).look(frame(0)))

    alone = classifier.classify(frame(0), top_k=5)
    assert answer.classification.predictions == alone.predictions
    assert answer.smoothed == alone.predictions
    assert answer.frame is not None
    assert answer.events == ()


def test_scores_are_smoothed_best_first(
    classifier: Classifier, frame: Callable[..., Frame], tiny_labels: tuple[str, ...]
) -> None:
    pipeline = Pipeline(classifier, PipelineRules(half_life_s=0.1))
    first = answered(pipeline.look(frame(0, seed=1)))
    second = answered(pipeline.look(frame(1, seed=2)))

    before = {found.label: found.score for found in first.classification.predictions}
    now = {found.label: found.score for found in second.classification.predictions}
    for found in second.smoothed:
        assert found.score == pytest.approx((before[found.label] + now[found.label]) / 2)
        assert tiny_labels[found.index] == found.label
    scores = [found.score for found in second.smoothed]
    assert scores == sorted(scores, reverse=True)


def test_a_frame_with_a_fault_is_not_answered(
    classifier: Classifier, frame: Callable[..., Frame]
) -> None:
    fault = Fault("black", "the picture is black")
    pipeline = Pipeline(classifier)

    assert pipeline.look(frame(0), fault) == Passed("faulty", fault)
    assert outcome(pipeline.look(frame(1))) == "answered"


def test_after_a_fault_a_still_scene_is_looked_at_again(
    classifier: Classifier, frame: Callable[..., Frame]
) -> None:
    pipeline = Pipeline(classifier, PipelineRules(motion=MotionRules(refresh_s=60.0)))
    fault = Fault("black", "the picture is black")
    faults = [None, None, fault, None, None]
    found = [pipeline.look(frame(number, seed=1), one) for number, one in enumerate(faults)]

    assert [outcome(one) for one in found] == [
        "answered", "still", "faulty", "answered", "still",
    ]  # fmt: skip


@pytest.mark.parametrize(("limit", "expected"), [(5.0, 10), (7.0, 14), (100.0, 20), (0.5, 1)])
def test_the_rate_is_limited_evenly(
    classifier: Classifier, frame: Callable[..., Frame], limit: float, expected: int
) -> None:
    pipeline = Pipeline(classifier, PipelineRules(rate_limit_fps=limit))
    found = [outcome(pipeline.look(frame(number))) for number in range(20)]

    assert found[0] == "answered"
    assert found.count("answered") == expected
    assert set(found) <= {"answered", "limited"}


def test_masked_parts_are_seen_by_nobody(
    classifier: Classifier, frame: Callable[..., Frame]
) -> None:
    left = Region(x=0.0, y=0.0, width=0.5, height=1.0)
    answer = answered(Pipeline(classifier, PipelineRules(masks=(left,))).look(frame(0)))

    assert not answer.frame.pixels[:, :24].any()
    np.testing.assert_array_equal(answer.frame.pixels[:, 24:], frame(0).pixels[:, 24:])
    assert answer.classification.predictions == classifier.classify(answer.frame).predictions


def test_only_the_region_of_interest_is_classified_and_all_of_it_is_shown(
    classifier: Classifier, frame: Callable[..., Frame]
) -> None:
    corner = Region(x=0.5, y=0.5, width=0.5, height=0.5)
    answer = answered(Pipeline(classifier, PipelineRules(roi=corner)).look(frame(3)))

    part = Frame.from_rgb(frame(3).pixels[16:, 24:])
    assert answer.classification.predictions == classifier.classify(part).predictions
    assert answer.frame.pixels.shape == (32, 48, 3)
    assert (answer.classification.frame_index, answer.classification.source) == (3, "test")


def test_where_nothing_moves_nothing_is_classified_but_now_and_then(
    classifier: Classifier, frame: Callable[..., Frame]
) -> None:
    rules = PipelineRules(motion=MotionRules(refresh_s=1.0))
    pipeline = Pipeline(classifier, rules)
    found = [outcome(pipeline.look(frame(number, seed=1))) for number in range(21)]

    assert [at for at, one in enumerate(found) if one == "answered"] == [0, 10, 20]
    assert set(found) == {"answered", "still"}
    assert outcome(pipeline.look(frame(21, seed=2))) == "answered"


def test_a_label_that_stays_appears_and_a_lost_camera_makes_it_vanish(
    classifier: Classifier, frame: Callable[..., Frame]
) -> None:
    best = classifier.classify(frame(0)).best
    assert best is not None
    rules = EventRules(threshold=best.score / 2, min_duration_s=0.3, labels=(best.label,))
    pipeline = Pipeline(classifier, PipelineRules(events=rules))
    events = [
        event
        for number in range(6)
        for event in answered(pipeline.look(frame(number, seed=0))).events
    ]

    (appeared,) = events
    assert (appeared.kind, appeared.label, appeared.at_ns) == (
        "appeared", best.label, frame(3).captured_ns,
    )  # fmt: skip
    assert list(pipeline.present) == [best.label]
    (vanished,) = pipeline.interrupt(frame(7).captured_ns)
    assert (vanished.kind, vanished.duration_s) == ("vanished", pytest.approx(0.4))
    assert not pipeline.present


def test_another_model_goes_on_without_the_old_ones_scores(
    classifier: Classifier, frame: Callable[..., Frame], tiny_path: Path
) -> None:
    pipeline = Pipeline(classifier)
    pipeline.look(frame(0, seed=1))
    with Classifier.open(tiny_path) as other:
        assert pipeline.replace_classifier(other) is classifier
        answer = answered(pipeline.look(frame(1, seed=2)))

        assert answer.smoothed == answer.classification.predictions


@pytest.mark.parametrize(
    "values", [{"rate_limit_fps": 0.0}, {"top_k": 0}, {"half_life_s": -1.0}], ids=lambda v: min(v)
)
def test_rules_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=min(values)):
        PipelineRules(**values)  # type: ignore[arg-type]
