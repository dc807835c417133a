"""Values in, actions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.supervision import (
    AbandonInference,
    AbandonReader,
    Action,
    Backoff,
    CheckModel,
    CloseSource,
    FallBackToCpu,
    FeedWatchdog,
    Finish,
    NotifyReady,
    OpenSource,
    Publish,
    ReloadModel,
    Status,
    SupervisionRules,
    Supervisor,
)

if TYPE_CHECKING:
    from edge_recog.watching import FaultKind

SECOND = 1_000_000_000
RULES = SupervisionRules()


def seconds(value: float) -> int:
    return round(value * SECOND)


def supervisor(rules: SupervisionRules = RULES, *, jitter: float = 0.5) -> Supervisor:
    return Supervisor(rules, now_ns=0, random=lambda: jitter)


def reading(rules: SupervisionRules = RULES, *, jitter: float = 0.5) -> Supervisor:
    """Return one whose first reader has opened the source, at 0 s."""
    made = supervisor(rules, jitter=jitter)
    made.start(0)
    made.opened(1, 0)
    return made


def begun(it: Supervisor, at_s: float, reader: int = 1) -> int:
    """Read a frame and begin it; return its ticket."""
    it.frame_read(reader, seconds(at_s))
    ticket = it.begin(reader, seconds(at_s), seconds(at_s))
    assert ticket is not None
    return ticket


def answer(it: Supervisor, at_s: float, reader: int = 1) -> tuple[Action, ...]:
    return it.answered(begun(it, at_s, reader), seconds(at_s))


def fault(it: Supervisor, at_s: float, kind: FaultKind = "black") -> tuple[Action, ...]:
    return it.frame_fault(begun(it, at_s), kind, f"it is {kind}", seconds(at_s))


def failure(it: Supervisor, at_s: float) -> tuple[Action, ...]:
    return it.inference_failed(begun(it, at_s), "it broke", seconds(at_s))


def degraded(reason: str, since_s: float) -> Publish:
    return Publish(Status("degraded", reason, seconds(since_s)))


# The ordinary course of things


def test_at_the_start_the_source_is_opened() -> None:
    assert supervisor().start(0) == (Publish(Status("starting", None, 0)), OpenSource(1, 0.0))


def test_starting_twice_opens_once() -> None:
    assert reading().start(1) == ()


def test_the_first_answer_makes_it_running_and_ready() -> None:
    it = reading()

    assert answer(it, 1.0) == (
        Publish(Status("running", None, SECOND)),
        NotifyReady(),
        FeedWatchdog(),
    )


def test_every_answer_feeds_the_watchdog_and_tells_nothing_else() -> None:
    it = reading()
    answer(it, 1.0)

    assert answer(it, 1.1) == (FeedWatchdog(),)


def test_one_answer_feeds_the_watchdog_once() -> None:
    it = reading()
    ticket = begun(it, 1.0)
    it.answered(ticket, SECOND)

    assert it.answered(ticket, SECOND) == ()


def test_a_frame_that_need_not_be_classified_does_not_feed_the_watchdog() -> None:
    it = reading()

    assert it.passed(begun(it, 1.0), SECOND) == ()
    assert it.status.state == "starting"


def test_a_stale_frame_is_not_classified() -> None:
    it = reading()
    it.frame_read(1, seconds(9))

    assert it.begin(1, seconds(6.9), seconds(9)) is None
    assert it.begin(1, seconds(7.0), seconds(9)) is not None


def test_a_frame_is_classified_once() -> None:
    it = reading()
    answer(it, 1.0)

    assert it.begin(1, SECOND, SECOND) is None


def test_frames_are_classified_one_at_a_time() -> None:
    it = reading()
    begun(it, 1.0)

    assert it.begin(1, seconds(1.1), seconds(1.1)) is None


def test_a_frame_of_a_reader_of_the_past_is_not_classified() -> None:
    it = reading()
    it.source_ended(1, "unplugged", 1)
    it.opened(2, 2)

    assert it.begin(1, 3, 3) is None
    assert it.begin(2, 3, 3) is not None


def test_an_answer_that_comes_after_its_reader_was_given_up_proves_nothing() -> None:
    it = reading()
    ticket = begun(it, 1.0)
    it.source_ended(1, "unplugged", seconds(1.1))

    assert it.answered(ticket, seconds(1.2)) == ()
    assert it.status.state == "degraded"


# The source


def test_a_source_that_cannot_be_opened_is_told_and_tried_again() -> None:
    it = supervisor(jitter=0.5)
    it.start(0)

    assert it.open_failed(1, "no such device", SECOND) == (
        degraded("no such device", 1),
        NotifyReady(),
        OpenSource(2, 0.25),
    )


def test_the_same_trouble_is_told_once_and_another_one_again() -> None:
    it = supervisor(jitter=0.0)
    it.start(0)
    it.open_failed(1, "no such device", 1)

    assert it.open_failed(2, "no such device", 2) == (OpenSource(3, 0.0),)
    assert it.open_failed(3, "busy", 3) == (degraded("busy", 1e-9), OpenSource(4, 0.0))


def test_a_lost_device_is_degraded_until_a_frame_is_answered() -> None:
    it = reading()
    answer(it, 1.0)

    assert it.source_ended(1, "unplugged", seconds(2)) == (
        degraded("unplugged", 2),
        OpenSource(2, 0.25),
    )
    it.opened(2, seconds(3))
    it.frame_read(2, seconds(3))
    assert it.status.state == "degraded"
    assert answer(it, 3.1, reader=2) == (
        Publish(Status("running", None, seconds(3.1))),
        FeedWatchdog(),
    )


def test_a_read_that_hangs_is_given_up_and_replaced_by_one_that_can_be_killed() -> None:
    it = reading()
    answer(it, 1.0)

    assert it.tick(seconds(3.0)) == ()
    assert it.tick(seconds(3.1)) == (
        AbandonReader(1),
        degraded("no frame came for 2 s: the camera or its stream hangs", 3.1),
        OpenSource(2, 0.25, isolated=True),
    )


@pytest.mark.parametrize(
    ("opens", "limit_s", "reason"),
    [(False, 10.0, "the source did not open within 10 s"), (True, 3.0, "no frame came within 3 s")],
    ids=["opening", "first frame"],
)
def test_a_source_that_says_nothing_is_given_up(opens: bool, limit_s: float, reason: str) -> None:
    it = reading() if opens else supervisor()
    it.start(0)

    assert it.tick(seconds(limit_s)) == ()
    actions = it.tick(seconds(limit_s) + 1)
    assert actions[0] == AbandonReader(1)
    assert reason in str(it.status.reason)
    assert OpenSource(2, 0.25, isolated=True) in actions


def test_the_wait_before_opening_does_not_count_as_opening() -> None:
    it = supervisor(SupervisionRules(retry_min_s=2.0, open_s=1.0), jitter=0.99)
    it.start(0)
    it.open_failed(1, "no such device", 0)

    assert it.tick(seconds(2.9)) == ()
    assert AbandonReader(2) in it.tick(seconds(3.1))


def test_what_a_reader_says_after_it_was_given_up_changes_nothing() -> None:
    it = reading()
    it.tick(seconds(3.1))
    before = it.status

    assert it.opened(1, seconds(4)) == ()
    assert it.frame_read(1, seconds(4)) == ()
    assert it.source_ended(1, "late", seconds(4)) == ()
    assert it.open_failed(1, "late", seconds(4)) == ()
    assert it.status == before


def test_a_clip_that_is_over_ends_the_process() -> None:
    it = reading()
    answer(it, 1.0)

    assert it.source_ended(1, None, seconds(2)) == (
        Publish(Status("stopping", None, seconds(2))),
        Finish(),
    )


def test_waits_grow_up_to_the_longest_and_shrink_after_health() -> None:
    it = supervisor(SupervisionRules(retry_min_s=0.5, retry_max_s=2.0, healthy_s=5.0), jitter=0.5)
    it.start(0)
    waits = []
    for reader in range(1, 6):
        (opened,) = [a for a in it.open_failed(reader, "no", 0) if isinstance(a, OpenSource)]
        waits.append(opened.after_s)
    assert waits == [0.25, 0.5, 1.0, 1.0, 1.0]

    it.opened(6, 0)
    for at_s in range(1, 7):
        answer(it, at_s, reader=6)
    assert it.source_ended(6, "no", seconds(7))[-1] == OpenSource(7, 0.25)


def test_a_source_that_only_ever_works_for_a_moment_is_not_healthy() -> None:
    it = reading(jitter=0.5)
    answer(it, 1.0)
    it.source_ended(1, "no", seconds(1.1))
    it.opened(2, seconds(1.2))
    answer(it, 1.3, reader=2)

    assert it.source_ended(2, "no", seconds(1.4))[-1] == OpenSource(3, 0.5)


def test_a_failure_in_between_begins_health_anew() -> None:
    it = reading(SupervisionRules(healthy_s=5.0), jitter=0.5)
    for at_s in range(1, 5):
        answer(it, at_s)
    it.source_ended(1, "no", seconds(4.5))
    it.opened(2, seconds(4.8))
    for at_s in range(5, 9):
        answer(it, at_s, reader=2)

    assert it.source_ended(2, "no", seconds(9))[-1] == OpenSource(3, 0.5)


# Pictures


@pytest.mark.parametrize("kind", ["black", "overexposed"])
def test_a_bad_picture_is_told_once_it_lasts(kind: FaultKind) -> None:
    it = reading()
    answer(it, 1.0)

    assert fault(it, 2.0, kind) == ()
    assert fault(it, 2.9, kind) == ()
    assert fault(it, 3.0, kind) == (degraded(f"it is {kind}", 3.0),)


def test_single_bad_pictures_are_only_left_out() -> None:
    it = reading()
    for n in range(20):
        fault(it, 1 + n / 5)
        answer(it, 1.1 + n / 5)

    assert it.status.state == "running"


def test_bad_pictures_far_apart_are_not_one_fault() -> None:
    it = reading()
    answer(it, 1.0)
    fault(it, 2.0)
    for n in range(30):
        it.passed(begun(it, 3.0 + n), seconds(3.0 + n))

    assert fault(it, 40.0) == ()


def test_a_frozen_picture_is_told_at_once() -> None:
    it = reading()
    answer(it, 1.0)

    assert fault(it, 2.0, "frozen") == (degraded("it is frozen", 2.0),)


def test_a_frame_that_repeats_the_last_is_no_trouble_and_no_proof() -> None:
    it = reading()
    answer(it, 1.0)

    assert [fault(it, 1 + n / 10, "repeated") for n in range(1, 40)] == [()] * 39
    assert it.status.state == "running"


def test_a_good_picture_ends_it_without_opening_anything() -> None:
    it = reading(jitter=0.99)
    fault(it, 1.0, "frozen")

    assert answer(it, 1.1) == (Publish(Status("running", None, seconds(1.1))), FeedWatchdog())
    assert it.tick(seconds(2.9)) == ()


def test_a_bad_picture_that_lasts_has_the_source_opened_anew() -> None:
    it = reading(jitter=0.5)
    fault(it, 1.0, "frozen")

    assert fault(it, 1.2, "frozen") == ()
    assert it.tick(seconds(1.25)) == (CloseSource(1),)
    assert it.source_ended(1, None, seconds(1.3)) == (OpenSource(2, 0.0),)
    assert it.status.state == "degraded"


def test_one_bad_picture_after_another_does_not_put_that_off() -> None:
    it = reading(jitter=0.5)
    fault(it, 1.0, "black")
    fault(it, 2.0, "black")
    fault(it, 2.2, "overexposed")

    assert it.tick(seconds(2.25)) == (CloseSource(1),)


def test_a_source_that_does_not_close_is_given_up() -> None:
    it = reading(jitter=0.5)
    fault(it, 1.0, "frozen")
    it.tick(seconds(1.25))

    assert it.tick(seconds(2.3)) == (AbandonReader(1), OpenSource(2, 0.0, isolated=True))


# The model


def test_a_model_that_fails_is_loaded_again_at_once() -> None:
    it = reading()

    assert failure(it, 1.0) == (degraded("it broke", 1.0), NotifyReady(), ReloadModel(0.0))
    assert it.begin(1, seconds(1.1), seconds(1.1)) is None
    it.model_reloaded(seconds(1.2))
    assert answer(it, 1.3) == (Publish(Status("running", None, seconds(1.3))), FeedWatchdog())


def test_a_model_that_fails_again_goes_on_on_the_cpu_if_it_may() -> None:
    it = reading(SupervisionRules(cpu_fallback=True))
    failure(it, 1.0)
    it.model_reloaded(seconds(1.1))

    assert failure(it, 1.2) == (FallBackToCpu(),)
    it.model_reloaded(seconds(1.3))
    assert failure(it, 1.4) == (ReloadModel(1.0),)


def test_a_model_that_may_not_run_on_the_cpu_is_tried_again_and_again() -> None:
    it = reading(jitter=0.5)
    failure(it, 1.0)

    assert [it.reload_failed("it broke", seconds(2))[-1] for _ in range(4)] == [
        ReloadModel(0.5),
        ReloadModel(1.0),
        ReloadModel(1.0),
        ReloadModel(1.0),
    ]


def test_a_model_that_does_not_load_says_why() -> None:
    it = reading()
    failure(it, 1.0)

    assert degraded("no such file", 1.0) in it.reload_failed("no such file", seconds(2))


def test_a_model_that_fails_every_other_time_is_not_healthy() -> None:
    it = reading()
    for n in range(1, 4):
        actions = failure(it, n)
        it.model_reloaded(seconds(n + 0.1))
        answer(it, n + 0.2)

    assert actions[-1] == ReloadModel(1.0)


def test_a_run_that_does_not_come_back_is_given_up() -> None:
    it = reading()
    answer(it, 1.0)
    ticket = begun(it, 2.0)
    for n in range(100):
        it.frame_read(1, seconds(2.1 + n / 10))

    assert it.tick(seconds(12.0)) == ()
    assert it.tick(seconds(12.1)) == (
        AbandonInference(),
        degraded("the model has not come back for 10 s", 12.1),
        ReloadModel(0.0),
    )
    assert it.answered(ticket, seconds(12.2)) == ()


def test_frames_that_all_come_too_late_are_told() -> None:
    it = reading()
    answer(it, 1.0)
    for n in range(110):
        it.frame_read(1, seconds(2 + n / 10))
        assert it.begin(1, seconds(n / 10 - 1), seconds(2 + n / 10)) is None

    assert it.tick(seconds(12.9)) == (
        degraded("for 10 s all frames have come too late to be answered", 12.9),
    )


def test_frames_that_nobody_takes_are_those_of_a_run_that_hangs() -> None:
    it = reading()
    it.frame_read(1, seconds(0.5))
    assert it.begin(1, seconds(-5), seconds(0.5)) is None
    answer(it, 1.0)
    for n in range(110):
        it.frame_read(1, seconds(2 + n / 10))

    assert AbandonInference() in it.tick(seconds(12.9))


def test_frames_that_came_while_the_model_was_loaded_are_not_waited_for() -> None:
    it = reading()
    failure(it, 1.0)
    for n in range(200):
        it.frame_read(1, seconds(1 + n / 10))
    it.model_reloaded(seconds(21))

    assert it.tick(seconds(21)) == ()


def test_a_model_swapped_without_trouble_tells_nothing() -> None:
    it = reading()
    answer(it, 1.0)

    assert it.model_reloaded(seconds(1.1)) == ()
    assert answer(it, 1.2) == (FeedWatchdog(),)


# Standby


def test_in_standby_the_source_is_let_go_and_a_live_check_feeds_the_watchdog() -> None:
    it = reading()
    answer(it, 1.0)

    assert it.stand_by("it is night", seconds(2)) == (
        CloseSource(1),
        Publish(Status("standby", "it is night", seconds(2))),
    )
    assert it.source_ended(1, None, seconds(2.1)) == ()
    assert it.tick(seconds(10.9)) == ()
    assert it.tick(seconds(11)) == (CheckModel(),)
    assert it.tick(seconds(22)) == ()
    assert it.checked(seconds(23)) == (FeedWatchdog(),)
    assert it.tick(seconds(32.9)) == ()
    assert it.tick(seconds(33)) == (CheckModel(),)


def test_a_live_check_that_nobody_asked_for_proves_nothing() -> None:
    it = reading()
    answer(it, 1.0)

    assert it.checked(seconds(2)) == ()
    assert it.check_failed("it broke", seconds(2)) == ()


def test_a_live_check_proves_nothing_once_frames_come_again() -> None:
    it = reading()
    it.stand_by("it is night", seconds(2))
    it.source_ended(1, None, seconds(3))
    assert it.tick(seconds(20)) == (CheckModel(),)
    it.wake(seconds(21))

    assert it.checked(seconds(22)) == ()


def test_in_standby_a_model_is_mended_without_a_word() -> None:
    it = reading(jitter=0.5)
    failure(it, 1.0)
    it.stand_by("it is night", seconds(2))

    assert it.reload_failed("no such file", seconds(3)) == (ReloadModel(0.5),)
    assert it.status.state == "standby"


def test_after_standby_the_source_is_opened() -> None:
    it = reading()
    it.stand_by("it is night", 1)
    it.source_ended(1, None, 2)

    assert it.wake(3) == (Publish(Status("starting", None, 3)), OpenSource(2, 0.0))


def test_woken_while_closing_it_waits_for_the_reader_to_end() -> None:
    it = reading()
    it.stand_by("it is night", 1)

    assert it.wake(2) == (Publish(Status("starting", None, 2)),)
    assert it.source_ended(1, None, 3) == (OpenSource(2, 0.0),)


def test_in_standby_a_reader_that_hangs_is_given_up_and_not_replaced() -> None:
    it = reading()
    it.stand_by("it is night", 0)

    assert it.tick(seconds(1.1)) == (AbandonReader(1),)
    assert it.status.state == "standby"


# The end


def test_stopping_closes_the_source_and_finishes_when_it_is_closed() -> None:
    it = reading()

    assert it.stop(5) == (CloseSource(1), Publish(Status("stopping", None, 5)))
    assert it.source_ended(1, None, 6) == (Finish(),)
    assert it.is_finished


def test_stopping_does_not_wait_for_a_reader_that_hangs() -> None:
    it = reading()
    it.stop(0)

    assert it.tick(seconds(0.9)) == ()
    assert it.tick(seconds(1.0)) == (AbandonReader(1), Finish())


def test_stopping_before_the_start_finishes_at_once() -> None:
    it = supervisor()

    assert it.stop(1) == (Publish(Status("stopping", None, 1)), Finish())
    assert it.start(2) == ()


# Waits and rules


@settings(derandomize=True, deadline=None)
@given(
    st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0.1, 9), st.floats(9, 99)
)
def test_a_wait_is_drawn_from_the_whole_span(
    failures: int, jitter: float, first_s: float, longest_s: float
) -> None:
    backoff = Backoff(first_s, lambda: jitter)
    backoff.failures = failures

    wait_s = backoff.next_s(longest_s)

    ceiling_s = longest_s if failures >= 10 else min(longest_s, first_s * 2**failures)
    assert wait_s == pytest.approx(jitter * ceiling_s)
    assert backoff.failures == failures + 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"open_s": 0.0}, "open_s is 0.0"),
        ({"stall_s": float("nan")}, "stall_s is nan"),
        ({"healthy_s": 3601.0}, "healthy_s is 3601.0"),
        ({"first_frame_s": 1.0}, "first_frame_s is 1.0; it must be at least stall_s"),
        ({"retry_max_s": 0.1}, "retry_max_s is 0.1; it must be at least retry_min_s"),
        ({"dark_retry_max_s": 0.1}, "dark_retry_max_s is 0.1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rules_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SupervisionRules(**values)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, SupervisionRules)


def test_a_frame_matters_until_its_fate_is_told_or_its_reader_is_gone() -> None:
    it = reading()
    ticket = begun(it, 0.1)
    assert it.is_current(ticket)
    it.answered(ticket, seconds(0.1))
    assert not it.is_current(ticket)

    later = begun(it, 0.2)
    it.source_ended(1, "unplugged", seconds(0.2))
    assert not it.is_current(later)
