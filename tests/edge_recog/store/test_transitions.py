"""What becomes of a state, whatever happens: sequences of everything that can."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog.store import BUILT_IN, BadVersionError, NoRoomError, State, Version, document
from edge_recog.store import transitions as t
from edge_recog.store.rules import MOST_FAILURES

DIGESTS = [character * 64 for character in "0123456789ab"]
digests = st.sampled_from(DIGESTS)
QUOTA_BYTES = 1000


def version(size_bytes: int = 100, name: str = "m") -> Version:
    return Version(order=0, name=name, size_bytes=size_bytes)


def with_versions(*names: str, state: State | None = None) -> State:
    state = state or State()
    for name in names:
        state = t.installed(state, name * 64, version())
    return state


def committed(state: State, name: str) -> State:
    digest = name * 64
    return t.committed(t.begun(t.nominated(state, digest)), digest)


class Life(RuleBasedStateMachine):
    """A store in memory, and what must be true of it at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.died: dict[str, int] = {}
        """Failures in a row, counted here as well."""

    def kept(self) -> list[str]:
        return self.state.oldest_first

    @rule(digest=digests, size_bytes=st.integers(1, 400), pin=st.booleans())
    def install(self, digest: str, size_bytes: int, pin: bool) -> None:
        before = self.state
        try:
            roomy = self.state
            if digest not in self.state.versions:
                roomy = t.make_room(self.state, size_bytes, quota_bytes=QUOTA_BYTES)
        except NoRoomError:
            protected = sum(before.versions[name].size_bytes for name in before.protected)
            assert protected + size_bytes > QUOTA_BYTES
            return
        gone = before.versions.keys() - roomy.versions.keys()
        assert not gone & before.protected
        left = [name for name in before.oldest_first if name not in before.protected | gone]
        for name in gone:
            # Oldest first: whatever stays and could have gone is younger.
            assert all(before.versions[name].order < before.versions[o].order for o in left)
        self.state = t.installed(roomy, digest, version(size_bytes))
        assert self.state.oldest_first[-1] == digest

    @rule(digest=digests, insist=st.booleans())
    def nominate(self, digest: str, insist: bool) -> None:
        if digest not in self.state.versions:
            return
        try:
            self.state = t.nominated(self.state, digest, even_if_bad=insist)
        except BadVersionError:
            assert self.died[digest] >= MOST_FAILURES
            assert not insist
            return
        if digest == self.state.active:
            assert self.state.candidate is None
            return
        assert self.state.nominee == digest
        if insist and self.died.get(digest, 0) >= MOST_FAILURES:
            del self.died[digest]
        assert self.died.get(digest, 0) < MOST_FAILURES

    @precondition(lambda self: self.state.candidate is not None)
    @rule()
    def begin(self) -> None:
        candidate = self.state.candidate
        assert candidate is not None
        if candidate.is_running:
            # Somebody died with it.
            self.fail(counts=True)
            return
        self.state = t.begun(self.state)
        assert self.state.candidate is not None
        assert self.state.candidate.is_running
        assert self.state.candidate.starts == candidate.starts + 1

    @precondition(lambda self: self.state.candidate is not None)
    @rule(frames=st.integers(0, 10**6), seconds=st.floats(0, 1e6))
    def pause(self, frames: int, seconds: float) -> None:
        digest = str(self.state.nominee)
        self.state = t.paused(self.state, digest, frames=frames, healthy_s=seconds, ran_s=seconds)
        assert self.state.candidate is not None
        assert not self.state.candidate.is_running

    @precondition(lambda self: self.state.candidate is not None)
    @rule()
    def commit(self) -> None:
        before, digest = self.state, str(self.state.nominee)
        self.state = t.committed(self.state, digest)
        assert (self.state.active, self.state.previous) == (digest, before.active)
        assert self.state.candidate is None
        self.died.pop(digest, None)

    @precondition(lambda self: self.state.candidate is not None)
    @rule(counts=st.booleans())
    def fail(self, counts: bool) -> None:
        before, digest = self.state, str(self.state.nominee)
        self.state = t.failed(self.state, digest, "it failed", counts=counts)
        assert (self.state.active, self.state.previous) == (before.active, before.previous)
        assert self.state.candidate is None
        if counts:
            self.died[digest] = self.died.get(digest, 0) + 1
        assert self.state.is_bad(digest) == (self.died.get(digest, 0) >= MOST_FAILURES)

    @rule(digest=digests)
    def say_something_late(self, digest: str) -> None:
        """A process that had another candidate changes nothing."""
        if digest != self.state.nominee:
            assert t.committed(self.state, digest) is self.state
            assert t.failed(self.state, digest, "late") is self.state
            paused = t.paused(self.state, digest, frames=1, healthy_s=1.0, ran_s=1.0)
            assert paused is self.state

    @rule()
    def roll_back(self) -> None:
        before = self.state
        try:
            self.state = t.rolled_back(self.state)
        except UsageError:
            assert before.candidate is None
            assert before.previous is None
            return
        if before.candidate is not None:
            assert self.state.active == before.active
        else:
            assert (self.state.active, self.state.previous) == (before.previous, before.active)

    @rule()
    def activate_built_in(self) -> None:
        self.state = t.built_in_activated(self.state)
        assert self.state.active == BUILT_IN

    @rule(digest=digests, on=st.booleans())
    def pin(self, digest: str, on: bool) -> None:
        if digest in self.state.versions:
            self.state = t.pinned(self.state, digest, on=on)
            assert self.state.versions[digest].pinned == on

    @rule(digest=digests)
    def remove(self, digest: str) -> None:
        if digest not in self.state.versions:
            return
        before = self.state
        try:
            self.state = t.removed(self.state, digest)
        except UsageError:
            assert digest in before.protected
        else:
            assert digest not in before.protected
            assert digest not in self.state.versions

    @rule(gone=st.sets(digests, max_size=4))
    def lose(self, gone: set[str]) -> None:
        before = self.state
        self.state = t.lost(self.state, gone)
        assert not gone & self.state.versions.keys()
        if before.active not in gone:
            assert self.state.active == before.active
        elif before.previous not in gone:
            assert self.state.active == (before.previous or BUILT_IN)

    @invariant()
    def exactly_one_model_is_active(self) -> None:
        assert self.state.active == BUILT_IN or self.state.active in self.state.versions
        assert self.state.active not in {self.state.previous, self.state.nominee}

    @invariant()
    def the_three_are_protected(self) -> None:
        three = {self.state.active, self.state.previous, self.state.nominee} - {BUILT_IN, None}
        assert three <= self.state.protected

    @invariant()
    def the_file_says_the_same(self) -> None:
        assert document.decode(document.encode(self.state)) == self.state


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_commit_keeps_what_was_active() -> None:
    state = committed(committed(with_versions("a", "b"), "a"), "b")

    assert (state.active, state.previous, state.candidate) == ("b" * 64, "a" * 64, None)


