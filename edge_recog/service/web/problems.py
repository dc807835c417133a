"""Requests that come to nothing, and how that is said: RFC 9457."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from edge_recog.service.web.documents import ProblemDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/problem+json"


class HttpProblem(Exception):  # noqa: N818 - it is a problem, by the name of the RFC.
    """A request that cannot be answered; raised anywhere while none of the answer is sent."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Say what is wrong.

        Args:
            status: Of HTTP, 400 to 599.
            detail: One sentence for whoever asked.
            headers: To send along.
        """
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the document."""
        title = HTTPStatus(self.status).phrase
        return msgspec.json.encode(ProblemDocument("about:blank", title, self.status, self.detail))
