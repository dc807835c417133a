from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_benchmarks.accuracy import (
    AccuracyComparison,
    AccuracyFigures,
    accuracy_differences,
    accuracy_of,
    accuracy_values,
    compare_accuracy,
)
from edge_recog_benchmarks.average_precision import average_precision, mean_average_precision
from edge_recog_benchmarks.calibration import calibration_error, reliability
from edge_recog_benchmarks.device.events import Answer, ModelFacts
from edge_recog_benchmarks.device.plan import Contestant
from edge_recog_benchmarks.device.runners.classifier import ClassifierRunner
from edge_recog_benchmarks.flips import share_difference
from edge_recog_benchmarks.labelled import find_labelled
from edge_recog_benchmarks.resampling import bootstrap
from edge_recog_benchmarks.results import (
    AccuracyData,
    ContestantResult,
    LabelledPicture,
    Result,
    ResultError,
)
from edge_recog_benchmarks.statistics import bootstrap_mean, wilson
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from edge_recog import Classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LETTERS = tuple("abcdefgh")


def pictures(truth: Sequence[Any], *, labels: int = 8, task: Any = "single-label") -> AccuracyData:
    """Return labelled pictures: an index each, or for several labels a tuple."""
    return AccuracyData(
        name="letters",
        folder="/letters",
        fingerprint="0" * 64,
        labels=LETTERS[:labels],
        task=task,
        pictures=tuple(
            LabelledPicture(
                id=f"{number}.png", labels=label if isinstance(label, tuple) else (label,)
            )
            for number, label in enumerate(truth)
        ),
    )


def answering(name: str, answers: Sequence[Answer], **changes: Any) -> ContestantResult:
    return ContestantResult(
        contestant=Contestant(name=name, model=f"{name}.tflite"),
        model=ModelFacts(file=f"{name}.tflite", name=name, id="sha256:0", size_bytes=1),
        answers=tuple(answers),
        **changes,
    )


def saying(
    name: str, best: Sequence[int | None], scores: Sequence[float] | None = None, **changes: Any
) -> ContestantResult:
    """Return a contestant with a best label for each picture; None for no answer.

    Its other labels follow in their order.
    """
    answers = []
    for picture, label in enumerate(best):
        if label is not None:
            others = [other for other in range(8) if other != label][:4]
            score = 0.9 if scores is None else scores[picture]
            rest = tuple((1 - score) / 10 for _ in others)
            answers.append(Answer(picture=picture, top=(label, *others), scores=(score, *rest)))
    return answering(name, answers, **changes)


def scoring(name: str, scores: Any) -> ContestantResult:
    """Return a contestant with all scores of each picture: (pictures, labels)."""
    answers = []
    for picture, row in enumerate(np.asarray(scores, float)):
        order = np.argsort(-row, kind="stable")
        top, kept = tuple(order.tolist()), tuple(row[order].tolist())
        answers.append(Answer(picture=picture, top=top, scores=kept))
    return answering(name, answers)


def several(truth: Any) -> AccuracyData:
    """Return labelled pictures of (pictures, labels) zeros and ones."""
    rows = np.asarray(truth)
    labels = [tuple(np.flatnonzero(row).tolist()) for row in rows]
    return pictures(labels, labels=rows.shape[1], task="multi-label")


SEEDS = pytest.mark.parametrize("seed", range(4))


