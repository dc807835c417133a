from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import msgspec
import numpy as np
import pytest

from edge_recog.answers import Answer
from edge_recog.frames import Frame
from edge_recog.service.web.documents import (
    ClassificationDocument,
    ModelDocument,
    ProblemDocument,
    StatusDocument,
)
from edge_recog.service.web.picture import encode

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = {"content_type": "application/json"}
ASSETS = ("/page/live.css", "/page/live.js", "/page/icon.svg")
PATHS = (
    *("/", "/login", "/healthz", "/readyz", "/metrics", *ASSETS),
    *("/api/v1/openapi.json", "/api/v1/classification", "/api/v1/status", "/api/v1/model"),
    *("/api/v1/config", "/api/v1/events", "/api/v1/frame.jpg", "/api/v1/stream.mjpg"),
    *("/api/v1/model/activate", "/api/v1/standby", "/api/v1/wake"),
)
ORDERS = PATHS[-3:]
"""They take POST alone."""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("classification", ClassificationDocument),
        ("status", StatusDocument),
        ("model", ModelDocument),
    ],
)
def test_documents_are_as_they_are_described(served: Any, path: str, kind: Any) -> None:
    heard = served.ask(f"/api/v1/{path}")

    assert (heard.status, heard.headers["content-type"]) == (200, "application/json")
    assert msgspec.json.decode(heard.body, type=kind) is not None


def test_alive_is_not_ready(serve: Callable[..., Any], status: Callable[..., Any]) -> None:
    served = serve()

    assert served.ask("/healthz").document == {"status": "alive"}
    assert served.ask("/readyz").status == 503
    served.hub.status(status("running"))
    assert served.ask("/readyz").document == {"status": "ready"}
    served.hub.status(status("standby"))
    assert served.ask("/readyz").status == 200
    served.hub.status(status("degraded", "the camera is lost"))
    heard = served.ask("/readyz")
    assert heard.status == 503
    assert "the camera is lost" in heard.document["detail"]
    assert served.ask("/healthz").status == 200


@pytest.mark.parametrize("path", ["/api/v1/classification", "/api/v1/frame.jpg"])
def test_what_is_not_of_now_is_a_problem(
    served: Any, status: Callable[..., Any], path: str
) -> None:
    assert served.ask(path).status == 200
    served.hub.status(status("degraded", "no frame came for 2 s"))
    heard = served.ask(path)

    problem = msgspec.json.decode(heard.body, type=ProblemDocument)
    assert (heard.status, problem.status) == (503, 503)
    assert heard.headers["content-type"] == "application/problem+json"
    assert "no frame came for 2 s" in problem.detail


