"""BigModel, chapter 004's example of a large network, with the regularisation that the chapter is about.

Two padded convolutions and a dense layer of 1000 units. On 32x32x3 nearly all of the 8.3 million weights are in that
dense layer, which is why the network overfits and why the chapter regularises it in section 3.2.
Departs from the chapter: its 128 * 7 * 7 features fit neither of the data sets that it names, so here their number
follows from the image size; batch normalisation comes after pooling, where there are a quarter as many values.
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
    """Padded 3x3 convolutions with 2x2 max pooling, a wide dense layer, and the output layer.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side at least
            `2 ** len(filters)`.
        classes: labels to tell apart.
        filters: channels of each convolution, one number for each stage.
        units: width of the hidden dense layer.
        l1: penalty on the sum of the kernels' absolute weights (chapter 004, section 3.2).
        l2: penalty on the sum of the kernels' squared weights (chapter 004, section 3.2).
        batch_normalization: whether to normalise each layer's output over the batch (Ioffe & Szegedy 2015);
            the layers then have no bias.
        dropout: fraction of units dropped while training, before each dense layer (Srivastava 2014).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: the image is too small for that many stages.
    """
    need = 2 ** len(filters)
    if min(input_shape[:2]) < need:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but halving them {len(filters)} "
            f"times needs {need}x{need}: take fewer filters or larger pictures"
        )
    penalty = regularizers.L1L2(l1, l2) if l1 or l2 else None

    def activated(x, name):
        """ReLU, after batch normalisation if that is on."""
        if batch_normalization:
            x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    options = {"use_bias": not batch_normalization, "kernel_regularizer": penalty}
    inputs = keras.Input(input_shape, name="pixels")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)  # (B, H, W, C) in 0..1
    for stage, channels in enumerate(filters, 1):
        x = layers.Conv2D(channels, 3, padding="same", name=f"stage{stage}_conv", **options)(x)
        x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)  # (B, H / 2, W / 2, channels)
        # ReLU gives the same result before and after pooling; after it there are a quarter as many values.
        x = activated(x, f"stage{stage}")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="drop1")(x)
    x = layers.Dense(units, name="dense", **options)(x)
    x = activated(x, "features")
    x = layers.Dropout(dropout, name="drop2")(x)
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, kernel_regularizer=penalty, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="bigmodel")