class TestSingleLabel:
    def test_right_is_counted(self) -> None:
        figures = accuracy_of(pictures([0, 0, 1, 7]), saying("m", [0, 1, 1, 0]))

        assert figures.count == 4
        assert figures.top1 == wilson(2, 4)
        # The others are 0 to 4, so that 7 is never among the best five.
        assert figures.top5 == wilson(3, 4)

    @pytest.mark.parametrize(("labels", "told"), [(5, False), (6, True)])
    def test_the_best_five_of_five_say_nothing(self, labels: int, told: bool) -> None:
        answer = Answer(picture=0, top=(1, 0, 2, 3, 4), scores=(0.9, 0.05, 0.03, 0.01, 0.01))
        figures = accuracy_of(pictures([0], labels=labels), answering("m", [answer]))

        assert (figures.top5 is not None) == told

    @SEEDS
    def test_classes_are_those_of_scikit_learn(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        truth, best = rng.integers(0, 6, 40), rng.integers(0, 8, 40)
        figures = accuracy_of(pictures(truth.tolist()), saying("m", best.tolist()))

        names = [LETTERS.index(one.label) for one in figures.classes]
        expected = metrics.precision_recall_fscore_support(
            truth, best, labels=names, zero_division=0
        )
        ours = [(one.precision or 0, one.recall or 0, one.f1, one.count) for one in figures.classes]
        np.testing.assert_allclose(ours, np.transpose(expected))
        assert [one.said for one in figures.classes] == np.bincount(best)[names].tolist()
        present = np.unique(truth)
        recall = metrics.recall_score(truth, best, labels=present, average="macro")
        assert figures.balanced == pytest.approx(recall)
        f1 = metrics.f1_score(truth, best, labels=present, average="macro")
        assert figures.macro_f1 == pytest.approx(f1)

    def test_a_class_without_pictures_or_answers_has_no_share(self) -> None:
        figures = accuracy_of(pictures([0, 0, 1]), saying("m", [0, 2, 0]))

        found = {one.label: (one.count, one.recall, one.precision) for one in figures.classes}
        assert found == {"a": (2, 0.5, 0.5), "b": (1, 0.0, None), "c": (0, None, 0.0)}
        assert figures.balanced == 0.25

    def test_confusions_come_with_the_most_frequent_first(self) -> None:
        figures = accuracy_of(pictures([0, 0, 0, 1, 2, 2]), saying("m", [0, 1, 2, 2, 0, 0]))

        found = [(one.label, one.said, one.count) for one in figures.confusions]
        assert found == [("c", "a", 2), ("a", "b", 1), ("a", "c", 1), ("b", "c", 1)]

    def test_a_contestant_that_is_always_right_confuses_nothing(self) -> None:
        figures = accuracy_of(pictures([0, 1]), saying("m", [0, 1]))

        assert figures.confusions == ()
        assert figures.top1 is not None
        assert (figures.top1.estimate, figures.top1.high) == (1.0, 1.0)
        assert figures.top1.low < 0.5

    def test_what_was_not_answered_is_told(self) -> None:
        contestant = saying("m", [0, None, None, 1], unreadable={1: "damaged"})
        figures = accuracy_of(pictures([0, 1, 2, 3]), contestant)

        assert (figures.count, figures.unreadable, figures.unanswered) == (2, 1, 1)
        assert figures.headline()["pictures"] == "2 (1 unreadable, 1 unanswered)"

    def test_the_headline_names_the_same_for_all(self) -> None:
        data = pictures([0, 1, 2, 3])
        one, other = (accuracy_of(data, saying("m", best)) for best in ([0, 1, 2, 3], [7, 7, 7, 7]))

        assert list(one.headline()) == list(other.headline())
        assert one.headline()["top-1"] == "100.0 % [51.0, 100.0]"
        assert one.headline()["calibration error"].startswith("10.0 % [")

    def test_nothing_of_several_labels_is_told(self) -> None:
        figures = accuracy_of(pictures([0]), saying("m", [0]))

        assert figures.exact is figures.mean_average_precision is figures.micro_f1 is None
        assert figures.classes[0].average_precision is None


class TestCalibration:
    def test_bins_hold_what_is_as_sure(self) -> None:
        score = np.array([0.0, 0.05, 0.2, 0.201, 0.97, 1.0])
        right = np.array([False, True, True, False, True, True])

        bins = reliability(score, right)

        found = [(round(one.low * 15), round(one.high * 15), one.count) for one in bins]
        assert found == [(0, 1, 2), (2, 3, 1), (3, 4, 1), (14, 15, 2)]
        assert [one.accuracy for one in bins] == [0.5, 1.0, 0.0, 1.0]
        assert bins[-1].score == pytest.approx(0.985)

    @settings(derandomize=True)
    @given(
        st.lists(
            st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 3)), min_size=1, max_size=20
        )
    )
    def test_the_error_is_the_mean_gap_of_the_bins(
        self, cases: list[tuple[float, bool, int]]
    ) -> None:
        score, right, times = (np.array(column) for column in zip(*cases, strict=True))
        repeated = np.repeat(score, times), np.repeat(right, times)

        expected = sum(
            one.count / times.sum() * abs(one.score - one.accuracy)
            for one in reliability(*repeated)
        )

        (error,) = calibration_error(score, right, times[None].astype(float))
        assert error == pytest.approx(expected, abs=1e-12)

    def test_an_honest_contestant_has_none(self) -> None:
        contestant = saying("m", [0, 0, 0, 0, 1], [0.8] * 5)
        figures = accuracy_of(pictures([0, 0, 0, 0, 0]), contestant)

        assert figures.calibration_error is not None
        assert figures.calibration_error.estimate == pytest.approx(0)
        assert figures.calibration_error.high > 0.1
        assert sum(one.count for one in figures.reliability) == 5