def test_the_frame_is_what_people_may_see(served: Any, answer: Callable[..., Answer]) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[..., 0] = 255
    one = answer()
    served.hub.answer(Answer(Frame.from_rgb(pixels), one.classification, (), ()))
    heard = served.ask("/api/v1/frame.jpg")

    assert heard.headers["content-type"] == "image/jpeg"
    shown = cv2.imdecode(np.frombuffer(heard.body, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (40, 60, 3)
    # Red is still red: OpenCV has it last.
    assert np.abs(shown.mean(axis=(0, 1)) - (0, 0, 255)).max() < 5


@pytest.mark.parametrize(
    ("size", "expected"),
    [((720, 1280), (720, 1280)), ((1080, 1920), (720, 1280)), ((1, 5000), (1, 1280))],
    ids=["as-it-is", "smaller", "flat"],
)
def test_wide_pictures_are_made_smaller(size: tuple[int, int], expected: tuple[int, int]) -> None:
    frame = Frame.from_rgb(np.zeros((*size, 3), np.uint8))
    shown = cv2.imdecode(np.frombuffer(encode(frame), np.uint8), cv2.IMREAD_COLOR)

    assert shown is not None
    assert shown.shape[:2] == expected


def test_metrics_are_text_for_prometheus(served: Any) -> None:
    served.metrics.frame("answered", 3)
    heard = served.ask("/metrics")

    assert heard.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'edge_recog_frames_total{outcome="answered"} 3.0' in heard.body


def test_promtool_takes_what_is_served(served: Any, missing: Callable[[str], NoReturn]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool is not installed (Debian: prometheus)")
    heard = served.ask("/metrics")

    command = [promtool, "check", "metrics"]
    done = subprocess.run(command, input=heard.body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_model_is_loaded_anew(served: Any) -> None:
    path = "/api/v1/model/activate"
    heard = served.ask(path, method="POST", body=b"{}", **JSON)

    assert heard.status == 200
    assert heard.document == served.ask("/api/v1/model").document
    assert served.activated == 1


def test_a_model_that_cannot_be_used_is_a_conflict(served: Any) -> None:
    served.refusal = "/var/lib/m.tflite: not a TFLite model"
    heard = served.ask("/api/v1/model/activate", method="POST", body=b"{}", **JSON)

    assert heard.status == 409
    assert "stays" in heard.document["detail"]
    assert served.refusal in heard.document["detail"]


@pytest.mark.parametrize("path", ORDERS)
@pytest.mark.parametrize("body", [b"", b"[]", b'{"model":"/etc/passwd"}', b"{", b"\xff", b"null"])
def test_orders_take_nothing_that_is_not_described(served: Any, path: str, body: bytes) -> None:
    before = served.hub.state
    heard = served.ask(path, method="POST", body=body, **JSON)

    assert heard.status == 400
    assert served.activated == 0
    assert served.hub.state == before


def test_it_rests_until_it_is_woken(served: Any) -> None:
    rests = served.ask(
        "/api/v1/standby", method="POST", body=b'{"reason":"nobody is at work"}', **JSON
    )
    silent = served.ask("/api/v1/classification").status
    again = served.ask("/api/v1/standby", method="POST", body=b"{}", **JSON)
    woken = served.ask("/api/v1/wake", method="POST", body=b"{}", **JSON)

    assert (rests.status, again.status, woken.status) == (200, 200, 200)
    assert (rests.document["state"], rests.document["reason"]) == ("standby", "nobody is at work")
    assert silent == 503
    assert again.document["reason"] == "told to rest"
    assert woken.document["state"] == "starting"


@pytest.mark.parametrize("reason", ["", "x" * 201, None, 1])
def test_a_reason_to_rest_is_a_short_text(served: Any, reason: Any) -> None:
    body = json.dumps({"reason": reason}).encode()
    heard = served.ask("/api/v1/standby", method="POST", body=body, **JSON)

    assert heard.status == 400
    assert "200 characters" in heard.document["detail"]


@pytest.mark.parametrize("path", ASSETS)
def test_assets_are_sent_once(served: Any, path: str) -> None:
    heard = served.ask(path)
    again = served.ask(path, if_none_match=heard.headers["etag"])
    other = served.ask(path, if_none_match='"other"')

    assert (heard.status, heard.headers["cache-control"]) == (200, "no-cache")
    assert heard.body
    assert (again.status, again.body) == (304, b"")
    assert (other.status, other.body) == (200, heard.body)


def test_the_page_is_html_that_asks_nobody_else(served: Any) -> None:
    heard = served.ask("/")

    assert heard.headers["content-type"] == "text/html; charset=utf-8"
    assert b"/page/live.js" in heard.body
    assert b"//" not in heard.body.replace(b"http://www.w3.org", b"")


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_parameter_is_refused_everywhere(served: Any, path: str) -> None:
    method = "POST" if path in ORDERS else "GET"
    heard = served.ask(f"{path}?page=1", method=method, body=b"{}", **JSON)

    assert heard.status == 400
    assert "page" in heard.document["detail"]


@pytest.mark.parametrize(
    "query",
    ["kinds=", "kinds=frames", "kinds=event,", "kinds=event&kinds=status", "kinds", "&", "%ff=1"],
)
def test_kinds_that_there_are_none_of_are_refused(served: Any, query: str) -> None:
    heard = served.ask(f"/api/v1/events?{query}")

    assert heard.status == 400
    assert heard.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_method_is_refused_with_the_right_ones(served: Any, path: str) -> None:
    heard = served.ask(path, method="DELETE")

    assert heard.status == 405
    assert heard.headers["allow"] in {"GET, HEAD", "POST", "GET, HEAD, POST"}
    assert heard.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", [one for one in PATHS if one not in ORDERS])
def test_heads_have_no_body_and_come_to_an_end(served: Any, path: str) -> None:
    heard = served.ask(path, method="HEAD")

    assert heard.body == b""
    assert heard.status in {200, 303}


@pytest.mark.parametrize(
    "path",
    [
        *("/page/", "/page/../server.py", "/page/%2e%2e/server.py", "/page/..%2fserver.py"),
        *("/page/%2fetc%2fpasswd", "//etc/passwd", "/page/live.css/", "/page/live.css%00"),
        *("/../../etc/passwd", "/api/v1/", "/api/v1/status/", "/PAGE/live.css", "/page/index.html"),
    ],
)
def test_there_is_nothing_beside_the_routes(served: Any, path: str) -> None:
    heard = served.ask(path)

    assert heard.status == 404
    assert heard.headers["content-type"] == "application/problem+json"
    assert "location" not in heard.headers


@pytest.mark.parametrize("path", [*PATHS, "/nothing", "/api/v1/status?x=1"])
def test_every_answer_has_the_headers(served: Any, path: str) -> None:
    heard = served.ask(path, method="HEAD")

    assert heard.headers["content-security-policy"].startswith("default-src 'none'; script-src")
    assert "frame-ancestors 'none'" in heard.headers["content-security-policy"]
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert heard.headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert heard.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in heard.headers["permissions-policy"]
    assert heard.headers["cache-control"] == ("no-cache" if path in ASSETS else "no-store")
    assert "server" not in heard.headers
    assert "date" in heard.headers


def test_an_error_of_ours_is_a_problem_and_is_logged(
    served: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(served.hub, "status_document", fail)
    heard = served.ask("/api/v1/status")

    assert heard.status == 500
    assert b"secret" not in heard.body
    assert "secret detail" in caplog.text
    assert served.ask("/healthz").status == 200


def test_the_description_names_every_route(served: Any) -> None:
    described = json.loads(served.ask("/api/v1/openapi.json").body)

    ours = {path for path in PATHS if path.startswith("/api/")} | {
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert set(described["paths"]) == ours
    assert described["openapi"].startswith("3.1")
