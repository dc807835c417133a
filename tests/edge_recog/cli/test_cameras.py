from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.cameras import listing
from edge_recog.cameras.listing import FoundCamera, Listing
from edge_recog.cameras.v4l2_modes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable

_FOUND = Listing(
    (
        FoundCamera(
            "v4l2:/dev/video0",
            "HD Webcam",
            "uvcvideo",
            None,
            (
                Mode("MJPG", 1280, 720, None, (30.0, 15.0)),
                Mode("YUYV", 1920, 1080, (32, 16), ()),
                Mode("NV12", 640, 480, None, tuple(float(rate) for rate in range(60, 0, -5))),
            ),
        ),
        FoundCamera("v4l2:/dev/video2", "", "", "no permission: ask for it", ()),
    ),
    ("picamera2 is not installed",),
)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "list_cameras", lambda: _FOUND)


@pytest.mark.usefixtures("found")
def test_cameras_are_listed_with_their_modes(edge_recog: Callable[..., Any]) -> None:
    outcome = edge_recog("cameras")

    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "v4l2:/dev/video0  HD Webcam, uvcvideo",
        "  MJPG  1280x720               30, 15 fps",
        "  YUYV  32x16 to 1920x1080",
        "  NV12  640x480                60, 55, 50, 45, 40, 35, … fps",
        "v4l2:/dev/video2",
        "  no permission: ask for it",
    ]
    assert outcome.err == "edge-recog: picamera2 is not installed\n"


@pytest.mark.usefixtures("found")
def test_json_has_all_of_it_and_nothing_else_is_said(edge_recog: Callable[..., Any]) -> None:
    outcome = edge_recog("cameras", "--json")
    document = json.loads(outcome.out)

    assert (outcome.code, outcome.err) == (0, "")
    assert document["schema"] == 1
    assert document["notes"] == ["picamera2 is not installed"]
    first, second = document["cameras"]
    assert first["modes"][1] == {
        "format": "YUYV",
        "width": 1920,
        "height": 1080,
        "least": [32, 16],
        "rates": [],
    }
    assert len(first["modes"][2]["rates"]) == 12
    assert second["problem"] == "no permission: ask for it"


def test_without_a_camera_it_says_where_to_look_further(
    edge_recog: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "list_cameras", lambda: Listing((), ()))
    outcome = edge_recog("cameras")

    assert (outcome.code, outcome.out) == (0, "")
    assert "no camera is there; `edge-recog doctor` looks why" in outcome.err