class TestMultiLabel:
    @settings(derandomize=True)
    @given(
        st.lists(
            st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=12
        ).filter(lambda rows: any(truth and weight for truth, _, weight in rows))
    )
    def test_average_precision_is_that_of_scikit_learn(
        self, rows: list[tuple[bool, int, int]]
    ) -> None:
        truth, scores, weights = (np.array(column) for column in zip(*rows, strict=True))

        ours = average_precision(truth, scores / 4, weights[None].astype(float))

        theirs = metrics.average_precision_score(truth, scores / 4, sample_weight=weights)
        assert ours == pytest.approx([theirs])

    def test_average_precision_of_what_no_picture_has_is_no_number(self) -> None:
        once = np.ones((1, 2))

        assert np.isnan(average_precision(np.zeros(2, np.bool_), np.ones(2), once))
        assert np.isnan(mean_average_precision(np.zeros((2, 3), np.bool_), np.ones((2, 3)), once))

    @SEEDS
    def test_figures_are_those_of_scikit_learn(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        truth = rng.random((30, 4)) < 0.4
        scores = rng.integers(0, 256, truth.shape) / 255

        figures = accuracy_of(several(truth), scoring("m", scores))

        assert figures.mean_average_precision is not None
        assert figures.mean_average_precision.estimate == pytest.approx(
            metrics.average_precision_score(truth, scores, average="macro")
        )
        assert [one.average_precision for one in figures.classes] == pytest.approx(
            metrics.average_precision_score(truth, scores, average=None)
        )
        claimed = scores >= 0.5
        assert figures.micro_f1 == pytest.approx(metrics.f1_score(truth, claimed, average="micro"))
        assert figures.macro_f1 == pytest.approx(metrics.f1_score(truth, claimed, average="macro"))
        assert figures.exact is not None
        assert figures.exact.estimate == pytest.approx(metrics.accuracy_score(truth, claimed))

    def test_a_label_that_no_picture_has_does_not_count(self) -> None:
        figures = accuracy_of(several([[1, 0, 0], [0, 1, 0]]), scoring("m", [[0.9, 0, 0.8]] * 2))

        assert figures.mean_average_precision is not None
        assert figures.mean_average_precision.estimate == pytest.approx(0.5)
        assert [one.average_precision for one in figures.classes] == [0.5, 0.5, None]

    def test_pictures_without_any_label_have_no_mean_average_precision(self) -> None:
        figures = accuracy_of(several([[0, 0], [0, 0]]), scoring("m", [[0.1, 0.2]] * 2))

        assert figures.exact == wilson(2, 2)
        assert figures.mean_average_precision is figures.micro_f1 is figures.macro_f1 is None
        assert figures.classes == ()

    @pytest.mark.parametrize(("score", "exact"), [(0.5, 1), (0.4999, 0)])
    def test_a_label_applies_from_half_on(self, score: float, exact: int) -> None:
        figures = accuracy_of(several([[1, 0]]), scoring("m", [[score, 0.1]]))

        assert figures.exact == wilson(exact, 1)

    def test_the_best_five_scores_are_not_enough(self) -> None:
        with pytest.raises(ResultError, match="m: not every label's score was kept"):
            accuracy_of(pictures([(0, 1)], task="multi-label"), saying("m", [0]))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(picture=3, top=(0,), scores=(1.0,)),
        Answer(picture=-1, top=(0,), scores=(1.0,)),
        Answer(picture=0, top=(), scores=()),
        Answer(picture=0, top=(0, 1), scores=(1.0,)),
        Answer(picture=0, top=(8,), scores=(1.0,)),
        Answer(picture=0, top=(-1,), scores=(1.0,)),
        Answer(picture=1, top=(0,), scores=(1.0,)),
    ],
    ids=["picture", "below 0", "empty", "lengths", "label", "label below 0", "twice"],
)
def test_answers_that_do_not_fit_are_refused(answer: Answer) -> None:
    sound = Answer(picture=1, top=(0,), scores=(1.0,))

    with pytest.raises(ResultError, match=r"m: its answer to picture .* is damaged"):
        accuracy_of(pictures([0, 1, 2]), answering("m", [sound, answer]))


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ResultError, match="has not one label"):
        accuracy_of(pictures([(0, 1)]), saying("m", [0]))
    with pytest.raises(ResultError, match="does not fit"):
        accuracy_of(pictures([9]), saying("m", [0]))


