"""Which well-known network a model file is: by its name and input, or not at all."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import msgspec

Precision = Literal["float32", "float16", "float", "int8", ""]
"""`float`: of unknown width. Empty: unknown."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """What a model file was recognised as, everything that matters for its speed included."""

    model: str
    width: float | None
    """None for networks that have no widths."""
    input_size: int
    precision: Precision
    accelerator: str = ""


class Usual(NamedTuple):
    """What is meant by a network's name where nothing else is said."""

    pattern: str
    """Its name in file names."""
    width: float | None
    input_size: int


NETWORKS = {
    "MobileNetV1": Usual(r"mobilenet_?v1", 1.0, 224),
    "MobileNetV2": Usual(r"mobilenet_?v2", 1.0, 224),
    "MobileNetV3-Large": Usual(r"mobilenet_?v3_?large", 1.0, 224),
    "MobileNetV3-Small": Usual(r"mobilenet_?v3_?small", 1.0, 224),
    "ShuffleNetV2": Usual(r"shufflenet_?v2", 1.0, 224),
    "ResNet-18": Usual(r"resnet_?18", None, 224),
    "ResNet-50": Usual(r"resnet_?50", None, 224),
    "GoogLeNet": Usual(r"googlenet", None, 224),
    "VGG16": Usual(r"vgg_?16", None, 224),
    "EfficientNet-Lite0": Usual(r"efficientnet_?lite_?0", None, 224),
    "EfficientNet-Lite4": Usual(r"efficientnet_?lite_?4", None, 300),
    "EfficientNet-EdgeTPU-S": Usual(r"efficientnet_?edgetpu_?s", None, 224),
    "EfficientNet-EdgeTPU-M": Usual(r"efficientnet_?edgetpu_?m", None, 240),
    "EfficientNet-EdgeTPU-L": Usual(r"efficientnet_?edgetpu_?l", None, 300),
}
"""Not here: SqueezeNet, AlexNet and ViT, names that several networks share."""


def recognise(model_name: str, model_input: str) -> Network | None:
    """Tell which well-known network a model is, by its name and input.

    Args:
        model_name: `mobilenet_v2_1.0_224_quant`, with or without folder and `.tflite`.
        model_input: Shape and dtype of its input, in either order: `uint8 [1, 224, 224, 3]`.

    Returns:
        None if the name leaves anything open (of a MobileNet the width, of a model with float
        input the precision), says something this function does not know, or disagrees with the
        input.
    """
    model, words = _split(model_name)
    shape = re.search(r"\[1, (\d+), \1, 3\]", model_input)
    dtype = re.search(r"\b(uint8|int8|float32)\b", model_input)
    if shape is None or dtype is None or model not in NETWORKS:
        return None
    widths, sizes, precisions, accelerators = set(), set(), set(), set()
    for word in words:
        if re.fullmatch(r"[01]\.\d+", word):
            widths.add(float(word))
        elif word in _WIDTHS_IN_PERCENT:
            widths.add(int(word) / 100)
        elif word in _SIZES:
            sizes.add(int(word))
        elif word in _PRECISION_WORDS:
            precisions.add(_PRECISION_WORDS[word])
        elif word == "edgetpu":
            accelerators.add("edge-tpu")
        elif word not in _IDLE_WORDS:
            return None
    precision = _precision(precisions, dtype[1])
    has_widths = NETWORKS[model].width is not None
    if not precision or not sizes <= {int(shape[1])} or len(widths) != has_widths:
        return None
    return Network(
        model=model,
        width=next(iter(widths), None),
        input_size=int(shape[1]),
        precision=precision,
        accelerator=next(iter(accelerators), ""),
    )


def _split(model_name: str) -> tuple[str, list[str]]:
    """Return the network that a file name speaks of, or nothing, and the name's other words."""
    name = re.sub(r"\.tflite$", "", re.split(r"[/\\]", model_name.lower())[-1])
    name = re.sub(r"[-\s]+", "_", name)
    for model, usual in NETWORKS.items():
        found = re.search(rf"(?<![a-z0-9]){usual.pattern}(?![a-z0-9])", name)
        if found:
            others = f"{name[: found.start()]}_{name[found.end() :]}"
            return model, [word for word in others.split("_") if word]
    return "", []


def _precision(said: set[Precision], dtype: str) -> Precision:
    """Return the precision that name and input agree on; empty if they do not, or do not say."""
    if dtype != "float32":
        said = said | {"int8"}
    elif "int8" in said:
        return ""  # Float outside and 8 bits inside: of which kind cannot be told.
    return next(iter(said)) if len(said) == 1 else ""


_SIZES = {str(size) for size in (96, 128, 160, 192, 224, 227, 240, 256, 260, 280, 299, 300)}
_WIDTHS_IN_PERCENT = {"025", "035", "050", "075", "100", "130", "140"}
_IDLE_WORDS = {"tf", "tf1", "tf2", "keras", "imagenet", "model", "1", "metadata"}
"""Words in file names that make no difference to speed."""

_PRECISION_WORDS: dict[str, Precision] = {
    **dict.fromkeys(("quant", "quantized", "int8", "uint8", "ptq", "qat"), "int8"),
    **dict.fromkeys(("float", "float32", "fp32", "f32"), "float32"),
    **dict.fromkeys(("float16", "fp16", "f16"), "float16"),
}
