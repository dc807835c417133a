"""Small pictures, inside the page."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from edge_recog.cameras.images import shrink
from edge_recog.markup import Markup, joined, tag, void
from edge_recog_converter.pictures import decode_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_recog_converter.datasets.labelled import Content

_LONGEST = 160
"""Pixels of the longer side."""
_QUALITY = 80


def gallery(pictures: Iterable[tuple[Content | None, str, object]]) -> Markup:
    """Return pictures beside each other, each of a content, its id and a caption."""
    return tag(
        "div",
        *(
            tag("figure", thumbnail(content, alt=id_), tag("figcaption", caption))
            for content, id_, caption in pictures
        ),
        class_="gallery",
    )


def thumbnail(content: Content | None, *, alt: str) -> Markup:
    """Return a small picture, or in its place why there is none; None is not at hand."""
    import cv2

    if content is None:
        return _gone("picture not at hand")
    try:
        pixels = shrink(decode_whole(content.read_bytes(), where=str(content)), _LONGEST)
    except OSError:
        return _gone("picture cannot be read")
    done, jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        return _gone("picture cannot be shown")
    data = base64.b64encode(jpeg.tobytes()).decode()
    return void("img", src=f"data:image/jpeg;base64,{data}", alt=alt, title=alt)


def lines(*parts: object) -> Markup:
    """Return the lines of a caption."""
    return joined(tag("div", part) for part in parts if part)


def _gone(why: str) -> Markup:
    return tag("div", why, class_="gone")
