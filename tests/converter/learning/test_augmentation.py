"""Augmented pictures follow from seed and step, stay pictures, and change as a camera would."""

import functools
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from edge_recog_converter._tensorflow import tf
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.learning.augmentation import sections as sections_module
from edge_recog_converter.learning.augmentation.augmenter import augmenter_of
from edge_recog_converter.learning.augmentation.colour import light_gains
from edge_recog_converter.learning.augmentation.draws import Draws
from edge_recog_converter.learning.augmentation.rand_augment import operations
from edge_recog_converter.learning.augmentation.sections import (
    Augmentation,
    Brightness,
    Contrast,
    CutMix,
    Defocus,
    Erasing,
    Flip,
    Jpeg,
    LowLight,
    MixUp,
    MotionBlur,
    RandAugment,
    Rotation,
    Translation,
    WhiteBalance,
    Zoom,
)
from numpy.typing import NDArray

Floats = NDArray[np.float32]
ALWAYS: list[Augmentation] = [
    Flip(p=1.0),
    Rotation(degrees=40.0),
    Zoom(factor=(0.7, 1.4)),
    Translation(height=0.2, width=0.2),
    Contrast(factor=0.5),
    Brightness(factor=0.5),
    WhiteBalance(kelvin=(3000.0, 12_000.0), p=1.0),
    MotionBlur(length=(3.0, 9.0), p=1.0),
    Defocus(radius=(1.0, 3.0), p=1.0),
    LowLight(p=1.0),
    Jpeg(quality=(10, 60), p=1.0),
    RandAugment(operations=2, magnitude=8.0),
    Erasing(p=1.0),
    MixUp(alpha=1.0),
    CutMix(p=1.0),
]
BY_KIND = pytest.mark.parametrize("section", ALWAYS, ids=lambda one: type(one).__name__)


