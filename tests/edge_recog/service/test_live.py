"""The live classifier with real threads and a real model, and sources that do as they are told."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from edge_recog.cameras import open_source
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.classifier import Classifier
from edge_recog.errors import ClosedError, InterpreterError, SourceError, UsageError
from edge_recog.events import EventRules
from edge_recog.frames import Frame
from edge_recog.pipeline import PipelineRules
from edge_recog.service.live import LiveClassifier
from edge_recog.service.notify import Notifier
from edge_recog.supervision import SupervisionRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_recog.answers import Answer, Vanished
    from edge_recog.supervision import Status

UNWATCHED = PipelineRules(watch=None)
LONG_S = 60.0
"""Longer than anything takes on a busy machine."""
QUICK = SupervisionRules(
    open_s=5.0, stall_s=0.5, retry_min_s=0.01, retry_max_s=0.02, close_s=0.5, healthy_s=0.1
)


class Camera(ClosingSource):
    """Gives frames until `act` makes it do something else."""

    def __init__(
        self, act: Callable[[int], None] = lambda index: None, *, count: int | None = None
    ) -> None:
        super().__init__("camera", length=count)
        self._act = act

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while not self._closed.wait(0.005) and (self.length is None or index < self.length):
            self._act(index)
            pixels = np.random.default_rng(index).integers(0, 256, (24, 24, 3)).astype(np.uint8)
            yield Frame.from_rgb(pixels, index=index, source=self.name)
            index += 1


class Told:
    """An output that keeps everything, and lets others wait for it."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.lost: list[Vanished] = []
        self.states: list[Status] = []
        self._changed = threading.Condition()

    def answer(self, answer: Answer) -> None:
        self._add(self.answers, answer)

    def vanished(self, vanished: Vanished) -> None:
        self._add(self.lost, vanished)

    def status(self, status: Status) -> None:
        self._add(self.states, status)

    def wait(self, until: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(until, LONG_S), self.states

    def _add(self, kept: list[Any], item: Any) -> None:
        with self._changed:
            kept.append(item)
            self._changed.notify_all()


class Run:
    """A live classifier in a thread of its own."""

    def __init__(
        self, open_frames: Callable[[], Any], open_model: Callable[..., Any], **wishes: Any
    ) -> None:
        self.told = Told()
        self.counts: Counter[str] = Counter()
        lock = threading.Lock()

        def count(outcome: str) -> None:
            with lock:
                self.counts[outcome] += 1

        wishes.setdefault("supervision", QUICK)
        self.live = LiveClassifier(
            open_frames, open_model, outputs=(self.told,), count=count, **wishes
        )
        self._thread = threading.Thread(target=self.live.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.live.stop()
        self.end()

    def end(self) -> None:
        self._thread.join(LONG_S)
        assert not self._thread.is_alive()

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.told.states]


@pytest.fixture
def open_model(tiny_path: Path) -> Callable[..., Classifier]:
    return lambda where: Classifier.open(tiny_path)


def all_threads_end() -> bool:
    """Wait for the threads that read and classify; tell whether they have ended."""
    ours = [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith(("reader-", "classify", "model-loader"))
    ]
    for thread in ours:
        thread.join(LONG_S)
    return not any(thread.is_alive() for thread in ours)


def test_a_source_with_an_end_is_classified_to_its_end(open_model: Callable[..., Any]) -> None:
    run = Run(lambda: Camera(count=40), open_model)
    run.end()

    assert run.states == ["starting", "running", "stopping"]
    assert run.counts["answered"] == len(run.told.answers) > 0
    assert sum(run.counts.values()) <= 40
    indices = [answer.classification.frame_index for answer in run.told.answers]
    assert indices == sorted(set(indices))
    assert all_threads_end()


def test_a_recording_that_is_read_and_not_played_is_answered_frame_by_frame(
    open_model: Callable[..., Any],
) -> None:
    run = Run(lambda: open_source("synthetic:32x24?count=300"), open_model, rules=UNWATCHED)
    run.end()

    assert run.counts == {"answered": 300}
    indices = [answer.classification.frame_index for answer in run.told.answers]
    assert indices == list(range(300))


def test_stopping_ends_an_endless_source(open_model: Callable[..., Any]) -> None:
    run = Run(Camera, open_model)
    run.told.wait(lambda: len(run.told.answers) > 3)
    run.stop()

    assert run.states[-1] == "stopping"
    told = len(run.told.answers)
    assert all_threads_end()
    assert len(run.told.answers) == told


def test_a_lost_camera_is_opened_again_and_what_was_there_vanishes(
    open_model: Callable[..., Any],
) -> None:
    cameras: list[Camera] = []

    def lost(index: int) -> None:
        if index == 60:
            raise SourceError("camera: unplugged")

    def open_frames() -> Camera:
        cameras.append(Camera(lost if not cameras else lambda index: None))
        return cameras[-1]

    rules = PipelineRules(events=EventRules(threshold=0.01, min_duration_s=0.0))
    run = Run(open_frames, open_model, rules=rules)
    run.told.wait(lambda: run.states.count("running") == 2 and run.told.lost)
    run.stop()

    assert [status.reason for status in run.told.states if status.state == "degraded"] == [
        "camera: unplugged"
    ]
    (lost_then, *_) = run.told.lost
    assert lost_then.source == "camera"
    assert {event.kind for event in lost_then.events} == {"vanished"}
    assert len(cameras) == 2


def test_a_camera_that_cannot_be_opened_is_tried_until_it_can(
    open_model: Callable[..., Any],
) -> None:
    tries = iter(range(1000))

    def open_frames() -> Camera:
        if next(tries) < 3:
            raise SourceError("camera: no such device")
        return Camera()

    run = Run(open_frames, open_model)
    run.told.wait(lambda: "running" in run.states)
    run.stop()

    assert run.states == ["starting", "degraded", "running", "stopping"]


def test_a_read_that_hangs_is_given_up_and_a_new_reader_answers(
    open_model: Callable[..., Any],
) -> None:
    release = threading.Event()
    isolated: list[Camera] = []

    def hang(index: int) -> None:
        if index == 5:
            release.wait(LONG_S)

    def open_isolated() -> Camera:
        isolated.append(Camera())
        return isolated[-1]

    run = Run(lambda: Camera(hang), open_model, open_isolated=open_isolated)
    run.told.wait(lambda: run.states.count("running") == 2)
    second = len(run.told.answers)
    release.set()
    run.told.wait(lambda: len(run.told.answers) > second + 3)
    run.stop()

    degraded = [status.reason for status in run.told.states if status.state == "degraded"]
    assert len(degraded) == 1
    assert "no frame came for 0.5 s" in str(degraded[0])
    assert len(isolated) == 1
    assert all_threads_end()


def test_black_frames_are_never_answered_and_told(open_model: Callable[..., Any]) -> None:
    class Covered(Camera):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                dark = 20 <= frame.index < 60
                yield Frame.from_rgb(
                    np.zeros((24, 24, 3), np.uint8) if dark else frame.pixels,
                    index=frame.index,
                    source="dark" if dark else "light",
                )

    run = Run(Covered, open_model, supervision=SupervisionRules(fault_s=0.05))
    run.told.wait(lambda: run.states.count("running") == 2)
    run.stop()

    assert {answer.classification.source for answer in run.told.answers} == {"light"}
    assert run.counts["faulty"] > 0
    (degraded,) = (status for status in run.told.states if status.state == "degraded")
    assert "black" in str(degraded.reason)


def test_a_model_that_fails_is_loaded_again(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[Classifier] = []

    def open_model(where: str) -> Classifier:
        models.append(Classifier.open(tiny_path))
        if len(models) == 1:

            def fail(*_: Any, **__: Any) -> None:
                raise InterpreterError("the accelerator was unplugged")

            monkeypatch.setattr(models[0], "classify", fail)
        return models[-1]

    run = Run(Camera, open_model)
    run.told.wait(lambda: "running" in run.states)
    run.stop()

    assert run.states == ["starting", "degraded", "running", "stopping"]
    assert run.told.states[1].reason == "the accelerator was unplugged"
    assert len(models) == 2
    assert run.counts["failed"] == 1


def test_a_model_that_hangs_is_given_up_and_its_late_answer_is_not_told(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    models: list[Classifier] = []

    def open_model(where: str) -> Classifier:
        models.append(Classifier.open(tiny_path))
        if len(models) == 1:
            classify = models[0].classify

            def hang(frame: Frame, **wishes: Any) -> Any:
                release.wait(LONG_S)
                return classify(Frame.from_rgb(frame.pixels, source="late"), **wishes)

            monkeypatch.setattr(models[0], "classify", hang)
        return models[-1]

    rules = SupervisionRules(inference_s=0.3, retry_min_s=0.01)
    run = Run(Camera, open_model, supervision=rules)
    run.told.wait(lambda: "running" in run.states)
    release.set()
    before = len(run.told.answers)
    run.told.wait(lambda: len(run.told.answers) > before + 3)
    run.stop()

    assert {answer.classification.source for answer in run.told.answers} == {"camera"}
    assert "has not come back" in str(run.told.states[1].reason)


def test_models_are_swapped_between_two_frames(
    tiny_path: Path, open_model: Callable[..., Any]
) -> None:
    run = Run(Camera, open_model)
    run.told.wait(lambda: len(run.told.answers) > 3)
    other = Classifier.open(tiny_path)
    asked = threading.Event()
    classify = other.classify

    def watched(frame: Frame, **wishes: Any) -> Any:
        asked.set()
        return classify(frame, **wishes)

    other.classify = watched  # type: ignore[method-assign]
    run.live.swap(other)

    assert asked.wait(LONG_S)
    run.stop()
    assert run.states == ["starting", "running", "stopping"]


class Counting(Notifier):
    """Counts what systemd would be told."""

    def __init__(self) -> None:
        super().__init__()
        self.fed = 0
        self.is_ready = 0
        self._changed = threading.Condition()

    def watchdog(self) -> None:
        with self._changed:
            self.fed += 1
            self._changed.notify_all()

    def ready(self, status: str | None = None) -> None:
        self.is_ready += 1

    def wait_fed(self, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.fed >= times, LONG_S)


def test_the_watchdog_is_fed_by_every_answer(open_model: Callable[..., Any]) -> None:
    notifier = Counting()
    run = Run(lambda: Camera(count=30), open_model, notifier=notifier)
    run.end()

    assert notifier.fed == run.counts["answered"]
    assert notifier.is_ready == 1


CHECKED_OFTEN = msgspec.structs.replace(QUICK, check_s=0.05, fault_s=0.05)


def test_without_a_camera_the_model_is_checked_for_the_watchdog(
    open_model: Callable[..., Any],
) -> None:
    def open_frames() -> Camera:
        raise SourceError("camera: no such device")

    notifier = Counting()
    run = Run(open_frames, open_model, notifier=notifier, supervision=CHECKED_OFTEN)
    notifier.wait_fed(3)
    run.stop()

    assert run.told.answers == []
    assert run.states == ["starting", "degraded", "stopping"]


def test_a_model_that_fails_its_check_is_loaded_again(tiny_path: Path) -> None:
    opened: list[Classifier] = []

    def open_frames() -> Camera:
        raise SourceError("camera: no such device")

    def open_model(where: str) -> Classifier:
        opened.append(Classifier.open(tiny_path))
        if len(opened) == 1:
            opened[0].close()
        return opened[-1]

    notifier = Counting()
    run = Run(open_frames, open_model, notifier=notifier, supervision=CHECKED_OFTEN)
    notifier.wait_fed(1)
    run.stop()

    assert len(opened) == 2
    assert any("closed" in str(status.reason) for status in run.told.states)


def test_in_standby_the_camera_is_let_go_until_woken(open_model: Callable[..., Any]) -> None:
    cameras: list[Camera] = []

    def open_frames() -> Camera:
        cameras.append(Camera())
        return cameras[-1]

    notifier = Counting()
    run = Run(open_frames, open_model, notifier=notifier, supervision=CHECKED_OFTEN)
    run.told.wait(lambda: len(run.told.answers) > 3)
    run.live.stand_by("nobody is at work")
    run.told.wait(lambda: run.states[-1] == "standby")
    assert cameras[0]._closed.is_set()
    answers = len(run.told.answers)
    notifier.wait_fed(notifier.fed + 2)
    assert len(run.told.answers) == answers
    run.live.wake()
    run.told.wait(lambda: len(run.told.answers) > answers + 3)
    run.stop()

    assert run.states == ["starting", "running", "standby", "starting", "running", "stopping"]
    assert run.told.states[2].reason == "nobody is at work"
    assert len(cameras) == 2


def test_a_model_that_cannot_be_opened_at_the_start_is_an_error_and_leaves_nothing_behind() -> None:
    def open_model(where: str) -> Classifier:
        raise InterpreterError("no interpreter is installed")

    live = LiveClassifier(Camera, open_model)
    with pytest.raises(InterpreterError, match="no interpreter"):
        live.run()

    assert all_threads_end()


def test_a_model_that_comes_while_none_is_at_work_is_refused(
    open_model: Callable[..., Any],
) -> None:
    live = LiveClassifier(Camera, open_model)
    with open_model("given") as other, pytest.raises(UsageError, match="at the moment"):
        live.swap(other)


def test_of_two_models_at_once_the_later_one_is_used_and_the_others_are_closed(
    open_model: Callable[..., Any],
) -> None:
    run = Run(Camera, open_model)
    run.told.wait(lambda: len(run.told.answers) > 3)
    others = [open_model("given") for _ in range(20)]
    for other in others:
        run.live.swap(other)
    before = len(run.told.answers)
    run.told.wait(lambda: len(run.told.answers) > before + 3)
    run.stop()
    assert all_threads_end()

    picture = Frame.from_rgb(np.zeros((8, 8, 3), np.uint8))
    for other in others:
        with pytest.raises(ClosedError):
            other.classify(picture)


def test_whatever_loading_a_model_raises_it_is_tried_again(tiny_path: Path) -> None:
    tries = iter(range(1000))

    def open_model(where: str) -> Classifier:
        if next(tries) == 1:
            raise MemoryError("the delegate's own kind of error")
        model = Classifier.open(tiny_path)
        if len(models) == 0:
            models.append(model)
            model.classify = fail  # type: ignore[method-assign]
        return model

    def fail(*_: Any, **__: Any) -> Any:
        raise InterpreterError("lost")

    models: list[Classifier] = []
    run = Run(Camera, open_model)
    run.told.wait(lambda: "running" in run.states)
    run.stop()

    reasons = [str(status.reason) for status in run.told.states if status.state == "degraded"]
    assert reasons[0] == "lost"
    assert "MemoryError: the delegate's own kind of error" in reasons[1]
