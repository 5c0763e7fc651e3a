"""A small convolutional network: the "CNN" of the chapters, in the tradition of LeNet-5 (LeCun 1998).

Each stage applies a 3x3 convolution and then halves the resolution, so that later stages cover more of the image with
fewer, more abstract features; two dense layers classify them.
Departs from the chapters: pixels are rescaled inside the model, the output is logits instead of probabilities, and
dropout is optional.
Checked against: plain numpy, and the chapters' number of weights, 225,034.
"""

import keras
from keras import layers


def cnn(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    filters: tuple[int, ...] = (32, 64),
    units: int = 128,
    dropout: float = 0.0,
) -> keras.Model:
    """Unpadded 3x3 convolutions, each with ReLU and 2x2 max pooling, then two dense layers.

    The chapters' network has 225,034 weights on 28x28x1 and 10 classes.

    Args:
        input_shape: (height, width, channels) of an image in pixels.
        classes: labels to tell apart.
        filters: channels of each convolution, one number for each stage.
        units: width of the hidden dense layer.
        dropout: fraction of units dropped while training, before each dense layer.

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: the image is too small for that many stages.
    """
    need = smallest_side(len(filters))
    if min(input_shape[:2]) < need:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but {len(filters)} stages of "
            f"3x3 convolution and pooling need {need}x{need}: take fewer filters or larger pictures"
        )
    inputs = keras.Input(input_shape, name="pixels")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)  # (B, H, W, C) in 0..1
    for stage, channels in enumerate(filters, 1):
        x = layers.Conv2D(channels, 3, activation="relu", name=f"stage{stage}_conv")(x)
        x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
    x = layers.Flatten(name="flatten")(x)  # (B, H' * W' * filters[-1])
    x = layers.Dropout(dropout, name="drop1")(x)
    x = layers.Dense(units, activation="relu", name="features")(x)
    x = layers.Dropout(dropout, name="drop2")(x)
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="cnn")


def smallest_side(stages: int) -> int:
    """The side in pixels from which `stages` of unpadded 3x3 convolution and 2x2 pooling leave one pixel."""
    side = 1
    for _ in range(stages):
        side = 2 * side + 2
    return side
