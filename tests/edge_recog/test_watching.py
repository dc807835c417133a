from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
import pytest

from edge_recog.frames import Frame
from edge_recog.watching import FrameCheck, MotionGate, MotionRules, WatchRules

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SECOND = 1_000_000_000
HEIGHT, WIDTH = 90, 120
LIGHT_ONLY = WatchRules(freeze_s=None)


def at(at_s: float, pixels: NDArray[Any]) -> Frame:
    return Frame.from_rgb(pixels.astype(np.uint8), captured_ns=round(at_s * SECOND))


def flat(value: float, *, height: int = HEIGHT, width: int = WIDTH) -> NDArray[Any]:
    return np.full((height, width, 3), value)


def scene() -> NDArray[Any]:
    """Return a picture of ramps."""
    picture = flat(60)
    picture[..., 0] += np.linspace(0, 120, WIDTH).astype(int)
    picture[..., 1] += np.linspace(0, 90, HEIGHT).astype(int)[:, None]
    return picture


def seen_by_a_sensor(picture: NDArray[Any], seed: int, deviation: float = 1.0) -> NDArray[Any]:
    noise = np.random.default_rng(seed).normal(0, deviation, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255)


def faults(check: FrameCheck, frames: list[Frame]) -> list[str | None]:
    found = [check.judge(frame) for frame in frames]
    return [None if fault is None else fault.kind for fault in found]


def lamp_in_the_dark() -> NDArray[Any]:
    picture = flat(1)
    picture[:20, :20] = 250
    return picture


def shirt_on_white() -> NDArray[Any]:
    picture = flat(255)
    picture[30:60, 40:80] = 190
    return picture


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (flat(0), "black"),
        (seen_by_a_sensor(flat(6), 0, deviation=5), "black"),
        (flat(16), "black"),
        (flat(17), None),
        (lamp_in_the_dark(), None),
        (flat(255), "overexposed"),
        (seen_by_a_sensor(flat(255), 0, deviation=5), "overexposed"),
        (flat(246), None),
        (shirt_on_white(), None),
        (scene(), None),
    ],
    ids=[
        "nothing",
        "noise of a covered lens",
        "black of limited range",
        "dim",
        "lamp in the dark",
        "white",
        "white with noise",
        "bright",
        "shirt on white",
        "scene",
    ],
)
def test_light(picture: NDArray[Any], expected: str | None) -> None:
    assert faults(FrameCheck(LIGHT_ONLY), [at(0, picture)]) == [expected]


def test_a_dark_room_in_one_colour_is_judged_by_all_channels() -> None:
    blue = flat(0)
    blue[..., 2] = 60

    assert faults(FrameCheck(LIGHT_ONLY), [at(0, blue)]) == [None]


def test_what_is_wrong_is_told_with_figures() -> None:
    fault = FrameCheck().judge(at(0, flat(3)))

    assert fault is not None
    assert "black (mean brightness 3.0 of 255, deviation 0.0)" in fault.reason


@pytest.mark.parametrize("value", [0, 255], ids=["black", "white"])
def test_light_need_not_be_judged(value: int) -> None:
    rules = WatchRules(black_mean=None, white_mean=None, freeze_s=None)

    assert faults(FrameCheck(rules), [at(0, flat(value))]) == [None]


def test_a_live_picture_of_a_still_scene_is_good() -> None:
    frames = [at(n / 10, seen_by_a_sensor(scene(), n, deviation=0.3)) for n in range(60)]

    assert faults(FrameCheck(), frames) == [None] * 60


def test_a_picture_that_stands_still_is_never_good_and_frozen_after_a_while() -> None:
    frames = [at(n / 2, scene()) for n in range(7)]

    assert faults(FrameCheck(WatchRules(freeze_s=2.0)), frames) == [
        None,
        *["repeated"] * 3,
        *["frozen"] * 3,
    ]


