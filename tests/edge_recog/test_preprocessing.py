"""Every way through the preprocessing is held against one plain, slow computation of it."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING, Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import FrameError, UnsupportedModelError
from edge_recog.frames import Frame
from edge_recog.preprocessing import Colour, Crop, Interpolation, Layout, Preprocessing
from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

INTERPOLATIONS = {"nearest": 0, "linear": 1, "cubic": 2, "area": 3}
"""OpenCV's numbers."""


def half_up(value: Fraction) -> int:
    return max(1, int(value + Fraction(1, 2)))


def reference(contract: Preprocessing, spec: TensorSpec, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the input tensor, computed step by step on whole arrays in float64."""
    height, width = pixels.shape[:2]
    rows, columns = contract.height, contract.width
    target = np.empty((rows, columns, 3), np.uint8)
    target[:] = contract.pad
    top = left = 0
    if contract.crop == "center-crop":
        wanted = Fraction(columns, rows)
        if Fraction(width, height) >= wanted:
            new = half_up(height * wanted)
            pixels = pixels[:, (width - new) // 2 :][:, :new]
        else:
            new = half_up(width / wanted)
            pixels = pixels[(height - new) // 2 :][:new]
    elif contract.crop == "letterbox":
        factor = min(Fraction(rows, height), Fraction(columns, width))
        rows, columns = half_up(height * factor), half_up(width * factor)
        top, left = (contract.height - rows) // 2, (contract.width - columns) // 2
    resized = cv2.resize(
        np.ascontiguousarray(pixels),
        (columns, rows),
        interpolation=INTERPOLATIONS[contract.interpolation],
    )
    target[top : top + rows, left : left + columns] = resized.reshape(rows, columns, 3)
    if contract.colour == "BGR":
        target = target[..., ::-1]
    elif contract.colour == "GRAY":
        shape = (contract.height, contract.width, 1)
        target = cv2.cvtColor(target, cv2.COLOR_RGB2GRAY).reshape(shape)
    real = (target.astype(np.float64) - contract.mean) / contract.std
    if spec.dtype != "float32":
        q = spec.quantization or QuantParams(1.0, 0, spec.dtype)
        real = np.clip(np.rint(real / q.scale) + q.zero_point, q.lowest, q.highest)
    tensor = real.astype(spec.dtype)
    return (tensor.transpose(2, 0, 1) if contract.layout == "NCHW" else tensor)[None]


def made(contract: Preprocessing, spec: TensorSpec, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the input tensor as the compiled contract fills it, over old values."""
    tensor = np.full(spec.shape, 77, spec.dtype)
    contract.compile(spec).write(Frame.from_rgb(pixels), tensor)
    return tensor


def assert_exact(contract: Preprocessing, spec: TensorSpec, pixels: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(
        made(contract, spec, pixels), reference(contract, spec, pixels), strict=True
    )


KINDS: dict[str, tuple[str, QuantParams | None, dict[str, Any], str]] = {
    "uint8 direct": ("uint8", QuantParams(1 / 255, 0, "uint8"), {"std": (255.0,)}, "direct"),
    "uint8 plain": ("uint8", None, {}, "direct"),
    "uint8 table": (
        "uint8",
        QuantParams(0.0078125, 127, "uint8"),
        {"mean": (120.5,), "std": (127.5,)},
        "table",
    ),
    "int8 shift": (
        "int8",
        QuantParams(1 / 128, 0, "int8"),
        {"mean": (128.0,), "std": (128.0,)},
        "shift",
    ),
    "int8 table": (
        "int8",
        QuantParams(0.02, 3, "int8"),
        {"mean": (103.5,), "std": (57.4,)},
        "table",
    ),
    "int8 plain": ("int8", None, {"mean": (100.0,)}, "table"),
    "int16": ("int16", QuantParams(1 / 32768, 0, "int16"), {"std": (255.0,)}, "table"),
    "float32": ("float32", None, {"mean": (127.5,), "std": (127.5,)}, "table"),
}
CHANNELS: dict[str, tuple[str, QuantParams | None]] = {
    "uint8": ("uint8", QuantParams(0.02, 100, "uint8")),
    "int8": ("int8", QuantParams(0.02, -10, "int8")),
    "int16": ("int16", QuantParams(0.0001, 0, "int16")),
    "float32": ("float32", None),
}
PER_CHANNEL = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
GEOMETRIES = list(
    itertools.product(get_args(Colour), get_args(Crop), get_args(Interpolation), get_args(Layout))
)


@pytest.fixture(scope="module")
def pictures(
    noise: Callable[..., NDArray[np.uint8]],
) -> tuple[NDArray[np.uint8], ...]:
    """Return larger, smaller, wider and higher ones than the input, and one of its size."""
    return (noise(23, 41), noise(47, 22), noise(3, 5), noise(10, 14), noise(20, 28))


def contract_of(geometry: tuple[Any, ...], **values: Any) -> Preprocessing:
    colour, crop, interpolation, layout = geometry
    return Preprocessing(
        height=10,
        width=14,
        colour=colour,
        crop=crop,
        interpolation=interpolation,
        layout=layout,
        pad=(10, 200, 30),
        **values,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids="-".join)
def test_the_tensor_is_exactly_that_of_the_plain_computation(
    pictures: tuple[NDArray[np.uint8], ...], geometry: tuple[Any, ...], kind: str
) -> None:
    dtype, quantization, values, _ = KINDS[kind]
    contract = contract_of(geometry, **values)
    spec = TensorSpec("image", contract.input_shape, dtype, quantization)

    for pixels in pictures:
        assert_exact(contract, spec, pixels)


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize(
    "geometry", [geometry for geometry in GEOMETRIES if geometry[0] != "GRAY"], ids="-".join
)
def test_each_channel_has_its_own_mean_and_std(
    pictures: tuple[NDArray[np.uint8], ...], geometry: tuple[Any, ...], kind: str
) -> None:
    contract = contract_of(geometry, **PER_CHANNEL)
    spec = TensorSpec("image", contract.input_shape, *CHANNELS[kind])

    for pixels in pictures[:2]:
        assert_exact(contract, spec, pixels)


@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind, (*_, path) in KINDS.items()], ids=KINDS.keys()
)
def test_the_shortest_way_is_taken(kind: str, path: str) -> None:
    dtype, quantization, values, _ = KINDS[kind]
    contract = Preprocessing(height=2, width=2, **values)

    compiled = contract.compile(TensorSpec("image", (1, 2, 2, 3), dtype, quantization))

    assert compiled.path == path