def test_a_contestant_without_answers_is_refused() -> None:
    with pytest.raises(ResultError, match="m: it answered none of the labelled pictures"):
        accuracy_of(pictures([0, 1]), saying("m", [None, None]))


class TestIntervals:
    def test_a_bootstrap_of_a_mean_is_that_of_the_mean(self) -> None:
        values = np.random.default_rng(1).normal(5, 2, 200)

        ours = bootstrap(lambda weights: weights @ values / weights.sum(axis=1), 200)

        theirs = bootstrap_mean(values)
        assert ours is not None
        assert ours.estimate == pytest.approx(theirs.estimate)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05)

    def test_a_bootstrap_is_the_same_however_much_is_drawn_at_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return weights @ np.arange(7.0) / 7

        at_once = bootstrap(statistic, 7, resamples=100)
        monkeypatch.setattr("edge_recog_benchmarks.resampling._WEIGHTS_AT_ONCE", 7 * 33)

        assert bootstrap(statistic, 7, resamples=100) == at_once

    def test_resamples_without_a_figure_are_left_out(self) -> None:
        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.where(weights[:, 0] > 0, 2.0, np.nan)

        found = bootstrap(statistic, 3)

        assert found is not None
        assert (found.estimate, found.low, found.high) == (2, 2, 2)

    def test_what_has_no_figure_has_no_interval(self) -> None:
        assert bootstrap(lambda weights: weights[:, 0] * np.nan, 3) is None

    def test_a_difference_of_shares_is_that_of_the_textbook(self) -> None:
        # Approval ratings of a prime minister; A. Agresti, Categorical Data Analysis, 2nd edition,
        # section 10.1: 150 went from approval to disapproval and 86 the other way, of 1600.
        found = share_difference(150, 86, 1600)

        assert found.estimate == pytest.approx(-0.04)
        assert (round(found.low, 2), round(found.high, 2)) == (-0.06, -0.02)

    @settings(derandomize=True)
    @given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 500))
    def test_a_difference_of_shares_has_an_interval_around_it(
        self, only_a: int, only_b: int, both: int
    ) -> None:
        count = max(1, only_a + only_b + both)

        found, turned = (
            share_difference(only_a, only_b, count),
            share_difference(only_b, only_a, count),
        )

        assert -1 <= found.low <= found.estimate <= found.high <= 1
        assert found.low < found.high
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