def photographs(count: int = 8, height: int = 40, width: int = 48, channels: int = 3) -> Floats:
    """Return smooth pictures with an edge, like photographs, over the whole range."""
    rng = np.random.default_rng(1)
    coarse = rng.uniform(0, 255, (count, height // 8, width // 8, channels))
    pictures = coarse.repeat(8, axis=1).repeat(8, axis=2)
    pictures += rng.normal(0, 4, pictures.shape)
    return pictures.clip(0, 255).astype(np.float32)


@functools.cache
def made(sections: tuple[Augmentation, ...], shape: tuple[int, int, int], seed: int) -> Any:
    """Return an augmenter; those of the same arguments are traced once."""
    return augmenter_of(sections, image_shape=shape, seed=seed)


def augmented(
    *sections: Augmentation, pictures: Floats | None = None, seed: int = 3, step: int = 5
) -> tuple[Floats, Floats]:
    if pictures is None:
        pictures = photographs()
    targets = np.eye(10, dtype=np.float32)[np.arange(len(pictures)) % 10]
    changed, mixed = made(sections, pictures.shape[1:], seed)(pictures, targets, step)
    return changed.numpy(), mixed.numpy()


@BY_KIND
def test_same_seed_and_step_give_the_same_batch(section: Augmentation) -> None:
    one, again = (augmenter_of([section], image_shape=(40, 48, 3), seed=3) for _ in range(2))
    targets = np.eye(10, dtype=np.float32)[:8]
    again(photographs(), targets, 1)  # What came before does not matter.
    one, same = (each(photographs(), targets, 5)[0] for each in (one, again))

    np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("section", ALWAYS[1:], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("other", [{"seed": 4}, {"step": 6}], ids=["seed", "step"])
def test_another_seed_or_step_gives_another_batch(
    section: Augmentation, other: dict[str, int]
) -> None:
    assert not np.array_equal(augmented(section)[0], augmented(section, **other)[0])


@BY_KIND
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stay_pictures(section: Augmentation, channels: int) -> None:
    pictures = photographs(channels=channels)
    if channels == 1 and isinstance(section, WhiteBalance):
        with pytest.raises(RecipeError, match="colour"):
            augmented(section, pictures=pictures)
        return
    changed, targets = augmented(section, pictures=pictures)

    assert changed.shape == pictures.shape
    assert changed.dtype == np.float32
    assert changed.min() >= 0.0
    assert changed.max() <= 255.0
    assert not np.array_equal(changed, pictures)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-6)


@BY_KIND
def test_probability_0_is_the_identity(section: Augmentation) -> None:
    pictures = photographs()
    changed, targets = augmented(msgspec.structs.replace(section, p=0.0))

    np.testing.assert_allclose(changed, pictures, atol=2e-3)
    np.testing.assert_array_equal(targets, np.eye(10)[:8])


@pytest.mark.parametrize(
    "section", [one for one in ALWAYS if not isinstance(one, MixUp | Erasing)], ids=repr
)
def test_probability_is_that_of_each_picture(section: Augmentation) -> None:
    pictures = photographs(count=200, height=32, width=32)
    changed, _ = augmented(msgspec.structs.replace(section, p=0.5), pictures=pictures)
    share = np.mean(np.abs(changed - pictures).max(axis=(1, 2, 3)) > 0.01)

    assert 0.3 < share < 0.65


@pytest.mark.parametrize(
    "section",
    [*ALWAYS[:5], *ALWAYS[7:9], Jpeg(p=1.0)],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("value", [0.0, 128.0, 255.0])
def test_even_pictures_stay_as_they_are(section: Augmentation, value: float) -> None:
    changed, _ = augmented(section, pictures=np.full((4, 40, 40, 3), value, np.float32))

    np.testing.assert_allclose(changed, value, atol=1.0 if isinstance(section, Jpeg) else 0.01)


def test_flip_swaps_sides() -> None:
    pictures = photographs()

    np.testing.assert_array_equal(augmented(Flip(p=1.0))[0], pictures[:, :, ::-1])
    np.testing.assert_array_equal(
        augmented(Flip(horizontal=False, vertical=True, p=1.0))[0], pictures[:, ::-1]
    )


def test_translation_by_whole_pixels_only_moves() -> None:
    pictures = np.zeros((64, 40, 40, 3), np.float32)
    pictures[:, 20, 20] = 255.0
    changed, _ = augmented(Translation(height=0.25, width=0.0), pictures=pictures)
    rows = (changed[..., 0].sum(axis=2) * np.arange(40)).sum(axis=1) / 255.0 - 20

    np.testing.assert_allclose(changed.sum(axis=(1, 2, 3)), 3 * 255.0, rtol=1e-4)
    np.testing.assert_allclose(changed[:, :, 20].sum(axis=(1, 2)), 3 * 255.0, rtol=1e-4)
    assert -10.01 <= rows.min() < -7
    assert 7 < rows.max() <= 10.01


def test_zoom_keeps_the_centre_and_scales_what_is_around() -> None:
    pictures = np.zeros((32, 41, 41, 1), np.float32)
    pictures[:, 15:26, 15:26] = 255.0  # 11 x 11
    smaller, _ = augmented(Zoom(factor=(0.5, 0.5)), pictures=pictures)
    larger, _ = augmented(Zoom(factor=(2.0, 2.0)), pictures=pictures)
    area = pictures[0].sum()

    assert larger[0].sum() / area == pytest.approx(4.0, rel=0.05)
    # Mirrored ones are outside of where it was.
    assert smaller[0, 15:26, 15:26].sum() / area == pytest.approx(0.25, rel=0.2)
    for changed in (smaller, larger):
        np.testing.assert_allclose(changed, changed[:, ::-1, ::-1], atol=0.1)


def test_rotation_is_about_the_centre_and_within_its_angle() -> None:
    pictures = np.zeros((64, 41, 41, 1), np.float32)
    pictures[:, 20, 35] = 255.0
    changed, _ = augmented(Rotation(degrees=30.0), pictures=pictures)
    weights = changed[..., 0] / changed[..., 0].sum(axis=(1, 2), keepdims=True)
    y = (weights * (np.arange(41) - 20)[:, None]).sum(axis=(1, 2))
    x = (weights * (np.arange(41) - 20)[None, :]).sum(axis=(1, 2))
    angles = np.degrees(np.arctan2(y, x))

    np.testing.assert_allclose(np.hypot(x, y), 15.0, atol=0.6)
    assert 25 < np.abs(angles).max() < 32
    assert angles.min() < -15 < 15 < angles.max()


def test_neighbouring_movements_are_sampled_once() -> None:
    pictures = photographs()
    there_and_back = [Zoom(factor=(0.5, 0.5)), Zoom(factor=(2.0, 2.0))]

    np.testing.assert_allclose(augmented(*there_and_back)[0], pictures, atol=0.01)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            augmented(there_and_back[0], Contrast(factor=0.0), there_and_back[1])[0],
            pictures,
            atol=10.0,
        )


def test_motion_blurs_along_a_line_and_defocus_all_around() -> None:
    pictures = np.zeros((64, 41, 41, 1), np.float32)
    pictures[:, 20, 20] = 255.0
    spread = {}
    for section in (MotionBlur(length=(9.0, 9.0), p=1.0), Defocus(radius=(4.0, 4.0), p=1.0)):
        light = augmented(section, pictures=pictures)[0][..., 0] ** 2 / 255.0**2
        np.testing.assert_allclose(light.sum(axis=(1, 2)), 1.0, rtol=1e-3)
        at = np.arange(41) - 20.0
        y, x = np.meshgrid(at, at, indexing="ij")
        moments = [(light * one).sum(axis=(1, 2)) for one in (x * x, x * y, y * y)]
        matrices = np.stack([moments[0], moments[1], moments[1], moments[2]], 1).reshape(-1, 2, 2)
        spread[type(section)] = np.sqrt(np.linalg.eigvalsh(matrices))

    # A line of length 9 has the deviation 9 / sqrt(12), a disk of radius 4 has 4 / 2.
    np.testing.assert_allclose(spread[MotionBlur][:, 1], 9 / np.sqrt(12), rtol=0.1)
    assert spread[MotionBlur][:, 0].max() < 0.7
    np.testing.assert_allclose(spread[Defocus], 2.0, rtol=0.1)


def test_shortest_motion_and_smallest_disk_are_sharp() -> None:
    pictures = photographs()
    sharp, _ = augmented(Defocus(radius=(0.5, 0.5), p=1.0))

    np.testing.assert_allclose(sharp, pictures, atol=0.01)


def test_low_light_has_the_noise_that_was_asked_for() -> None:
    grey = np.full((16, 48, 48, 3), 100.0, np.float32)
    changed, _ = augmented(LowLight(gain=(0.5, 0.5), shot=10.0, read=4.0, p=1.0), pictures=grey)

    assert changed.mean() == pytest.approx(50.0, abs=0.2)
    assert changed.std() == pytest.approx(np.sqrt(10.0**2 * 50 / 255 + 4.0**2), rel=0.02)


def test_jpeg_of_low_quality_is_further_away() -> None:
    pictures = photographs()
    errors = [
        np.abs(augmented(Jpeg(quality=(quality, quality), p=1.0))[0] - pictures).mean()
        for quality in (10, 50, 95)
    ]

    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2] > 0


def test_warm_light_is_orange_and_cold_light_blue() -> None:
    warm, balanced, cold = light_gains(np.array([3000.0, 6500.0, 12_000.0]))

    assert warm[0] > 1.0 > warm[2]
    np.testing.assert_allclose(balanced, 1.0)
    assert cold[0] < 1.0 < cold[2]
    for gains in (warm, balanced, cold):
        assert gains**2 @ [0.2126, 0.7152, 0.0722] == pytest.approx(1.0)


def test_erasing_hides_one_rectangle() -> None:
    pictures = photographs()
    changed, _ = augmented(Erasing(area=(0.1, 0.1), p=1.0))
    hidden = (changed != pictures).any(axis=-1)

    for mask in hidden:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert mask.mean() == pytest.approx(0.1, abs=0.03)


def test_mixup_blends_pictures_as_their_targets() -> None:
    colours = np.linspace(0, 255, 8, dtype=np.float32)
    pictures = np.broadcast_to(colours[:, None, None, None], (8, 32, 32, 3)).copy()
    changed, targets = augmented(MixUp(alpha=1.0), pictures=pictures)

    np.testing.assert_allclose(changed[:, 0, 0, 0], targets[:, :8] @ colours, rtol=1e-4)
    assert ((targets > 0.01) & (targets < 0.99)).any()


def test_cutmix_targets_have_the_area_of_each_picture() -> None:
    pictures = np.broadcast_to(
        np.arange(8, dtype=np.float32)[:, None, None, None], (8, 32, 40, 3)
    ).copy()
    changed, targets = augmented(CutMix(p=1.0), pictures=pictures)
    areas = np.stack([(changed[..., 0] == label).mean(axis=(1, 2)) for label in range(10)], axis=1)

    np.testing.assert_allclose(targets, areas, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 8.0])