@pytest.mark.parametrize("kind", ["uint8 direct", "int8 shift"])
def test_planar_inputs_go_through_the_table(kind: str) -> None:
    dtype, quantization, values, _ = KINDS[kind]
    contract = Preprocessing(height=2, width=2, layout="NCHW", **values)

    compiled = contract.compile(TensorSpec("image", (1, 3, 2, 2), dtype, quantization))

    assert compiled.path == "table"


SIDES = st.integers(1, 40)


@given(
    frame=st.tuples(SIDES, SIDES),
    target=st.tuples(SIDES, SIDES),
    geometry=st.sampled_from(GEOMETRIES),
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 100),
)
def test_frames_and_inputs_of_any_size_are_exact(
    frame: tuple[int, int],
    target: tuple[int, int],
    geometry: tuple[Any, ...],
    kind: str,
    seed: int,
) -> None:
    colour, crop, interpolation, layout = geometry
    dtype, quantization, values, _ = KINDS[kind]
    contract = Preprocessing(
        height=target[0],
        width=target[1],
        colour=colour,
        crop=crop,
        interpolation=interpolation,
        layout=layout,
        **values,
    )
    pixels = np.random.default_rng(seed).integers(0, 256, (*frame, 3), dtype=np.uint8)

    assert_exact(contract, TensorSpec("", contract.input_shape, dtype, quantization), pixels)


LONG_SIDES = st.integers(1, 5000)


