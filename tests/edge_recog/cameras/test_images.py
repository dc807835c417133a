from __future__ import annotations

import itertools
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_recog.cameras import open_source
from edge_recog.cameras.images import IMAGE_SUFFIXES, FolderSource, image_paths, read_image
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@pytest.fixture
def rgb(noise: Callable[..., NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return noise(12, 20)


def save(path: Path, pixels: NDArray[np.generic]) -> Path:
    """Write pixels, in OpenCV's BGR, without losses."""
    good, encoded = cv2.imencode(path.suffix, pixels)
    assert good
    path.write_bytes(bytes(encoded))
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".ppm"])
def test_a_picture_is_read_as_rgb(tmp_path: Path, rgb: NDArray[np.uint8], suffix: str) -> None:
    path = save(tmp_path / f"picture{suffix}", rgb[..., ::-1])

    np.testing.assert_array_equal(read_image(path), rgb)


def test_the_name_does_not_matter(tmp_path: Path, rgb: NDArray[np.uint8]) -> None:
    path = save(tmp_path / "picture.png", rgb).rename(tmp_path / "picture.jpg")

    assert read_image(path).shape == rgb.shape


def test_grey_becomes_rgb(tmp_path: Path, rgb: NDArray[np.uint8]) -> None:
    grey = rgb[..., 0]
    pixels = read_image(save(tmp_path / "grey.png", grey))

    np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))


def test_16_bits_become_8(tmp_path: Path, rgb: NDArray[np.uint8]) -> None:
    deep = rgb[..., ::-1].astype(np.uint16) * 257
    pixels = read_image(save(tmp_path / "deep.png", deep))

    np.testing.assert_allclose(pixels.astype(int), rgb, atol=1)


def test_alpha_is_dropped(tmp_path: Path, rgb: NDArray[np.uint8]) -> None:
    clear = np.dstack([rgb[..., ::-1], np.zeros(rgb.shape[:2], np.uint8)])

    np.testing.assert_array_equal(read_image(save(tmp_path / "clear.png", clear)), rgb)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Return a JPEG with an EXIF orientation (tag 0x0112, TIFF 6.0 in an APP1 segment)."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (6, lambda p: np.rot90(p, -1)),
        (8, lambda p: np.rot90(p)),
    ],
    ids=["upright", "mirrored", "upside down", "flipped", "turned right", "turned left"],
)
def test_exif_orientation_is_applied(
    tmp_path: Path, orientation: int, turn: Callable[..., NDArray[np.uint8]]
) -> None:
    corner = np.full((32, 64, 3), 20, np.uint8)
    corner[:16, :32] = 240
    path = tmp_path / "photo.jpg"
    jpeg = cv2.imencode(".jpg", corner, [cv2.IMWRITE_JPEG_QUALITY, 100])[1]
    path.write_bytes(with_orientation(bytes(jpeg), orientation))

    np.testing.assert_allclose(read_image(path).astype(int), turn(corner), atol=10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a picture that OpenCV can decode, or damaged"),
        (b"no picture", "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "not a picture"),
        (b"\xff\xd8\xff\xe0", "not a picture"),
    ],
    ids=["empty", "text", "PNG without a header", "JPEG without content"],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=message) as caught:
        read_image(path)

    assert str(path) in str(caught.value)


def test_a_picture_too_large_to_decode_is_refused(tmp_path: Path) -> None:
    # A header that promises 60000 x 60000 pixels: more than OpenCV takes.
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    import zlib

    path = tmp_path / "huge.png"
    crc = struct.pack(">I", zlib.crc32(ihdr))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + crc + bytes(100))

    with pytest.raises(SourceError, match=r"huge\.png: "):
        read_image(path)


