from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.events import Event, EventDetector, EventRules

SECOND = 1_000_000_000
AT_ONCE = EventRules(threshold=0.6, release=0.4, min_duration_s=0.0, refractory_s=0.0)


def seconds(value: float) -> int:
    return round(value * SECOND)


def fed(rules: EventRules, *frames: tuple[float, float]) -> list[tuple[str, float]]:
    """Return kind and time in seconds of the events of one label's (time in seconds, score)."""
    detector = EventDetector(rules)
    events = [
        event for at_s, score in frames for event in detector.update({"a": score}, seconds(at_s))
    ]
    return [(event.kind, event.at_ns / SECOND) for event in events]


def test_a_score_at_the_threshold_appears() -> None:
    assert fed(AT_ONCE, (0, 0.59), (1, 0.6)) == [("appeared", 1)]


def test_a_score_below_release_vanishes_and_one_at_it_does_not() -> None:
    assert fed(AT_ONCE, (0, 0.9), (1, 0.4), (2, 0.39)) == [("appeared", 0), ("vanished", 2)]


def test_an_absent_label_has_vanished() -> None:
    detector = EventDetector(AT_ONCE)
    detector.update({"a": 0.9}, 0)

    assert detector.update({}, seconds(1.5)) == (Event("vanished", "a", 0.0, seconds(1.5), 1.5),)


def test_between_release_and_threshold_nothing_changes() -> None:
    frames = [(0, 0.5), (1, 0.9), (2, 0.5), (3, 0.9), (4, 0.5), (5, 0.3), (6, 0.5)]

    assert fed(AT_ONCE, *frames) == [("appeared", 1), ("vanished", 5)]


def test_what_flashes_by_is_not_told() -> None:
    rules = EventRules(min_duration_s=1.0)

    assert fed(rules, (0, 0.9), (0.9, 0.9), (0.95, 0.1), (1.0, 0.9), (1.9, 0.9)) == []


def test_it_appears_once_it_has_been_there_for_long_enough() -> None:
    rules = EventRules(min_duration_s=1.0)

    assert fed(rules, (0, 0.9), (0.5, 0.5), (0.9, 0.9), (1.0, 0.9)) == [("appeared", 1.0)]


def test_a_score_between_does_not_make_it_appear() -> None:
    rules = EventRules(min_duration_s=1.0)

    assert fed(rules, (0, 0.9), (1.0, 0.5), (1.2, 0.7)) == [("appeared", 1.2)]


def test_what_vanished_is_not_told_again_before_the_refractory_time_is_over() -> None:
    rules = EventRules(min_duration_s=0.0, refractory_s=2.0)

    assert fed(rules, (0, 0.9), (1, 0.1), (1.5, 0.9), (2.9, 0.9), (3, 0.9)) == [
        ("appeared", 0),
        ("vanished", 1),
        ("appeared", 3),
    ]


def test_labels_do_not_wait_for_each_other() -> None:
    detector = EventDetector(EventRules(min_duration_s=0.0, refractory_s=60.0))
    detector.update({"a": 0.9}, 0)
    detector.update({"b": 0.9}, 1)

    assert dict(detector.present) == {"b": 1}


def test_only_the_labels_asked_for_are_told() -> None:
    detector = EventDetector(EventRules(min_duration_s=0.0, labels=("b", "c")))

    assert [event.label for event in detector.update({"a": 1.0, "b": 1.0}, 0)] == ["b"]


def test_events_of_a_frame_come_in_a_fixed_order() -> None:
    detector = EventDetector(AT_ONCE)
    detector.update({"b": 0.9, "a": 0.9}, 0)
    events = detector.update({"c": 0.7, "e": 0.8, "d": 0.8}, 1)

    assert [(event.kind, event.label) for event in events] == [
        ("vanished", "a"),
        ("vanished", "b"),
        ("appeared", "d"),
        ("appeared", "e"),
        ("appeared", "c"),
    ]


def test_an_interruption_lets_all_vanish() -> None:
    detector = EventDetector(AT_ONCE)
    detector.update({"a": 0.9, "b": 0.8}, 0)

    assert detector.interrupt(SECOND) == (
        Event("vanished", "a", 0.0, SECOND, 1.0),
        Event("vanished", "b", 0.0, SECOND, 1.0),
    )
    assert not detector.present
    assert detector.interrupt(SECOND) == ()


def test_an_interruption_forgets_what_was_about_to_appear() -> None:
    detector = EventDetector(EventRules(min_duration_s=1.0))
    detector.update({"a": 0.9}, 0)
    detector.interrupt(seconds(0.5))

    assert detector.update({"a": 0.9}, seconds(1.2)) == ()