def test_beta_has_its_moments(alpha: float) -> None:
    shares = Draws(tf.constant([1, 2], tf.int64)).beta([20_000], alpha).numpy()

    assert np.isfinite(shares).all()
    assert shares.mean() == pytest.approx(0.5, abs=0.015)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


@pytest.mark.parametrize("name", sorted(operations(0.5)))
def test_rand_augment_of_strength_0_changes_nothing_that_has_a_strength(name: str) -> None:
    pictures = tf.constant(photographs())

    def run(strength: float) -> Any:
        return operations(strength)[name](pictures, Draws(tf.constant([1, 2], tf.int64))).numpy()

    if name not in ("auto-contrast", "equalize", "posterize"):
        np.testing.assert_allclose(run(0.0), pictures, atol=0.01)
    assert name == "identity" or np.abs(run(0.9) - pictures).mean() > 0.5


def test_augmenter_works_in_tf_data() -> None:
    augmenter = augmenter_of(ALWAYS, image_shape=(40, 48, 3), seed=3)
    targets = np.eye(10, dtype=np.float32)[:8]
    batches = tf.data.Dataset.from_tensor_slices((photographs(), targets)).batch(3)
    results = list(batches.enumerate().map(lambda step, batch: augmenter(batch[0], batch[1], step)))

    assert [len(pictures) for pictures, _ in results] == [3, 3, 2]
    alone, _ = augmenter(photographs()[3:6], targets[3:6], 1)
    np.testing.assert_array_equal(results[1][0], alone)


