"""The REST interface described: OpenAPI 3.1, from the very types that the documents are made of."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from edge_recog.service.web import documents
from edge_recog.service.web.problems import MEDIA_TYPE
from edge_recog.service.web.streams import TOLD

_JSON: Final = "application/json"
_TYPES: Final = (
    documents.Alive,
    documents.ClassificationDocument,
    documents.EventDocument,
    documents.ModelDocument,
    documents.Nothing,
    documents.ProblemDocument,
    documents.Ready,
    documents.StandBy,
    documents.StatusDocument,
)
_PROBLEMS: Final = {
    400: "A parameter is unknown, or a value is none that there is.",
    401: "A token is needed.",
    403: "Another site sent this.",
    409: "The model cannot be used; the one at work stays.",
    413: "The body is too large.",
    415: "Content-Type is not application/json.",
    421: "The name in Host is none of this machine's.",
    429: "Too many wrong tokens, or too many viewers: Retry-After says when to try again.",
    503: "There is nothing of now: no frame was answered yet, or something fails.",
}
_ALWAYS: Final = (400, 401, 403, 413, 421, 429)


def describe(version: str, *, needs_token: bool) -> dict[str, Any]:
    """Return the description, as plain values.

    Args:
        version: Of this program.
        needs_token: Whether one is needed here.
    """
    _, components = msgspec.json.schema_components(
        _TYPES, ref_template="#/components/schemas/{name}"
    )
    stream = {"type": "string"}
    binary: dict[str, Any] = {}
    paths: dict[str, Any] = {
        "/healthz": {"get": _get("Whether the process lives.", _ref("Alive"), is_open=True)},
        "/readyz": {"get": _get("Whether frames are answered.", _ref("Ready"), 503)},
        "/metrics": {"get": _get("Numbers for Prometheus.", stream, kind="text/plain")},
        "/api/v1/openapi.json": {"get": _get("This description.", {"type": "object"})},
        "/api/v1/classification": {
            "get": _get("The newest classification.", _ref("ClassificationDocument"), 503)
        },
        "/api/v1/status": {"get": _get("How things are.", _ref("StatusDocument"))},
        "/api/v1/model": {"get": _get("The model in use.", _ref("ModelDocument"))},
        "/api/v1/config": {
            "get": _get("The configuration in force, without secrets.", {"type": "object"})
        },
        "/api/v1/events": {
            "get": _get(
                "Server-sent events, without an end: first how things are, then everything new.",
                stream,
                kind="text/event-stream",
                parameters=[_KINDS],
            )
        },
        "/api/v1/model/activate": {
            "post": _post("Load the configured model anew.", "ModelDocument", "Nothing", 409)
        },
        "/api/v1/standby": {
            "post": _post(
                "Let the camera go and rest, until woken; answers how things are then.",
                "StatusDocument",
                "StandBy",
            )
        },
        "/api/v1/wake": {
            "post": _post("End standby; answers how things are then.", "StatusDocument", "Nothing")
        },
        "/api/v1/frame.jpg": {
            "get": _get("The newest frame, after masks.", binary, 503, kind="image/jpeg")
        },
        "/api/v1/stream.mjpg": {
            "get": _get(
                "The live picture, without an end: motion JPEG.",
                binary,
                kind="multipart/x-mixed-replace",
            )
        },
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "edge_recog",
            "version": version,
            "description": "A live classifier. Times are RFC 3339, scores 0-1.",
        },
        "paths": paths,
        "components": {"schemas": _ecma(components)},
    }
    if needs_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _ecma(schema: Any) -> Any:
    """Return a schema with the patterns of JSON Schema, where `$` is the end of the text."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" else _ecma(value)
            for key, value in schema.items()
        }
    return [_ecma(one) for one in schema] if isinstance(schema, list) else schema


_KINDS: Final = {
    "name": "kinds",
    "in": "query",
    "description": "What is wanted, with commas between; all if left out.",
    "style": "form",
    "explode": False,
    "schema": {
        "type": "array",
        "items": {"enum": list(TOLD)},
        "minItems": 1,
        "uniqueItems": True,
    },
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _get(
    summary: str,
    schema: dict[str, Any],
    *problems: int,
    kind: str = _JSON,
    parameters: list[dict[str, Any]] | None = None,
    is_open: bool = False,
) -> dict[str, Any]:
    """Return one operation that answers 200 or one of the problems."""
    content = {MEDIA_TYPE: {"schema": _ref("ProblemDocument")}}
    responses: dict[str, Any] = {
        "200": {"description": summary, "content": {kind: {"schema": schema}}}
    }
    for status in sorted({*_ALWAYS, *problems}):
        responses[str(status)] = {"description": _PROBLEMS[status], "content": content}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if is_open:
        operation["security"] = []
    return operation


def _post(summary: str, answer: str, body: str, *problems: int) -> dict[str, Any]:
    """Return one operation that takes a document and answers with one."""
    operation = _get(summary, _ref(answer), 403, 415, *problems)
    operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _ref(body)}}}
    return operation