def test_an_interruption_noticed_late_does_not_turn_time_back() -> None:
    detector = EventDetector(AT_ONCE)
    detector.update({"a": 0.9}, 5)

    assert [event.at_ns for event in detector.interrupt(3)] == [5]


def test_what_is_present_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        EventDetector().present["a"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("threshold", "release", "expected"),
    [(0.6, None, 0.4), (0.3, None, 0.15), (0.1, None, 0.05), (0.6, 0.6, 0.6)],
    ids=["0.2 less", "half", "never 0", "as said"],
)
def test_where_a_label_is_released(
    threshold: float, release: float | None, expected: float
) -> None:
    rules = EventRules(threshold=threshold, release=release)

    assert rules.release_below == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 0.0}, "threshold is 0.0"),
        ({"threshold": 1.1}, "threshold is 1.1"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"release": 0.7}, "release is 0.7"),
        ({"release": 0.0}, "release is 0.0"),
        ({"min_duration_s": -0.1}, "min_duration_s is -0.1"),
        ({"refractory_s": math.inf}, "refractory_s is inf"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rules_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EventRules(**values)


def test_rules_read_from_a_file_are_checked_too() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"release is 0.9.*the threshold"):
        msgspec.json.decode(b'{"release": 0.9}', type=EventRules)


FRAMES = st.lists(
    st.tuples(
        # Few values, so that they meet thresholds and each other.
        st.one_of(
            st.none(),
            st.dictionaries(st.sampled_from("ab"), st.sampled_from([0.0, 0.3, 0.4, 0.5, 0.6, 1])),
        ),
        st.sampled_from([0, 1, SECOND // 4, SECOND, 10 * SECOND]),
    ),
    max_size=40,
)
RULES = st.builds(
    EventRules,
    release=st.sampled_from([None, 0.3, 0.6]),
    min_duration_s=st.sampled_from([0.0, 0.25, 1.0, 2.0]),
    refractory_s=st.sampled_from([0.0, 0.25, 1.0, 20.0]),
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(RULES, FRAMES)
def test_events_keep_the_rules_whatever_the_scores(
    rules: EventRules, frames: list[tuple[dict[str, float] | None, int]]
) -> None:
    detector = EventDetector(rules)
    past: list[tuple[int, dict[str, float]]] = []
    last: dict[str, Event] = {}
    at_ns = 0
    for scores, passed_ns in frames:
        at_ns += passed_ns
        if scores is None:
            events = detector.interrupt(at_ns)
            past.clear()
        else:
            events = detector.update(scores, at_ns)
            past.append((at_ns, scores))
        for event in events:
            before = last.get(event.label)
            assert event.at_ns == at_ns
            if event.kind == "vanished":
                assert before is not None
                assert before.kind == "appeared"
                assert event.duration_s == (at_ns - before.at_ns) / SECOND
                assert event.score < rules.release_below
            else:
                assert event.score >= rules.threshold
                assert event.duration_s is None
                since_ns = there_since(past, event.label, rules)
                assert at_ns - since_ns >= rules.min_duration_s * SECOND
                if before is not None:
                    assert before.kind == "vanished"
                    assert at_ns - before.at_ns >= rules.refractory_s * SECOND
            last[event.label] = event
        present = {label: event.at_ns for label, event in last.items() if event.kind == "appeared"}
        assert dict(detector.present) == present
        if scores is not None:
            for label in "ab":
                score = scores.get(label, 0.0)
                told = [event for event in events if event.label == label]
                if rules.release_below <= score < rules.threshold:
                    assert not told
                if score < rules.release_below:
                    assert label not in detector.present


def there_since(past: list[tuple[int, dict[str, float]]], label: str, rules: EventRules) -> int:
    """Return the first time at the threshold since the label was last below release."""
    since_ns: int | None = None
    for at_ns, scores in past:
        score = scores.get(label, 0.0)
        if score < rules.release_below:
            since_ns = None
        elif since_ns is None and score >= rules.threshold:
            since_ns = at_ns
    assert since_ns is not None
    return since_ns


@settings(derandomize=True, deadline=None)
@given(RULES, st.integers(0, 10), st.integers(1, 8))
def test_what_stays_long_enough_is_told(rules: EventRules, start_s: int, fps: int) -> None:
    detector = EventDetector(rules)
    needed = math.ceil(rules.min_duration_s * fps)
    events = [
        event
        for frame in range(needed + 1)
        for event in detector.update({"a": 1.0}, seconds(start_s + frame / fps))
    ]

    assert [event.kind for event in events] == ["appeared"]
