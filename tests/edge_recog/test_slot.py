from __future__ import annotations

import threading

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
