"""Inception: several window sizes side by side (Szegedy 2014, arXiv:1409.4842; v3: Szegedy 2015, arXiv:1512.00567).

A module applies convolutions of 1x1, 3x3 and 5x5 to the same input and concatenates their outputs, so that the next
layer can pick the scale it needs; 1x1 convolutions before the large windows keep that cheap. `googlenet` is the first
version, with two auxiliary heads that bring gradients to the middle of the network. `inception_v3` replaces large
windows by several small ones, and square windows by a row and a column.
Departs from the papers: v3 has no auxiliary head, because the published weights have none; pixels are scaled instead of
having their mean subtracted.
Checked against: the numbers of weights in table 1 (v1), except for conv1, 4c and 5a, where the widths stated in the
table do not give the numbers stated in it; keras.applications' InceptionV3, outputs and moving statistics (v3).
"""

import keras
from keras import layers

from zoo.layers import BatchNormalization, LocalResponseNormalization, scaled

# Szegedy 2014, table 1: channels of 1x1, of 3x3 reduce and 3x3, of 5x5 reduce and 5x5, and of pool proj.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    auxiliary: bool = True,
    dropout: float = 0.4,
    scaling: str = "unit",
) -> keras.Model:
    """Table 1: a stem, nine inception modules, average pooling, and the output layer.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side at least 32.
        classes: labels to tell apart.
        auxiliary: whether there are two more heads, after modules 4a and 4d, as second and third output (section 5).
            They are for training only: `fit` adds 0.3 of the loss of each, and saves the network without them.
        dropout: fraction dropped while training, before the last layer (table 1).
        scaling: how pixels are scaled: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits; with auxiliary heads, to a list of three of them.

    Raises:
        ValueError: the image is too small to halve five times.
    """
    check_size(input_shape, 32, "googlenet halves them 5 times")
    inputs = keras.Input(input_shape, name="pixels")
    x = scaled(inputs, scaling)  # (B, H, W, C)
    x = layers.MaxPooling2D(3, 2, "same", name="pool1")(plain(x, 64, 7, "conv1", stride=2))  # (B, H / 4, W / 4, 64)
    x = plain(LocalResponseNormalization(name="norm1")(x), 64, 1, "conv2_reduce")
    x = LocalResponseNormalization(name="norm2")(plain(x, 192, 3, "conv2"))
    x = layers.MaxPooling2D(3, 2, "same", name="pool2")(x)  # (B, H / 8, W / 8, 192)
    heads = []
    for module, (one, three_reduce, three, five_reduce, five, pool) in MODULES.items():
        name = f"module{module}"
        if module in ("4a", "5a"):
            x = layers.MaxPooling2D(3, 2, "same", name=f"{name}_halve")(x)
        views = [
            plain(x, one, 1, f"{name}_1x1"),
            plain(plain(x, three_reduce, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
            plain(plain(x, five_reduce, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
            plain(layers.MaxPooling2D(3, 1, "same", name=f"{name}_pool")(x), pool, 1, f"{name}_pool_project"),
        ]
        x = layers.Concatenate(name=name)(views)
        if auxiliary and module in ("4a", "4d"):
            heads.append(head(x, classes, f"auxiliary{len(heads) + 1}"))
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (B, 1024)
    x = layers.Dropout(dropout, name="drop")(x)
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, [logits, *heads] if heads else logits, name="googlenet")


def plain(x, channels: int, size: int, name: str, stride: int = 1):
    """A convolution and ReLU."""
    options = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal", "name": name}
    return layers.Conv2D(channels, size, stride, **options)(x)


def head(x, classes: int, name: str):
    """An auxiliary head (section 5): 5x5 pooling, 128 channels, 1024 units, and its output layer."""
    window = [min(5, side) for side in x.shape[1:3]]
    x = layers.AveragePooling2D(window, 3, name=f"{name}_pool")(x)
    x = layers.Flatten(name=f"{name}_flatten")(plain(x, 128, 1, f"{name}_conv"))
    x = layers.Dense(1024, "relu", name=f"{name}_dense")(x)
    x = layers.Dropout(0.7, name=f"{name}_drop")(x)  # section 5, as for the sizes above
    return layers.Dense(classes, dtype="float32", name=name)(x)


def inception_v3(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: float = 0.2,
    scaling: str = "symmetric",
) -> keras.Model:
    """Table 1 of the second paper: a stem, eleven modules of five kinds, average pooling, and the output layer.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side at least 75.
        classes: labels to tell apart.
        dropout: fraction dropped while training, before the last layer.
        scaling: how pixels are scaled: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: the image is too small.
    """
    check_size(input_shape, 75, "inception_v3 halves them 5 times, mostly without padding,")
    inputs = keras.Input(input_shape, name="pixels")
    x = scaled(inputs, scaling)  # (B, 299, 299, 3); this and the shapes below are those of the paper
    x = tower(x, "stem", [(32, 3, 3, "halve"), (32, 3, 3, "valid"), (64, 3, 3), "max"])  # (B, 73, 73, 64)
    x = tower(x, "stem2", [(80, 1, 1), (192, 3, 3, "valid"), "max"])  # (B, 35, 35, 192)
    for number, channels in enumerate((32, 64, 64)):  # figure 5: a 5x5 window, and one composed of two 3x3
        x = mixed(
            x,
            f"mixed{number}",
            [(64, 1, 1)],
            [(48, 1, 1), (64, 5, 5)],
            [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
            ["average", (channels, 1, 1)],
        )  # (B, 35, 35, 256), then 288
    x = mixed(x, "mixed3", [(384, 3, 3, "halve")], [(64, 1, 1), (96, 3, 3), (96, 3, 3, "halve")], ["max"])
    for number, few in enumerate((128, 160, 160, 192), 4):  # figure 6: 7x7 as a row and a column
        x = mixed(
            x,
            f"mixed{number}",
            [(192, 1, 1)],
            [(few, 1, 1), (few, 1, 7), (192, 7, 1)],
            [(few, 1, 1), (few, 7, 1), (few, 1, 7), (few, 7, 1), (192, 1, 7)],
            ["average", (192, 1, 1)],
        )  # (B, 17, 17, 768)
    x = mixed(
        x,
        "mixed8",
        [(192, 1, 1), (320, 3, 3, "halve")],
        [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3, "halve")],
        ["max"],
    )  # (B, 8, 8, 1280)
    for number in (9, 10):  # figure 7: a row and a column side by side
        name = f"mixed{number}"
        three = tower(x, f"{name}_b", [(384, 1, 1)])
        double = tower(x, f"{name}_c", [(448, 1, 1), (384, 3, 3)])
        views = [
            tower(x, f"{name}_a", [(320, 1, 1)]),
            mixed(three, f"{name}_b_both", [(384, 1, 3)], [(384, 3, 1)]),
            mixed(double, f"{name}_c_both", [(384, 1, 3)], [(384, 3, 1)]),
            tower(x, f"{name}_d", ["average", (192, 1, 1)]),
        ]
        x = layers.Concatenate(name=name)(views)  # (B, 8, 8, 2048)
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (B, 2048)
    x = layers.Dropout(dropout, name="drop")(x)
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="inception_v3")


def mixed(x, name: str, *towers: list):
    """Towers side by side, concatenated along the channels."""
    views = [tower(x, f"{name}_{letter}", steps) for letter, steps in zip("abcd", towers, strict=False)]
    return layers.Concatenate(name=name)(views)


def tower(x, name: str, steps: list):
    """A sequence of layers, each described by one of `steps`.

    Args:
        x: (B, H, W, C).
        name: with which the names of the layers start.
        steps: (channels, height, width) is a convolution with batch normalisation and ReLU; a fourth item "valid"
            leaves out its padding, "halve" also gives it a stride of 2. "average" is 3x3 average pooling that keeps
            the resolution, "max" unpadded 3x3 max pooling that halves it.
    """
    for number, step in enumerate(steps, 1):
        if step == "average":
            x = layers.AveragePooling2D(3, 1, "same", name=f"{name}_average")(x)
        elif step == "max":
            x = layers.MaxPooling2D(3, 2, name=f"{name}_max")(x)
        else:
            channels, height, width, *how = step
            x = layers.Conv2D(
                channels,
                (height, width),
                2 if how == ["halve"] else 1,
                "valid" if how else "same",
                use_bias=False,
                name=f"{name}_conv{number}",
            )(x)
            x = BatchNormalization(scale=False, name=f"{name}_norm{number}")(x)
            x = layers.ReLU(name=f"{name}_relu{number}")(x)
    return x


def check_size(input_shape: tuple[int, int, int], need: int, why: str) -> None:
    """Raises ValueError if the image is too small."""
    if min(input_shape[:2]) < need:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but {why} and needs {need}x{need}: "
            "take larger pictures"
        )
