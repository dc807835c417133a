from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.service.config.places import line_of

_TEXT = """\
# web = 1
source = "listen"  # \N{LINE SEPARATOR} no line of TOML's

masks = [
  { x = 1 },
  { x = 2 },
]
[web]
'listen' = '''
viewers = 1
'''
viewers = 2

[events]
labels = ["web"]
"mqtt".broker = 1
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("source", 2),
        ("masks", 4),
        ("web", 8),
        ("web.listen", 9),
        ("web.viewers", 12),
        ("events", 14),
        ("events.labels", 15),
        ("events.mqtt.broker", 16),
        ("mqtt", None),
        ("web.labels", None),
        ("", None),
    ],
)
def test_a_key_is_on_the_line_on_which_it_begins(key: str, line: int | None) -> None:
    assert line_of(_TEXT, key) == line


@given(
    names=st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
    blanks=st.lists(st.integers(0, 3), min_size=8, max_size=8),
)
def test_every_key_is_found_where_it_was_put(names: list[str], blanks: list[int]) -> None:
    lines: list[str] = []
    expected = {}
    for name, blank in zip(names, blanks, strict=False):
        lines += [f"# {name} = 0"] * blank + [f"{name} = 'a b c d e f g h'"]
        expected[name] = len(lines)
    text = "\n".join(lines)

    assert {name: line_of(text, name) for name in names} == expected
