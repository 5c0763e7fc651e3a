"""Xception, "extreme Inception" (Chollet 2017, arXiv:1610.02357).

Inception's idea taken to its extreme: correlations in space and correlations between channels are handled separately.
A separable convolution first filters each channel on its own and then mixes the channels at each pixel. The network has
two plain and 34 separable convolutions, 32 of which are within residual connections.
Departs from the paper: nothing in the graph.
Checked against: keras.applications' Xception, outputs and moving statistics.
"""

import keras
from keras import layers

from zoo.layers import BatchNormalization, scaled

ENTRY = (128, 256, 728)  # channels of the entry flow's blocks, which halve the resolution (figure 5)


def xception(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    middle: int = 8,
    dropout: float = 0.5,
    scaling: str = "symmetric",
) -> keras.Model:
    """Figure 5: an entry flow that reduces the resolution, a middle flow of equal blocks, and an exit flow.

    22,910,480 weights on 299x299x3 and 1000 classes.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side at least 32.
        classes: labels to tell apart.
        middle: number of blocks in the middle flow.
        dropout: fraction dropped while training, before the last layer (section 4.3).
        scaling: how pixels are scaled: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: the image is too small to halve five times, or middle is negative.
    """
    if min(input_shape[:2]) < 32:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but xception halves them 5 times "
            "and needs 32x32: take larger pictures"
        )
    if middle < 0:
        raise ValueError(f"middle came as {middle}, but must be 0 or more blocks")
    inputs = keras.Input(input_shape, name="pixels")
    x = scaled(inputs, scaling)  # (B, 299, 299, 3); this and the shapes below are those of the paper
    for number, (channels, stride) in enumerate(((32, 2), (64, 1)), 1):
        x = layers.Conv2D(channels, 3, stride, use_bias=False, name=f"entry_conv{number}")(x)
        x = layers.ReLU(name=f"entry_relu{number}")(normalized(x, f"entry_conv{number}"))  # (B, 147, 147, 64) at last
    for number, channels in enumerate(ENTRY, 1):
        x = halving(x, (channels, channels), f"entry_block{number}", active=number > 1)  # (B, 19, 19, 728) at last
    for number in range(1, middle + 1):
        y = x
        for part in (1, 2, 3):
            y = separable(y, 728, f"middle_block{number}_part{part}")
        x = layers.Add(name=f"middle_block{number}_add")([y, x])
    x = halving(x, (728, 1024), "exit_block", active=True)  # (B, 10, 10, 1024)
    for number, channels in enumerate((1536, 2048), 1):
        x = separable(x, channels, f"exit_part{number}", active=False)
        x = layers.ReLU(name=f"exit_part{number}_relu")(x)  # (B, 10, 10, 2048) at last
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (B, 2048)
    x = layers.Dropout(dropout, name="drop")(x)
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="xception")


def halving(x, channels: tuple[int, int], name: str, active: bool):
    """Two separable convolutions and max pooling, with a shortcut by a 1x1 convolution of stride 2."""
    short = layers.Conv2D(channels[-1], 1, 2, "same", use_bias=False, name=f"{name}_short_conv")(x)
    short = normalized(short, f"{name}_short")
    x = separable(x, channels[0], f"{name}_part1", active)
    x = separable(x, channels[1], f"{name}_part2")
    x = layers.MaxPooling2D(3, 2, "same", name=f"{name}_pool")(x)
    return layers.Add(name=f"{name}_add")([x, short])


def separable(x, channels: int, name: str, active: bool = True):
    """A separable 3x3 convolution and batch normalisation, after ReLU if `active`."""
    if active:
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.SeparableConv2D(channels, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return normalized(x, name)


def normalized(x, name: str):
    """Batch normalisation over each channel."""
    return BatchNormalization(name=f"{name}_norm")(x)
