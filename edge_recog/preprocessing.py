"""How a frame becomes a model's input tensor: written down once, computed here and nowhere else.

The steps, in this order, for training, calibration, benchmarks and the live camera alike:

1. crop (`crop`): the whole frame, its largest centred part of the input's shape, or the whole
   frame with bars around it;
2. resize to `height` x `width` on 8-bit pixels with OpenCV's `interpolation`;
3. colour (`colour`): RGB as it is, BGR, or GRAY (ITU-R BT.601 weights, as OpenCV has them);
4. normalise: `real = (pixel - mean) / std`, for each channel;
5. quantise, for integer inputs: `QuantParams.quantize`.

Pixels are 8-bit after step 3, so steps 4 and 5 together are one table of 256 entries a channel.
Where that table is the identity, resize writes straight into the input tensor and nothing follows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np

from edge_recog.errors import FrameError, UnsupportedModelError
from edge_recog.quantization import QuantParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_recog.frames import Frame
    from edge_recog.tensors import TensorSpec

Colour = Literal["RGB", "BGR", "GRAY"]
Crop = Literal["stretch", "center-crop", "letterbox"]
Interpolation = Literal["nearest", "linear", "area", "cubic"]
Layout = Literal["NHWC", "NCHW"]

MAX_SIDE = 8192
"""Largest input height or width accepted, in pixels."""


class Box(msgspec.Struct, frozen=True):
    """A rectangle of whole pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index pixels with."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The contract: everything there is to know about feeding a model."""

    height: int
    """Rows of the input tensor, 1-8192."""
    width: int
    """Columns of the input tensor, 1-8192."""
    colour: Colour = "RGB"
    """Channel order of the input tensor; GRAY means one channel."""
    crop: Crop = "center-crop"
    """`stretch` changes the aspect ratio, `center-crop` loses the edges, `letterbox` adds bars."""
    interpolation: Interpolation = "linear"
    """OpenCV's INTER_NEAREST, INTER_LINEAR, INTER_AREA or INTER_CUBIC."""
    mean: tuple[float, ...] = (0.0,)
    """Subtracted from pixels 0-255: one number, or one for each channel, ordered as `colour`."""
    std: tuple[float, ...] = (1.0,)
    """Divides after `mean`, in pixel units; > 0; one number, or one for each channel."""
    pad: tuple[int, int, int] = (0, 0, 0)
    """Colour of the bars of `letterbox`: RGB, 0-255."""
    layout: Layout = "NHWC"
    """Order of the input tensor's dimensions."""

    def __post_init__(self) -> None:
        """Check the values; msgspec turns the ValueError into its own when decoding.

        Raises:
            ValueError: A value is out of range; the message names the field.
        """
        for name, side in (("height", self.height), ("width", self.width)):
            if not 1 <= side <= MAX_SIDE:
                raise ValueError(f"{name} is {side}; it must be from 1 to {MAX_SIDE} pixels")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in {1, self.channels}:
                raise ValueError(f"{name} has {len(values)} numbers; give 1 or {self.channels}")
            if not all(math.isfinite(value) for value in values):
                raise ValueError(f"{name} has a number that is not finite")
        if min(self.std) <= 0:
            raise ValueError(f"std is {min(self.std)}; it must be greater than 0")
        if not all(0 <= value <= 255 for value in self.pad):
            raise ValueError("pad must be three numbers from 0 to 255")

    @property
    def channels(self) -> int:
        """1 for GRAY, else 3."""
        return 1 if self.colour == "GRAY" else 3

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input tensor, batch of 1 included."""
        if self.layout == "NCHW":
            return (1, self.channels, self.height, self.width)
        return (1, self.height, self.width, self.channels)

    def source_box(self, height: int, width: int) -> Box:
        """Return the part of a frame of this size that is looked at."""
        if self.crop != "center-crop":
            return Box(0, 0, height, width)
        if width * self.height >= height * self.width:
            crop_height, crop_width = height, _divide(height * self.width, self.height)
        else:
            crop_height, crop_width = _divide(width * self.height, self.width), width
        return Box((height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width)

    def target_box(self, height: int, width: int) -> Box:
        """Return the part of the input that a frame of this size fills; the rest is `pad`."""
        if self.crop != "letterbox":
            return Box(0, 0, self.height, self.width)
        if width * self.height >= height * self.width:
            fit_height, fit_width = _divide(height * self.width, width), self.width
        else:
            fit_height, fit_width = self.height, _divide(width * self.height, height)
        return Box(
            (self.height - fit_height) // 2, (self.width - fit_width) // 2, fit_height, fit_width
        )

    def table(self, quantization: QuantParams | None, dtype: str) -> NDArray[Any]:
        """Return steps 4 and 5 as a table of shape (256, channels) and type `dtype`.

        Args:
            quantization: The input tensor's; None for float32, and for an integer tensor that
                takes `(pixel - mean) / std` itself, rounded.
            dtype: The input tensor's.
        """
        pixels = np.arange(256, dtype=np.float64)[:, None]
        real = (pixels - np.asarray(self.mean)) / np.asarray(self.std)
        real = np.broadcast_to(real, (256, self.channels))
        if dtype == "float32":
            return real.astype(np.float32)
        return (quantization or QuantParams(1.0, 0, dtype)).quantize(real)

    def compile(self, spec: TensorSpec) -> CompiledPreprocessing:
        """Return the fastest equivalent for an input tensor.

        Raises:
            UnsupportedModelError: The tensor does not fit this contract.
        """
        return CompiledPreprocessing(self, spec)

    def pixels(self, frame: Frame) -> NDArray[np.uint8]:
        """Return steps 1-3 alone: (height, width, channels) uint8, whatever the layout.

        For training and calibration, where normalisation follows on whole batches.
        """
        out = np.empty((self.height, self.width, self.channels), np.uint8)
        _Geometry(self).write(frame, out)
        return out


class CompiledPreprocessing:
    """A contract made ready for one input tensor. One caller at a time: it owns scratch memory."""

    def __init__(self, contract: Preprocessing, spec: TensorSpec) -> None:
        """See `Preprocessing.compile`."""
        if spec.shape != contract.input_shape:
            raise UnsupportedModelError(
                f"the model's input is {list(spec.shape)}, but its contract says "
                f"{list(contract.input_shape)} ({contract.layout})"
            )
        if spec.dtype not in {"uint8", "int8", "int16", "float32"}:
            raise UnsupportedModelError(
                f"the model's input is {spec.dtype}; pictures are fed as uint8, int8, int16 or "
                "float32"
            )
        self._geometry = _Geometry(contract)
        self._scratch = np.empty((contract.height, contract.width, contract.channels), np.uint8)
        self._planar = contract.layout == "NCHW"
        table = contract.table(spec.quantization, spec.dtype)
        self._table = _as_lut(table)
        identity = np.arange(256)[:, None]
        self._write: Callable[[Frame, NDArray[Any]], None]
        self.path: Literal["direct", "shift", "table"]
        """`direct`: resize writes the tensor; `shift`: so it does, then every byte less 128 in
        place; `table`: through the table."""
        if spec.dtype == "uint8" and bool((table == identity).all()) and not self._planar:
            self.path, self._write = "direct", self._geometry.write
        elif spec.dtype == "int8" and bool((table == identity - 128).all()) and not self._planar:
            self.path, self._write = "shift", self._write_shifted
        else:
            self.path, self._write = "table", self._write_through_table

    def write(self, frame: Frame, tensor: NDArray[Any]) -> None:
        """Fill `tensor`, the model's whole input (batch of 1), from the frame.

        Raises:
            FrameError: OpenCV cannot resize the frame.
        """
        self._write(frame, tensor[0])

    def _write_shifted(self, frame: Frame, out: NDArray[Any]) -> None:
        unsigned = out.view(np.uint8)
        self._geometry.write(frame, unsigned)
        # Two's complement: flipping the top bit of v is v - 128.
        np.bitwise_xor(unsigned, np.uint8(0x80), out=unsigned)

    def _write_through_table(self, frame: Frame, out: NDArray[Any]) -> None:
        import cv2

        self._geometry.write(frame, self._scratch)
        if self._planar:
            out[...] = (
                cv2.LUT(self._scratch, self._table).reshape(self._scratch.shape).transpose(2, 0, 1)
            )
        else:
            cv2.LUT(self._scratch, self._table, dst=out)


class _Plan(NamedTuple):
    """Which part of a frame of one size goes where."""

    shape: tuple[int, int, int]
    source: tuple[slice, slice]
    target: tuple[slice, slice]
    size: tuple[int, int]
    """Width and height of the target, as OpenCV has them."""


class _Geometry:
    """Steps 1-3 of a contract, written into an 8-bit picture."""

    def __init__(self, contract: Preprocessing) -> None:
        import cv2

        # Bound once: looking modules up for each frame costs microseconds on cold caches.
        self._resize, self._cvt_color, self._error = cv2.resize, cv2.cvtColor, cv2.error
        self._contract = contract
        self._interpolation = {
            "nearest": cv2.INTER_NEAREST,
            "linear": cv2.INTER_LINEAR,
            "area": cv2.INTER_AREA,
            "cubic": cv2.INTER_CUBIC,
        }[contract.interpolation]
        self._plan: _Plan | None = None
        """For frames as large as the latest: those of a camera all are."""
        self._letterbox = contract.crop == "letterbox"
        self._convert = {"RGB": None, "BGR": cv2.COLOR_RGB2BGR, "GRAY": cv2.COLOR_RGB2GRAY}[
            contract.colour
        ]
        self._rgb = (
            None
            if self._convert is None
            else np.empty((contract.height, contract.width, 3), np.uint8)
        )

    def _make_plan(self, height: int, width: int) -> _Plan:
        source = self._contract.source_box(height, width)
        target = self._contract.target_box(height, width)
        return _Plan(
            (height, width, 3), source.slices, target.slices, (target.width, target.height)
        )

    def write(self, frame: Frame, out: NDArray[np.uint8]) -> None:
        """Fill `out`, (height, width, channels), which may be native memory."""
        pixels = frame.pixels
        plan = self._plan
        if plan is None or plan.shape != pixels.shape:
            plan = self._plan = self._make_plan(*pixels.shape[:2])
        rgb = out if self._rgb is None else self._rgb
        if self._letterbox:
            rgb[:] = self._contract.pad
        try:
            self._resize(
                pixels[plan.source],
                plan.size,
                dst=rgb[plan.target],
                interpolation=self._interpolation,
            )
        except self._error as error:
            raise FrameError(
                f"a frame of {frame.width}x{frame.height} pixels cannot be resized to "
                f"{plan.size[0]}x{plan.size[1]}: {error.err}"
            ) from error
        if self._convert is not None:
            self._cvt_color(rgb, self._convert, dst=out)


def _divide(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half up, at least 1."""
    return max(1, (2 * numerator + denominator) // (2 * denominator))


def _as_lut(table: NDArray[Any]) -> NDArray[Any]:
    """Return a (256, channels) table as OpenCV's LUT wants it: (1, 256) if channels are alike."""
    if bool((table == table[:, :1]).all()):
        return np.ascontiguousarray(table[:, 0]).reshape(1, 256)
    return np.ascontiguousarray(table).reshape(1, 256, table.shape[1])