@given(LONG_SIDES, LONG_SIDES, LONG_SIDES, LONG_SIDES, st.sampled_from(get_args(Crop)))
def test_boxes_lie_inside_and_in_the_middle(
    height: int, width: int, rows: int, columns: int, crop: Crop
) -> None:
    contract = Preprocessing(height=rows, width=columns, crop=crop)
    for box, (outer_height, outer_width) in (
        (contract.source_box(height, width), (height, width)),
        (contract.target_box(height, width), (rows, columns)),
    ):
        assert box.height >= 1
        assert box.width >= 1
        below, right = (
            outer_height - box.top - box.height,
            outer_width - box.left - box.width,
        )
        assert below - box.top in {0, 1}
        assert right - box.left in {0, 1}


@given(LONG_SIDES, LONG_SIDES, LONG_SIDES, LONG_SIDES)
def test_a_centre_crop_has_the_inputs_shape_and_one_full_side(
    height: int, width: int, rows: int, columns: int
) -> None:
    contract = Preprocessing(height=rows, width=columns, crop="center-crop")
    box = contract.source_box(height, width)

    assert box.height == height or box.width == width
    exact_width, exact_height = box.height * columns / rows, box.width * rows / columns
    assert (
        abs(box.width - exact_width) <= 0.5
        or abs(box.height - exact_height) <= 0.5
        or 1 in {box.width, box.height}
    )


@given(LONG_SIDES, LONG_SIDES, LONG_SIDES, LONG_SIDES)
def test_a_letterboxed_picture_keeps_its_shape_and_touches_two_sides(
    height: int, width: int, rows: int, columns: int
) -> None:
    contract = Preprocessing(height=rows, width=columns, crop="letterbox")
    box = contract.target_box(height, width)

    assert contract.source_box(height, width) == type(box)(0, 0, height, width)
    assert box.height == rows or box.width == columns
    factor = min(rows / height, columns / width)
    assert abs(box.height - height * factor) <= 0.5 + 1e-6 or box.height == 1
    assert abs(box.width - width * factor) <= 0.5 + 1e-6 or box.width == 1


@given(LONG_SIDES, LONG_SIDES, LONG_SIDES, LONG_SIDES)
def test_stretching_uses_all_of_both(height: int, width: int, rows: int, columns: int) -> None:
    contract = Preprocessing(height=rows, width=columns, crop="stretch")
    source, target = contract.source_box(height, width), contract.target_box(height, width)

    assert (source.top, source.left, source.height, source.width) == (0, 0, height, width)
    assert (target.top, target.left, target.height, target.width) == (0, 0, rows, columns)


@pytest.mark.parametrize("crop", get_args(Crop))
def test_a_picture_of_the_inputs_shape_is_used_whole(crop: Crop) -> None:
    contract = Preprocessing(height=96, width=128, crop=crop)
    source, target = contract.source_box(480, 640), contract.target_box(480, 640)

    assert (source.height, source.width) == (480, 640)
    assert (target.height, target.width) == (96, 128)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [("RGB", (9, 8, 7)), ("BGR", (7, 8, 9)), ("GRAY", (8,))],
)
def test_bars_have_the_pad_colour_in_the_inputs_order(
    colour: Colour, expected: tuple[int, ...]
) -> None:
    contract = Preprocessing(height=8, width=4, colour=colour, crop="letterbox", pad=(9, 8, 7))
    filled = contract.pixels(Frame.from_rgb(np.full((4, 4, 3), 255, np.uint8)))

    assert (filled[:2] == expected).all()
    assert (filled[2:6] == 255).all()
    assert (filled[6:] == expected).all()


def test_bars_are_drawn_anew_for_each_frame() -> None:
    contract = Preprocessing(height=8, width=8, crop="letterbox")
    spec = TensorSpec("image", (1, 8, 8, 3), "uint8", None)
    compiled, tensor = contract.compile(spec), np.zeros((1, 8, 8, 3), np.uint8)
    compiled.write(Frame.from_rgb(np.full((8, 4, 3), 255, np.uint8)), tensor)
    compiled.write(Frame.from_rgb(np.full((4, 8, 3), 255, np.uint8)), tensor)

    assert tensor[0, :2].max() == 0


