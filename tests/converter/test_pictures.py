"""Pictures are seen in training as the device sees them; parts of pictures are not seen at all."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from edge_recog_converter.datasets import Picture
from edge_recog_converter.image_files import file_kind
from edge_recog_converter.pictures import PictureReader, decode_whole
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_recog.errors import SourceError

RGB = np.zeros((40, 60, 3), np.uint8)
RGB[:, :30] = (220, 40, 30)
RGB[:20, 30:] = (30, 200, 60)
RGB[20:, 30:] = (40, 50, 210)
PICTURE = Image.fromarray(RGB)
GREY = np.asarray(PICTURE.convert("L"))
GREY_RGB = np.repeat(GREY[..., None], 3, axis=2)


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def with_orientation(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(PICTURE, kind, quality=95, exif=exif.tobytes())


def clear_picture() -> Image.Image:
    pixels = np.dstack([RGB, np.zeros((40, 60), np.uint8)])
    return Image.fromarray(pixels)


SIXTEEN_RGB = cv2.imencode(".png", RGB[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
SIXTEEN = Image.fromarray(GREY.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("data", "mode", "expected"),
    [
        (encode(PICTURE, "JPEG", quality=95), "JPEG RGB", RGB),
        (encode(PICTURE, "JPEG", quality=95, progressive=True), "JPEG RGB", RGB),
        (encode(PICTURE.convert("L"), "JPEG", quality=95), "JPEG grey", GREY_RGB),
        (encode(PICTURE.convert("CMYK"), "JPEG", quality=95), "JPEG CMYK", RGB),
        (encode(PICTURE.convert("L"), "PNG"), "PNG grey", GREY_RGB),
        (encode(PICTURE.convert("LA"), "PNG"), "PNG grey + alpha", GREY_RGB),
        (encode(clear_picture(), "PNG"), "PNG RGB + alpha", RGB),
        (encode(SIXTEEN, "PNG"), "PNG 16-bit grey", GREY_RGB),
        (SIXTEEN_RGB, "PNG 16-bit RGB", RGB),
        (encode(SIXTEEN, "TIFF"), "TIFF ", GREY_RGB),
        (encode(PICTURE, "WEBP", lossless=True), "WebP ", RGB),
        (encode(PICTURE, "BMP"), "BMP ", RGB),
        (encode(PICTURE, "PPM"), "PNM RGB", RGB),
    ],
    ids=[
        "jpeg", "progressive", "grey-jpeg", "cmyk", "grey", "grey-alpha", "alpha-is-dropped",
        "16-bit", "16-bit-rgb",
        "16-bit-tiff", "webp", "bmp", "ppm",
    ],
)  # fmt: skip
def test_each_kind_of_file_becomes_the_same_picture(
    data: bytes, mode: str, expected: np.ndarray
) -> None:
    pixels = decode_whole(data, where="x")
    kind = file_kind(data)

    assert f"{kind.format} {kind.mode}" == mode
    assert np.abs(pixels.astype(int) - expected)[5:15, 5:25].max() <= 6
    assert np.abs(pixels.astype(int) - expected)[25:35, 35:55].max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    data = with_orientation(orientation)
    turned = np.rot90(RGB, {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}.get(orientation, 0))
    expected = turned[:, ::-1] if orientation in {2, 4, 5, 7} else turned
    pixels = decode_whole(data, where="x")

    assert file_kind(data).orientation == orientation
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 4


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_file_that_ends_too_early_is_refused(kind: str, share: float) -> None:
    data = encode(NOISE, kind)

    with pytest.raises(SourceError, match=r"a\.jpg: the .* file ends too early; fetch it again"):
        decode_whole(data[: int(len(data) * share)], where="a.jpg")


def test_jpeg_that_is_filled_up_with_zeros_is_refused() -> None:
    data = encode(NOISE, "JPEG")

    with pytest.raises(SourceError, match="too early"):
        decode_whole(data[: len(data) // 2] + bytes(len(data) // 2), where="x")


def test_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    inner = encode(PICTURE.resize((8, 8)), "JPEG")
    data = encode(NOISE, "JPEG", comment=inner)

    assert file_kind(data).whole
    assert not file_kind(data[: len(data) // 2]).whole


def test_what_follows_a_whole_picture_does_no_harm() -> None:
    data = encode(PICTURE, "JPEG", quality=95)

    assert decode_whole(data + b"a video, say", where="x").shape == RGB.shape


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "empty"), (b"Not a picture.\n" * 9, "not a picture")],
    ids=["empty", "text"],
)
def test_file_that_is_no_picture_is_named_and_skipped(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "\u5199\u771f.jpg"
    path.write_bytes(data)
    reader = PictureReader()

    assert reader.frame(Picture(path, "one", (0,))) is None
    assert message in reader.skipped["one"]
    assert str(path) in reader.skipped["one"]


def test_file_that_is_gone_is_named_and_skipped(tmp_path: Path) -> None:
    reader = PictureReader()

    assert reader.frame(Picture(tmp_path / "gone.jpg", "one", (0,))) is None
    assert "gone.jpg: cannot be read: No such file" in reader.skipped["one"]


HEADS = [
    b"",
    b"\xff\xd8",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF",
    b"BM",
    b"\xff\xd8\xff\xe1\0\x20Exif\0\0II",
]


@given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_any_bytes_have_a_kind(head: bytes, rest: bytes) -> None:
    assert file_kind(head + rest).orientation in range(1, 9)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_does_not_upset_the_reading_of_headers(at: int, value: int) -> None:
    data = bytearray(with_orientation(6))
    data[at] = value

    assert file_kind(bytes(data)).format in {"JPEG", "unknown"}
