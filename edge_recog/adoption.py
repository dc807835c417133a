"""Giving a contract to a model that others made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.archive import split_archive
from edge_recog.bundle import Bundle, classifier_specs, needs_edgetpu
from edge_recog.classifier import Classifier
from edge_recog.colour_card import golden_cards
from edge_recog.contract import Contract
from edge_recog.errors import BundleError, UsageError, located
from edge_recog.foreign import final_activation
from edge_recog.interpreters.trial import try_model
from edge_recog.packing import pack_bundle
from edge_recog.preprocessing import Preprocessing
from edge_recog.tflite import read_model
from edge_recog.verification import make_golden

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog.contract import Task
    from edge_recog.predictions import Activation
    from edge_recog.preprocessing import Colour, Crop, Interpolation
    from edge_recog.tensors import TensorSpec


def adopt(
    data: bytes,
    *,
    where: str,
    labels: Sequence[str],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    colour: Colour | None = None,
    crop: Crop = "center-crop",
    interpolation: Interpolation = "linear",
    activation: Activation | None = None,
    task: Task = "single-label",
    name: str = "",
    frames: Iterable[NDArray[np.uint8]] | None = None,
) -> bytes:
    """Return the model with a contract, golden vectors and a seal.

    The model is first run in a process of its own, so that one which crashes the interpreter does
    no harm here. The golden vectors fix what it answers now: they catch later damage and wrong
    feeding, not a contract that was wrong from the start.

    Args:
        data: The model file.
        where: Its path, for messages.
        labels: In the order of its output.
        mean: See `Preprocessing.mean`.
        std: See `Preprocessing.std`.
        colour: RGB or BGR; None for RGB, or GRAY if the input has one channel.
        crop: See `Preprocessing.crop`.
        interpolation: See `Preprocessing.interpolation`.
        activation: What is left to do to its output; None where the graph itself ends with a
            softmax or sigmoid.
        task: One label a picture, or several.
        name: For people; the file's if empty.
        frames: RGB pictures to make golden vectors of; colour cards if None.

    Raises:
        BundleError: The model is no classifier, or labels and contract do not fit it.
        InterpreterError: The interpreter rejects the model or crashes on it.
        UsageError: The numbers make no sense.
    """
    try:
        flatbuffer, _ = split_archive(data)
        model = read_model(flatbuffer)
        inputs, _ = classifier_specs(model)
        built_in = final_activation(model.main)
        if activation is None and built_in is None and not needs_edgetpu(model):
            raise UsageError(
                f"{where}: its last operator leaves logits; add --activation softmax if one label "
                "is right, --activation sigmoid if several may be, or --activation none if the "
                "output is a score from 0 to 1 already"
            )
        if built_in is not None and activation not in {None, "none"}:
            raise UsageError(
                f"{where}: its graph ends with a {built_in} already; leave out --activation"
            )
        contract = Contract(
            preprocessing=_preprocessing(inputs, mean, std, colour, crop, interpolation),
            activation=activation or "none",
            task=task,
        )
        name = name or Path(where).stem
        packed = pack_bundle(flatbuffer, contract, labels, name=name)
        if needs_edgetpu(model):
            # Without the device there is no answer to keep.
            return packed
        try_model(flatbuffer)
        with Classifier.open(Bundle.from_bytes(packed, where=where)) as classifier:
            golden = make_golden(classifier, golden_cards() if frames is None else frames)
        return pack_bundle(flatbuffer, contract, labels, name=name, golden=golden)
    except BundleError as error:
        raise located(error, where) from error
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _preprocessing(
    inputs: TensorSpec,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    colour: Colour | None,
    crop: Crop,
    interpolation: Interpolation,
) -> Preprocessing:
    planar = inputs.shape[1] in {1, 3} and inputs.shape[3] not in {1, 3}
    height, width, channels = inputs.shape[2:] + inputs.shape[1:2] if planar else inputs.shape[1:]
    return Preprocessing(
        height=height,
        width=width,
        colour=colour or ("GRAY" if channels == 1 else "RGB"),
        crop=crop,
        interpolation=interpolation,
        mean=mean,
        std=std,
        layout="NCHW" if planar else "NHWC",
    )
