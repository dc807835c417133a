"""The supervisor in a simulated world of camera, model and time: what always holds."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.supervision import (
    AbandonInference,
    AbandonReader,
    Action,
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


Weather = Literal[
    "good",
    "still",
    "open hangs",
    "read hangs",
    "torn off",
    "black",
    "overexposed",
    "frozen",
    "late",
    "model fails",
    "model hangs",
    "model is gone",
]
WEATHER: tuple[Weather, ...] = get_args(Weather)
PICTURE_FAULTS: dict[Weather, FaultKind] = {
    "black": "black",
    "overexposed": "overexposed",
    "frozen": "frozen",
}


@dataclass
class Reader:
    number: int
    opens_ns: int
    is_open: bool = False
    is_closing: bool = False
    hangs: bool = False


class World:
    """A camera, a model and what runs them, in steps of 0.1 s; holds what must always hold."""

    def __init__(self, chance: random.Random, rules: SupervisionRules = RULES) -> None:
        self.now_ns = 0
        self.reader: Reader | None = None
        self.loads_ns: int | None = None
        self.hanging: int | None = None
        self.opened = 0
        self.proof = False
        self.is_check_wanted = False
        self.fed_ns = 0
        self.finished = False
        self.statuses: deque[Status] = deque(maxlen=1000)
        self.it = Supervisor(rules, now_ns=0, random=chance.random)
        self.perform(self.it.start(0))

    def perform(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            assert not self.finished, f"{action} after the end"
            match action:
                case OpenSource(number, after_s):
                    assert self.reader is None
                    assert number > self.opened
                    self.opened = number
                    self.reader = Reader(number, self.now_ns + seconds(after_s))
                case CloseSource(number):
                    assert self.reader is not None
                    assert (self.reader.number, self.reader.is_closing) == (number, False)
                    self.reader.is_closing = True
                case AbandonReader(number):
                    assert self.reader is not None
                    assert self.reader.number == number
                    self.reader = None
                case AbandonInference():
                    self.hanging = None
                case ReloadModel(after_s):
                    assert self.loads_ns is None
                    self.loads_ns = self.now_ns + seconds(after_s)
                case FallBackToCpu():
                    assert self.loads_ns is None
                    self.loads_ns = self.now_ns
                case FeedWatchdog():
                    assert self.proof
                    self.proof = False
                    self.fed_ns = self.now_ns
                case CheckModel():
                    self.is_check_wanted = True
                case Publish(status):
                    assert status == self.it.status or len(actions) > 1
                    assert not self.statuses or status != self.statuses[-1]
                    assert status.since_ns <= self.now_ns
                    assert (status.reason is not None) or status.state != "degraded"
                    self.statuses.append(status)
                case Finish():
                    assert self.reader is None
                    self.finished = True
                case _:
                    assert action == NotifyReady()

    def run(self, weather: Weather, duration_s: float) -> None:
        for _ in range(round(duration_s * 10)):
            self.step(weather)

    def step(self, weather: Weather) -> None:
        self.now_ns += SECOND // 10
        self.perform(self.it.tick(self.now_ns))
        if self.loads_ns is not None and self.now_ns >= self.loads_ns and self.hanging is None:
            self.loads_ns = None
            if weather == "model is gone":
                self.perform(self.it.reload_failed("no such file", self.now_ns))
            else:
                self.perform(self.it.model_reloaded(self.now_ns))
        if self.is_check_wanted and self.loads_ns is None and self.hanging is None:
            self.check(weather)
        if self.reader is not None:
            self.read(self.reader, weather)

    def check(self, weather: Weather) -> None:
        if weather == "model hangs":
            return
        self.is_check_wanted = False
        if weather in {"model fails", "model is gone"}:
            self.perform(self.it.check_failed("it broke", self.now_ns))
            return
        self.proof = True
        self.perform(self.it.checked(self.now_ns))
        self.proof = False

    def read(self, reader: Reader, weather: Weather) -> None:
        it, now_ns, number = self.it, self.now_ns, reader.number
        reader.hangs |= weather == ("read hangs" if reader.is_open else "open hangs")
        if reader.hangs or (not reader.is_closing and now_ns < reader.opens_ns):
            return
        if reader.is_closing:
            self.reader = None
            self.perform(it.source_ended(number, "closed", now_ns))
        elif not reader.is_open and weather == "torn off":
            self.reader = None
            self.perform(it.open_failed(number, "no such device", now_ns))
        elif not reader.is_open:
            reader.is_open = True
            self.perform(it.opened(number, now_ns))
        elif weather == "torn off":
            self.reader = None
            self.perform(it.source_ended(number, "unplugged", now_ns))
        else:
            self.perform(it.frame_read(number, now_ns))
            if self.hanging is None:
                self.classify(number, weather)

    def classify(self, reader: int, weather: Weather) -> None:
        it, now_ns = self.it, self.now_ns
        captured_ns = now_ns - seconds(5) if weather == "late" else now_ns
        ticket = it.begin(reader, captured_ns, now_ns)
        if ticket is None:
            return
        assert weather != "late"
        assert self.loads_ns is None
        if weather == "model hangs":
            self.hanging = ticket
        elif weather in {"model fails", "model is gone"}:
            self.perform(it.inference_failed(ticket, "it broke", now_ns))
        elif weather in PICTURE_FAULTS:
            kind = PICTURE_FAULTS[weather]
            self.perform(it.frame_fault(ticket, kind, f"it is {kind}", now_ns))
        elif weather == "still":
            self.perform(it.passed(ticket, now_ns))
        else:
            self.proof = True
            self.perform(it.answered(ticket, now_ns))
            assert not self.proof, "an answered frame feeds the watchdog"


ALLOWED = st.sampled_from([RULES, SupervisionRules(cpu_fallback=True)])
CHANCE = st.integers(0, 2**32).map(random.Random)
DAYS = st.lists(
    st.tuples(st.sampled_from(WEATHER), st.sampled_from([0.1, 0.3, 1.0, 2.5, 12.0])), max_size=12
)
# A reader that hangs while it opens, one that hangs at its first frame, a run that hangs: each may
# have to be found, one after the other, with a wait after each.
LONGEST_S = RULES.open_s + RULES.first_frame_s + RULES.inference_s + 3 * RULES.retry_max_s + 1


@settings(derandomize=True, deadline=None)
@given(CHANCE, ALLOWED, DAYS)
def test_whatever_happened_it_runs_again_afterwards(
    chance: random.Random, rules: SupervisionRules, days: list[tuple[Weather, float]]
) -> None:
    world = World(chance, rules)
    for weather, duration_s in days:
        world.run(weather, duration_s)
    world.run("good", LONGEST_S)

    assert world.it.status.state == "running"


@settings(derandomize=True, deadline=None)
@given(CHANCE, ALLOWED, DAYS, st.sampled_from(WEATHER))
def test_whatever_happens_stopping_ends(
    chance: random.Random,
    rules: SupervisionRules,
    days: list[tuple[Weather, float]],
    last: Weather,
) -> None:
    world = World(chance, rules)
    for weather, duration_s in days:
        world.run(weather, duration_s)
    world.perform(world.it.stop(world.now_ns))
    world.run(last, RULES.close_s + 0.1)
    assert world.finished

    # `perform` refuses what comes after the end.
    world.run(last, 30)
    world.perform(world.it.stop(world.now_ns))
    world.perform(world.it.checked(world.now_ns))
    world.perform(world.it.wake(world.now_ns))
    world.perform(world.it.stand_by("late", world.now_ns))


@settings(derandomize=True, deadline=None)
@given(CHANCE, DAYS, DAYS)
def test_after_standby_it_runs_again(
    chance: random.Random, before: list[tuple[Weather, float]], during: list[tuple[Weather, float]]
) -> None:
    world = World(chance)
    for weather, duration_s in before:
        world.run(weather, duration_s)
    world.perform(world.it.stand_by("it is night", world.now_ns))
    for weather, duration_s in during:
        world.run(weather, duration_s)
        assert world.it.status.state == "standby"
    world.run("good", LONGEST_S + RULES.check_s + 1)
    # A thread that hangs in the model does nothing more, and nobody says otherwise.
    if world.hanging is None:
        assert world.now_ns - world.fed_ns <= seconds(RULES.check_s + 1)
    world.perform(world.it.wake(world.now_ns))
    world.run("good", LONGEST_S)

    assert world.it.status.state == "running"


FAULTS = sorted(set(WEATHER) - {"good", "still"})


@pytest.mark.parametrize("weather", FAULTS)
@pytest.mark.parametrize("seed", range(5))
def test_a_lasting_fault_is_told_and_nothing_is_claimed_meanwhile(
    weather: Weather, seed: int
) -> None:
    world = World(random.Random(seed))
    world.run("good", 5)
    if weather == "open hangs":
        world.run("torn off", 0.5)
    # A model that hangs, or frames that lag, show by the time that they take.
    world.run(weather, 10.5 if weather in {"model hangs", "late"} else 3)
    assert world.it.status.state == "degraded"

    for _ in range(300):
        world.step(weather)
        assert world.it.status.state == "degraded"


@pytest.mark.parametrize(
    ("weather", "within_s"),
    [
        ("black", 0.3),
        ("overexposed", 0.3),
        ("late", 0.1),
        ("torn off", RULES.retry_max_s + 0.3),
        ("frozen", 0.3),
        ("read hangs", RULES.first_frame_s + RULES.retry_max_s + 0.3),
        ("model fails", RULES.retry_max_s + 0.3),
        ("model is gone", RULES.retry_max_s + 0.3),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("lasted_s", [3, 15, 200])
def test_after_a_fault_it_runs_within_one_wait(
    weather: Weather, within_s: float, lasted_s: float
) -> None:
    for seed in range(20):
        world = World(random.Random(seed))
        world.run("good", 5)
        world.run(weather, lasted_s)
        world.run("good", within_s)

        assert world.it.status.state == "running"


Call = tuple[str, int, int]
CALLS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("start", "opened", "open_failed", "frame_read", "source_ended", "clip_over"),
                *("begin", "answered", "passed", "black", "frozen", "inference_failed"),
                *("model_reloaded", "reload_failed", "tick", "stand_by", "wake", "stop"),
                *("checked", "check_failed"),
            ]
        ),
        st.integers(-1, 1),
        st.sampled_from([0, 1, SECOND // 10, SECOND, 20 * SECOND]),
    ),
    max_size=60,
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(CHANCE, ALLOWED, CALLS)
def test_no_order_of_things_breaks_it(
    chance: random.Random, rules: SupervisionRules, calls: list[Call]
) -> None:
    it = Supervisor(rules, now_ns=0, random=chance.random)
    now_ns = newest = ticket = 0
    alive: set[int] = set()
    is_over = was_check_wanted = False
    for name, offset, passed_ns in calls:
        now_ns += passed_ns
        # The present reader or ticket, or one beside it.
        reader, chosen = newest + offset, ticket + offset
        was_blind = it.status.state in {"standby", "degraded"} and was_check_wanted
        if name in {"open_failed", "source_ended", "clip_over"}:
            alive.discard(reader)
        actions: tuple[Action, ...]
        match name:
            case "begin":
                given_ticket = it.begin(reader, now_ns, now_ns)
                ticket, actions = given_ticket or ticket, ()
            case "opened" | "frame_read":
                actions = getattr(it, name)(reader, now_ns)
            case "open_failed" | "source_ended":
                actions = getattr(it, name)(reader, "broken", now_ns)
            case "clip_over":
                actions = it.source_ended(reader, None, now_ns)
            case "answered" | "passed":
                actions = getattr(it, name)(chosen, now_ns)
            case "black" | "frozen":
                kind: FaultKind = "black" if name == "black" else "frozen"
                actions = it.frame_fault(chosen, kind, "bad", now_ns)
            case "inference_failed":
                actions = it.inference_failed(chosen, "broken", now_ns)
            case "reload_failed" | "stand_by" | "check_failed":
                actions = getattr(it, name)("a reason", now_ns)
            case _:
                actions = getattr(it, name)(now_ns)
        assert not (is_over and actions)
        for action in actions:
            match action:
                case OpenSource(number):
                    assert not alive
                    newest = number
                    alive.add(number)
                case AbandonReader(number):
                    alive.discard(number)
                case FeedWatchdog():
                    assert (name == "answered" and chosen == ticket) or (
                        name == "checked" and was_blind
                    )
                case CheckModel():
                    assert not was_check_wanted
                    was_check_wanted = True
                case Finish():
                    assert action is actions[-1]
                    is_over = True
        if name in {"checked", "check_failed"} or any(
            isinstance(action, (ReloadModel, FallBackToCpu)) for action in actions
        ):
            was_check_wanted = False
        assert it.is_finished == is_over


def test_a_dark_room_is_opened_anew_more_and_more_seldom() -> None:
    world = World(random.Random(3))
    world.run("black", 3600)

    # Every 150 s on average in the end; the first ones come sooner.
    assert 10 < world.opened < 60


DARK: tuple[Weather, ...] = ("black", "overexposed")
LOST: tuple[Weather, ...] = ("torn off", "read hangs", "open hangs", "frozen")


@pytest.mark.parametrize("weather", DARK)
def test_in_the_dark_the_model_is_checked_all_night(weather: Weather) -> None:
    world = World(random.Random(3))
    world.run("good", 1)
    for _ in range(8 * 60):
        world.run(weather, 60)
        assert world.now_ns - world.fed_ns <= seconds(RULES.check_s + 0.2)

    assert world.it.status.state == "degraded"


@pytest.mark.parametrize("weather", LOST)
def test_for_a_lost_camera_the_model_is_checked_for_a_while(weather: Weather) -> None:
    world = World(random.Random(3))
    world.run("good", 1)
    world.run("torn off", 0.5)
    for _ in range(14):
        world.run(weather, 60)
        assert world.now_ns - world.fed_ns <= seconds(RULES.check_s + 3)
    world.run(weather, 180)

    assert world.now_ns - world.fed_ns >= seconds(60)


@pytest.mark.parametrize("weather", ["late", "model fails", "model is gone", "model hangs"])
def test_no_check_stands_in_for_a_model_that_does_not_answer(weather: Weather) -> None:
    world = World(random.Random(3))
    world.run("good", 5)
    fed_ns = world.fed_ns
    world.run(weather, 120)

    assert world.fed_ns == fed_ns
    assert not world.is_check_wanted


def test_a_model_that_fails_in_the_dark_is_loaded_again() -> None:
    world = World(random.Random(3))
    world.run("black", 30)
    fed_ns = world.fed_ns
    while not world.is_check_wanted:
        world.now_ns += SECOND // 10
        world.perform(world.it.tick(world.now_ns))
    world.perform(world.it.check_failed("it broke", world.now_ns))

    assert world.loads_ns is not None
    assert world.it.status.reason == "it broke"
    world.is_check_wanted = False
    world.run("black", 20)
    assert world.fed_ns > fed_ns