def test_a_mirrored_view_is_seen_mirrored(noise: Callable[..., NDArray[np.uint8]]) -> None:
    contract = Preprocessing(height=5, width=5)
    mirrored = noise(9, 12)[:, ::-1]

    np.testing.assert_array_equal(
        contract.pixels(Frame.from_rgb(mirrored)),
        contract.pixels(Frame.from_rgb(np.ascontiguousarray(mirrored))),
    )


@pytest.mark.parametrize("layout", get_args(Layout))
@pytest.mark.parametrize(("colour", "channels"), [("RGB", 3), ("BGR", 3), ("GRAY", 1)])
def test_pixels_are_rows_of_columns_of_channels(
    noise: Callable[..., NDArray[np.uint8]], layout: Layout, colour: Colour, channels: int
) -> None:
    contract = Preprocessing(height=5, width=7, colour=colour, layout=layout, mean=(9.0,))

    assert contract.pixels(Frame.from_rgb(noise(20, 30))).shape == (5, 7, channels)


@pytest.mark.parametrize(
    ("layout", "colour", "shape"),
    [
        ("NHWC", "RGB", (1, 5, 7, 3)),
        ("NCHW", "BGR", (1, 3, 5, 7)),
        ("NHWC", "GRAY", (1, 5, 7, 1)),
        ("NCHW", "GRAY", (1, 1, 5, 7)),
    ],
)
def test_the_input_shape_follows_layout_and_colour(
    layout: Layout, colour: Colour, shape: tuple[int, ...]
) -> None:
    contract = Preprocessing(height=5, width=7, layout=layout, colour=colour)

    assert contract.input_shape == shape


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((1, 4, 5, 3), "uint8", r"input is \[1, 4, 5, 3\], but its contract says \[1, 5, 4, 3\]"),
        ((1, 3, 5, 4), "uint8", "NHWC"),
        ((1, 5, 4, 1), "uint8", "contract says"),
        ((2, 5, 4, 3), "uint8", "contract says"),
        ((1, 5, 4, 3), "int32", "input is int32; pictures are fed as"),
    ],
    ids=["turned", "planar", "one channel", "batch", "int32"],
)
def test_an_input_that_does_not_fit_is_refused(
    shape: tuple[int, ...], dtype: str, message: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        Preprocessing(height=5, width=4).compile(TensorSpec("image", shape, dtype, None))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 0}, "height is 0"),
        ({"width": 8193}, "width is 8193; it must be from 1 to 8192 pixels"),
        ({"mean": (1.0, 2.0)}, "mean has 2 numbers; give 1 or 3"),
        ({"mean": ()}, "mean has 0 numbers"),
        ({"colour": "GRAY", "std": (1.0, 1.0, 1.0)}, "std has 3 numbers; give 1 or 1"),
        ({"mean": (float("nan"),)}, "mean has a number that is not finite"),
        ({"std": (float("inf"),)}, "std has a number that is not finite"),
        ({"std": (0.0,)}, "std is 0.0; it must be greater than 0"),
        ({"std": (1.0, 1.0, -2.0)}, "std is -2.0"),
        ({"pad": (0, 0, 256)}, "pad must be three numbers from 0 to 255"),
        ({"pad": (-1, 0, 0)}, "pad must be"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocessing(**({"height": 8, "width": 8} | values))


def test_what_opencv_cannot_resize_is_a_frame_error(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = Preprocessing(height=4, width=6)
    frame = Frame.from_rgb(np.zeros((3, 2, 3), np.uint8))

    resize = cv2.resize

    def fail(*_: Any, **__: Any) -> None:
        resize(np.zeros((0, 0), np.uint8), (1, 1))

    monkeypatch.setattr(cv2, "resize", fail)

    with pytest.raises(FrameError, match="a frame of 2x3 pixels cannot be resized to 6x4"):
        contract.pixels(frame)