def test_rolling_back_twice_is_back_again() -> None:
    state = committed(committed(with_versions("a", "b"), "a"), "b")
    once = t.rolled_back(state)

    assert (once.active, once.previous) == ("a" * 64, "b" * 64)
    assert t.rolled_back(once) == state


def test_the_previous_model_can_be_tried_anew_and_is_there_until_then() -> None:
    state = committed(committed(with_versions("a", "b"), "a"), "b")
    nominated = t.nominated(state, "a" * 64)

    assert (nominated.previous, nominated.nominee) == ("a" * 64, "a" * 64)
    assert t.failed(nominated, "a" * 64, "it failed").previous == "a" * 64
    assert t.committed(nominated, "a" * 64).previous == "b" * 64
    # If the active one is lost, the one before it is active again, and on trial no more.
    lost = t.lost(nominated, ["b" * 64])
    assert (lost.active, lost.previous, lost.candidate) == ("a" * 64, None, None)


def test_three_failures_in_a_row_are_remembered_beyond_the_files() -> None:
    state = with_versions("a")
    for _ in range(MOST_FAILURES):
        state = t.failed(t.begun(t.nominated(state, "a" * 64)), "a" * 64, "it crashed")
    again = t.installed(t.removed(state, "a" * 64), "a" * 64, version())

    with pytest.raises(BadVersionError, match=r"failed 3 times in a row, last because it crashed"):
        t.nominated(again, "a" * 64)
    insisted = t.nominated(again, "a" * 64, even_if_bad=True)
    assert insisted.nominee == "a" * 64
    assert not insisted.troubles


