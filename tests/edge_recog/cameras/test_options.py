from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.options import (
    LiveOptions,
    Options,
    SizeText,
    read_options,
    size_of,
    split_options,
)
from edge_recog.errors import UsageError


class Example(LiveOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    loop: bool = False
    main: SizeText | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


def test_texts_become_values_of_their_types() -> None:
    said = "width=640&rate=7.5&loop=1&main=1280x720&count=3"
    found = read_options("camera", split_options("camera", said), Example)

    assert found == Example(width=640, rate=7.5, loop=True, main="1280x720", count=3)
    assert size_of("1280x720") == (1280, 720)


def test_what_is_not_set_has_its_default() -> None:
    found = read_options("camera", {}, Example)

    assert (found.width, found.open_timeout_s, found.loop) == (None, 5.0, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht=640", "camera: it has no option 'widht'; did you mean 'width'?"),
        ("zoom=2", "camera: it has no option 'zoom'; there are width, height, rate, open_t"),
        ("=2", "camera: it has no option ''; there are width"),
        ("width=15", "camera: width=15 must be a whole number from 16 to 8192"),
        ("width=8193", "must be a whole number from 16 to 8192"),
        ("width=64.5", "must be a whole number from 16 to 8192"),
        ("width=", "camera: width= must be a whole number"),
        ("rate=0", "camera: rate=0 must be a number from 0.1 to 1000"),
        ("rate=nan", "rate=nan must be a number from 0.1 to 1000"),
        ("rate=inf", "rate=inf must be a number from 0.1 to 1000"),
        ("read_timeout_s=0", "must be a number from 0.1 to 600"),
        ("loop=yes", "loop=yes must be 1 or 0"),
        ("loop", "loop= must be 1 or 0"),
        ("main=1280", "main=1280 must be a size in pixels, such as 1280x720"),
        ("main=0x720", "must be a size in pixels"),
        ("count=10", "count=10 must be a whole number from 1 to 9"),
        ("width=640&width=320", "camera: width is set twice"),
    ],
)
def test_what_cannot_be_set_is_refused_with_what_can(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_options("camera", split_options("camera", text), Example)
    assert message in str(caught.value)


def test_a_source_without_options_says_so() -> None:
    with pytest.raises(UsageError, match="it has no options, so 'rotate' cannot be set"):
        read_options("camera", {"rotate": "90"}, Options)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found: Any = read_options("camera", split_options("camera", text), Example)
    except UsageError:
        return
    assert isinstance(found, Example)


@given(st.integers(16, 8192), st.floats(0.1, 1000))
def test_every_value_in_range_is_taken(width: int, rate: float) -> None:
    found = read_options("camera", {"width": str(width), "rate": repr(rate)}, Example)

    assert (found.width, found.rate) == (width, rate)
