from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from edge_recog.slot import NewestSlot


def test_what_was_put_is_taken_once() -> None:
    slot: NewestSlot[int] = NewestSlot()

    assert slot.put(1) is False
    assert slot.take() == 1
    assert slot.take(timeout_s=0.0) is None


def test_the_newest_stays_and_the_loss_is_told() -> None:
    slot: NewestSlot[int] = NewestSlot()

    assert [slot.put(number) for number in range(3)] == [False, True, True]
    assert slot.take() == 2


def test_whoever_waits_gets_what_comes_later() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken: list[int | None] = []
    waiting = threading.Thread(target=lambda: taken.append(slot.take(timeout_s=60.0)))
    waiting.start()
    slot.put(5)
    waiting.join(timeout=60.0)

    assert taken == [5]


def test_closing_lets_go_of_whoever_waits() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken: list[int | None] = []
    waiting = threading.Thread(target=lambda: taken.append(slot.take()))
    waiting.start()
    slot.close()
    waiting.join(timeout=60.0)

    assert taken == [None]
    assert not waiting.is_alive()


def test_a_closed_slot_takes_nothing() -> None:
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1)
    slot.close()
    slot.close()

    assert slot.put(2) is False
    assert slot.take() is None


def test_with_patience_nothing_is_overwritten() -> None:
    slot: NewestSlot[int] = NewestSlot()
    overwrote: list[bool] = []

    def put_all() -> None:
        overwrote.extend(slot.put(number, patience_s=60.0) for number in range(100))

    putting = threading.Thread(target=put_all)
    putting.start()
    taken = [slot.take(timeout_s=60.0) for _ in range(100)]
    putting.join(timeout=60.0)

    assert taken == list(range(100))
    assert not any(overwrote)


def test_patience_ends() -> None:
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1)

    assert slot.put(2, patience_s=0.01) is True
    assert slot.take() == 2


def test_closing_lets_go_of_whoever_is_patient() -> None:
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1)
    told: list[bool] = []
    putting = threading.Thread(target=lambda: told.append(slot.put(2, patience_s=60.0)))
    putting.start()
    slot.close()
    putting.join(timeout=60.0)

    assert told == [False]


def taken_at_a_pace(slot: NewestSlot[int]) -> None:
    """Take two items, at once: whoever may be ahead of that, may be far ahead."""
    for number in range(2):
        slot.put(-number)
        slot.take()


def test_who_is_ahead_leaves_several_that_are_taken_in_their_order() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken_at_a_pace(slot)
    overwrote = [slot.put(number, patience_s=60.0, ahead_s=60.0) for number in range(16)]

    assert not any(overwrote)
    assert [slot.take(timeout_s=0.0) for _ in range(17)] == [*range(16), None]


def test_nobody_is_ahead_of_who_takes_slowly() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken_at_a_pace(slot)
    slot.put(1, ahead_s=1e-9)

    assert slot.put(2, patience_s=0.01, ahead_s=1e-9) is True
    assert slot.take() == 2


def test_before_a_pace_is_known_nobody_is_ahead() -> None:
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1, ahead_s=60.0)

    assert slot.put(2, patience_s=0.01, ahead_s=60.0) is True


def test_where_there_is_no_room_ahead_the_newest_is_overwritten() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken_at_a_pace(slot)
    for number in range(16):
        slot.put(number, ahead_s=60.0)

    assert slot.put(99, ahead_s=60.0) is True
    assert [slot.take() for _ in range(16)] == [*range(15), 99]


@given(st.lists(st.sampled_from([0.0, 60.0]), max_size=60))
def test_between_two_threads_nothing_is_lost_and_nothing_comes_twice(ahead: list[float]) -> None:
    slot: NewestSlot[int] = NewestSlot()

    def put_all() -> None:
        for number, ahead_s in enumerate(ahead):
            assert slot.put(number, patience_s=60.0, ahead_s=ahead_s) is False

    putting = threading.Thread(target=put_all)
    putting.start()
    taken = [slot.take(timeout_s=60.0) for _ in ahead]
    putting.join(timeout=60.0)

    assert taken == list(range(len(ahead)))
