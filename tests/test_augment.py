"""RandAugment and the sheet that shows an augmentation. Pillow's operations are the reference."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import affine_transform
from sklearn.datasets import load_sample_image

from zoo.data import Augment, Images
from zoo.data.randaugment import ENHANCE, OPERATIONS, apply, randaugment
from zoo.tasks.figures import TILE, augmentation_sheet

FLOWER, TEMPLE = (load_sample_image(f"{name}.jpg")[:384, :512] for name in ("flower", "china"))  # (384, 512, 3)
BRIGHT = np.float32(FLOWER // 2 + 60)  # between 60 and 187, so that autocontrast has something to do
each = pytest.mark.parametrize("name", OPERATIONS)
MOVES = {
    # (row, column) from the middle at which the pixel is read that ends at (down, right)
    "rotate": lambda level: [
        [np.cos(np.pi / 6 * level), np.sin(np.pi / 6 * level)],
        [-np.sin(np.pi / 6 * level), np.cos(np.pi / 6 * level)],
    ],
    "shear_x": lambda level: [[1, 0], [0.3 * level, 1]],
    "shear_y": lambda level: [[1, 0.3 * level], [0, 1]],
}


@pytest.fixture(scope="module")
def small() -> np.ndarray:
    """Eight photographs (8, 32, 32, 3), of which one is made white and one of two tones."""
    parts = [picture[y : y + 128 : 4, x : x + 128 : 4] for picture in (FLOWER, TEMPLE) for x, y in [(0, 0), (300, 200)]]
    pictures = np.float32([*parts, *parts])
    pictures[5], pictures[6] = 255, 255 * (pictures[6] > 128)
    return pictures


def once(name: str, picture: np.ndarray, level: float) -> np.ndarray:
    return apply(name, tf.constant(picture[None], tf.float32), tf.constant([level], tf.float32))[0].numpy()


@each
@pytest.mark.parametrize("channels", [1, 3])
def test_no_strength_leaves_every_pixel(name, channels, small):
    pictures = small[..., :channels] * np.float32(0.999)  # pixels that are not whole stay as they are, too
    np.testing.assert_array_equal(apply(name, pictures, tf.zeros(8)), pictures)


@each
def test_a_little_strength_changes_little(name, small):
    changed = apply(name, small, tf.constant([0.01, -0.01] * 4)).numpy()
    assert np.abs(changed - small).max() < (40 if name in MOVES else 4)  # of 255; a move changes edges most
    assert np.abs(changed - small).mean() < 1.5


@each
def test_strength_grows_without_a_leap(name, small):
    """No operation is harsher the weaker it is asked for."""
    changes = [np.abs(apply(name, small, tf.fill([8], level)) - small).mean() for level in (0.0, 0.1, 0.3, 0.6, 1.0)]
    if name != "identity":
        assert changes[-1] > 2
    assert changes == sorted(changes)


@each
def test_a_picture_is_changed_whatever_the_others_are(name, small):
    levels = tf.constant([0.9, -0.9, 0.3, -0.3, 0.6, -0.6, 0.1, 1.0])
    together = apply(name, small, levels).numpy()
    alone = np.concatenate([apply(name, small[i : i + 1], levels[i : i + 1]) for i in range(8)])
    np.testing.assert_array_equal(together, alone)
    assert together.min() >= 0
    assert together.max() <= 255


def pillow(name: str, level: float, picture: Image.Image) -> Image.Image | None:
    """The same operation by Pillow, if it has it at this level."""
    enhance = {
        "color": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast,
        "brightness": ImageEnhance.Brightness,
        "sharpness": ImageEnhance.Sharpness,
    }
    complete = {
        "autocontrast": ImageOps.autocontrast,
        "equalize": ImageOps.equalize,
        "solarize": ImageOps.solarize,
    }
    if name in enhance:
        return enhance[name](picture).enhance(1 + ENHANCE * level)
    if name in complete:
        return complete[name](picture)
    return ImageOps.posterize(picture, 8 - round(4 * abs(level)))


SAME = [
    *[(name, level) for name in ("color", "contrast", "brightness", "sharpness") for level in (-1, -0.4, 0.3, 1)],
    *[(name, 1.0) for name in ("autocontrast", "equalize", "solarize")],
    *[("posterize", level) for level in (0.0, 0.25, -0.5, 1.0)],
]


@pytest.mark.parametrize(("name", "level"), SAME)
def test_operations_are_pillows(name, level):
    ours = once(name, BRIGHT, level)[1:-1, 1:-1]  # Pillow leaves the border as it is when it sharpens
    theirs = np.asarray(pillow(name, level, Image.fromarray(np.uint8(BRIGHT))), np.float32)[1:-1, 1:-1]
    assert np.abs(ours - theirs).max() < 2  # Pillow rounds in between
    assert np.abs(ours - theirs).mean() < 0.8


@pytest.mark.parametrize("level", [-1, 0.5])
@pytest.mark.parametrize("name", MOVES)
def test_moves_are_scipys(name, level):
    picture = BRIGHT[::8, ::8, 0]  # (48, 64)
    middle, matrix = (np.array(picture.shape) - 1) / 2, np.array(MOVES[name](level))
    theirs = affine_transform(picture, matrix, middle - matrix @ middle, order=1, mode="grid-constant")
    np.testing.assert_allclose(once(name, picture[..., None], level)[..., 0], theirs, atol=0.5)


def test_translations_are_of_whole_pixels():
    picture = BRIGHT[:33, :66]
    np.testing.assert_array_equal(once("translate_x", picture, 1)[:, :-30], picture[:, 30:])  # 150 of 331
    np.testing.assert_array_equal(once("translate_x", picture, 1)[:, -30:], 0)
    np.testing.assert_array_equal(once("translate_y", picture, -1)[15:], picture[:-15])


def test_each_picture_draws_its_own(small):
    """Same seed, same bits; and of equal pictures in a batch each becomes another."""
    equal = tf.repeat(small[:1], 100, 0)
    first, again, other = (randaugment(equal, 1.0, seed).numpy() for seed in ([3, 4], [3, 4], [3, 5]))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({picture.tobytes() for picture in first}) > 90
    np.testing.assert_array_equal(randaugment(equal, 0.0, [3, 4]), equal)


def test_each_operation_is_drawn_as_often(monkeypatch):
    """Each operation marks the pictures that drew it."""
    monkeypatch.setattr("zoo.data.randaugment.EACH", 1)
    for number, name in enumerate(OPERATIONS, 1):
        monkeypatch.setitem(OPERATIONS, name, lambda images, level, number=number: images + number)
    pictures = randaugment(tf.zeros((14_000, 1, 1, 1)), 1.0, [0, 0]).numpy().reshape(-1)
    values, counts = np.unique(pictures, return_counts=True)
    np.testing.assert_array_equal(values, range(1, 15))
    np.testing.assert_allclose(counts, 1000, atol=150)


def test_why_not_keras_own(small):
    """Fails once Keras' layer does what ours was written for; then take Keras'."""
    settings = {"value_range": (0, 255), "dtype": "float32"}
    weak = keras.layers.RandAugment(factor=0.0, **settings)
    for part in (weak.random_posterization, weak.solarization):
        changed = np.asarray(part(small, training=True))
        assert np.abs(changed - small).mean() > 30, part.name
    # What becomes of a picture depends on the others of its batch.
    equalize = keras.layers.Equalization(**settings)
    assert np.abs(np.asarray(equalize(small))[0] - np.asarray(equalize(small[:1]))[0]).mean() > 10
    # All pictures get the same operations: either all white ones become darker, or none.
    half = keras.layers.RandAugment(factor=0.5, seed=0, **settings)
    grays = np.full((64, 8, 8, 3), 100, np.float32)
    kinds = {len(np.unique(np.asarray(half(grays, training=True)).round().mean((1, 2, 3)))) for _ in range(20)}
    assert 1 in kinds


def test_sheet_of_an_augmentation(data_directory):
    plain = Images("digits", directory=data_directory)
    assert augmentation_sheet(plain) is None
    source = Images("digits", directory=data_directory, augment=Augment(shift=0.1, randaugment=0.5, mixup=0.1))
    pictures = source.augmented(4, 5)
    assert pictures.shape == (4, 6, 28, 28, 1)
    known = {picture.tobytes() for picture in plain.arrays("train")[0]}
    assert all(np.uint8(row[0]).tobytes() in known for row in pictures)
    assert all(len({picture.tobytes() for picture in row}) == 6 for row in pictures)
    np.testing.assert_array_equal(pictures, source.augmented(4, 5))
    sheet = augmentation_sheet(source, 4, 5)
    assert sheet.shape == (4 * (TILE + 4), 6 * (TILE + 4), 3)
