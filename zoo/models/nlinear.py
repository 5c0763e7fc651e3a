"""NLinear: what comes next is the last value and a linear function of the window less that value (Zeng 2022,
"Are Transformers Effective for Time Series Forecasting?", arXiv:2205.13504, section 4).

Taking off the last value lets the network follow a series that has moved away from where it was in training. It begins
as the naive forecast, since its weights begin at zero, and departs from it only as far as the data lead it: few rows
then do little harm.
Departs from the paper: weights that begin at zero (there as a dense layer's), and inputs divided by the square root of
the window's length, so that one learning rate suits all lengths; further features of the window are inputs too.
Checked against: the formula in numpy.
"""

import math

import keras
from keras import layers, ops


def nlinear(input_shape: tuple[int, int], classes: int, *, dropout: float = 0.0) -> keras.Model:
    """A linear forecast of the difference to the last value: 12 weights for a window of 11 steps and one step ahead.

    Args:
        input_shape: (steps, features) of a window; the first feature is the one to forecast.
        classes: steps to predict.
        dropout: fraction of the window's values dropped while training.

    Returns:
        An uncompiled functional model: (batch, steps, features) float32 to (batch, classes) float32.
    """
    inputs = keras.Input(input_shape, name="sequence")
    last = inputs[:, -1:, :]  # (B, 1, F)
    x = (inputs - last) / math.sqrt(input_shape[0])  # (B, T, F)
    x = layers.Dropout(dropout, name="drop")(layers.Flatten(name="features")(x))  # (B, T * F)
    change = layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name="logits")(x)  # (B, H)
    # In this order: Keras 3.15 adds (B, 1) to (B, H) as if it were a bias where B is H, and gives each row another's.
    return keras.Model(inputs, ops.cast(last[:, 0, :1], "float32") + change, name="nlinear")