def test_a_commit_between_failures_makes_them_forgotten() -> None:
    state = with_versions("a")
    for _ in range(MOST_FAILURES - 1):
        state = t.failed(t.nominated(state, "a" * 64), "a" * 64, "it crashed")
    state = committed(state, "a")

    assert not state.troubles


def test_only_the_latest_failures_are_remembered() -> None:
    state = State()
    for number in range(t.MOST_TROUBLES + 3):
        digest = f"{number:064x}"
        state = t.installed(state, digest, version(1))
        state = t.failed(t.nominated(state, digest), digest, "it failed")

    assert len(state.troubles) == t.MOST_TROUBLES
    assert f"{2:064x}" not in state.troubles
    assert f"{3:064x}" in state.troubles


def test_no_room_is_said_with_numbers() -> None:
    state = t.pinned(with_versions("a"), "a" * 64, on=True)

    with pytest.raises(NoRoomError, match=r"takes 0\.00 MB.*unpin or remove"):
        t.make_room(state, 950, quota_bytes=1000)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("active", "b" * 64),
        ("previous", "a" * 64),
        ("built-in", BUILT_IN),
        ("aaaa", "a" * 64),
        ("sha256:" + "b" * 12, "b" * 64),
        ("C" * 64, "c" * 64),
        ("kitchen", "c" * 64),
    ],
)
def test_a_model_is_named_in_many_ways(text: str, found: str) -> None:
    state = committed(committed(with_versions("a", "b"), "a"), "b")
    state = t.installed(state, "c" * 64, version(name="kitchen"))

    assert t.resolved(state, text) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("candidate", "there is no candidate"),
        ("aaa", "no such model"),
        ("m", "2 models are called so"),
        ("f" * 64, "no such model"),
    ],
    ids=["nobody", "short", "several", "unknown"],
)
def test_what_names_no_single_model_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        t.resolved(with_versions("a", "b"), text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"active": "b" * 64}, "is not kept|in use and not kept"),
        ({"previous": BUILT_IN}, "another one"),
        ({"active": "a" * 64, "previous": "a" * 64}, "another one"),
    ],
    ids=["unknown", "built-in-twice", "twice"],
)
def test_a_state_that_contradicts_itself_is_none(change: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        msgspec.structs.replace(with_versions("a"), **change)


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_bit_that_flips_in_the_file_is_noticed(position: int, bit: int) -> None:
    state = t.begun(t.nominated(committed(with_versions("a", "b"), "a"), "b" * 64))
    data = bytearray(document.encode(state))
    data[position % len(data)] ^= 1 << bit
    try:
        found = document.decode(bytes(data))
    except EdgeRecogError:
        # Of a number that became a later one: there is no check sum that this one knows.
        assert b'"schema_version": 1' not in data
    else:
        assert found in (None, state)


@given(st.integers(0, 10**6))
def test_a_file_that_ends_early_is_noticed(length: int) -> None:
    data = document.encode(with_versions("a"))
    cut = data[: length % len(data)]

    assert document.decode(cut) in ((None, with_versions("a")) if cut == data[:-1] else (None,))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert document.decode(data) is None


def test_a_newer_schema_is_not_taken_for_damage() -> None:
    data = document.encode(State()).replace(b'"schema_version": 1', b'"schema_version": 2')

    with pytest.raises(EdgeRecogError, match="newer version of edge-recog"):
        document.decode(data)
