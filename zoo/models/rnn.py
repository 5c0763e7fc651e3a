"""Recurrent networks: RNN (Elman 1990, "Finding Structure in Time"), LSTM (Hochreiter & Schmidhuber 1997, with the
forget gate of Gers 2000) and GRU (Cho 2014, arXiv:1406.1078).

One cell reads a sequence step by step; what it remembers of the steps so far is its state. The gates of LSTM and GRU
decide what of it is kept, so that gradients reach further back than in the plain cell, where each step shrinks them.
Departs from Cho 2014: GRU resets behind the recurrent product, as cuDNN and PyTorch do.
Checked against: PyTorch's RNN, LSTM and GRU with the same weights, and the formula of the plain cell in numpy.
"""

from functools import partial

import keras
from keras import layers

CELLS = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def recurrent(
    input_shape: tuple[int, int],
    outputs: int,
    *,
    cell: str = "lstm",
    units: tuple[int, ...] = (128, 128, 128),
    dense: tuple[int, ...] = (64,),
    bidirectional: bool = False,
    every_step: bool = False,
    dropout: float = 0.0,
) -> keras.Model:
    """Recurrent layers one on the other, then dense layers with ReLU, then one without.

    The chapters' networks are `rnn`, one number in, 10 units, one number out, and `lstm`, three layers of 128 units on
    100 steps of 64 numbers, a dense layer of 64 and 10 classes: 370,890 weights.

    Args:
        input_shape: (steps, features) of a sequence.
        outputs: numbers that come out: classes to tell apart, or values to tell.
        cell: rnn, lstm or gru.
        units: width of each recurrent layer, in each direction.
        dense: width of each hidden dense layer behind them.
        bidirectional: read from both ends (Schuster 1997).
        every_step: tell something at each step; else only behind the last.
        dropout: fraction dropped while training between the layers, not from step to step (Zaremba 2014, section 3).

    Returns:
        An uncompiled functional model: (batch, steps, features) float32
        to (batch, outputs), or with `every_step` (batch, steps, outputs), float32.

    Raises:
        ValueError: no cell has that name, or there is none.
    """
    if cell not in CELLS:
        raise ValueError(f"cell came as {cell!r}, but the known ones are {', '.join(CELLS)}")
    if not units:
        raise ValueError("units came empty, but at least one recurrent layer is needed")
    inputs = keras.Input(input_shape, name="sequence")
    x = inputs
    for number, width in enumerate(units, 1):
        name, whole = f"{cell}{number}", every_step or number < len(units)
        if bidirectional:
            layer = layers.Bidirectional(CELLS[cell](width, return_sequences=whole), name=name)
        else:
            layer = CELLS[cell](width, return_sequences=whole, name=name)
        x = layers.Dropout(dropout, name=f"drop{number}")(layer(x))  # (B, T, units), of the last (B, units)
    for number, width in enumerate(dense, 1):
        x = layers.Dense(width, activation="relu", name="features" if number == len(dense) else f"dense{number}")(x)
    # Half precision is too coarse for what is told: the last layer stays in float32.
    return keras.Model(inputs, layers.Dense(outputs, dtype="float32", name="logits")(x), name=cell)


rnn = partial(recurrent, cell="rnn", units=(10,), dense=())
lstm = partial(recurrent, cell="lstm")
gru = partial(recurrent, cell="gru")
