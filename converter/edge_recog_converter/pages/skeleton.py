"""A whole page: its head, its policy and its style sheet."""

from __future__ import annotations

from pathlib import Path

from edge_recog.markup import Markup, joined, tag

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser is told to allow: nothing that is not in the page."""


def whole_page(title: str, *content: Markup) -> str:
    """Return a page of this content."""
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    head = joined(
        [
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            Markup('<link rel="icon" href="data:,">'),
            tag("title", title),
            Markup(f"<style>\n{style}</style>"),
        ],
        "\n",
    )
    body = tag("body", tag("main", *content))
    html = tag("html", tag("head", "\n", head, "\n"), "\n", body, lang="en")
    return f"<!doctype html>\n{html}\n"
