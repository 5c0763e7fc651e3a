"""Residual networks (He 2015, arXiv:1512.03385; pre-activation: He 2016, arXiv:1603.05027).

A block adds the output of its convolutions to its input, so that it can easily leave its input as it is, and gradients
reach every layer. Here are the small networks for CIFAR-10 (2015, section 4.2), those for ImageNet (2015, table 1) and,
with names that end in v2, the pre-activation form of the latter (2016, figure 4e).
Departs from the papers: pixels are scaled, not whitened. As in the published weights, v2 halves the resolution in the
last block of a stage instead of the first, and the bottlenecks of 2015 have biases, which normalisation cancels.
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
    deep: bool  # blocks are bottlenecks of three convolutions, instead of two 3x3 convolutions
    v2: bool = False  # pre-activation: normalisation and ReLU come before the convolutions, instead of after them


VARIANTS = {
    # He 2015, section 4.2: 6 n + 2 layers; 0.27, 0.46, 0.66, 0.85 and 1.7 million weights in table 6.
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
    """Stages of residual blocks, each with half the resolution and twice the channels; average pooling; output layer.

    ResNet-50 has 25,636,712 weights on 224x224x3 and 1000 classes.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side at least 4 for the CIFAR-10 networks
            (20, 32, 44, 56 and 110 layers), 32 for the others.
        classes: labels to tell apart.
        variant: resnet20, 32, 44, 56, 110; resnet18, 34, 50, 101, 152; resnet50v2, 101v2, 152v2.
        scaling: how pixels are scaled: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: variant is unknown, or the image is too small to halve that often.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    blocks, deep, v2 = VARIANTS[variant]
    small = len(blocks) == 3  # the networks of section 4.2, for small images
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
            # The resolution is halved in the first block of each later stage; in v2 already in the last block before.
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
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=variant)


def basic(x, channels: int, stride: int, name: str, projected: bool):
    """Two 3x3 convolutions; a shortcut that needs more channels is projected (option B) or padded with 0 (option A)."""
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
    """A 1x1 convolution to few channels, a 3x3 convolution, and a 1x1 convolution to four times as many channels."""
    short = x
    if x.shape[-1] != 4 * channels:
        short = convolution(x, 4 * channels, 1, f"{name}_short_conv", stride, bias=True)
        short = normalized(short, f"{name}_short")
    x = activated(convolution(x, channels, 1, f"{name}_conv1", stride, bias=True), f"{name}_1")
    x = activated(convolution(x, channels, 3, f"{name}_conv2", bias=True), f"{name}_2")
    x = normalized(convolution(x, 4 * channels, 1, f"{name}_conv3", bias=True), f"{name}_3")
    return joined(x, short, name)


def preactivated(x, channels: int, stride: int, name: str):
    """The pre-activation bottleneck: normalisation and ReLU come before each convolution, nothing after the sum."""
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
    # By pooling over single pixels: strided slices and their gradients took a twelfth of a training step of ResNet-20.
    return layers.AveragePooling2D(1, stride, name=f"{name}_pool")(x)


def convolution(x, channels: int, size: int, name: str, stride: int = 1, *, bias: bool = False):
    """A convolution with the same padding on all sides, which "same" does not give with a stride of 2."""
    if size > 1 and stride > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return layers.Conv2D(
        channels,
        size,
        stride,
        padding="valid" if stride > 1 else "same",
        use_bias=bias,
        kernel_initializer="he_normal",  # He 2015, section 3.4, which refers to [13] for it
        name=name,
    )(x)


def normalized(x, name: str):
    """Batch normalisation, with the epsilon of the published weights."""
    return BatchNormalization(epsilon=1.001e-5, name=f"{name}_norm")(x)


def activated(x, name: str):
    """Batch normalisation and ReLU."""
    return layers.ReLU(name=f"{name}_relu")(normalized(x, name))


def joined(x, short, name: str):
    """The sum of the block's convolutions and its shortcut, and ReLU."""
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([short, x]))
