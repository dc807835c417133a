from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.doctor import board
from edge_recog.errors import UsageError
from edge_recog.signing import MalformedSignatureError, new_statement
from edge_recog.signing.statements import (
    EARLIEST_CLOCK,
    MOST_SEQUENCE,
    decode_statement,
    encode_statement,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
MODEL = f"sha256:{'0123456789abcdef' * 4}"
DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "model": MODEL,
    "size_bytes": 5,
    "name": "demo",
    "sequence": 7,
    "signed_at": "2026-03-04T05:06:07Z",
    "expires_at": None,
}


def test_a_statement_is_plain_json() -> None:
    statement = new_statement(model=MODEL, size_bytes=5, name="demo", now=NOW, sequence=7)

    assert msgspec.json.decode(encode_statement(statement)) == DOCUMENT


def test_the_order_of_releases_is_that_of_time_if_nobody_says_otherwise() -> None:
    statement = new_statement(model=MODEL, size_bytes=5, name="demo", now=NOW)

    assert statement.sequence == int(NOW.timestamp())


def test_the_clock_is_judged_as_the_doctor_does() -> None:
    assert datetime(board._EARLIEST_YEAR, 1, 1, tzinfo=UTC) == EARLIEST_CLOCK


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"now": datetime(1970, 1, 1, 0, 1, tzinfo=UTC)}, "the clock says 1970-01-01"),
        ({"name": ""}, "length >= 1"),
        ({"name": "a" * 129}, "length <= 128"),
        ({"name": "a\x1b[31m"}, "characters without a shape"),
        ({"name": "a\u202eb"}, "characters without a shape"),
        ({"name": "a\nb"}, "characters without a shape"),
        ({"sequence": -1}, ">= 0"),
        ({"sequence": MOST_SEQUENCE + 1}, "<= 9007199254740991"),
        ({"size_bytes": -1}, ">= 0"),
        ({"model": "sha256:abc"}, "matching regex"),
        ({"now": datetime(2026, 3, 4, tzinfo=timezone(timedelta(hours=1)))}, "not in UTC"),
        ({"expires_at": datetime(2031, 1, 1)}, "not in UTC"),
        ({"expires_at": NOW}, None),
        ({"expires_at": NOW - timedelta(seconds=1)}, "expires before it is signed"),
    ],
    ids=[
        *("clock", "nameless", "long", "escape", "turned", "line", "negative", "huge", "size"),
        *("model", "zone", "no-zone", "soon", "expired"),
    ],
)
def test_what_no_device_would_read_is_not_signed(
    values: dict[str, Any], message: str | None
) -> None:
    given_values = {"model": MODEL, "size_bytes": 5, "name": "demo", "now": NOW} | values
    if message is None:
        assert new_statement(**given_values).expires_at == NOW
        return
    with pytest.raises(UsageError) as caught:
        new_statement(**given_values)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@given(
    name=st.text(min_size=1, max_size=128).filter(str.isprintable),
    sequence=st.integers(0, MOST_SEQUENCE),
    size_bytes=st.integers(0, MOST_SEQUENCE),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    days=st.none() | st.integers(1, 100_000),
)
@settings(derandomize=True, deadline=None)
def test_a_statement_is_read_as_it_was_made(
    name: str, sequence: int, size_bytes: int, now: datetime, days: int | None
) -> None:
    statement = new_statement(
        model=MODEL,
        size_bytes=size_bytes,
        name=name,
        now=now,
        sequence=sequence,
        expires_at=None if days is None else now + timedelta(days=days),
    )

    assert decode_statement(encode_statement(statement)) == statement


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version 2, of which this edge-recog reads 1: upgrade"),
        ({"schema_version": "1"}, "no statement"),
        ({"extra": 1}, "unknown field"),
        ({"name": None}, "Expected `str`"),
        ({"sequence": 1.5}, "Expected `int`"),
        ({"sequence": True}, "Expected `int`"),
        ({"model": MODEL.upper()}, "matching regex"),
        ({"model": f"{MODEL}\n"}, "matching regex"),
        ({"signed_at": "2026-03-04T05:06:07"}, "timezone"),
        ({"expires_at": "2026-03-04T05:06:07Z"}, "expires before it is signed"),
        ({"expires_at": "never"}, "RFC3339"),
        ({"signed_at": "2026-03-04T05:06:07+01:00"}, "not in UTC"),
        ({"expires_at": "2031-03-04T05:06:07+01:00"}, "not in UTC"),
        ({"\x1b[31m": 1}, "\\x1b[31m"),
    ],
    ids=[
        *("newer", "no-version", "unknown", "null", "fraction", "bool", "case", "line-end"),
        *("naive", "order", "no-time", "zone", "other-zone", "escape"),
    ],
)
def test_a_statement_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedSignatureError) as caught:
        decode_statement(msgspec.json.encode(DOCUMENT | change))

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("key", sorted(DOCUMENT.keys() - {"expires_at"}))
def test_nothing_but_the_expiry_can_be_left_out(key: str) -> None:
    left = {name: value for name, value in DOCUMENT.items() if name != key}
    with pytest.raises(MalformedSignatureError, match="missing required field"):
        decode_statement(msgspec.json.encode(left))


def test_a_statement_is_small() -> None:
    with pytest.raises(MalformedSignatureError, match="more than 4096 bytes"):
        decode_statement(msgspec.json.encode(DOCUMENT) + b" " * 4096)
