"""Pictures that carry their number, and what an answer says of the picture it was made of."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SIDE: Final = 4
"""Fields a side; each is one bit, dark or bright, of 16: number, mark, check."""
NUMBERS: Final = 2048
"""After so many the numbers begin anew."""
SIZES: Final = ((160, 128), (320, 240), (96, 64), (640, 480))
"""Width and height; the first is the usual one. Multiples of 8, as RTP wants them."""
_DARK, _BRIGHT = 48, 208
_UNSURE = range(104, 153)
"""Between the two; a field like that was not drawn so."""
_QUALITY = 85
_FIELDS = SIDE * SIDE


def labels() -> list[str]:
    """Return the model's labels: `FIELD-CHANNEL`, in the order of its output."""
    return [f"{field}-{channel}" for field in range(_FIELDS) for channel in "rgb"]


def picture(number: int, *, is_bad: bool = False, size: tuple[int, int] = SIZES[0]) -> bytes:
    """Return a JPEG.

    Args:
        number: Which one, 0 or more.
        is_bad: Marks it as one that must not be answered.
        size: Width and height.
    """
    bits = np.array([_word(number % NUMBERS, is_bad) >> bit & 1 for bit in range(_FIELDS)])
    fields = np.where(bits == 1, _BRIGHT, _DARK).astype(np.uint8).reshape(SIDE, SIDE)
    return _encoded(cv2.resize(fields, size, interpolation=cv2.INTER_NEAREST))


def black(size: tuple[int, int] = SIZES[0]) -> bytes:
    """Return a black JPEG, which carries nothing."""
    return _encoded(np.zeros(size[::-1], np.uint8))


def read(scores: Mapping[str, float]) -> tuple[int, bool] | None:
    """Return number and mark of the picture that an answer was made of; None if it is none.

    Args:
        scores: Of the model's labels, 0-1.
    """
    word = 0
    for field in range(_FIELDS):
        score = scores.get(f"{field}-g")
        value = round(score * 255) if score is not None else _UNSURE.start
        if value in _UNSURE:
            return None
        word |= (value >= _UNSURE.stop) << field
    number, is_bad = word >> 5, bool(word >> 4 & 1)
    return (number, is_bad) if _word(number, is_bad) == word else None


def damaged(jpeg: bytes, variant: int) -> bytes:
    """Return the JPEG as a broken camera or line might deliver it.

    Args:
        jpeg: A whole one.
        variant: Which damage, and where.
    """
    chance = random.Random(variant)
    return DAMAGES[variant % len(DAMAGES)](jpeg, chance)


def _cut(jpeg: bytes, chance: random.Random) -> bytes:
    return jpeg[: chance.randrange(2, len(jpeg) - 2)]


def _cut_and_ended(jpeg: bytes, chance: random.Random) -> bytes:
    """As by a camera whose buffer was too small, and which ends the picture all the same."""
    begin = _scan_of(jpeg)
    return jpeg[: chance.randrange(begin, begin + (len(jpeg) - begin) // 2)] + b"\xff\xd9"


def _zeroed(jpeg: bytes, chance: random.Random) -> bytes:
    """A stretch of the picture is zeros, as where a block of memory was lost."""
    begin = _scan_of(jpeg)
    at = chance.randrange(begin, begin + (len(jpeg) - begin) // 3)
    end = min(len(jpeg) - 2, at + (len(jpeg) - begin) // 2)
    return jpeg[:at] + bytes(end - at) + jpeg[end:]


def _torn(jpeg: bytes, chance: random.Random) -> bytes:
    """Noise from somewhere on, with markers among it."""
    at = chance.randrange(2, len(jpeg) // 2)
    return jpeg[:at] + chance.randbytes(len(jpeg) - at)


def _garbage(jpeg: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(jpeg))


def _header(jpeg: bytes, chance: random.Random) -> bytes:
    """The beginning is lost."""
    return jpeg[chance.randrange(2, 200) :]


DAMAGES: Final = (_cut, _cut_and_ended, _zeroed, _torn, _garbage, _header)


def model() -> bytes:
    """Return a model file whose scores are the picture: shrunk to `SIDE`, row by row.

    Raises:
        UsageError: The package with the schema of model files is not installed.
    """
    try:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise UsageError("the model is made with ai-edge-litert: pip install it") from error
    from edge_recog.adoption import adopt

    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor(schema, "picture", (1, SIDE, SIDE, 3)),
        _tensor(schema, "scores", (1, _FIELDS * 3)),
    ]
    graph.inputs, graph.outputs = [0], [1]
    code, reshape = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    reshape.inputs, reshape.outputs = [0], [1]
    reshape.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    reshape.builtinOptions = schema.ReshapeOptionsT()
    reshape.builtinOptions.newShape = [1, _FIELDS * 3]
    graph.operators = [reshape]
    whole = schema.ModelT()
    whole.version = 3
    whole.operatorCodes, whole.subgraphs = [code], [graph]
    whole.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), file_identifier=b"TFL3")
    return adopt(
        bytes(builder.Output()),
        where="picture.tflite",
        labels=labels(),
        mean=(0.0,),
        std=(255.0,),
        crop="stretch",
        interpolation="area",
        activation="none",
        task="multi-label",
    )


def _tensor(schema: object, name: str, shape: Sequence[int]) -> object:
    tensor = schema.TensorT()  # type: ignore[attr-defined]
    tensor.name, tensor.shape = name.encode(), list(shape)
    tensor.type = schema.TensorType.UINT8  # type: ignore[attr-defined]
    tensor.quantization = schema.QuantizationParametersT()  # type: ignore[attr-defined]
    tensor.quantization.scale, tensor.quantization.zeroPoint = [1 / 255], [0]
    return tensor


def _word(number: int, is_bad: bool) -> int:
    """Return number, mark and four bits that tell whether the others were read right."""
    rest = number << 1 | is_bad
    check = 0b1010
    for shift in range(0, 12, 4):
        # Unlike a sum: an even picture, all bits alike, does not pass.
        check = (check * 5 + (rest >> shift & 15) + 3) & 15
    return rest << 4 | check


def _encoded(pixels: NDArray[np.uint8] | cv2.typing.MatLike) -> bytes:
    good, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    assert good
    return bytes(data)


def _scan_of(jpeg: bytes) -> int:
    """Return where the coded picture begins: after the header of its scan."""
    at = jpeg.index(b"\xff\xda")
    return at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
