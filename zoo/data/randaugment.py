"""RandAugment: two random operations of fourteen on each picture (Cubuk 2019, arXiv:1909.13719).

The operations are the paper's, and their largest magnitudes those of AutoAugment (Cubuk 2018), which it uses. Each
picture draws its own two, and for each a level between -strength and strength.

Departs from the paper so that strength 0 leaves every pixel as it is, and a little strength changes little:
- The level is drawn; in the paper it is always the same.
- Posterize and solarize grow with the level; in the paper's code they shrink. Solarize mirrors brightness at its
  threshold, 255 to 128, where it is the usual one; to invert what is above a higher threshold makes black of white.
- Autocontrast and equalize, which have no level, are blended with the picture by it: level 1 is all of them.
- Rotation and shears leave the middle in place; what comes in from outside is black, as in the other changes here.

Not Keras' layer: at strength 0 it keeps one bit of the pixels or inverts nearly all of them, it draws the operations
once for all pictures of a batch, and it equalizes by the histogram of the batch (tests/test_augment.py shows it).
Checked against: Pillow's operations, which round in between (less than 2 of 255 apart), and SciPy's for the moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import tensorflow as tf

EACH = 2  # operations on each picture
ANGLE = math.radians(30)
SHEAR = 0.3
SHIFT = 150 / 331  # of the side: AutoAugment's pictures have 331 pixels
ENHANCE = 0.9  # color, contrast, brightness and sharpness become 0.1 to 1.9 of what they are
BITS = 4  # the last ones of the 8 of a pixel, which posterize clears


class RandAugment(keras.Layer):
    """Changes the pictures of a batch by `randaugment`; its `generator` gives the seeds.

    Args:
        strength: 0, which leaves pictures as they are, to 1.
    """

    def __init__(self, strength: float):
        super().__init__(dtype="float32")
        self.strength, self.generator = strength, keras.random.SeedGenerator(0)

    def call(self, batch: dict, training: bool = True) -> dict:
        """The batch, in which `images` are changed in training."""
        if not training:
            return batch
        return batch | {"images": randaugment(batch["images"], self.strength, self.generator.next())}


def randaugment(images: tf.Tensor, strength: float, seed: tf.Tensor) -> tf.Tensor:
    """Changes each picture by two operations, whatever the other pictures are.

    Args:
        images: (B, H, W, C) float32 pixels in 0..255; C is 1 (gray) or 3 (red, green, blue).
        strength: 0 to 1.
        seed: (2,) integers, from which all that is random follows.

    Returns:
        (B, H, W, C) float32 pixels in 0..255.
    """
    count = tf.shape(images)[0]
    drawn = tf.random.stateless_uniform((2, EACH, count), seed)
    chosen = tf.cast(drawn[0] * len(OPERATIONS), tf.int32)  # (EACH, B)
    levels = strength * (2 * drawn[1] - 1)
    for turn in range(EACH):
        # An operation is computed only for the pictures that drew it, a fourteenth of them.
        places = tf.dynamic_partition(tf.range(count), chosen[turn], len(OPERATIONS))
        changed = [
            apply(name, tf.gather(images, place), tf.gather(levels[turn], place))
            for name, place in zip(OPERATIONS, places, strict=True)
        ]
        images = tf.ensure_shape(tf.dynamic_stitch(places, changed), images.shape)
    return images


def apply(name: str, images: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    """One operation on pictures (B, H, W, C), each at its level (B,) in -1..1, of which 0 leaves it as it is."""
    return tf.clip_by_value(OPERATIONS[name](images, levels[:, None, None, None]), 0, 255)


def blended(complete: Callable) -> Callable:
    """An operation that leads from the picture, at level 0, to a complete change, at level 1 or -1."""
    return lambda images, level: images + tf.abs(level) * (complete(images) - images)


def enhanced(without: Callable) -> Callable:
    """An operation that leads towards a picture without some property or, at levels above 0, away from it."""
    return lambda images, level: images + ENHANCE * level * (images - without(images))


def autocontrast(images: tf.Tensor) -> tf.Tensor:
    """The darkest pixel of each channel becomes 0 and the brightest 255."""
    low, high = (reduce(images, (1, 2), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    return tf.where(high > low, (images - low) * tf.math.divide_no_nan(255.0, high - low), images)


def equalized(images: tf.Tensor) -> tf.Tensor:
    """All brightnesses of a channel become about equally frequent; unlike Pillow's, of small pictures too."""
    height, width, channels = images.shape[1:]
    flat = tf.reshape(tf.transpose(images, (0, 3, 1, 2)), (-1, height * width))  # (B C, H W)
    values = tf.cast(tf.round(flat), tf.int32)
    counts = tf.math.bincount(values, minlength=256, maxlength=256, axis=-1)  # (B C, 256)
    darker = tf.gather(tf.cumsum(counts, axis=-1, exclusive=True), values, batch_dims=1)  # pixels that are darker
    most = tf.reduce_max(darker, -1, keepdims=True)
    equal = tf.where(most > 0, 255 * tf.cast(darker / most, tf.float32), flat)  # a picture of one brightness stays
    return tf.transpose(tf.reshape(equal, (-1, channels, height, width)), (0, 2, 3, 1))


