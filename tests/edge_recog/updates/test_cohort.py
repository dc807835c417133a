from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_recog.updates.cohort import WHOLE_PPM, has_turn, place_ppm

ids = st.text(max_size=40)
shares = st.integers(0, WHOLE_PPM)


@given(ids, ids)
def test_a_place_is_in_line(device: str, release: str) -> None:
    assert 0 <= place_ppm(device, release) < WHOLE_PPM


@given(ids, ids, shares, shares)
def test_nobody_loses_his_turn_while_the_share_grows(
    device: str, release: str, one: int, other: int
) -> None:
    if has_turn(device, release, min(one, other)):
        assert has_turn(device, release, max(one, other))


@given(ids, ids)
def test_no_share_is_nobody_and_all_is_everybody(device: str, release: str) -> None:
    assert not has_turn(device, release, 0)
    assert has_turn(device, release, WHOLE_PPM)


def test_places_stay_what_they_are() -> None:
    # Devices in the field compute them anew with each version of this program.
    assert place_ppm("00ff", "stable/7") == 165_577


def test_id_and_release_do_not_run_into_one_another() -> None:
    assert place_ppm("ab", "c") != place_ppm("a", "bc")


def test_a_share_gets_about_as_many_devices_as_it_says() -> None:
    chosen = sum(has_turn(f"{number:032x}", "stable/7", 100_000) for number in range(20_000))

    assert 1_850 < chosen < 2_150  # 10 % of 20,000 and 3.5 standard deviations


def test_another_release_has_other_canaries() -> None:
    devices = [f"{number:032x}" for number in range(20_000)]
    first = {device for device in devices if has_turn(device, "stable/7", 10_000)}
    second = {device for device in devices if has_turn(device, "stable/8", 10_000)}

    assert len(first & second) < len(first) / 5
