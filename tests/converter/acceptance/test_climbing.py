"""The ladder with real networks: files that are written and run, the runtime as judge."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.acceptance.converters import TfliteConverter
from edge_recog_converter.acceptance.distilling import distil
from edge_recog_converter.acceptance.forms import Form, Forms
from edge_recog_converter.acceptance.judging import Reference
from edge_recog_converter.acceptance.ladder import Accepted, NotAcceptedError, climb
from edge_recog_converter.acceptance.litert import LiteRtQuantizer
from edge_recog_converter.acceptance.quantizable import Lessons, Quantizable
from edge_recog_converter.acceptance.rungs import Candidate, candidates, steps_to
from edge_recog_converter.acceptance.sections import Accept
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.learning.plans import Samples
from edge_recog_converter.parity import Answers
from edge_recog_converter.ptq import Method
from edge_recog_converter.quantization import convert_float
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Contract
from edge_recog.frames import Frame
from edge_recog.interpreters import open_interpreter
from edge_recog.packing import pack_bundle
from edge_recog.preprocessing import Preprocessing
from edge_recog.tflite import read_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_recog_converter.datasets import Task
    from edge_recog_converter.report.document import Attempt, Epoch
    from numpy.typing import NDArray

    from edge_recog.tflite import Tensor

SIDE = 10
CLASSES = 8
MEAN, STD = 127.0, 128.0
LABELS = tuple(f"row {row}" for row in range(CLASSES))
LAYERS = keras.layers


def stripes(count: int, *, seed: int) -> Samples:
    """Return noisy dark pictures with a bright stripe, and at which of eight rows it begins."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    pixels = rng.integers(0, 120, (count, SIDE, SIDE, 3))
    for row, label in zip(pixels, labels, strict=True):
        row[label : label + 3] += rng.integers(20, 50)
    return Samples(pixels.astype(np.uint8), np.eye(CLASSES, dtype=np.float32)[labels])


def inputs_of(samples: Samples, count: int) -> list[NDArray[np.float32]]:
    ends = [np.full((1, SIDE, SIDE, 3), end) for end in (0, 255)]
    pixels = [*samples.pixels[:count, np.newaxis], *ends]
    return [((one - MEAN) / STD).astype(np.float32) for one in pixels]