def test_what_opencv_cannot_decode_is_refused(
    tmp_path: Path, rgb: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "picture.png", rgb)
    resize = cv2.resize

    def fail(*_: object) -> None:
        resize(np.zeros((0, 0), np.uint8), (1, 1))

    monkeypatch.setattr(cv2, "imdecode", fail)

    with pytest.raises(SourceError, match=r"picture\.png: the picture cannot be decoded"):
        read_image(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.jpg: cannot be read: No such file"):
        read_image(tmp_path / "none.jpg")


def test_a_picture_is_a_source_of_one_frame(tmp_path: Path, rgb: NDArray[np.uint8]) -> None:
    path = save(tmp_path / "picture.png", rgb[..., ::-1])

    with open_source(path) as source:
        assert (source.name, source.length) == (str(path), 1)
        (frame,) = source

    np.testing.assert_array_equal(frame.pixels, rgb)
    assert (frame.index, frame.source) == (0, str(path))


@pytest.fixture
def album(tmp_path: Path, rgb: NDArray[np.uint8]) -> Path:
    """Return a folder of four pictures, and of files that are none."""
    folder = tmp_path / "album"
    (folder / "b").mkdir(parents=True)
    for name in ("c.png", "B.PNG", "b/z.png", "b/a.png"):
        save(folder / name.lower(), rgb).rename(folder / name)
    save(folder / "hidden.png", rgb).rename(folder / ".hidden.png")
    (folder / "notes.txt").write_text("cat")
    return folder


def test_a_folder_is_read_in_the_order_of_its_paths(album: Path) -> None:
    with open_source(album) as source:
        frames = list(source)

    names = [Path(frame.source).relative_to(album).as_posix() for frame in frames]
    assert names == ["B.PNG", "b/a.png", "b/z.png", "c.png"]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert source.length == 4


def test_a_closed_folder_yields_no_more(album: Path) -> None:
    source = FolderSource(str(album), {})
    frames = iter(source)
    next(frames)
    source.close()

    assert list(frames) == []


def test_a_broken_picture_in_a_folder_is_named(album: Path) -> None:
    (album / "c.png").write_bytes(b"broken")

    with open_source(album) as source, pytest.raises(SourceError, match=r"c\.png: not a picture"):
        list(source)


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_pictures_are_known_by_their_suffix(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"picture{suffix}").touch()

    assert image_paths(tmp_path) == [tmp_path / f"picture{suffix}"]


def test_a_folder_without_pictures_says_what_a_picture_is(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no picture in it \(\.bmp, \.jpeg, "):
        FolderSource(str(tmp_path), {})


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SourceError, match="not a folder"):
        image_paths(tmp_path / "file")


def test_a_folder_may_be_played_again_and_again(album: Path) -> None:
    with open_source(f"images:{album}?loop=1") as source:
        frames = list(itertools.islice(source, 9))

    assert source.length is None
    assert [frame.index for frame in frames] == list(range(9))
    assert frames[0].source == frames[4].source == frames[8].source


def test_a_folder_may_be_played_at_a_rate(album: Path) -> None:
    with open_source(f"images:{album}?rate=100") as source:
        frames = list(source)

    assert len(frames) + source.skipped["late"] == 4
    assert frames[-1].captured_ns - frames[0].captured_ns >= (frames[-1].index - 1) * 10_000_000


def test_closing_ends_the_wait_for_the_next_picture(album: Path) -> None:
    source = open_source(f"images:{album}?rate=0.1")
    frames = iter(source)
    next(frames)
    timer = threading.Timer(0, source.close)
    timer.start()

    assert list(frames) == []
    timer.join()


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("width=40", (40, 24)),
        ("height=24", (40, 24)),
        ("width=16&height=16", (16, 16)),
        ("", (20, 12)),
    ],
)
def test_pictures_are_scaled_if_that_is_asked_for(
    album: Path, options: str, size: tuple[int, int]
) -> None:
    with open_source(f"images:{album}?{options}") as source:
        frame = next(iter(source))

    assert (frame.width, frame.height) == size


def test_real_photographs_are_found_and_read(shared_data: Path) -> None:
    with open_source(shared_data / "clothing_small" / "test" / "hat") as source:
        frame = next(iter(source))
        assert source.length is not None
        assert source.length >= 10

    assert min(frame.height, frame.width) == 128