def test_a_change_below_the_noise_is_frozen_too() -> None:
    frames = []
    for n in range(5):
        picture = scene()
        # A clock that a dead camera's recorder goes on to draw.
        picture[:3, :3] += n
        frames.append(at(n, picture))

    assert faults(FrameCheck(WatchRules(freeze_s=3.0)), frames)[3:] == ["frozen"] * 2


def test_a_slow_change_is_a_change() -> None:
    # From frame to frame below the noise, but it adds up.
    frames = []
    for n in range(40):
        picture = scene()
        picture.reshape(-1)[: n * HEIGHT * WIDTH * 3 // 30] += 1
        frames.append(at(n / 10, picture))
    rules = WatchRules(freeze_s=2.0, freeze_noise=0.05)

    assert "frozen" not in faults(FrameCheck(rules), frames[:30])


def test_a_few_buffers_handed_out_in_turn_are_frozen() -> None:
    buffers = [seen_by_a_sensor(scene(), seed) for seed in range(4)]
    frames = [at(n / 10, buffers[n % 4]) for n in range(60)]
    found = faults(FrameCheck(WatchRules(freeze_s=2.0)), frames)

    assert found[:4] == [None] * 4
    assert set(found[4:23]) == {"repeated"}
    assert set(found[23:]) == {"frozen"}


@pytest.mark.parametrize(
    ("code", "suffix"), [("mp4v", "mp4"), ("MJPG", "avi")], ids=["MPEG-4", "MJPEG"]
)
def test_a_frozen_picture_that_is_encoded_again_and_again_is_told_for_as_long_as_it_lasts(
    code: str, suffix: str, tmp_path: Path
) -> None:
    live = [seen_by_a_sensor(scene(), seed, deviation=2) for seed in range(30)]
    after = [seen_by_a_sensor(scene(), seed, deviation=2) for seed in range(50, 80)]
    path = tmp_path / f"clip.{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 15, (WIDTH, HEIGHT))
    for picture in [*live, *[live[-1]] * 120, *after]:
        writer.write(picture.astype(np.uint8))
    writer.release()
    capture = cv2.VideoCapture(str(path))
    frames = [at(n / 15, capture.read()[1]) for n in range(180)]
    capture.release()
    found = faults(FrameCheck(WatchRules(freeze_s=2.0)), frames)

    assert found[:30] == [None] * 30
    # Within 3 s, and no key frame passes for a sign of life.
    assert set(found[30 + 45 : 150]) == {"frozen"}
    assert set(found[150 + 20 :]) == {None}


def test_a_frozen_picture_has_to_change_for_a_while_if_it_changes_little() -> None:
    check = FrameCheck(WatchRules(freeze_s=1.0))
    faults(check, [at(n / 2, scene()) for n in range(4)])
    live = [at(2 + n / 2, seen_by_a_sensor(scene(), n)) for n in range(4)]

    assert faults(check, live) == ["frozen", "frozen", None, None]


def test_key_frames_of_a_frozen_picture_do_not_add_up_to_a_change() -> None:
    check = FrameCheck(WatchRules(freeze_s=1.0))
    faults(check, [at(n / 2, scene()) for n in range(4)])
    flickering = [
        at(2 + n / 2, scene() if n % 2 else seen_by_a_sensor(scene(), n)) for n in range(12)
    ]

    assert faults(check, flickering) == ["frozen"] * 12


def test_a_frozen_picture_that_becomes_another_is_good_at_once() -> None:
    check = FrameCheck(WatchRules(freeze_s=1.0))
    faults(check, [at(n, scene()) for n in range(4)])

    assert check.judge(at(4, scene() + 5)) is None
    assert faults(check, [at(4.1, scene() + 5)]) == ["repeated"]


def test_two_frames_far_apart_are_too_few_to_be_frozen() -> None:
    frames = [at(n * 60, scene()) for n in range(3)]

    assert faults(FrameCheck(), frames) == [None, "repeated", "frozen"]


def test_a_digital_source_may_stand_still() -> None:
    frames = [at(n, scene()) for n in range(9)]

    assert faults(FrameCheck(WatchRules(freeze_s=None)), frames) == [None] * 9


def test_how_long_it_stands_still_is_told() -> None:
    check = FrameCheck(WatchRules(freeze_s=2.0))
    fault = [check.judge(at(n, scene())) for n in range(4)][-1]

    assert fault is not None
    assert "stood still for 3.0 s (4 frames without a new one among them)" in fault.reason


def test_a_black_picture_that_stands_still_is_black() -> None:
    assert faults(FrameCheck(), [at(n, flat(0)) for n in range(5)]) == ["black"] * 5


def test_times_that_stand_still_do_no_harm() -> None:
    assert faults(FrameCheck(), [at(1, scene()) for _ in range(4)]) == [None, *["repeated"] * 3]


@pytest.mark.parametrize(
    "sizes",
    [[(90, 120), (1080, 1920)], [(1, 1), (1, 2)], [(1, 500), (500, 1)]],
    ids=["larger", "one pixel", "turned"],
)
def test_another_resolution_is_another_picture(sizes: list[tuple[int, int]]) -> None:
    frames = [at(n, flat(99, height=h, width=w)) for n, (h, w) in enumerate(sizes)]
    check, gate = FrameCheck(), MotionGate(MotionRules(refresh_s=60))

    assert [gate.moved(frame) for frame in frames] == [True, True]
    assert faults(check, frames) == [None, None]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"black_mean": -1.0}, "black_mean is -1.0"),
        ({"white_mean": 256.0}, "white_mean is 256.0"),
        ({"even_deviation": math.nan}, "even_deviation is nan"),
        ({"freeze_noise": -0.1}, "freeze_noise is -0.1"),
        ({"black_mean": 250.0}, "black_mean is 250.0; it must be below white_mean"),
        ({"freeze_s": 0.0}, "freeze_s is 0.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_watch_rules_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WatchRules(**values)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, WatchRules)


GATE = MotionRules(changed_share=0.01, least_change=12.0, refresh_s=5.0)


def with_a_square(side: int) -> NDArray[Any]:
    picture = scene()
    picture[:side, :side] += 60
    return picture


def test_the_first_frame_has_moved() -> None:
    assert MotionGate(GATE).moved(at(0, scene())) is True


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (seen_by_a_sensor(scene(), 1, deviation=3), False),
        (with_a_square(8), False),
        (with_a_square(14), True),
        (scene() + 11, False),
        (scene() + 14, True),
    ],
    ids=["noise", "something tiny", "something", "a cloud", "a lamp"],
)
def test_what_moves(second: NDArray[Any], expected: bool) -> None:
    gate = MotionGate(GATE)
    gate.moved(at(0, scene()))

    assert gate.moved(at(1, second)) is expected


def test_what_creeps_has_moved_in_the_end() -> None:
    gate = MotionGate(GATE)
    moved = [gate.moved(at(n / 10, scene() + n * 5)) for n in range(7)]

    assert moved == [True, False, False, True, False, False, True]


def test_a_look_is_due_after_a_while() -> None:
    gate = MotionGate(GATE)
    moved = [gate.moved(at(at_s, scene())) for at_s in (0, 4.9, 5.0, 9.9, 10.0)]

    assert moved == [True, False, True, False, True]


def test_after_a_reset_the_next_frame_has_moved() -> None:
    gate = MotionGate(GATE)
    gate.moved(at(0, scene()))
    gate.reset()

    assert gate.moved(at(1, scene())) is True


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"changed_share": 1.0}, "changed_share is 1.0"),
        ({"least_change": 255.0}, "least_change is 255.0"),
        ({"refresh_s": -1.0}, "refresh_s is -1.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_motion_rules_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MotionRules(**values)
