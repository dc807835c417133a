from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.signing import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterator

RAW = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
LINE = "edge-recog-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= ada"
PRIME = 2**255 - 19
D = -121665 * pow(121666, -1, PRIME) % PRIME


def test_a_key_is_one_line() -> None:
    key = PublicKey(RAW, "ada")

    assert key.line == LINE
    assert PublicKey.parse(f"{LINE}\n".encode(), where="a.pub") == key


def test_an_id_is_half_of_the_sha_256() -> None:
    assert PublicKey(RAW, "ada").id == "21fe31dfa154a261626bf854046fd227"
    assert hashlib.sha256(RAW).hexdigest().startswith("21fe31dfa154a261626bf854046fd227")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "one line: edge-recog-ed25519 BASE64 NAME"),
        ("ssh-ed25519 AAAA ada", "one line: edge-recog-ed25519 BASE64 NAME"),
        (LINE.removesuffix(" ada"), "one line"),
        (f"{LINE}\n{LINE}", "one line"),
        (LINE.replace(" ada", "\nada"), "one line"),
        (LINE.replace("11qY", "1qY"), "its second word is damaged"),
        (LINE.replace("Ro=", "Rp="), "its second word is damaged"),
        (LINE.replace("Ro=", "Ro"), "its second word is damaged"),
        (LINE.replace("11qY", "ßßqY"), "its second word is damaged"),
        ("edge-recog-ed25519 11qYAYKxCrc= ada", "has 32 bytes, not 8"),
        (LINE.replace("ada", "\x1b[31m"), "no name for a key"),
        (LINE.replace("ada", "-ada"), "no name for a key"),
        (LINE.replace("ada", "a" * 65), "no name for a key"),
        ("-----BEGIN PRIVATE KEY-----", "a private key; give the public one, NAME.pub"),
    ],
    ids=[
        *("empty", "ssh", "nameless", "two", "two-lines", "cut", "spare-bits", "unpadded"),
        *("beyond-ascii", "short", "escape", "option", "long-name", "private"),
    ],
)
def test_what_is_no_key_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        PublicKey.parse(text.encode(), where="a.pub")

    assert message in str(caught.value)
    assert str(caught.value).startswith("a.pub: ")
    assert "\x1b" not in str(caught.value)


@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda t: f"{LINE}{t}".encode()))
)
@settings(derandomize=True, deadline=None)
def test_whatever_is_read_is_a_key_or_refused(data: bytes) -> None:
    try:
        key = PublicKey.parse(data, where="a.pub")
    except UsageError:
        return
    assert data.split() == key.line.encode().split()


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Return the sum of two points of the curve: RFC 8032, section 5.1.4."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME) % PRIME
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME) % PRIME
    return x, y


def _points(y: int) -> Iterator[tuple[int, int]]:
    """Yield the points of the curve with this y."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    root = pow(square, (PRIME + 3) // 8, PRIME)
    for x in {root, root * pow(2, (PRIME - 1) // 4, PRIME) % PRIME}:
        if x * x % PRIME == square:
            yield from {(x, y), (-x % PRIME, y)}


def _of_small_order() -> Iterator[bytes]:
    """Yield every encoding whose point times 8 is the neutral one, from the curve's equation."""
    y_of_order_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
    for y in (0, 1, PRIME - 1, y_of_order_8, PRIME - y_of_order_8):
        points = list(_points(y))
        assert points
        for point in points:
            double = point
            for _ in range(3):
                double = _add(double, double)
            assert double == (0, 1)
        for spelled in {y, *({y + PRIME} if y < 19 else ())}:
            for sign in (0, 2**255):
                yield (spelled + sign).to_bytes(32, "little")


@pytest.mark.parametrize("raw", list(_of_small_order()), ids=bytes.hex)
def test_a_key_by_which_anybody_could_sign_is_refused(raw: bytes) -> None:
    line = f"edge-recog-ed25519 {base64.b64encode(raw).decode()} ada"
    with pytest.raises(UsageError, match="anybody could sign"):
        PublicKey.parse(line.encode(), where="a.pub")


@pytest.mark.parametrize("above", [0, 3, 18])
def test_a_key_has_one_spelling_only(above: int) -> None:
    with pytest.raises(UsageError, match="anybody could sign"):
        PublicKey((PRIME + above).to_bytes(32, "little"), "ada")
