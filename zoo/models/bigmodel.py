"""BigModel, chapter 004's example of a large network, with the regularisation that the chapter is about.

Two padded convolutions and a dense layer of 1000: on 32x32x3 nearly all of its 8.3 million weights
sit in that dense layer, which is why it overfits and why chapter 004 needs its section 3.2.
Departs from the chapter: its 128 * 7 * 7 features fit neither data set that it names; here they
follow from the picture; and what is normalised is normalised after pooling, where it is a quarter as much.
Checked against: plain numpy, and the number of weights of the same network in PyTorch, 8,278,658 on 32x32x3.
"""

import keras
from keras import layers, regularizers


def bigmodel(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    filters: tuple[int, ...] = (64, 128),
    units: int = 1000,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_normalization: bool = False,
    dropout: float = 0.0,
) -> keras.Model:
    """Same-padded 3x3 convolutions with 2x2 max pooling, a wide dense layer and the classes.

    Args:
        input_shape: (height, width, channels) of a picture in pixels; each side at least
            `2 ** len(filters)`.
        classes: number of classes.
        filters: channels of each convolution, one stage a number.
        units: width of the hidden dense layer.
        l1: penalty on the sum of the kernels' absolute weights (chapter 004, section 3.2).
        l2: penalty on the sum of the kernels' squared weights (chapter 004, section 3.2).
        batch_normalization: normalise each layer's output over the batch (Ioffe & Szegedy 2015);
            the layer's own bias is then left out.
        dropout: fraction of units dropped while training, before each dense layer (Srivastava 2014).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: the picture is too small to halve that often.
    """
    need = 2 ** len(filters)
    if min(input_shape[:2]) < need:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but halving them {len(filters)} "
            f"times needs {need}x{need}: take fewer filters or larger pictures"
        )
    penalty = regularizers.L1L2(l1, l2) if l1 or l2 else None

    def activated(x, name):
        """ReLU, of values that are normalised first where that is asked for."""
        if batch_normalization:
            x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    options = {"use_bias": not batch_normalization, "kernel_regularizer": penalty}
    inputs = keras.Input(input_shape, name="pixels")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)  # (B, H, W, C) in 0..1
    for stage, channels in enumerate(filters, 1):
        x = layers.Conv2D(channels, 3, padding="same", name=f"stage{stage}_conv", **options)(x)
        x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)  # (B, H / 2, W / 2, channels)
        # ReLU after pooling gives the same as before it, from a quarter of the numbers.
        x = activated(x, f"stage{stage}")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="drop1")(x)
    x = layers.Dense(units, name="dense", **options)(x)
    x = activated(x, "features")
    x = layers.Dropout(dropout, name="drop2")(x)
    # Half precision is too coarse for a softmax over logits: the last layer stays in float32.
    logits = layers.Dense(classes, kernel_regularizer=penalty, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="bigmodel")
