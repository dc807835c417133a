from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.updates.cohort import has_turn
from edge_recog.updates.deciding import (
    MOST_REJECTIONS,
    Install,
    Refuse,
    Standing,
    Stay,
    Withdraw,
    decide,
    seems_early,
)
from edge_recog.updates.release import Release, Stops

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.updates.release import Offers

OLD, NEW = "a" * 64, "b" * 64


def standing(**changes: Any) -> Standing:
    return Standing(**{"device": "00ff", "version": "0.1.0", "number": 1, "model": OLD} | changes)


def test_a_newer_release_is_installed(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    decision = decide(standing(), make_offers(make_release(NEW, number=2)))

    assert isinstance(decision, Install)
    assert decision.offer.release.number == 2


@pytest.mark.parametrize(
    ("change", "here", "why"),
    [
        ({"share_ppm": 0}, {}, "0 %"),
        ({"minimum_version": "0.2"}, {}, "needs edge-recog 0.2"),
        ({"profiles": ("raspberry-pi-5",)}, {"profile": "raspberry-pi-4"}, "raspberry-pi-5"),
        ({"profiles": ("raspberry-pi-5",)}, {"profile": None}, "raspberry-pi-5"),
        ({}, {"rejected": {NEW: MOST_REJECTIONS}}, "failed here"),
    ],
    ids=["not-its-turn", "too-old-here", "another-device", "nobody-knows", "failed"],
)
def test_a_release_that_is_not_for_this_device_waits(
    make_release: Callable[..., Release],
    make_offers: Callable[..., Offers],
    change: dict[str, Any],
    here: dict[str, Any],
    why: str,
) -> None:
    decision = decide(standing(**here), make_offers(make_release(NEW, number=2, **change)))

    assert isinstance(decision, Stay)
    assert why in decision.reason
    assert decision.waits_for is not None


def test_a_stopped_release_is_not_installed(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    offered = make_offers(make_release(NEW, number=2), stopped=((2, "cats are dogs"),))

    decision = decide(standing(), offered)

    assert isinstance(decision, Stay)
    assert "cats are dogs" in decision.reason


def test_a_release_that_is_on_trial_when_it_is_stopped_is_given_up(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    offered = make_offers(make_release(NEW, number=2), stopped=((2, "bad"),))

    assert decide(standing(on_trial=2), offered) == Withdraw(2, "bad")


def test_a_new_device_gets_the_settled_release_until_its_turn_comes(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    offered = make_offers(make_release(NEW, number=2, share_ppm=0), make_release(OLD, number=1))

    decision = decide(standing(number=0, model=""), offered)

    assert isinstance(decision, Install)
    assert decision.offer.release.number == 1


def test_a_device_with_the_settled_release_does_not_get_it_again(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    offered = make_offers(make_release(NEW, number=2, share_ppm=0), make_release(OLD, number=1))

    assert isinstance(decide(standing(), offered), Stay)


def test_an_older_release_than_was_here_is_refused(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    decision = decide(standing(number=5), make_offers(make_release(OLD, number=4)))

    assert isinstance(decision, Refuse)
    assert decision.kind == "downgrade"


def test_the_same_number_with_another_model_is_refused(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    decision = decide(standing(), make_offers(make_release(NEW, number=1)))

    assert isinstance(decision, Refuse)
    assert decision.kind == "mixed"


def test_what_is_on_trial_is_not_installed_anew(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    assert decide(standing(on_trial=2), make_offers(make_release(NEW, number=2))) == Stay(
        "on trial"
    )


@given(
    number=st.integers(0, 9),
    on_trial=st.none() | st.integers(1, 9),
    latest=st.integers(1, 9),
    settled=st.none() | st.integers(1, 8),
    share_ppm=st.sampled_from([0, 500_000, 1_000_000]),
    device=st.text(min_size=1, max_size=8),
    stopped=st.sets(st.integers(1, 9)),
    failed=st.integers(0, 4),
)
def test_nothing_is_installed_that_is_old_stopped_failed_or_not_in_turn(
    make_release: Callable[..., Release],
    make_offers: Callable[..., Offers],
    number: int,
    on_trial: int | None,
    latest: int,
    settled: int | None,
    share_ppm: int,
    device: str,
    stopped: set[int],
    failed: int,
) -> None:
    def model(one: int) -> str:
        return f"{one:064x}"

    releases = (
        make_release(model(latest), number=latest, share_ppm=share_ppm),
        None if settled is None else make_release(model(settled), number=settled),
    )
    offered = make_offers(*releases, stopped=tuple((one, "bad") for one in stopped))
    here = standing(
        device=device,
        number=number,
        model=model(number),
        on_trial=on_trial,
        rejected={model(latest): failed},
    )

    decision = decide(here, offered)

    if isinstance(decision, Install):
        release = decision.offer.release
        assert release.number > number
        assert release.number not in stopped
        assert release.number != on_trial
        assert has_turn(device, release.id, release.share_ppm)
        assert here.rejected.get(release.model, 0) < MOST_REJECTIONS
    if isinstance(decision, Withdraw):
        assert decision.number in stopped


def test_a_clock_that_is_behind_is_noticed(
    make_release: Callable[..., Release], make_offers: Callable[..., Offers]
) -> None:
    offered = make_offers(make_release(NEW, number=2))
    created_at = make_release().created_at

    assert seems_early(created_at - timedelta(days=2), offered)
    assert not seems_early(created_at - timedelta(hours=1), offered)
    assert not seems_early(created_at, make_offers(None))


def test_nothing_published_is_nothing_to_do(make_offers: Callable[..., Offers]) -> None:
    decision = decide(standing(number=0), make_offers(None))

    assert isinstance(decision, Stay)
    assert make_offers(None).stops == Stops(schema_version=1, channel="stable")