def test_nothing_asked_for_changes_nothing() -> None:
    np.testing.assert_array_equal(augmented()[0], photographs())


@pytest.mark.parametrize(
    "section", [MotionBlur(length=(1.0, 29.0)), Defocus(radius=(0.5, 14.0))], ids=repr
)
def test_blur_larger_than_the_picture_is_refused(section: Augmentation) -> None:
    with pytest.raises(RecipeError, match="12 x 40"):
        augmenter_of([section], image_shape=(12, 40, 3), seed=0)


def test_example_in_the_module_can_be_followed() -> None:
    assert sections_module.__doc__ is not None
    lines = sections_module.__doc__.splitlines()
    text = "\n".join(line[4:] for line in lines if line.startswith("    "))
    decoded = msgspec.convert(
        msgspec.toml.decode(text)["augment"], tuple[sections_module.Augmentation, ...]
    )

    assert [type(one) for one in decoded] == [Flip, Rotation, Zoom, MotionBlur, MixUp]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "zoom", "factor": [1.2, 0.8]}, "lower end comes first"),
        ({"kind": "flip", "p": 1.5}, r"\$\.p"),
        ({"kind": "flip", "horizontl": True}, "horizontl"),
        ({"kind": "sepia"}, "sepia"),
    ],
    ids=["order", "range", "typo", "kind"],
)
def test_augmentation_that_cannot_be_followed_is_refused(
    section: dict[str, Any], message: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(section, sections_module.Augmentation)


def test_sections_do_not_import_tensorflow() -> None:
    code = (
        "import sys, edge_recog_converter.learning.augmentation.sections; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
