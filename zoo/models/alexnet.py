"""AlexNet (Krizhevsky 2012, "ImageNet Classification with Deep Convolutional Neural Networks").

Five convolutions and three dense layers: the network that showed in 2012 that depth, ReLU, dropout and a large data set
beat hand-made features. Its second, fourth and fifth convolutions are split into two groups, one for each of the two
GPUs it was trained on.
Departs from the paper: both groups are in one graph; weights are initialised as in He 2015, not with a deviation of
0.01, and all biases start at 0; pixels are scaled instead of having their mean subtracted.
Checked against: 60,965,224 weights, the sum over the paper's figure 2; normalisation and grouped convolution in plain
numpy.
"""

import keras
from keras import layers

from zoo.layers import LocalResponseNormalization, scaled

SMALLEST = 63  # side in pixels that leaves one pixel after the last pooling


def alexnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    units: int = 4096,
    dropout: float = 0.5,
    scaling: str = "unit",
) -> keras.Model:
    """Figure 2: convolutions of 11x11, 5x5 and three of 3x3, then three dense layers.

    60,965,224 weights on 224x224x3 and 1000 classes.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side at least 63.
        classes: labels to tell apart.
        units: width of each of the two hidden dense layers.
        dropout: fraction dropped while training, before each hidden dense layer (section 4.2).
        scaling: how pixels are scaled: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: the image is too small.
    """
    if min(input_shape[:2]) < SMALLEST:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but alexnet's strides and poolings need "
            f"{SMALLEST}x{SMALLEST}: take larger pictures"
        )
    inputs = keras.Input(input_shape, name="pixels")
    x = scaled(inputs, scaling)  # (B, 224, 224, 3); this and the shapes below are those of the paper
    x = layers.ZeroPadding2D(2, name="conv1_pad")(x)  # the paper does not mention it, but its 55x55 needs it
    x = convolution(x, 96, 11, "conv1", stride=4)  # (B, 55, 55, 96)
    x = LocalResponseNormalization(name="conv1_norm")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)  # (B, 27, 27, 96); windows overlap (section 3.4)
    x = convolution(x, 256, 5, "conv2", groups=2)
    x = LocalResponseNormalization(name="conv2_norm")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)  # (B, 13, 13, 256)
    x = convolution(x, 384, 3, "conv3")
    x = convolution(x, 384, 3, "conv4", groups=2)
    x = convolution(x, 256, 3, "conv5", groups=2)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)  # (B, 6, 6, 256)
    x = layers.Flatten(name="flatten")(x)
    for number in (1, 2):
        x = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"dense{number}")(x)
        x = layers.Dropout(dropout, name=f"drop{number}")(x)
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="alexnet")


def convolution(x, channels: int, size: int, name: str, *, stride: int = 1, groups: int = 1):
    """A convolution and ReLU; with two groups, each half of its channels is computed from one half of those of x."""
    return layers.Conv2D(
        channels,
        size,
        stride,
        padding="valid" if stride > 1 else "same",
        groups=groups,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)
