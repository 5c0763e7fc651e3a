"""Multilayer perceptron: dense layers with ReLU, for rows of numbers (Rumelhart 1986; ReLU: Glorot 2011).

Each layer sees all outputs of the one below, so that no order or neighbourhood of the inputs counts.
Initial weights are drawn as He 2015 (arXiv:1502.01852) derived for ReLU.
Checked against: scikit-learn's MLPClassifier with the same weights.
"""

import keras
from keras import layers


def mlp(
    input_shape: tuple[int], classes: int, *, units: tuple[int, ...] = (64, 64), dropout: float = 0.1
) -> keras.Model:
    """Two hidden layers of 64 units: 6,274 weights on 30 numbers and two classes.

    Args:
        input_shape: (features,) of a row.
        classes: labels to tell apart.
        units: width of each hidden layer; none: logistic regression.
        dropout: fraction dropped while training after each hidden layer (Srivastava 2014).

    Returns:
        An uncompiled functional model: (batch, features) float32 to (batch, classes) float32 logits.
    """
    inputs = keras.Input(input_shape, name="row")
    x = inputs
    for number, width in enumerate(units, 1):
        x = layers.Dense(width, activation="relu", kernel_initializer="he_normal", name=f"dense{number}")(x)  # (B, U)
        x = layers.Dropout(dropout, name=f"drop{number}")(x)
    # Half precision is too coarse for a softmax over logits: the last layer stays in float32.
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name="mlp")
