from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.updates import RefusedError
from edge_recog.updates.release import (
    Release,
    Stopped,
    Stops,
    decode_release,
    decode_stops,
    to_custom,
    version_tuple,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "a" * 64
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_a_release_is_read_as_it_was_written(make_release: Callable[..., Release]) -> None:
    made = make_release(profiles=("raspberry-pi-5",), signature="AAAA")

    assert decode_release(to_custom(made), channel="stable", digest=DIGEST) == made


def test_what_is_signed_has_no_fractions(make_release: Callable[..., Release]) -> None:
    # The canonical JSON of TUF has none.
    assert "." not in json.dumps(list(to_custom(make_release(minimum_version="0")).values()))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"channel": "beta"}, "mixed"),
        ({"model": "b" * 64}, "mixed"),
        ({"schema_version": 2}, "malformed"),
        ({"schema_version": 2, "new": True}, "malformed"),
        ({"surprise": 1}, "malformed"),
        ({"share_ppm": 1_000_001}, "malformed"),
        ({"share_ppm": -1}, "malformed"),
        ({"share_ppm": 0.5}, "malformed"),
        ({"number": 0}, "malformed"),
        ({"number": "1"}, "malformed"),
        ({"number": 2**60}, "malformed"),
        ({"name": "\x1b[2J"}, "malformed"),
        ({"name": ""}, "malformed"),
        ({"model": f"{DIGEST}\n"}, "malformed"),
        ({"channel": "stable\n"}, "malformed"),
        ({"created_at": "2026-05-06T07:08:09+02:00"}, "malformed"),
        ({"created_at": "yesterday"}, "malformed"),
        ({"minimum_version": "1.x"}, "malformed"),
        ({"profiles": ["../.."]}, "malformed"),
        ({"profiles": ["a"] * 65}, "malformed"),
        ({"signature": "no Base64!"}, "malformed"),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else None,
)
def test_a_release_is_read_strictly(
    make_release: Callable[..., Release], change: dict[str, Any], kind: str
) -> None:
    custom = to_custom(make_release()) | change

    with pytest.raises(RefusedError) as caught:
        decode_release(custom, channel="stable", digest=DIGEST)

    assert caught.value.reason == kind


@given(anything)
def test_whatever_is_signed_is_a_release_or_refused(custom: Any) -> None:
    for decode in (
        lambda: decode_release(custom, channel="stable", digest=DIGEST),
        lambda: decode_stops(custom, channel="stable"),
    ):
        with pytest.raises(RefusedError):
            decode()


def test_a_publisher_cannot_write_what_no_device_reads(
    make_release: Callable[..., Release],
) -> None:
    with pytest.raises(ValueError, match="share_ppm"):
        to_custom(make_release(share_ppm=2_000_000))


def test_the_list_of_another_channel_is_refused(make_release: Callable[..., Release]) -> None:
    created_at = make_release().created_at
    stops = Stops(
        schema_version=1,
        channel="beta",
        stopped=(Stopped(number=3, reason="bad", at=created_at),),
    )

    assert decode_stops(to_custom(stops), channel="beta").reason_for(3) == "bad"
    with pytest.raises(RefusedError, match="beta"):
        decode_stops(to_custom(stops), channel="stable")


@pytest.mark.parametrize(
    ("older", "newer"),
    [("0.1.0", "0.1.1"), ("0.9", "0.10"), ("1", "1.0.1"), ("0", "0.1.0.dev3")],
    ids=["patch", "numbers-not-letters", "shorter", "before-a-release"],
)
def test_versions_are_in_order(older: str, newer: str) -> None:
    assert version_tuple(older) < version_tuple(newer)
