"""ImageNet weights of `keras.applications`: what there is, and one way to load it.

    APPLICATIONS["mobilenet-v2"].widths                   # no TensorFlow needed so far
    pretrained_application("mobilenet-v2", width=0.5, input_shape=(96, 96, 3))

The networks are those that Keras builds, which share the names of our architectures and not every
layer. Weights are files that are downloaded once (`downloading`). Their names, places and digests
are those of keras/src/applications in Keras 3.15, and the tests compare them. Importing this loads
no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter.errors import PretrainedError, RecipeError
from edge_recog_converter.pretrained.downloading import WeightsFile, fetch, first_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.preprocessing import Colour

ORIGIN: Final = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True, slots=True)
class Application:
    """A network of `keras.applications` without its classifier."""

    builder: str
    """Name of the function in `keras.applications`."""
    file: str
    """Below `ORIGIN`, with {width} as in `widths` and {side}."""
    widths: Mapping[float, str]
    """For each width that there are weights for, how the file's name writes it."""
    sides: tuple[int, ...] = (224,)
    """Of the square pictures that there are weights for; other inputs get those for 224."""
    md5: Mapping[float, str] = field(default_factory=lambda: MappingProxyType({}))
    """By width."""
    least_side: int = 32
    """Neither height nor width may be less, in pixels."""
    native_side: int = 224
    colour: Colour = "RGB"
    mean: tuple[float, ...] = (127.5,)
    """As in the contract: `preprocess_input` of the builder's module."""
    std: tuple[float, ...] = (127.5,)
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """For the builder, besides those that all have."""

    def weights_file(self, *, width: float, input_shape: tuple[int, int, int]) -> WeightsFile:
        """Return the file for a width of `widths` and an input of (height, width, 3)."""
        height, breadth, _ = input_shape
        side = height if height == breadth and height in self.sides else 224
        path = self.file.format(width=self.widths[width], side=side)
        return WeightsFile(
            name=path.rpartition("/")[2], url=f"{ORIGIN}/{path}", md5=self.md5.get(width)
        )


def _mobilenet_v3(size: str, md5: Mapping[float, str]) -> Application:
    return Application(
        f"MobileNetV3{size.capitalize()}",
        f"mobilenet_v3/weights_mobilenet_v3_{size}_{{side}}_{{width}}_float_no_top_v2.h5",
        widths={0.75: "0.75", 1.0: "1.0"},
        md5=md5,
        # Or there would be a Rescaling that integers cannot do exactly.
        arguments={"include_preprocessing": False},
    )


_CAFFE_MEAN: Final = (103.939, 116.779, 123.68)
"""Of blue, green and red, imagenet_utils.py, mode "caffe"."""

APPLICATIONS: Final[Mapping[str, Application]] = MappingProxyType(
    {
        "vgg-16": Application(
            "VGG16",
            "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            widths={1.0: ""},
            md5={1.0: "6d6bbae143d832006294945121d1f1fc"},
            colour="BGR",
            mean=_CAFFE_MEAN,
            std=(1.0,),
        ),
        "resnet-50": Application(
            "ResNet50",
            "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            widths={1.0: ""},
            md5={1.0: "4d473c1dd8becc155b73f8504c6f6626"},
            colour="BGR",
            mean=_CAFFE_MEAN,
            std=(1.0,),
        ),
        "mobilenet-v1": Application(
            "MobileNet",
            "mobilenet/mobilenet_{width}_{side}_tf_no_top.h5",
            widths={0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"},
            sides=(128, 160, 192, 224),
        ),
        "mobilenet-v2": Application(
            "MobileNetV2",
            "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{side}_no_top.h5",
            widths={width: str(width) for width in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)},
            sides=(96, 128, 160, 192, 224),
        ),
        "mobilenet-v3-small": _mobilenet_v3(
            "small",
            {0.75: "ebdb5cc8e0b497cd13a7c275d475c819", 1.0: "d3e8ec802a04aa4fc771ee12a9a9b836"},
        ),
        "mobilenet-v3-large": _mobilenet_v3(
            "large",
            {0.75: "40af19a13ebea4e2ee0c676887f69a2e", 1.0: "07fb09a5933dd0c8eaafa16978110389"},
        ),
    }
)
"""By the name in `edge_recog_converter.architectures.ARCHITECTURES`."""


def find_application(
    name: str, *, width: float = 1.0, input_shape: tuple[int, int, int] | None = None
) -> Application:
    """Return the row of `APPLICATIONS`, after checking that it can be had like this.

    Args:
        name: Of the architecture.
        width: Multiplies the channels.
        input_shape: Height, width and channels; None for the native size.

    Raises:
        RecipeError: There are no weights for the name or the width, or the input does not suit.
    """
    application = APPLICATIONS.get(name)
    if application is None:
        raise RecipeError(
            f"Keras has no ImageNet weights for {name}, only for {', '.join(APPLICATIONS)}"
        )
    if width not in application.widths:
        known = ", ".join(str(known) for known in application.widths)
        raise RecipeError(f"the ImageNet weights of {name} are for width {known}, not {width}")
    least = application.least_side
    if input_shape and (input_shape[2] != 3 or min(input_shape[:2]) < least):
        raise RecipeError(
            f"the ImageNet weights of {name} need 3 channels and at least {least} pixels a side, "
            f"not {'x'.join(map(str, input_shape))}"
        )
    return application


def pretrained_application(
    name: str, *, width: float = 1.0, input_shape: tuple[int, int, int]
) -> Any:
    """Return a `keras.Model` from pictures to pooled features (batch, size), ImageNet's weights.

    Args:
        name: A key of `APPLICATIONS`.
        width: One of its widths.
        input_shape: Height, width and 3. Pixels are normalised as its row says.

    Raises:
        RecipeError: See `find_application`.
        PretrainedError: The weights cannot be downloaded, are damaged or not the published ones.
    """
    from edge_recog_converter._tensorflow import keras
    from edge_recog_converter.pretrained.flattening import flattened

    application = find_application(name, width=width, input_shape=input_shape)
    file = application.weights_file(width=width, input_shape=input_shape)
    path = fetch(file)
    arguments = dict(application.arguments)
    if len(application.widths) > 1:
        arguments["alpha"] = width
    try:
        network = getattr(keras.applications, application.builder)(
            weights=str(path),
            include_top=False,
            pooling="avg",
            input_shape=input_shape,
            **arguments,
        )
    except Exception as error:
        raise PretrainedError(
            f"{path} is damaged or does not hold the weights of {name} at width {width} "
            f"({first_line(error)}): remove it, and fetch {file.url} anew"
        ) from error
    # With `image` as its input, like the architectures of our own.
    return flattened(network, input_shape)
