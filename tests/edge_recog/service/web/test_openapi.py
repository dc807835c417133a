"""The description is true: what schemathesis makes of it is answered as it says."""

from __future__ import annotations

import importlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from edge_recog.service.web.openapi import describe

if TYPE_CHECKING:
    from collections.abc import Callable

# PyPI has no wheel of what both check documents with for 32-bit systems. In CI it must be there.
needed: Callable[[str], Any] = (
    importlib.import_module if os.environ.get("CI") == "true" else pytest.importorskip
)
jsonschema_rs = needed("jsonschema_rs")
schemathesis = needed("schemathesis")
conformance = needed("schemathesis.specs.openapi.checks")

CHECKS = [
    conformance.content_type_conformance,
    conformance.negative_data_rejection,
    conformance.positive_data_acceptance,
    conformance.response_schema_conformance,
    conformance.status_code_conformance,
    conformance.unsupported_method,
]
# Those without an end are listened to in test_streams.
schema = schemathesis.openapi.from_dict(describe("0.1.0", needs_token=False)).exclude(
    path_regex="/(events|stream.mjpg)$"
)
guarded_schema = schemathesis.openapi.from_dict(describe("0.1.0", needs_token=True)).exclude(
    path_regex="/(events|stream.mjpg)$"
)
some = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@schema.parametrize()
@some
def test_answers_are_as_described(case: Any, served: Any) -> None:
    heard = case.call(base_url=f"http://127.0.0.1:{served.server.port}")

    assert heard.status_code < 500 or heard.status_code == 503
    case.validate_response(heard, checks=CHECKS)


@guarded_schema.parametrize()
@some
def test_answers_to_strangers_are_as_described(case: Any, guarded: Any) -> None:
    heard = case.call(base_url=f"http://127.0.0.1:{guarded.server.port}")

    assert heard.status_code in ({200, 400, 405} if case.path == "/healthz" else {401, 429})
    case.validate_response(
        heard,
        checks=[
            conformance.content_type_conformance,
            conformance.response_schema_conformance,
            conformance.status_code_conformance,
        ],
    )


def test_without_an_answer_too(serve: Callable[..., Any], status: Callable[..., Any]) -> None:
    served = serve()
    served.hub.status(status("degraded", "the camera is lost"))
    described = json.loads(served.ask("/api/v1/openapi.json").body)
    seen = set()
    for path, operations in described["paths"].items():
        if "get" not in operations or path.endswith(("events", "stream.mjpg")):
            continue
        heard = served.ask(path)
        answer = operations["get"]["responses"][str(heard.status)]
        kind = heard.headers["content-type"].partition(";")[0]
        body = answer["content"][kind]["schema"]
        seen.add(heard.status)
        if kind.endswith("json"):
            whole = {**body, "components": described["components"]}
            jsonschema_rs.validate(whole, heard.document)

    assert seen == {200, 503}


@pytest.mark.parametrize("needs_token", [False, True])
def test_the_token_is_described_where_it_is_needed(needs_token: bool) -> None:
    described = describe("0.1.0", needs_token=needs_token)

    assert ("security" in described) == needs_token
    assert ("securitySchemes" in described["components"]) == needs_token
    assert described["paths"]["/healthz"]["get"]["security"] == []
