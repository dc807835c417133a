"""Networks, as Keras models: a table of what there is, and one way to build each.

    model = build_architecture("mobilenet-v3-small", input_shape=(96, 96, 3), classes=10, width=0.5)

Every model takes `image`, (batch, height, width, channels) float32, `(pixel - mean) / std` with the
figures of its row; has a layer `features`, (batch, size), and after it `dropout` and `logits`. All
layers are Keras's own, and each model converts to TFLite in 8-bit integers from end to end.
Importing this loads no TensorFlow.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import random
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that can be built."""

    builder: str
    """`module:function` below this package, imported when a model is built."""
    variant: int | str | None = None
    """Handed to the function first; None where the family has one member."""
    native_side: int = 224
    """Of the square input it was published with, in pixels."""
    least_side: int = 32
    """Neither height nor width may be less, in pixels."""
    multiple_of: int = 1
    """Height and width must be multiples of this."""
    channels: tuple[int, ...] = (1, 3)
    """What the input may have: 1 for grey, 3 for RGB."""
    pixel_mean: float = 127.0
    """Subtracted from each 0-255 pixel. A whole number, so that it can be a zero point: INT8 models
    then take pixels as they are."""
    pixel_std: float = 128.0
    """Then divided by this."""
    dropout: float = 0.0
    """Share of features dropped before the classifier while training, 0-1, as published."""


def _lite(variant: int, native_side: int, dropout: float) -> Architecture:
    return Architecture(
        "efficientnet_lite:build_scaled_efficientnet_lite",
        variant,
        native_side=native_side,
        channels=(3,),
        dropout=dropout,
    )


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "lenet-5": Architecture("lenet:build_lenet", native_side=32, least_side=16),
        "alexnet": Architecture("alexnet:build_alexnet", least_side=57, dropout=0.5),
        "vgg-11": Architecture("vgg:build_vgg", 11, dropout=0.5),
        "vgg-16": Architecture("vgg:build_vgg", 16, dropout=0.5),
        "resnet-8": Architecture("resnet:build_resnet", 8, native_side=32, least_side=8),
        "resnet-18": Architecture("resnet:build_resnet", 18),
        "resnet-34": Architecture("resnet:build_resnet", 34),
        "resnet-50": Architecture("resnet:build_resnet", 50),
        "mobilenet-v1": Architecture("mobilenet_v1:build_mobilenet_v1", dropout=0.001),
        "mobilenet-v2": Architecture("mobilenet_v2:build_mobilenet_v2", dropout=0.2),
        "mobilenet-v3-small": Architecture("mobilenet_v3:build_mobilenet_v3", "small", dropout=0.2),
        "mobilenet-v3-large": Architecture("mobilenet_v3:build_mobilenet_v3", "large", dropout=0.2),
        "efficientnet-lite0": _lite(0, 224, 0.2),
        "efficientnet-lite1": _lite(1, 240, 0.2),
        "efficientnet-lite2": _lite(2, 260, 0.3),
        "efficientnet-lite3": _lite(3, 280, 0.3),
        "efficientnet-lite4": _lite(4, 300, 0.3),
        "vit-c-1gf": Architecture("vision_transformer:build_vision_transformer"),
        "mobilevit-xxs": Architecture(
            "mobilevit:build_mobilevit",
            native_side=256,
            least_side=128,
            multiple_of=64,
            dropout=0.1,
        ),
    }
)
"""By name, families in the order in which they were published, but for EfficientNet-Lite."""


def find_architecture(name: str) -> Architecture:
    """Return the row of `ARCHITECTURES`.

    Raises:
        RecipeError: There is no such name; the nearest known one is named.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    near = difflib.get_close_matches(name.lower(), ARCHITECTURES, n=1, cutoff=0.0)[0]
    raise RecipeError(
        f"there is no architecture {name!r}: did you mean {near!r}? There are "
        f"{', '.join(ARCHITECTURES)}"
    )


def build_architecture(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    classes: int | None,
    width: float = 1.0,
    dropout: float | None = None,
    seed: int = 0,
) -> Any:
    """Return a `keras.Model` with random weights.

    Args:
        name: A key of `ARCHITECTURES`.
        input_shape: Height, width and channels.
        classes: Size of the layer `logits`; None ends the model at `features`.
        width: Multiplies the channels, which stay multiples of 8; > 0. The family's function says
            which layers it leaves alone.
        dropout: Replaces the architecture's dropout, 0 ≤ dropout < 1; 0 builds no dropout layer.
        seed: The same seed gives the same weights and the same dropout.

    Raises:
        RecipeError: There is no such architecture, or an argument is out of its range.
    """
    architecture = find_architecture(name)
    dropout = architecture.dropout if dropout is None else dropout
    _check(name, architecture, input_shape)
    if not (width > 0 and 0 <= dropout < 1 and (classes is None or classes >= 1)):
        raise RecipeError(
            f"{name} cannot have width {width}, dropout {dropout} and {classes} classes: width "
            "must be positive, dropout at least 0 and less than 1, classes at least 1"
        )
    module, _, function = architecture.builder.partition(":")
    build = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    family = () if architecture.variant is None else (architecture.variant,)
    with _seeded(seed):
        return build(
            *family, input_shape=input_shape, classes=classes, width=width, dropout=dropout
        )


def _check(name: str, architecture: Architecture, input_shape: tuple[int, int, int]) -> None:
    height, breadth, channels = input_shape
    least, step = architecture.least_side, architecture.multiple_of
    if (
        channels not in architecture.channels
        or min(height, breadth) < least
        or height % step
        or breadth % step
    ):
        wanted = " or ".join(str(count) for count in architecture.channels)
        multiples = f", multiples of {step}" if step > 1 else ""
        raise RecipeError(
            f"{name} cannot take input {height}x{breadth}x{channels}: use {wanted} channels and "
            f"at least {least} pixels a side{multiples}"
        )


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Make the initialisers and dropout layers that are created meanwhile reproducible.

    Keras gives each a seed of its own from Python's `random`, whose state is put back at the end;
    `keras.utils.set_random_seed` would leave NumPy's and TensorFlow's changed as well. Another
    thread that uses `random` meanwhile disturbs it.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
