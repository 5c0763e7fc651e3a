"""Residual networks (He 2015, arXiv:1512.03385; pre-activation: He 2016, arXiv:1603.05027).

A block adds what its convolutions find to what it was given, so that a deep network starts as a shallow one and
gradients reach every layer. Here are the small networks for CIFAR-10 (2015, section 4.2), those for ImageNet
(2015, table 1) and, with names that end in v2, their pre-activation form (2016, figure 4e).
Departs from the papers: pixels are scaled, not whitened; v2 of 50 layers and more halves the picture in the last
block of a stage, and bottlenecks have biases before a normalisation that cancels them, as the published weights do.
Checked against: keras.applications (50, 101, 152, both forms), transformers (18, 34) and a network in PyTorch (20),
outputs and moving statistics.
"""

from typing import NamedTuple

import keras
from keras import layers, ops

from zoo.layers import BatchNormalization, scaled


class Variant(NamedTuple):
    """What distinguishes one residual network from another."""

    blocks: tuple[int, ...]  # in each stage; the channels double from stage to stage
    deep: bool  # bottlenecks of three convolutions instead of two
    v2: bool = False  # pre-activation: normalise and activate before the convolutions instead of after them


VARIANTS = {
    # He 2015, section 4.2: 6 n + 2 layers; table 6 gives 0.27, 0.46, 0.66, 0.85 and 1.7 million weights.
    "resnet20": Variant((3, 3, 3), deep=False),
    "resnet32": Variant((5, 5, 5), deep=False),
    "resnet44": Variant((7, 7, 7), deep=False),
    "resnet56": Variant((9, 9, 9), deep=False),
    "resnet110": Variant((18, 18, 18), deep=False),
    # He 2015, table 1.
    "resnet18": Variant((2, 2, 2, 2), deep=False),
    "resnet34": Variant((3, 4, 6, 3), deep=False),
    "resnet50": Variant((3, 4, 6, 3), deep=True),
    "resnet101": Variant((3, 4, 23, 3), deep=True),
    "resnet152": Variant((3, 8, 36, 3), deep=True),
    # He 2016, section 5 and figure 4e.
    "resnet50v2": Variant((3, 4, 6, 3), deep=True, v2=True),
    "resnet101v2": Variant((3, 4, 23, 3), deep=True, v2=True),
    "resnet152v2": Variant((3, 8, 36, 3), deep=True, v2=True),
}


def resnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    variant: str = "resnet20",
    scaling: str = "unit",
) -> keras.Model:
    """Stages of residual blocks, each stage at half the size and twice the channels; average pooling; the classes.

    ResNet-50 has 25,636,712 weights on 224x224x3 and 1000 classes.

    Args:
        input_shape: (height, width, channels) of a picture in pixels; each side at least 4 for the networks of
            CIFAR-10 (20, 32, 44, 56 and 110 layers), 32 for the others.
        classes: number of classes.
        variant: resnet20, 32, 44, 56, 110; resnet18, 34, 50, 101, 152; resnet50v2, 101v2, 152v2.
        scaling: of the pixels: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: no variant has that name, or the picture is too small to halve that often.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    blocks, deep, v2 = VARIANTS[variant]
    small = len(blocks) == 3  # the networks of section 4.2, for small pictures
    need = 4 if small else 32
    if min(input_shape[:2]) < need:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but {variant} halves them {2 if small else 5} "
            f"times and needs {need}x{need}: take larger pictures" + ("" if small else " or resnet20")
        )
    inputs = keras.Input(input_shape, name="pixels")
    x = scaled(inputs, scaling)  # (B, H, W, C)
    if small:
        x = activated(convolution(x, 16, 3, "stem_conv"), "stem")
    else:
        x = convolution(x, 64, 7, "stem_conv", stride=2, bias=deep)  # (B, H / 2, W / 2, 64)
        if not v2:
            x = activated(x, "stem")
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)  # (B, H / 4, W / 4, 64)
    for stage, count in enumerate(blocks, 1):
        channels = (16 if small else 64) * 2 ** (stage - 1)
        for block in range(1, count + 1):
            name = f"stage{stage}_block{block}"
            # Between two stages: in the first block of the later one, in v2 in the last block of the earlier one.
            halves = (block == count and stage < len(blocks)) if v2 else (block == 1 and stage > 1)
            stride = 2 if halves else 1
            if v2:
                x = preactivated(x, channels, stride, name)
            elif deep:
                x = bottleneck(x, channels, stride, name)
            else:
                x = basic(x, channels, stride, name, projected=not small)
    if v2:
        x = activated(x, "last")
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (B, channels)
    # Half precision is too coarse for a softmax over logits: the last layer stays in float32.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=variant)


def basic(x, channels: int, stride: int, name: str, projected: bool):
    """Two 3x3 convolutions; a shortcut that must widen is projected (option B) or padded with zeros (option A)."""
    short, more = x, channels - x.shape[-1]
    if more and projected:
        short = normalized(convolution(x, channels, 1, f"{name}_short_conv", stride), f"{name}_short")
    elif more:
        short = thinned(x, stride, f"{name}_short")
        short = ops.pad(short, ((0, 0), (0, 0), (0, 0), (more // 2, more - more // 2)))
    x = activated(convolution(x, channels, 3, f"{name}_conv1", stride), f"{name}_1")
    x = normalized(convolution(x, channels, 3, f"{name}_conv2"), f"{name}_2")
    return joined(x, short, name)


def bottleneck(x, channels: int, stride: int, name: str):
    """1x1 to few channels, 3x3 among them, 1x1 back to four times as many."""
    short = x
    if x.shape[-1] != 4 * channels:
        short = convolution(x, 4 * channels, 1, f"{name}_short_conv", stride, bias=True)
        short = normalized(short, f"{name}_short")
    x = activated(convolution(x, channels, 1, f"{name}_conv1", stride, bias=True), f"{name}_1")
    x = activated(convolution(x, channels, 3, f"{name}_conv2", bias=True), f"{name}_2")
    x = normalized(convolution(x, 4 * channels, 1, f"{name}_conv3", bias=True), f"{name}_3")
    return joined(x, short, name)


def preactivated(x, channels: int, stride: int, name: str):
    """The pre-activation bottleneck: normalisation and ReLU before each convolution, and nothing after the sum."""
    before = activated(x, f"{name}_0")
    if x.shape[-1] != 4 * channels:
        short = convolution(before, 4 * channels, 1, f"{name}_short_conv", stride, bias=True)
    else:
        short = thinned(x, stride, f"{name}_short")
    x = activated(convolution(before, channels, 1, f"{name}_conv1"), f"{name}_1")
    x = activated(convolution(x, channels, 3, f"{name}_conv2", stride), f"{name}_2")
    x = convolution(x, 4 * channels, 1, f"{name}_conv3", bias=True)
    return layers.Add(name=f"{name}_add")([short, x])


def thinned(x, stride: int, name: str):
    """Every `stride`-th row and column."""
    if stride == 1:
        return x
    # As pooling over single pixels: strided slices, and their gradients, took a twelfth of a step of ResNet-20.
    return layers.AveragePooling2D(1, stride, name=f"{name}_pool")(x)


def convolution(x, channels: int, size: int, name: str, stride: int = 1, *, bias: bool = False):
    """Padded evenly on all sides, which "same" does not do where the stride is 2."""
    if size > 1 and stride > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return layers.Conv2D(
        channels,
        size,
        stride,
        padding="valid" if stride > 1 else "same",
        use_bias=bias,
        kernel_initializer="he_normal",  # He 2015, section 3.4, by its reference [13]
        name=name,
    )(x)


def normalized(x, name: str):
    """Batch normalisation, with the epsilon of the published weights."""
    return BatchNormalization(epsilon=1.001e-5, name=f"{name}_norm")(x)


def activated(x, name: str):
    """Batch normalisation and ReLU."""
    return layers.ReLU(name=f"{name}_relu")(normalized(x, name))


def joined(x, short, name: str):
    """The sum of what the block found and what it was given, and ReLU."""
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([short, x]))