def gray(images: tf.Tensor) -> tf.Tensor:
    """The brightness of each pixel, (B, H, W, 1)."""
    return images if images.shape[-1] == 1 else tf.image.rgb_to_grayscale(images)


def mean(images: tf.Tensor) -> tf.Tensor:
    """The mean brightness of each picture, (B, 1, 1, 1)."""
    return tf.reduce_mean(gray(images), (1, 2), keepdims=True)


def smooth(images: tf.Tensor) -> tf.Tensor:
    """Each pixel becomes a mean of its neighbours and itself, in which it has a weight of five."""
    return (9 * tf.nn.avg_pool2d(images, 3, 1, "SAME") + 4 * images) / 13


def solarize(images: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Pixels that are brighter than a threshold become as much darker than it; at level 1 it is half of the range."""
    return tf.minimum(images, 255 * (2 - tf.abs(level)) - images)


def posterize(images: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Pixels keep 8 to 4 bits."""
    cleared = tf.cast(tf.round(BITS * tf.abs(level)), tf.int32)
    whole = tf.bitwise.right_shift(tf.cast(tf.round(images), tf.int32), cleared)
    return tf.where(cleared > 0, tf.cast(tf.bitwise.left_shift(whole, cleared), tf.float32), images)


def moved(images: tf.Tensor, *, a=1.0, b=0.0, c=0.0, d=1.0, x=0.0, y=0.0) -> tf.Tensor:
    """What is at (u, v) from the middle, in pixels, comes from (a u + b v + x, c u + d v + y), or else is black."""
    height, width = images.shape[1:3]
    right, down = (width - 1) / 2, (height - 1) / 2
    rows = (a, b, x + right - a * right - b * down, c, d, y + down - c * right - d * down, 0.0, 0.0)
    count = tf.shape(images)[:1]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([tf.broadcast_to(tf.reshape(row, (-1,)), count) for row in rows], 1),
        output_shape=(height, width),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )


def rotate(images: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Rotated about the middle, by up to 30 degrees."""
    cos, sin = tf.cos(ANGLE * level), tf.sin(ANGLE * level)
    return moved(images, a=cos, b=-sin, c=sin, d=cos)


OPERATIONS: dict[str, Callable] = {
    "identity": lambda images, level: images,
    "autocontrast": blended(autocontrast),
    "equalize": blended(equalized),
    "rotate": rotate,
    "solarize": solarize,
    "color": enhanced(gray),
    "posterize": posterize,
    "contrast": enhanced(mean),
    "brightness": enhanced(tf.zeros_like),
    "sharpness": enhanced(smooth),
    "shear_x": lambda images, level: moved(images, b=SHEAR * level),
    "shear_y": lambda images, level: moved(images, c=SHEAR * level),
    # By whole pixels, which blurs nothing.
    "translate_x": lambda images, level: moved(images, x=tf.round(SHIFT * images.shape[2] * level)),
    "translate_y": lambda images, level: moved(images, y=tf.round(SHIFT * images.shape[1] * level)),
}
