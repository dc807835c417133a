"""Several devices: who is flashed when, and what becomes of the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.errors import FlashError, UnfitError
from edge_recog_devices.flash import Outcome, flash_all, prepare_all
from edge_recog_devices.flash.steps import RunService
from edge_recog_devices.remote import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class FakeSession:
    """A device that does what it is told to."""

    title = "a device"

    def __init__(self, host: str, *, fails: str = "", steps: int = 1) -> None:
        self.address = Address(host)
        self.fails = fails
        self.steps = (RunService("reload"),) * steps
        self.acted = threading.Event()
        self.wait_for: Sequence[FakeSession] = ()

    def prepare(self) -> None:
        if self.fails == "prepare":
            raise UnfitError(f"{self.address}: no space")

    def act(self, told: Callable[[Any], object]) -> Outcome:
        for step in self.steps:
            told(step)
        self.acted.set()
        for other in self.wait_for:
            assert other.acted.wait(30)
        if self.fails == "act":
            raise FlashError(f"{self.address}: it hangs")
        return Outcome(str(self.address), "updated")


class Told:
    """Keeps what it is told of progress."""

    def __init__(self) -> None:
        self.words: list[tuple[str, str]] = []

    def looking(self, host: str) -> None:
        self.words.append((host, "looking"))

    def doing(self, host: str, number: int, of: int, step: object) -> None:
        self.words.append((host, f"{number}/{of}"))

    def ended(self, outcome: Outcome) -> None:
        self.words.append((outcome.host, outcome.result))


def results(sessions: Sequence[FakeSession], *, canary: bool = True) -> list[str]:
    found = flash_all(sessions, canary=canary, jobs=4, progress=Told())  # type: ignore[arg-type]
    assert [one.host for one in found] == [str(one.address) for one in sessions]
    return [one.result for one in found]


def test_the_others_follow_a_canary_that_is_healthy() -> None:
    a, b, c = (FakeSession(name) for name in "abc")
    assert results([a, b, c]) == ["updated"] * 3


def test_none_is_touched_after_a_canary_that_fails() -> None:
    a, b, c = FakeSession("a", fails="act"), FakeSession("b"), FakeSession("c")
    assert results([a, b, c]) == ["failed", "skipped", "skipped"]
    assert not b.acted.is_set()
    assert not c.acted.is_set()


def test_the_canary_goes_alone_and_the_others_together() -> None:
    a, b, c = (FakeSession(name) for name in "abc")
    b.wait_for, c.wait_for = [a, c], [a, b]
    assert results([a, b, c]) == ["updated"] * 3


def test_without_a_canary_all_are_tried() -> None:
    a, b = FakeSession("a", fails="act"), FakeSession("b")
    assert results([a, b], canary=False) == ["failed", "updated"]


def test_one_device_is_no_canary() -> None:
    assert results([FakeSession("a")]) == ["updated"]
    assert results([]) == []


@pytest.mark.parametrize("jobs", [1, 8])
def test_who_cannot_be_flashed_and_who_need_not_be_is_known_beforehand(jobs: int) -> None:
    sessions = [FakeSession("a", fails="prepare"), FakeSession("b", steps=0), FakeSession("c")]
    told = Told()
    ended = prepare_all(sessions, jobs=jobs, progress=told)  # type: ignore[arg-type]
    assert {host: one.result for host, one in ended.items()} == {"a": "failed", "b": "unchanged"}
    assert ended["a"].error == "a: no space"
    assert ("a", "failed") in told.words
    assert ("c", "looking") in told.words


def test_every_step_is_told() -> None:
    told = Told()
    session = FakeSession("a", steps=2)
    flash_all([session], canary=True, jobs=1, progress=told)  # type: ignore[list-item]
    assert told.words == [("a", "1/2"), ("a", "2/2"), ("a", "updated")]