class TestComparison:
    def test_flips_are_told_in_both_directions(self) -> None:
        data = pictures([0, 0, 0, 0, 0, 0, 0])
        a = saying("a", [0, 0, 1, 1, 1, 0, 2], [0.9, 0.9, 0.6, 0.7, 0.5, 0.9, 0.5])
        b = saying("b", [0, 1, 0, 1, 2, 3, 0], [0.9, 0.6, 0.9, 0.9, 0.5, 0.8, 0.9])

        found = compare_accuracy(data, a, b)

        assert found.count == 7
        assert found.only_a_right == (5, 1)
        assert found.only_b_right == (2, 6)
        assert found.both_wrong_differently == (4,)
        assert (found.both_right, found.both_wrong_alike) == (1, 1)
        assert found.agreement == wilson(2, 7)
        assert found.difference == share_difference(2, 2, 7)
        assert found.p_value == 1.0
        assert found.map_difference is None

    def test_only_what_both_answered_is_compared(self) -> None:
        data = pictures([0, 1, 2, 3])
        a, b = saying("a", [None, 1, 2, 0]), saying("b", [0, 1, None, 3])

        found = compare_accuracy(data, a, b)

        assert (found.count, found.only_b_right) == (2, (3,))

    def test_without_common_pictures_nothing_is_compared(self) -> None:
        with pytest.raises(ResultError, match="a and b answered no labelled picture both"):
            compare_accuracy(pictures([0, 1]), saying("a", [0, None]), saying("b", [None, 1]))

    @settings(derandomize=True)
    @given(
        st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=30),
    )
    def test_every_picture_is_in_one_place(self, rows: list[tuple[int, int, int]]) -> None:
        truth, first, second = zip(*rows, strict=True)
        data, a, b = pictures(truth), saying("a", first), saying("b", second)

        one, other = compare_accuracy(data, a, b), compare_accuracy(data, b, a)

        lists = (one.only_a_right, one.only_b_right, one.both_wrong_differently)
        listed = sum(lists, ())
        assert one.both_right + one.both_wrong_alike + len(listed) == one.count == len(rows)
        assert len(set(listed)) == len(listed)
        assert (one.only_a_right, one.only_b_right) == (other.only_b_right, other.only_a_right)
        assert one.difference.estimate == pytest.approx(
            sum(s == t for s, t in zip(second, truth, strict=True)) / len(rows)
            - sum(f == t for f, t in zip(first, truth, strict=True)) / len(rows)
        )
        assert (one.agreement, one.p_value) == (other.agreement, other.p_value)

    @pytest.mark.parametrize(
        ("lost", "won", "same", "sentence"),
        [
            (
                0,
                0,
                372,
                "no difference shown: the interval of the difference between int8 and float is "
                "[-0.5, +0.5] points on 372 pictures (0 lost, 0 won, McNemar p = 1); a loss of up "
                "to 0.5 points cannot be ruled out",
            ),
            (
                20,
                4,
                348,
                "int8 is worse than float by 4.3 points on 372 pictures: the interval of the "
                "difference is [-6.9, -1.7] points (20 lost, 4 won, McNemar p = 0.0015)",
            ),
            (
                4,
                20,
                348,
                "int8 is better than float by 4.3 points on 372 pictures: the interval of the "
                "difference is [+1.7, +6.9] points (4 lost, 20 won, McNemar p = 0.0015)",
            ),
            (
                0,
                5,
                95,
                "no difference shown: the interval of the difference between int8 and float is "
                "[+0.3, +9.5] points on 100 pictures (0 lost, 5 won, McNemar p = 0.062)",
            ),
        ],
        ids=["the same", "worse", "better", "test and interval at odds"],
    )
    def test_the_sentence_says_what_is_shown(
        self, lost: int, won: int, same: int, sentence: str
    ) -> None:
        data = pictures([0] * (lost + won + same))
        a = saying("float", [0] * lost + [1] * won + [0] * same)
        b = saying("int8", [1] * lost + [0] * won + [0] * same)

        assert compare_accuracy(data, a, b).sentence == sentence

    def test_sets_of_labels_are_compared_as_a_whole(self) -> None:
        data = several([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0]])
        a = scoring("a", [[0.9, 0.1, 0.1], [0.9, 0.2, 0.1], [0.1, 0.1, 0.4], [0.7, 0.9, 0.1]])
        b = scoring("b", [[0.8, 0.1, 0.2], [0.9, 0.8, 0.2], [0.6, 0.1, 0.9], [0.9, 0.7, 0.2]])

        found = compare_accuracy(data, a, b)

        assert found.measure == "exact label sets"
        assert (found.both_right, found.only_a_right, found.only_b_right) == (1, (), (1,))
        assert (found.both_wrong_alike, found.both_wrong_differently) == (1, (2,))
        assert found.agreement == wilson(2, 4)
        maps = [accuracy_of(data, one).mean_average_precision for one in (a, b)]
        assert maps[0] is not None
        assert maps[1] is not None
        assert found.map_difference is not None
        assert found.map_difference.estimate == pytest.approx(maps[1].estimate - maps[0].estimate)
        assert "; mean average precision differs by" in found.sentence

    def test_wrong_sets_come_with_the_surest_first(self) -> None:
        data = several([[1, 0]] * 3)
        a = scoring("a", [[0.9, 0.1]] * 3)
        b = scoring("b", [[0.9, 0.6], [0.02, 0.1], [0.9, 0.7]])

        assert compare_accuracy(data, a, b).only_a_right == (1, 2, 0)

    @SEEDS
    def test_contestants_that_score_alike_do_not_differ(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        data, scores = several(rng.random((20, 3)) < 0.5), rng.random((20, 3))

        found = compare_accuracy(data, scoring("a", scores), scoring("b", scores))

        assert found.map_difference is not None
        assert (found.map_difference.low, found.map_difference.high) == (0, 0)
        assert found.agreement.estimate == 1


class TestLimits:
    def run(self, make_result: Callable[..., Result], data: Any, *found: Any) -> Result:
        result = make_result({})
        return msgspec.structs.replace(result, accuracy=data, contestants=found)

    def test_values_have_short_names(self, make_result: Callable[..., Result]) -> None:
        data, a, b = pictures([0, 1]), saying("a", [0, 1]), saying("b", [0, 0])
        result = self.run(make_result, data, a, b)

        assert set(accuracy_values(result, b)) == {"top1", "top5", "ece", "agreement"}
        assert accuracy_values(result, b)["agreement"] == wilson(1, 2)
        alone = self.run(make_result, data, a)
        assert set(accuracy_values(alone, a)) == {"top1", "top5", "ece"}

    def test_without_answers_there_are_none(self, make_result: Callable[..., Result]) -> None:
        a, silent = saying("a", [0]), saying("b", [None])

        for data in (pictures([0]), None):
            result = self.run(make_result, data, a, silent)
            assert accuracy_values(result, silent) == {}
            assert accuracy_differences(result, a, result, silent) == {}

    def test_differences_are_of_the_same_pictures(self, make_result: Callable[..., Result]) -> None:
        a, b = saying("a", [0, 1, None, 7]), saying("b", [0, 0, 2, 0])
        result = self.run(make_result, pictures([0, 1, 2, 7]), a, b)

        found = accuracy_differences(result, a, result, b)

        assert found["top1"] == share_difference(2, 0, 3)
        assert found["top5"] == share_difference(1, 0, 3)
        assert found["agreement"].estimate == pytest.approx(1 / 3 - 1)
        assert found["agreement"].high == pytest.approx(wilson(1, 3).high - 1)
        errors = [accuracy_values(result, one)["ece"].estimate for one in (saying("a", [0, 1]), b)]
        assert errors[0] == pytest.approx(0.1)
        assert found["ece"].estimate == pytest.approx(abs(0.9 - 1 / 3) - 0.1)

    def test_differences_of_several_labels_are_of_the_mean_average_precision(
        self, make_result: Callable[..., Result]
    ) -> None:
        a, b = scoring("a", [[0.9, 0.1]] * 3), scoring("b", [[0.2, 0.9]] * 3)
        result = self.run(make_result, several([[1, 0], [1, 0], [0, 1]]), a, b)

        assert set(accuracy_differences(result, a, result, b)) == {"agreement", "map"}
        assert set(accuracy_values(result, a)) == {"agreement", "map"}

    @pytest.mark.parametrize(
        "change",
        [{"fingerprint": "1" * 64}, {"labels": tuple("hgfedcba")}, {"pictures": ()}],
        ids=["content", "labels", "names"],
    )
    def test_runs_on_other_pictures_are_not_compared(
        self, make_result: Callable[..., Result], change: dict[str, Any]
    ) -> None:
        data, a = pictures([0]), saying("a", [0])
        one = self.run(make_result, data, a)
        other = self.run(make_result, msgspec.structs.replace(data, **change), a)

        assert accuracy_differences(one, a, other, a) == {}
        assert accuracy_differences(one, a, one, a) != {}


SEEN = {
    "resnet": {
        "bird": ["bird.bmp", "owl.jpg", "parrot.jpg"],
        "Cat": ["cat.bmp"],
        "dog": ["pets.jpg"],
    },
    "vww": {
        "person": ["grace_hopper.bmp"],
        "non person": ["bird.bmp", "cat.bmp", "owl.jpg", "parrot.jpg", "pets.jpg"],
    },
}
"""Class folders of photographs for each network."""


@pytest.mark.parametrize("network", SEEN)
def test_real_models_are_compared_on_photographs(
    tiny_models: dict[str, Path], shared_data: Path, tmp_path: Path, network: str
) -> None:
    for kind, names in SEEN[network].items():
        (tmp_path / kind).mkdir()
        for name in names:
            (tmp_path / kind / name).symlink_to(shared_data / "coral" / name)
    (tmp_path / next(iter(SEEN[network])) / "damaged.jpg").write_bytes(b"no picture")
    found, right, best = [], [], []
    for model in (network, f"{network}_int8"):
        with Classifier.open(tiny_models[model]) as classifier:
            data = find_labelled(tmp_path, classifier.bundle.labels, "single-label")
        runner = ClassifierRunner(str(tiny_models[model]), [b""], threads=1, options={})
        answers, unreadable = [], {}
        for number, picture in enumerate(data.pictures):
            try:
                labels, scores = runner.label((tmp_path / picture.id).read_bytes())
            except OSError as error:
                unreadable[number] = str(error)
                continue
            answers.append(Answer(picture=number, top=tuple(labels[:5]), scores=tuple(scores[:5])))
        runner.close()
        found.append(answering(model, answers, unreadable=unreadable))
        best.append([answer.top[0] for answer in answers])
        right.append(
            [(answer.top[0],) == data.pictures[answer.picture].labels for answer in answers]
        )
    count = sum(map(len, SEEN[network].values()))

    figures: list[AccuracyFigures] = [accuracy_of(data, one) for one in found]
    comparison: AccuracyComparison = compare_accuracy(data, *found)

    assert min(map(sum, right)) >= count - 1
    assert [one.top1 for one in figures] == [wilson(sum(one), count) for one in right]
    assert [(one.unreadable, one.unanswered) for one in figures] == [(1, 0)] * 2
    assert [one.top5 is None for one in figures] == [network == "vww"] * 2
    assert comparison.count == count
    same = sum(one == other for one, other in zip(*best, strict=True))
    assert comparison.agreement == wilson(same, count)
    assert comparison.sentence.startswith("no difference shown: ")
