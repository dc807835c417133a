"""HTML is made so that no text of somebody else becomes a part of it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.markup import Markup, escape, joined, name, section, shortened, tag, void


class Reader(HTMLParser):
    """Keeps what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


@settings(derandomize=True, deadline=None)
@given(st.text(), st.text())
def test_no_text_becomes_an_element(content: str, value: str) -> None:
    seen = read(tag("p", content, title=value))

    assert [element for element, _ in seen.tags] == ["p"]
    assert list(seen.tags[0][1]) == ["title"]


def test_what_turns_or_breaks_a_text_is_replaced() -> None:
    assert escape("a\x00b\u202ec\udc80") == "a\ufffdb\ufffdc?"


def test_finished_html_is_not_escaped_again() -> None:
    assert tag("p", tag("b", "a<b"), class_="x", aria_label='"') == (
        '<p class="x" aria-label="&quot;"><b>a&lt;b</b></p>'
    )
    assert joined(["<", Markup("<br>")], ", ") == "&lt;, <br>"
    assert void("img", alt="") == '<img alt="">'
    assert section("k", "T", "x") == '<section id="k"><h2>T</h2>x</section>'
    assert name("a/b<") == "<bdi>a/<wbr>b&lt;</bdi>"


@pytest.mark.parametrize(("length", "said"), [(9, "abcdefgh"), (8, "abcdefgh"), (5, "ab…gh")])
def test_long_texts_lose_their_middle(length: int, said: str) -> None:
    assert shortened("abcdefgh", length) == said
