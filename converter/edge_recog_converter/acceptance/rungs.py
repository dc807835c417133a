"""The ways to quantise, from what costs least on; each is made only when it is its turn.

Unless zeros must stay, weights are rounded by what their layers compute (`weight_rounding`). On
EfficientNet-Lite0 at 160x160, calibrated on 58 crops of photographs, the float network's first
answer was given on 196 others, with that and without:

| ranges | rounded so | each to its nearest |
| --- | --- | --- |
| least and largest value | 90.8 % | 88.3 % |
| least mean squared error | 94.4 % | 87.2 % |
| percentile 99.99 | 93.4 % | 85.2 % |
| least mean squared error, equalised, biases corrected | 95.4 % | 91.3 % |

With ranges by least mean squared error, 1, 2, 4, 8 and 15 of its 60 layers in float gave 95.4,
95.4, 96.4, 96.9 and 96.9 %, in files of 5.26, 5.27, 5.27, 9.6 and 10.8 MB.

ResNet-8, trained on 1500 pictures of ten made-up classes, gave 93.1 % with equalised channels. Four
epochs of training from there made that 97.6 % with a learning rate of 2e-5, 96.6 % with 1e-4 and
95.4 % with 5e-4; from plain ranges, 96.7 %, 96.5 % and 94.0 %. So training goes on from the form
that came nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_recog_converter.acceptance.converters import TfliteConverter
from edge_recog_converter.acceptance.distilling import distil
from edge_recog_converter.acceptance.forms import Form, Forms
from edge_recog_converter.acceptance.litert import LiteRtQuantizer
from edge_recog_converter.errors import ConversionError, TrainingError
from edge_recog_converter.ptq.calibrating import Method
from edge_recog_converter.quantization import quantize_full_int8

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from edge_recog_converter.acceptance.converters import Converter
    from edge_recog_converter.acceptance.quantizable import Quantizable
    from edge_recog_converter.acceptance.sections import Accept, Rung
    from edge_recog_converter.report.document import Epoch

INTEGERS: Final = TfliteConverter()
"""Writes files that are integers throughout."""
MIXED: Final = LiteRtQuantizer()
"""Writes files with some layers in float; see `converters` for why it is another one."""
_MOST_FLOAT: Final = 4
"""Of so many layers, one may be left in float."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A file that may be good enough."""

    rung: Rung
    detail: str
    """How it was made, in some words."""
    converter: str
    """Which program wrote it, and its version."""
    tflite: bytes


@dataclass(frozen=True, slots=True)
class Impossible:
    """A rung that this network cannot take, or cannot take any further."""

    rung: Rung
    reason: str


def candidates(
    quantizable: Quantizable,
    accept: Accept,
    *,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
) -> Generator[Candidate | Impossible, float, None]:
    """Yield files, rung by rung; send back by how far each misses what is wanted.

    Later rungs go on from what came nearest: the best way to choose ranges is kept for equalised
    channels, and the best of all forms for mixed precision and for training.

    Args:
        quantizable: What is to be quantised.
        accept: Which rungs, and how long to learn.
        on_epoch: Called after each epoch of quantisation-aware training.

    Raises:
        ConversionError: The calibration inputs are missing or do not fit.
    """
    forms = Forms(quantizable)
    standing: dict[Form, float] = {}
    for rung in accept.rungs:
        try:
            if rung == "post-training":
                yield from _post_training(quantizable, standing)
            elif rung == "calibration":
                yield from _calibration(forms, standing)
            elif rung == "equalisation":
                yield from _equalisation(forms, standing)
            elif rung == "mixed-precision":
                yield from _mixed_precision(forms, standing)
            else:
                yield from _quantisation_aware(quantizable, accept, forms, standing, on_epoch)
        except (ConversionError, TrainingError) as error:
            yield Impossible(rung, str(error))


def steps_to(most: int) -> Iterator[int]:
    """Yield 1, 2, 4 and so on, and at last `most`, which is at least 1."""
    step = 1
    while step < most:
        yield step
        step *= 2
    yield most


def _post_training(
    quantizable: Quantizable, standing: dict[Form, float]
) -> Generator[Candidate, float, None]:
    prepared = quantizable.prepared
    adapt = prepared is None and not quantizable.sparse
    tflite = quantize_full_int8(
        quantizable.network if prepared is None else prepared,
        quantizable.calibration,
        adapt_rounding=adapt,
        seed=quantizable.seed,
    )
    form = Form(Method.MIN_MAX)
    standing[form] = yield Candidate(
        "post-training", f"{form}; {_weights(quantizable)}", INTEGERS.name, tflite
    )


def _calibration(forms: Forms, standing: dict[Form, float]) -> Generator[Candidate, float, None]:
    for method in (Method.MEAN_SQUARED_ERROR, Method.PERCENTILE):
        form = Form(method)
        standing[form] = yield _written("calibration", str(form), forms, form, INTEGERS)


def _equalisation(forms: Forms, standing: dict[Form, float]) -> Generator[Candidate, float, None]:
    form = Form(_best(standing).method, equalized=True)
    standing[form] = yield _written("equalisation", str(form), forms, form, INTEGERS)


def _mixed_precision(
    forms: Forms, standing: dict[Form, float]
) -> Generator[Candidate, float, None]:
    form = _best(standing)
    worst = [one.layer for one in forms.sensitivities(form)]
    for number in steps_to(max(1, len(worst) // _MOST_FLOAT)):
        names = worst[:number]
        shown = ", ".join(names[:4]) + (" …" if number > 4 else "")
        detail = f"{number} of {len(worst)} layers in float ({shown}); {form}"
        floats = forms.with_last_activation(form, frozenset(names))
        yield _written("mixed-precision", detail, forms, form, MIXED, floats=floats)


def _quantisation_aware(
    quantizable: Quantizable,
    accept: Accept,
    forms: Forms,
    standing: dict[Form, float],
    on_epoch: Callable[[Epoch], object],
) -> Generator[Candidate, float, None]:
    form = _best(standing)
    model = forms.rounding(form)
    distil(
        model,
        quantizable,
        epochs=accept.epochs,
        learning_rate=accept.learning_rate,
        on_epoch=on_epoch,
    )
    epochs = f"{accept.epochs} epoch{'s' * (accept.epochs != 1)}"
    yield Candidate(
        "quantisation-aware",
        f"{epochs} with the float network as teacher, from {form}",
        INTEGERS.name,
        INTEGERS.convert(model, forms.inputs),
    )


def _written(
    rung: Rung,
    detail: str,
    forms: Forms,
    form: Form,
    converter: Converter,
    *,
    floats: frozenset[str] = frozenset(),
) -> Candidate:
    rounding = forms.rounding(form, floats=floats)
    tflite = converter.convert(rounding, forms.inputs, floats=floats)
    return Candidate(rung, detail, converter.name, tflite)


def _best(standing: dict[Form, float]) -> Form:
    """Return the form that came nearest; the plainest where none was tried."""
    return min(standing, key=standing.__getitem__, default=Form(Method.MIN_MAX))


def _weights(quantizable: Quantizable) -> str:
    if quantizable.prepared is not None:
        return "weights rounded beforehand"
    if quantizable.sparse:
        return "each weight to its nearest integer, zeros kept"
    return "weights rounded by what their layers compute"