def learn(model: Any, samples: Samples, *, steps: int) -> None:
    inputs = ((samples.pixels[:] - MEAN) / STD).astype(np.float32)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(samples.targets, model(inputs, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    for _ in range(steps):
        step()


def copy_of(model: Any) -> Any:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


TRAIN, VALIDATION = stripes(512, seed=2), stripes(300, seed=3)


@pytest.fixture(scope="module")
def learned() -> Any:
    """The network, to logits; its copies are changed, not itself."""
    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = LAYERS.Conv2D(16, 3, padding="same", name="first")(image)
    x = LAYERS.ReLU(name="first_relu")(x)
    x = LAYERS.DepthwiseConv2D(3, padding="same", name="second")(x)
    x = LAYERS.ReLU(name="second_relu")(x)
    x = LAYERS.Conv2D(16, 1, name="third")(x)
    x = LAYERS.ReLU(name="third_relu")(x)
    x = LAYERS.MaxPooling2D(2, name="pool")(x)
    x = LAYERS.Flatten(name="flatten")(x)
    model = keras.Model(image, LAYERS.Dense(CLASSES, name="logits")(x), name="stripes")
    learn(model, TRAIN, steps=80)
    return model


def with_outlier_channels(learned: Any, factor: float) -> Any:
    """Return the same function, with one of sixteen channels of two layers so much larger."""
    model = copy_of(learned)
    factors = np.ones(16)
    factors[5] = factor
    for first, second in (("first", "second"), ("third", "logits")):
        scaled, next_one = model.get_layer(first), model.get_layer(second)
        scaled.kernel.assign(np.asarray(scaled.kernel) * factors)
        scaled.bias.assign(np.asarray(scaled.bias) * factors)
        kernel = np.asarray(next_one.kernel)
        by_channel = kernel.reshape(-1, 16, kernel.shape[-1]) / factors[:, np.newaxis]
        next_one.kernel.assign(by_channel.reshape(kernel.shape))
    return model


def with_unroundable_layer(learned: Any) -> Any:
    """Return the same function: large weights of a channel that is always 0 dwarf the others."""
    model = copy_of(learned)
    second, third = model.get_layer("second"), model.get_layer("third")
    kernel, bias = np.asarray(second.kernel).copy(), np.asarray(second.bias).copy()
    kernel[:, :, 0], bias[0] = 0, 0
    second.kernel.assign(kernel)
    second.bias.assign(bias)
    kernel = np.asarray(third.kernel).copy()
    kernel[:, :, 0] = 300 * np.abs(kernel).max()
    third.kernel.assign(kernel)
    return model


def with_softmax(network: Any) -> Any:
    scores = LAYERS.Activation("softmax", name="probabilities")(network.outputs[0])
    return keras.Model(network.inputs[0], scores, name="head")


def quantizable_of(
    network: Any, *, prepared: Any = None, sparse: bool = False, task: Task = "single-label"
) -> Quantizable:
    return Quantizable(
        network=network,
        prepared=prepared,
        calibration=inputs_of(TRAIN, 24),
        seed=0,
        sparse=sparse,
        lessons=Lessons(
            train=TRAIN,
            validation=VALIDATION,
            mean=MEAN,
            std=STD,
            objective=OBJECTIVES[task],
        ),
    )


@dataclass(frozen=True, slots=True)
class Judge:
    """Runs files over the validation pictures, through the runtime's classifier."""

    activation: str = "softmax"

    def __call__(self, tflite: bytes) -> Answers:
        preprocessing = Preprocessing(
            height=SIDE, width=SIDE, crop="stretch", mean=(MEAN,), std=(STD,)
        )
        contract = Contract(preprocessing=preprocessing, activation=self.activation)
        bundle = Bundle.from_bytes(pack_bundle(tflite, contract, LABELS, name="x"), where="x")
        with Classifier.open(bundle) as classifier:
            scores = [
                classifier.trace(Frame.from_rgb(picture)).scores for picture in VALIDATION.pixels[:]
            ]
        return Answers(np.stack(scores), (1.0, 1.0))


def reference_of(network: Any, judge: Judge) -> Reference:
    return Reference(
        labels=LABELS,
        targets=VALIDATION.targets,
        scores=judge(convert_float(network)).scores,
        thresholds=None,
    )


def climbed(network: Any, accept: Accept, judge: Judge, **given: Any) -> Accepted:
    return climb(quantizable_of(network, **given), accept, reference_of(network, judge), judge)


def rungs_of(attempts: Iterable[Attempt]) -> list[str]:
    return [attempt.rung for attempt in attempts]


def test_the_first_file_that_is_good_enough_is_taken(learned: Any) -> None:
    judge, told = Judge(), []
    quantizable = quantizable_of(learned)
    found = climb(
        quantizable, Accept(), reference_of(learned, judge), judge, on_attempt=told.append
    )
    assert found.attempts == tuple(told)
    (attempt,) = told
    assert (attempt.rung, attempt.accepted, attempt.reason) == ("post-training", True, "")
    assert attempt.converter.startswith("TFLiteConverter of TensorFlow 2.")
    assert attempt.count == 300
    assert attempt.drop_low <= attempt.drop <= attempt.drop_high
    assert attempt.size_bytes == len(found.tflite) == len(found.candidate.tflite)
    assert attempt.smallest_loss_shown == 5 / 300
    assert 0 < attempt.calibration_error < 0.1
    assert attempt.seconds > 0


def test_a_residual_network_needs_no_more_than_the_first_rung() -> None:
    keras.utils.set_random_seed(1)
    network = build_architecture("resnet-8", input_shape=(SIDE, SIDE, 3), classes=CLASSES)
    for layer in network.layers:
        if isinstance(layer, LAYERS.BatchNormalization):
            layer.momentum = 0.8
    learn(network, TRAIN, steps=25)
    found = climbed(network, Accept(), Judge())
    assert rungs_of(found.attempts) == ["post-training"]


def test_outlier_channels_are_passed_by_equalising_them(learned: Any) -> None:
    found = climbed(with_outlier_channels(learned, 100), Accept(), Judge())
    assert rungs_of(found.attempts) == [
        "post-training",
        "calibration",
        "calibration",
        "equalisation",
    ]
    assert [attempt.accepted for attempt in found.attempts] == [False, False, False, True]
    assert "top-1 drops" in found.attempts[0].reason
    assert "mean squared error" in found.attempts[1].detail
    assert "percentile" in found.attempts[2].detail
    assert found.attempts[0].lost[0].lost > 0
    assert found.impossible == ()


@pytest.mark.parametrize("ends_in_softmax", [False, True], ids=["logits", "scores"])
def test_a_layer_that_cannot_be_rounded_is_left_in_float(
    learned: Any, ends_in_softmax: bool
) -> None:
    accept = Accept(min_agreement=0.995, rungs=("post-training", "mixed-precision"))
    network = with_unroundable_layer(learned)
    if ends_in_softmax:
        network, judge = with_softmax(network), Judge("none")
    else:
        judge = Judge()
    found = climbed(network, accept, judge)
    assert rungs_of(found.attempts) == ["post-training", "mixed-precision"]
    last = found.attempts[-1]
    assert last.converter.startswith("litert-quantizer ")
    assert last.detail.startswith("1 of 4 layers in float (third)")
    kernels = {tensor.shape: tensor.dtype for tensor in tensors_of(found.tflite) if tensor.data}
    assert kernels[(16, 1, 1, 16)] == "float32"
    assert kernels[(16, 3, 3, 3)] == kernels[(CLASSES, 400)] == "int8"


@pytest.mark.parametrize("ends_in_softmax", [False, True], ids=["logits", "scores"])
def test_training_recovers_what_rounding_loses(learned: Any, ends_in_softmax: bool) -> None:
    network = with_outlier_channels(learned, 100)
    if ends_in_softmax:
        network = with_softmax(network)
    before = network.get_weights()
    accept = Accept(max_drop=1.0, rungs=("post-training", "quantisation-aware"), learning_rate=1e-3)
    judge, numbers = Judge("none" if ends_in_softmax else "softmax"), []
    found = climb(
        quantizable_of(network),
        accept,
        reference_of(network, judge),
        judge,
        on_epoch=lambda epoch: numbers.append(epoch.number),
    )
    assert rungs_of(found.attempts) == ["post-training", "quantisation-aware"]
    assert numbers == [1, 2, 3, 4]
    assert {tensor.dtype for tensor in tensors_of(found.tflite)} == {"int8", "int32", "uint8"}
    assert judge(found.tflite).scores.sum(axis=1) == pytest.approx(1, abs=0.05)
    for one, other in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_where_nothing_passes_the_nearest_is_named(learned: Any) -> None:
    network = with_outlier_channels(learned, 100)
    accept = Accept(rungs=("post-training", "calibration"))
    with pytest.raises(NotAcceptedError) as caught:
        climbed(network, accept, Judge())
    attempts, message = caught.value.attempts, str(caught.value)
    assert rungs_of(attempts) == ["post-training", "calibration", "calibration"]
    best = max(attempts, key=lambda attempt: attempt.agreement)
    assert message.startswith("no INT8 file is good enough: the best of 3, ")
    assert best.reason in message
    assert "300 validation pictures, which can show no loss below 1.7 points at 95 %" in message
    assert "Calibrate on more pictures, loosen accept, or train the network longer" in message


def test_rungs_that_a_network_cannot_take_are_named() -> None:
    keras.utils.set_random_seed(2)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = LAYERS.Conv2D(4, 3, name="conv")(image)
    x = LAYERS.GlobalAveragePooling2D(name="mean")(LAYERS.LeakyReLU(name="leaky")(x))
    network = keras.Model(image, LAYERS.Dense(CLASSES, name="logits")(x))
    accept = Accept(rungs=("calibration", "quantisation-aware"))
    with pytest.raises(NotAcceptedError, match="no INT8 file could be made") as caught:
        climbed(network, accept, Judge())
    assert caught.value.attempts == ()
    for rung in accept.rungs:
        assert f"{rung} cannot be done (1 layers have no form" in str(caught.value)
    assert climbed(network, Accept(rungs=("post-training",)), Judge()).impossible == ()


def test_prepared_weights_are_converted_as_they_are(learned: Any) -> None:
    # Integers that rounding by what the layer computes, or equalised channels, would not give.
    integers = np.random.default_rng(4).integers(-100, 101, (1, 1, 16, 16))
    integers[:, :, 0] = 127
    prepared = copy_of(learned)
    prepared.get_layer("third").kernel.assign(integers * 0.01)
    accept = Accept(rungs=("post-training", "calibration", "equalisation"))
    files = made(quantizable_of(learned, prepared=prepared), accept)
    as_given = [
        np.array_equal(kernel_of(file.tflite, "third"), integers.transpose(3, 0, 1, 2))
        for file in files
    ]
    assert as_given == [True, True, True, False]
    assert files[0].detail == "ranges by min max; weights rounded beforehand"


def made(quantizable: Quantizable, accept: Accept) -> list[Candidate]:
    """Return all that the rungs give, as though nothing were good enough."""
    coming = candidates(quantizable, accept)
    found = [next(coming)]
    while True:
        try:
            found.append(coming.send(1.0))
        except StopIteration:
            break
    assert all(isinstance(one, Candidate) for one in found)
    return found


def tensors_of(tflite: bytes) -> tuple[Tensor, ...]:
    return read_model(tflite).subgraphs[0].tensors


def kernel_of(tflite: bytes, layer: str) -> NDArray[np.int8]:
    shape = {"first": (16, 3, 3, 3), "third": (16, 1, 1, 16)}[layer]
    (tensor,) = [one for one in tensors_of(tflite) if one.shape == shape and one.data]
    assert tensor.dtype == "int8"
    return np.frombuffer(tensor.data, np.int8).reshape(shape)


def test_zeros_of_a_sparse_network_stay_zeros(learned: Any) -> None:
    network = copy_of(learned)
    zeros = {}
    for name in ("first", "third"):
        layer = network.get_layer(name)
        kernel = np.asarray(layer.kernel)
        pruned = np.where(np.abs(kernel) < np.median(np.abs(kernel)), 0, kernel)
        layer.kernel.assign(pruned)
        zeros[name] = pruned.transpose(3, 0, 1, 2) == 0
    accept = Accept(
        rungs=("post-training", "calibration", "equalisation", "quantisation-aware"),
        epochs=2,
        learning_rate=1e-3,
    )
    files = made(quantizable_of(network, sparse=True), accept)
    assert rungs_of(files)[-1] == "quantisation-aware"
    for file in files:
        for name, where in zeros.items():
            assert not kernel_of(file.tflite, name)[where].any(), (file.detail, name)
    dense = made(quantizable_of(network), Accept(rungs=("post-training",)))[0].tflite
    assert kernel_of(dense, "third")[zeros["third"]].any()


def test_several_labels_are_learned_from_the_teachers_scores(learned: Any) -> None:
    epochs: list[Epoch] = []
    quantizable = quantizable_of(learned, task="multi-label")
    model = Forms(quantizable).rounding(Form(Method.MIN_MAX))
    distil(model, quantizable, epochs=3, learning_rate=1e-3, on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[-1].validation_loss < epochs[0].validation_loss
    assert all(epoch.score > 0.9 for epoch in epochs)


def raw_of(tflite: bytes) -> NDArray[Any]:
    with contextlib.closing(open_interpreter(tflite, threads=1)) as interpreter:
        answers = []
        for picture in VALIDATION.pixels[:50]:
            interpreter.input_view()[...] = picture
            interpreter.invoke()
            answers.append(interpreter.read_output().reshape(-1))
    return np.stack(answers)


def test_both_converters_write_the_same_integers(learned: Any) -> None:
    quantizable = quantizable_of(learned)
    forms = Forms(quantizable)
    rounding = forms.rounding(Form(Method.MEAN_SQUARED_ERROR))
    one, other = (
        raw_of(converter.convert(rounding, forms.inputs))
        for converter in (TfliteConverter(), LiteRtQuantizer())
    )
    assert one.dtype == other.dtype == np.uint8
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("converter", [TfliteConverter(), LiteRtQuantizer()], ids=["tf", "litert"])
def test_a_last_layer_in_float_gives_floats(
    learned: Any, converter: TfliteConverter | LiteRtQuantizer
) -> None:
    forms = Forms(quantizable_of(learned))
    floats = frozenset({"logits"})
    rounding = forms.rounding(Form(Method.MIN_MAX), floats=floats)
    content = converter.convert(rounding, forms.inputs, floats=floats)
    (graph,) = read_model(content).subgraphs
    assert graph.tensors[graph.inputs[0]].dtype == "uint8"
    assert graph.tensors[graph.outputs[0]].dtype == "float32"
    inputs = ((VALIDATION.pixels[:50] - MEAN) / STD).astype(np.float32)
    logits = np.asarray(learned(inputs))
    assert np.abs(raw_of(content) - logits).mean() < 0.02 * np.ptp(logits)
    with pytest.raises(ConversionError, match="nothing"):
        converter.convert(rounding, forms.inputs, floats=frozenset({"nothing"}))


def test_scores_of_float_logits_are_not_rounded(learned: Any) -> None:
    network, judge = with_softmax(learned), Judge("none")
    forms, form = Forms(quantizable_of(network)), Form(Method.MIN_MAX)
    floats = forms.with_last_activation(form, frozenset({"logits"}))
    assert floats == {"logits", "probabilities"}
    assert forms.with_last_activation(form, frozenset({"third"})) == {"third"}
    content = LiteRtQuantizer().convert(
        forms.rounding(form, floats=floats), forms.inputs, floats=floats
    )
    scores = judge(content).scores
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(scores - judge(convert_float(network)).scores).mean() < 0.01


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 500))
def test_steps_double_up_to_the_most(most: int) -> None:
    steps = list(steps_to(most))
    assert steps[-1] == most
    assert steps[:-1] == [2**power for power in range(len(steps) - 1)]
    assert all(one < other for one, other in itertools.pairwise(steps))


def test_words_and_statistics_load_no_tensorflow() -> None:
    program = (
        "import sys, edge_recog_converter.acceptance.judging, "
        "edge_recog_converter.acceptance.sections; "
        "print(sorted({'keras', 'tensorflow', 'litert_quantizer'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
