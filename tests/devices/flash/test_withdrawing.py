"""A store that took a model forgets it, however far that came: against the store's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog_devices.flash import Admission, ModelFile
from edge_recog_devices.flash.steps import InstallModel
from edge_recog_devices.flash.withdrawing import Named, Stored, withdrawal
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.store import State, Version, transitions
from edge_recog.store.state import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL = ModelFile("shop.tflite", "shop", b"a model", None)
MINE, OTHERS = MODEL.digest, ("b" * 64, "c" * 64)


def named(model: str) -> str:
    return model if model == BUILT_IN else f"sha256:{model}"


def told(state: State) -> Stored:
    """Return what `edge-recog model list` says."""
    nominee = state.nominee
    candidate = None if nominee is None else Named(named(nominee))
    return Stored(
        named(state.active), candidate, tuple(Named(named(one)) for one in state.versions)
    )


def done(state: State, commands: Sequence[tuple[str, ...]]) -> State:
    for verb, *words in commands:
        match verb:
            case "rollback":
                state = transitions.rolled_back(state)
            case "remove":
                state = transitions.removed(state, *words)
            case "activate":
                state = transitions.nominated(state, *words)
    return state


@st.composite
def stores(draw: st.DrawFn) -> State:
    """Return a store with one or two models; sometimes it has had the model that is flashed."""
    versions = [*OTHERS[: draw(st.integers(0, 2))], *([MINE] if draw(st.booleans()) else [])]
    active = draw(st.sampled_from([BUILT_IN, *versions]))
    state = State(
        versions={
            digest: Version(order=order, name="m", size_bytes=7)
            for order, digest in enumerate(versions)
        },
        active=active,
    )
    tried = [one for one in versions if one not in (active, MINE)]
    if tried and draw(st.booleans()):
        state = transitions.nominated(state, draw(st.sampled_from(tried)))
    return state


@given(before=stores(), ended=st.sampled_from(["cut off", "kept", "nominated", "committed"]))
def test_afterwards_the_store_is_as_it_was(before: State, ended: str) -> None:
    step = InstallModel(
        model=MODEL,
        environment="e",
        admission=Admission(),
        options=(),
        is_new=MINE not in before.versions,
        active=before.active,
        instead_of=before.nominee,
    )
    after = before
    if ended != "cut off" and step.is_new:
        version = Version(order=9, name="shop", size_bytes=7)
        after = State(
            versions={**before.versions, MINE: version},
            active=before.active,
            candidate=before.candidate,
        )
    if ended in ("nominated", "committed"):
        after = transitions.nominated(after, MINE)
    if ended == "committed":
        after = transitions.committed(after, MINE)

    undone = done(after, list(withdrawal(step, told(after))))

    assert undone.active == before.active
    assert undone.nominee == before.nominee
    if before.active != after.active:
        assert undone.previous == MINE
    else:
        assert undone.versions.keys() == before.versions.keys()
