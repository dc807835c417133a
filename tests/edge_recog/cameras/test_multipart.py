from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.multipart import PartReader, boundary_of
from edge_recog.errors import SourceError


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=frame", b"frame"),
        ("multipart/x-mixed-replace;boundary=--frame", b"--frame"),
        ('Multipart/X-Mixed-Replace; charset=x; Boundary="a b;c"', b"a b;c"),
        ("multipart/mixed; boundary=x", b"x"),
        ("multipart/x-mixed-replace", None),
        ("multipart/x-mixed-replace; boundary=", None),
        (f"multipart/x-mixed-replace; boundary={'a' * 73}", b"a" * 72),
        ("image/jpeg; boundary=x", None),
        ("text/multipart/x", None),
        ("", None),
    ],
)
def test_the_boundary_is_read_from_the_content_type(
    content_type: str, boundary: bytes | None
) -> None:
    assert boundary_of(content_type) == boundary


def stream_of(bodies: list[bytes], *, length: bool, newline: bytes = b"\r\n") -> bytes:
    data = b"junk in front" + newline
    for body in bodies:
        data += b"--frame" + newline + b"Content-Type: image/jpeg" + newline
        if length:
            data += b"Content-Length: %d" % len(body) + newline
        data += newline + body + newline
    return data + b"--frame" + newline


_BODIES = st.lists(
    st.binary(max_size=60).filter(lambda body: b"--frame" not in body and body[-1:] != b"\r"),
    max_size=6,
)


@given(_BODIES, st.booleans(), st.sampled_from([b"\r\n", b"\n"]), st.integers(1, 50))
def test_parts_are_found_however_they_arrive(
    bodies: list[bytes], length: bool, newline: bytes, step: int
) -> None:
    data = stream_of(bodies, length=length, newline=newline)
    reader = PartReader(b"frame")
    found = [body for at in range(0, len(data), step) for body in reader.feed(data[at : at + step])]

    assert found == bodies
    assert not reader.has_ended


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_parts_or_refused(pieces: list[bytes]) -> None:
    reader = PartReader(b"f", max_part_bytes=100)
    for piece in pieces:
        try:
            found = reader.feed(piece)
        except SourceError:
            return
        assert all(len(body) <= 100 for body in found)


def test_dashes_that_the_boundary_has_already_are_not_doubled() -> None:
    reader = PartReader(b"--frame")

    assert reader.feed(stream_of([b"one", b"two"], length=False)) == [b"one", b"two"]


def test_a_length_that_is_too_long_swallows_and_goes_on() -> None:
    data = b"--frame\r\nContent-Length: 20\r\n\r\nshort\r\n--frame\r\n\r\nlost\r\n"
    reader = PartReader(b"frame")
    bodies = reader.feed(data + stream_of([b"good"], length=True))

    assert bodies[-1] == b"good"


def test_a_length_that_is_too_short_cuts_and_goes_on() -> None:
    data = b"--frame\r\nContent-Length: 2\r\n\r\nshort\r\n"
    reader = PartReader(b"frame")

    assert reader.feed(data + stream_of([b"good"], length=True)) == [b"sh", b"good"]


def test_the_closing_delimiter_ends_it() -> None:
    reader = PartReader(b"frame")
    bodies = reader.feed(b"--frame\r\n\r\none\r\n--frame--\r\n--frame\r\n\r\ntwo\r\n--frame\r\n")

    assert bodies == [b"one"]
    assert reader.has_ended


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"--f\r\nContent-Length: 101\r\n\r\n", "a part has more than 100 bytes"),
        (b"--f\r\n\r\n" + b"x" * 200, "a part has more than 100 bytes"),
        (b"--f\r\n\r\n" + b"x" * 101 + b"\n--f", "a part has more than 100 bytes"),
        (b"x" * 200, "no part begins within 100 bytes"),
        (b"--f\r\n" + b"x" * 20_000, "the headers of a part have more than 16384 bytes"),
    ],
    ids=["promised", "endless", "whole", "no part", "headers"],
)
def test_what_would_take_too_much_memory_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        PartReader(b"f", max_part_bytes=100).feed(data)
