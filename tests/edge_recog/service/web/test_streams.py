from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
import pytest

from edge_recog.answers import Answer, Vanished
from edge_recog.frames import Frame
from edge_recog.service.web import picture, streams
from edge_recog.service.web.documents import (
    ClassificationDocument,
    EventDocument,
    ModelDocument,
    StatusDocument,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVENTS = "/api/v1/events"
STREAM = "/api/v1/stream.mjpg"
KINDS = {
    "classification": ClassificationDocument,
    "event": EventDocument,
    "status": StatusDocument,
    "model": ModelDocument,
}


@pytest.fixture
def camera(served: Any, answer: Callable[..., Answer]) -> Iterator[Any]:
    """Have a frame of another grey answered all the time."""
    ended = threading.Event()

    def run() -> None:
        index = 0
        while not ended.wait(0.01):
            index += 1
            one = answer(index=index)
            pixels = np.full((48, 64, 3), index % 256, np.uint8)
            served.hub.answer(
                Answer(Frame.from_rgb(pixels, index=index), one.classification, one.smoothed, ())
            )

    thread = threading.Thread(target=run)
    thread.start()
    yield served
    ended.set()
    thread.join()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_connects_is_told_how_things_are_first(served: Any) -> None:
    with served.listening(EVENTS) as stream:
        assert stream.answer.getheader("content-type") == "text/event-stream"
        told = [stream.event() for _ in range(3)]

    assert [kind for kind, _ in told] == ["status", "model", "classification"]
    for kind, document in told:
        msgspec.convert(document, KINDS[kind])


def test_it_says_how_soon_to_come_back(served: Any) -> None:
    with served.listening(EVENTS) as stream:
        assert stream.answer.readline() == b"retry: 2000\n"


def test_everything_new_is_told(
    served: Any,
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
) -> None:
    with served.listening(EVENTS) as stream:
        stream.event_of("classification")
        served.hub.answer(answer(event("appeared", "hat"), index=5))
        assert stream.event_of("event")["label"] == "hat"
        assert stream.event_of("classification")["frame"] == 5
        served.hub.vanished(Vanished((event("vanished", "hat"),), "kitchen"))
        assert stream.event_of("event")["event"] == "vanished"
        served.hub.status(status("degraded", "the camera is lost"))
        told = stream.event_of("status")
        assert (told["state"], told["reason"]) == ("degraded", "the camera is lost")
        served.hub.change_model(msgspec.structs.replace(served.model, name="other"))
        assert stream.event_of("model")["name"] == "other"


def test_events_are_told_once_in_order_and_all(
    served: Any, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    with served.listening(f"{EVENTS}?kinds=event,status") as stream:
        stream.event_of("status")
        for number in range(90):
            served.hub.answer(answer(event("appeared", str(number))))
        told = [stream.event_of("event")["label"] for _ in range(90)]

    assert told == [str(number) for number in range(90)]


def test_only_what_is_wanted_is_told(camera: Any, event: Callable[..., Any]) -> None:
    with camera.listening(f"{EVENTS}?kinds=event") as stream:
        assert stream.answer.readline() == b"retry: 2000\n"
        camera.hub.vanished(Vanished((event("vanished"),), "kitchen"))
        assert stream.event()[0] == "event"
        camera.hub.vanished(Vanished((event("vanished"),), "kitchen"))
        assert stream.event()[0] == "event"


def test_the_newest_classification_wins(served: Any, answer: Callable[..., Answer]) -> None:
    with served.listening(f"{EVENTS}?kinds=classification") as stream:
        stream.event()
        for index in range(1, 1001):
            served.hub.answer(answer(index=index))
        seen = [stream.event()[1]["frame"]]
        while seen[-1] != 1000:
            seen.append(stream.event()[1]["frame"])

    assert seen == sorted(set(seen))
    assert len(seen) < 500


def test_the_status_is_told_again_without_news(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STATUS_S", 0.05)
    with served.listening(f"{EVENTS}?kinds=status") as stream:
        uptimes = [stream.event()[1]["uptime_s"] for _ in range(4)]

    assert uptimes == sorted(uptimes)


def test_a_silence_is_kept_alive(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STATUS_S", 0.02)
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.05)
    with served.listening(f"{EVENTS}?kinds=event") as stream:
        lines = [stream.answer.readline() for _ in range(6)]

    assert lines == [b"retry: 2000\n", b"\n", b":\n", b"\n", b":\n", b"\n"]


def test_who_missed_events_is_cut_off(served: Any, event: Callable[..., Any]) -> None:
    with served.listening(f"{EVENTS}?kinds=event,model") as stream:
        stream.event_of("model")
        # More at once than are remembered: the reader cannot have seen the first of them.
        vanished = tuple(event("vanished", str(number)) for number in range(500))
        served.hub.vanished(Vanished(vanished, "kitchen"))
        assert stream.answer.read() == b""


def test_pictures_follow_each_other(camera: Any) -> None:
    with camera.listening(STREAM) as stream:
        kind = stream.answer.getheader("content-type")
        stream.picture()  # It may be of before the camera ran.
        shown = [cv2.imdecode(np.frombuffer(stream.picture(), np.uint8), 1) for _ in range(3)]

    assert kind == "multipart/x-mixed-replace; boundary=edge_recog"
    assert all(one is not None and one.shape == (48, 64, 3) for one in shown)
    greys = [int(one.mean()) for one in shown if one is not None]
    assert len(set(greys)) == 3


def test_one_encoding_is_for_all_who_watch(camera: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    honest = picture.encode

    def encode(frame: Frame) -> bytes:
        encoded.append(frame.index)
        return honest(frame)

    monkeypatch.setattr(picture, "encode", encode)
    streams_ = []
    try:
        for _ in range(5):
            connection = camera.connection()
            connection.request("GET", STREAM)
            streams_.append(connection)
        answers = [connection.getresponse() for connection in streams_]
        for one in answers:
            one.read(3000)
        assert camera.hub.viewers == 5
    finally:
        for connection in streams_:
            connection.close()

    assert len(encoded) == len(set(encoded)) > 0


def test_while_nobody_watches_nothing_is_encoded(
    camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with camera.listening(STREAM) as stream:
        stream.picture()
        assert camera.ask("/api/v1/status").document["viewers"] == 1
    until(lambda: camera.hub.viewers == 0)
    encoded: list[int] = []
    monkeypatch.setattr(picture, "encode", lambda frame: encoded.append(frame.index))
    before = camera.hub.numbers[0]
    until(lambda: camera.hub.numbers[0] > before + 50)

    assert encoded == []


def test_only_so_many_may_watch(serve: Callable[..., Any], answer: Callable[..., Answer]) -> None:
    served = serve(viewers=1, stream_fps=60)
    served.hub.answer(answer())
    with served.listening(STREAM) as stream:
        stream.picture()
        refused = served.ask(STREAM)
        assert refused.status == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert "retry-after" in refused.headers
    until(lambda: served.hub.viewers == 0)
    with served.listening(STREAM) as stream:
        stream.picture()


def test_without_a_picture_a_viewer_waits_for_one(
    serve: Callable[..., Any], answer: Callable[..., Answer]
) -> None:
    served = serve()
    with served.listening(STREAM) as stream:
        assert stream.answer.status == 200
        assert served.hub.viewers == 1
        served.hub.answer(answer())
        assert stream.picture()[:2] == b"\xff\xd8"


def test_a_picture_that_cannot_be_encoded_ends_the_stream_and_not_the_server(
    camera: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def encode(frame: Frame) -> bytes:
        raise RuntimeError("no such picture")

    monkeypatch.setattr(picture, "encode", encode)
    with camera.listening(STREAM) as stream, pytest.raises(Exception, match=r"."):
        stream.picture()
    until(lambda: camera.hub.viewers == 0)

    assert camera.ask("/api/v1/status").status == 200
    assert "no such picture" in caplog.text
