from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import numpy as np
import pytest

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.colour_card import golden_cards
from edge_recog.errors import DelegateError, VerificationError
from edge_recog.frames import Frame
from edge_recog.golden import Golden, sample_positions
from edge_recog.interpreters import FakeInterpreter
from edge_recog.packing import pack_bundle
from edge_recog.preprocessing import Crop, Interpolation
from edge_recog.verification import (
    INPUT_TOLERANCE,
    OUTPUT_STEPS,
    OUTPUT_STEPS_BUILTIN,
    make_golden,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog.contract import Contract

HERE = "ai-edge-litert 2.3.0 (XNNPACK, 1 thread)"


def tuned(
    data: bytes,
    change: Callable[[Golden], Golden] = lambda golden: golden,
    runtime: str | None = None,
    **pack: Any,
) -> Bundle:
    """Return a bundle whose golden vectors were changed before packing."""
    bundle = Bundle.from_bytes(data, where="m")
    assert bundle.manifest is not None
    assert bundle.manifest.golden is not None
    vectors = [change(vector) for vector in bundle.golden()]
    arguments: dict[str, Any] = {"contract": bundle.contract, "labels": bundle.labels} | pack
    golden = (runtime or bundle.manifest.golden.runtime, vectors)
    packed = pack_bundle(data, name="m", golden=golden, **arguments)
    return Bundle.from_bytes(packed, where="m")


def verified(bundle: Bundle, runtime: str = HERE) -> Any:
    """Verify with what computed the model's answers replaced by a fake of another name."""
    with Classifier.open(bundle) as real:
        answers = [
            (real.trace(Frame.from_rgb(golden.pixels)).raw).reshape(1, -1)
            for golden in bundle.golden()
        ]
    turns = iter(answers)
    fake = FakeInterpreter(
        [bundle.inputs], [bundle.outputs], lambda _: [next(turns)], runtime=runtime
    )
    return verify(Classifier(bundle, fake))


def test_a_sound_model_passes(tiny_bytes: bytes) -> None:
    bundle = Bundle.from_bytes(tiny_bytes, where="m")
    with Classifier.open(bundle) as classifier:
        report = verify(classifier)
        assert report.runtime == classifier.runtime

    assert report.passed
    assert report.model_id == bundle.id
    assert [vector.problem for vector in report.vectors] == ["", ""]
    assert {vector.label for vector in report.vectors} <= set(bundle.labels)
    report.require("m")


def test_a_failure_names_the_first_vector_and_what_is_wrong(tiny_bytes: bytes) -> None:
    first = iter([True, False])

    def spoil(golden: Golden) -> Golden:
        return replace(golden, samples=golden.samples ^ 0x40) if next(first) else golden

    report = verified(tuned(tiny_bytes, spoil))

    assert not report.passed
    message = r"^here: 1 of 2 golden vectors failed; vector 0: the frame is fed wrongly"
    with pytest.raises(VerificationError, match=message):
        report.require("here")


def off(steps: int) -> Callable[[Golden], Golden]:
    """Return what moves the expected output's third value, which is not the best one."""

    def change(golden: Golden) -> Golden:
        output = golden.output.astype(int)
        worst = int(np.argmin(output))
        output[worst] += steps
        moved = output.astype(golden.output.dtype)
        return replace(golden, output=moved, builtin=None if golden.builtin is None else moved)

    return change


@pytest.mark.parametrize(
    ("made_with", "run_with", "tolerance"),
    [
        (HERE, HERE, OUTPUT_STEPS),
        (HERE, "tflite-runtime 2.14 (built-in kernels)", OUTPUT_STEPS_BUILTIN),
        ("tflite-runtime 2.14 (no XNNPACK)", HERE, OUTPUT_STEPS_BUILTIN),
        (HERE, "libedgetpu.so.1", OUTPUT_STEPS_BUILTIN),
    ],
    ids=["XNNPACK on both sides", "built-in here", "built-in there", "Edge TPU"],
)
@pytest.mark.parametrize("beyond", [0, 1], ids=["at the limit", "one step beyond"])
def test_other_kernels_may_differ_by_more_steps(
    tiny_bytes: bytes, made_with: str, run_with: str, tolerance: int, beyond: int
) -> None:
    report = verified(tuned(tiny_bytes, off(tolerance + beyond), made_with), run_with)

    assert report.output_tolerance == tolerance
    assert report.passed == (beyond == 0)
    if beyond:
        assert report.vectors[0].problem == (
            f"the output differs by {tolerance + 1}, allowed is {tolerance}"
        )


@pytest.mark.parametrize(
    ("factor", "passed"), [(1.0005, True), (1.01, False), (np.nan, False)], ids=str
)
def test_float_outputs_may_differ_by_a_thousandth(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    pack_with_golden: Callable[..., bytes],
    noise: Callable[..., NDArray[np.uint8]],
    factor: float,
    passed: bool,
) -> None:
    model = tiny_model(dtype="float32", ends_with="")
    data = pack_with_golden(model, contract(activation="softmax"), tiny_labels, [noise(9, 7)])
    bundle = Bundle.from_bytes(data, where="m")
    golden = bundle.golden()[0]
    fake = FakeInterpreter(
        [bundle.inputs], [bundle.outputs], [golden.output.reshape(1, -1) * np.float32(factor)]
    )

    report = verify(Classifier(bundle, fake))

    assert report.vectors[0].output_worst == pytest.approx(abs(factor - 1), rel=1e-2, nan_ok=True)
    assert report.passed == passed
    assert ("NaN" in report.vectors[0].problem) == bool(np.isnan(factor))


def test_an_accelerator_that_is_lost_says_nothing_of_the_model(tiny_bytes: bytes) -> None:
    bundle = Bundle.from_bytes(tiny_bytes, where="m")

    def lose(_: Any) -> list[NDArray[Any]]:
        raise DelegateError("unplugged")

    with pytest.raises(DelegateError, match="unplugged"):
        verify(Classifier(bundle, FakeInterpreter([bundle.inputs], [bundle.outputs], lose)))


@pytest.mark.parametrize("interpolation", get_args(Interpolation))
@pytest.mark.parametrize("beyond", [False, True], ids=["at the limit", "beyond"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_input_samples_may_differ_as_resizing_does(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    pack_with_golden: Callable[..., bytes],
    noise: Callable[..., NDArray[np.uint8]],
    interpolation: Interpolation,
    beyond: bool,
    dtype: str,
) -> None:
    said = contract(interpolation=interpolation)
    step = 1.0
    if dtype == "float32":
        # Each sample counts in pixel steps of its own channel.
        said = contract(interpolation=interpolation, std=(58.4, 57.1, 57.4))
        step = 1 / 57.4
    frames = [noise(9, 16, 4), noise(31, 20, 5)]
    data = pack_with_golden(tiny_model(dtype=dtype), said, tiny_labels, frames)
    distance = int(INPUT_TOLERANCE[interpolation][0]) + beyond

    def move_one_blue_sample(golden: Golden) -> Golden:
        samples = golden.samples.astype(np.float64)
        at = int(np.flatnonzero(sample_positions(samples.size) % 3 == 2)[7])
        samples[at] += distance * step * (1 if samples[at] < 128 * step else -1)
        return replace(golden, samples=samples.astype(golden.samples.dtype))

    assert verified(tuned(data, move_one_blue_sample)).passed == (not beyond)


def test_samples_that_all_differ_a_little_are_wrong_feeding(tiny_bytes: bytes) -> None:
    def shift(golden: Golden) -> Golden:
        samples = golden.samples.astype(int) + 1
        return replace(golden, samples=np.clip(samples, 0, 255).astype(np.uint8))

    report = verified(tuned(tiny_bytes, shift))

    assert report.vectors[0].input_worst == 1.0
    assert report.vectors[0].input_average > 0.9
    assert "fed wrongly" in report.vectors[0].problem


def test_samples_that_are_not_numbers_are_wrong_feeding(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    pack_with_golden: Callable[..., bytes],
    noise: Callable[..., NDArray[np.uint8]],
) -> None:
    data = pack_with_golden(tiny_model(dtype="float32"), contract(), tiny_labels, [noise(9, 16)])
    report = verified(tuned(data, lambda g: replace(g, samples=np.full_like(g.samples, np.nan))))

    assert "fed wrongly" in report.vectors[0].problem


def test_a_label_that_does_not_exist_is_a_problem(tiny_bytes: bytes) -> None:
    report = verified(tuned(tiny_bytes, lambda golden: replace(golden, label="cow")))

    assert report.vectors[0].problem == "the expected label 'cow' is not one of its labels"


def test_a_score_that_the_output_does_not_stand_for_is_a_problem(tiny_bytes: bytes) -> None:
    report = verified(tuned(tiny_bytes, lambda golden: replace(golden, score=golden.score / 2)))

    assert "activation, calibration or output quantisation" in report.vectors[0].problem


def test_labels_may_occur_twice(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    pack_with_golden: Callable[..., bytes],
    noise: Callable[..., NDArray[np.uint8]],
) -> None:
    # As in ImageNet, where a crane is a bird and a machine.
    labels = ("crane", "crane", "crane", "crane")
    frames = [noise(9, 16, seed) for seed in range(8)]
    data = pack_with_golden(tiny_model(), contract(), labels, frames)

    with Classifier.open(Bundle.from_bytes(data, where="m")) as classifier:
        assert {int(np.argmax(golden.output)) for golden in classifier.bundle.golden()} != {0}
        verify(classifier).require("m")


def test_a_model_without_golden_vectors_says_how_to_get_some(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    data = pack_bundle(tiny_model(), contract(), tiny_labels, name="m")

    with (
        Classifier.open(Bundle.from_bytes(data, where="m.tflite")) as classifier,
        pytest.raises(VerificationError, match=r"edge-recog adopt m\.tflite gives it some"),
    ):
        verify(classifier)


def test_models_of_others_have_no_golden_vectors(shared_data: Path) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite"

    with (
        Classifier.open(path) as classifier,
        pytest.raises(VerificationError, match="it has no golden vectors"),
    ):
        verify(classifier)


def golden_frames(
    model: bytes, contract: Contract, labels: Sequence[str], frames: Sequence[NDArray[np.uint8]]
) -> list[NDArray[np.uint8]]:
    plain = Bundle.from_bytes(pack_bundle(model, contract, labels, name="m"), where="m")
    with Classifier.open(plain) as classifier:
        return [golden.pixels for golden in make_golden(classifier, frames)[1]]


def test_frames_that_show_every_wrong_feeding_are_kept_as_they_are(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    noise: Callable[..., NDArray[np.uint8]],
) -> None:
    frames = [noise(31, 20), noise(8, 8)]

    kept = golden_frames(tiny_model(), contract(), tiny_labels, frames)

    assert [frame.shape for frame in kept] == [frame.shape for frame in frames]


@pytest.mark.parametrize(
    "frames",
    [
        [np.tile(np.arange(0, 256, 4, np.uint8)[:, None, None], (1, 90, 3))],
        "input size",
        "square",
        [np.full((20, 30, 3), 200, np.uint8)],
        [],
    ],
    ids=["grey", "of the input's size", "square", "one colour", "none"],
)
def test_frames_that_leave_wrong_feeding_unseen_get_a_colour_card(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    noise: Callable[..., NDArray[np.uint8]],
    frames: Any,
) -> None:
    given = {"input size": [noise(8, 8)], "square": [noise(23, 23)]}.get(str(frames), frames)

    kept = golden_frames(tiny_model(), contract(), tiny_labels, given)

    assert len(kept) > len(given)
    cards = [card.tobytes() for card in golden_cards()]
    assert all(frame.tobytes() in cards for frame in kept[len(given) :])


@pytest.mark.parametrize("crop", get_args(Crop))
@pytest.mark.parametrize("colour", ["RGB", "BGR", "GRAY"])
def test_colour_cards_show_every_wrong_feeding(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    crop: Crop,
    colour: Any,
) -> None:
    channels = 1 if colour == "GRAY" else 3
    model = tiny_model(shape=(1, 32, 32, channels))
    said = contract(height=32, width=32, crop=crop, colour=colour)
    kept = golden_frames(model, said, tiny_labels, [])
    changes: list[dict[str, Any]] = [{"crop": other} for other in get_args(Crop)]
    changes += [{"interpolation": other} for other in get_args(Interpolation)]
    if colour != "GRAY":
        changes += [{"colour": "BGR" if colour == "RGB" else "RGB"}]

    for change in changes:
        other = msgspec.structs.replace(said.preprocessing, **change)
        seen = [
            not np.array_equal(
                other.pixels(Frame.from_rgb(frame)),
                said.preprocessing.pixels(Frame.from_rgb(frame)),
            )
            for frame in kept
        ]
        assert any(seen) == (other != said.preprocessing)


@pytest.mark.parametrize("xnnpack", [True, False], ids=["XNNPACK", "built-in"])
def test_each_kind_of_kernels_is_held_to_its_own_answer(
    pack_with_golden: Callable[..., bytes],
    contract: Callable[..., Contract],
    resnet_int8: bytes,
    cifar_labels: tuple[str, ...],
    xnnpack: bool,
) -> None:
    fed = contract(height=32, width=32, mean=(0.0,), std=(1.0,))
    packed = pack_with_golden(resnet_int8, fed, cifar_labels, golden_cards())
    bundle = Bundle.from_bytes(packed, where="m")
    with Classifier.open(bundle, xnnpack=xnnpack) as classifier:
        report = verify(classifier)

    assert report.passed
    assert {vector.output_worst for vector in report.vectors} == {0.0}
    # tflite-runtime has none of XNNPACK's kernels for 8-bit models.
    sharp = xnnpack and "XNNPACK" in report.runtime
    assert report.output_tolerance == (OUTPUT_STEPS if sharp else OUTPUT_STEPS_BUILTIN)
