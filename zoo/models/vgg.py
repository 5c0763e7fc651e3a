"""VGG: stacks of 3x3 convolutions (Simonyan & Zisserman 2014, arXiv:1409.1556).

Two 3x3 convolutions in a row cover the same window as one of 5x5, with fewer weights and one more nonlinearity. The
networks of the paper's table 1 go deeper in that way, column by column.
Departs from the paper: pixels are scaled, and their mean is subtracted only if `scaling` is "caffe"; weights are
initialised as in He 2015; batch normalisation, which came a year later, is optional, and replaces the biases.
Checked against: keras.applications VGG16 and VGG19, outputs and numbers of weights.
"""

import keras
from keras import layers

from zoo.layers import BatchNormalization, scaled

# Simonyan & Zisserman 2014, table 1: convolutions in each stage.
VARIANTS = {
    "vgg11": (1, 1, 2, 2, 2),  # column A
    "vgg13": (2, 2, 2, 2, 2),  # column B
    "vgg16": (2, 2, 3, 3, 3),  # column D
    "vgg19": (2, 2, 4, 4, 4),  # column E
}
CHANNELS = (64, 128, 256, 512, 512)


def vgg(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    variant: str = "vgg11",
    batch_normalization: bool = False,
    units: int = 4096,
    dropout: float = 0.5,
    scaling: str = "unit",
) -> keras.Model:
    """Five stages of 3x3 convolutions with ReLU, each followed by max pooling, then three dense layers.

    VGG-16 has 138,357,544 weights on 224x224x3 and 1000 classes, VGG-19 143,667,240.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side at least 32.
        classes: labels to tell apart.
        variant: vgg11, vgg13, vgg16 or vgg19.
        batch_normalization: whether to normalise each convolution's output over the batch (Ioffe & Szegedy 2015).
        units: width of each of the two hidden dense layers.
        dropout: fraction of hidden units dropped while training (section 3.1).
        scaling: how pixels are scaled: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: variant is unknown, or the image is too small to halve five times.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    if min(input_shape[:2]) < 32:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but {variant} halves them 5 times "
            "and needs 32x32: take larger pictures"
        )
    inputs = keras.Input(input_shape, name="pixels")
    x = scaled(inputs, scaling)  # (B, H, W, C)
    for stage, (convolutions, channels) in enumerate(zip(VARIANTS[variant], CHANNELS, strict=True), 1):
        for number in range(1, convolutions + 1):
            x = convolution(x, channels, f"stage{stage}_conv{number}", batch_normalization)
            if number == convolutions:
                # Pooling comes before ReLU, which gives the same result with a quarter of the work for ReLU.
                x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)  # (B, H / 2, W / 2, channels)
            x = layers.ReLU(name=f"stage{stage}_relu{number}")(x)
    x = layers.Flatten(name="flatten")(x)  # (B, H / 32 * W / 32 * 512)
    for number in (1, 2):
        x = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"dense{number}")(x)
        x = layers.Dropout(dropout, name=f"drop{number}")(x)
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=variant)


def convolution(x, channels: int, name: str, batch_normalization: bool):
    """A padded 3x3 convolution, with batch normalisation if that is on."""
    # With this initialisation (He 2015, arXiv:1502.01852) the deep columns train from scratch; the paper had to start
    # them from the trained weights of column A.
    options = {"padding": "same", "kernel_initializer": "he_normal", "name": name}
    if not batch_normalization:
        return layers.Conv2D(channels, 3, **options)(x)
    x = layers.Conv2D(channels, 3, use_bias=False, **options)(x)
    return BatchNormalization(name=f"{name}_norm")(x)
