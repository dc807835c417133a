"""The training loop with a network that rounds, in every precision that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.learning.fitting import fit
from edge_recog_converter.learning.plans import Plan, Samples, unchanged
from edge_recog_converter.qat import convert_fake_quantized, fake_quantized

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from edge_recog_converter.learning.plans import Precision
    from numpy.typing import NDArray

CLASSES = 3


def samples(count: int, seed: int) -> Samples:
    """Return pictures whose class is the brightest channel."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    pixels = rng.integers(0, 120, (count, 8, 8, 3))
    pixels[np.arange(count), :, :, labels] += 90
    return Samples(pixels.astype(np.uint8), np.eye(CLASSES, dtype=np.float32)[labels])


def network() -> Any:
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    model = keras.Model(image, keras.layers.Dense(CLASSES, name="logits")(x))
    inputs = [((pixels[np.newaxis] - 127.0) / 128).astype(np.float32) for pixels in PIXELS]
    return fake_quantized(model, inputs)


PIXELS = [*samples(12, 5).pixels, *(np.full((8, 8, 3), end, np.uint8) for end in (0, 255))]


def plan(epochs: int, precision: Precision = "float32") -> Plan:
    return Plan(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(0.02),
        epochs=epochs,
        batch_size=16,
        mean=127.0,
        std=128.0,
        order=lambda epoch: np.random.default_rng([7, epoch]).permutation(60),
        score=lambda logits, targets: float(np.mean(logits.argmax(1) == targets.argmax(1))),
        augment=unchanged,
        precision=precision,
    )


def answers(content: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    best = []
    for picture in pixels:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[np.newaxis])
        interpreter.invoke()
        output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        best.append(int(output.argmax()))
    return np.array(best)


@pytest.mark.parametrize("precision", ["float32", "mixed-bfloat16", "mixed-float16"])
def test_what_is_learned_is_in_the_file(precision: Precision) -> None:
    model = network()
    fitted = fit(model, samples(60, 1), samples(30, 2), plan(12, precision))
    held_out = samples(60, 3)
    right = answers(convert_fake_quantized(model), held_out.pixels) == held_out.targets.argmax(1)
    assert fitted.history[-1].loss < 0.5 * fitted.history[0].loss
    assert right.mean() >= 0.9


def test_a_training_that_was_stopped_goes_on_with_the_ranges_it_had(tmp_path: Path) -> None:
    whole, parts = network(), network()
    fit(whole, samples(60, 1), samples(30, 2), plan(4))
    checkpoint = tmp_path / "training"
    fit(parts, samples(60, 1), samples(30, 2), plan(2), checkpoint=checkpoint)
    again = network()
    fit(again, samples(60, 1), samples(30, 2), plan(4), checkpoint=checkpoint)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
