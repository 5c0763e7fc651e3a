"""Recurrent networks: RNN (Elman 1990, "Finding Structure in Time"), LSTM (Hochreiter & Schmidhuber 1997, with the
forget gate of Gers 2000) and GRU (Cho 2014, arXiv:1406.1078).

One cell reads a sequence step by step; what it remembers of the steps so far is its state. The gates of LSTM and GRU
decide what of it is kept, so that gradients reach further back than in the plain cell, where each step shrinks them.
Departs from Cho 2014: GRU resets after the recurrent product, as cuDNN and PyTorch do.
Checked against: PyTorch's RNN, LSTM and GRU with the same weights, and the formula of the plain cell in numpy.
"""

from functools import partial

import keras
from keras import layers

CELLS = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def recurrent(
    input_shape: tuple[int, int],
    classes: int,
    *,
    cell: str = "lstm",
    units: tuple[int, ...] = (128, 128, 128),
    dense: tuple[int, ...] = (64,),
    bidirectional: bool = False,
    every_step: bool = False,
    dropout: float = 0.0,
) -> keras.Model:
    """Stacked recurrent layers, then dense layers with ReLU, then one without.

    The chapters' networks are `rnn`, one number in, 10 units, one number out, and `lstm`, three layers of 128 units on
    100 steps of 64 numbers, a dense layer of 64 and 10 classes: 370,890 weights.

    Args:
        input_shape: (steps, features) of a sequence.
        classes: labels to tell apart, or numbers to predict.
        cell: rnn, lstm or gru.
        units: width of each recurrent layer, in each direction.
        dense: width of each hidden dense layer after them.
        bidirectional: read from both ends (Schuster 1997).
        every_step: predict at each step; else only after the last.
        dropout: fraction dropped while training after each recurrent layer, not from step to step (Zaremba 2014,
            section 3).

    Returns:
        An uncompiled functional model: (batch, steps, features) float32
        to (batch, classes), or with `every_step` (batch, steps, classes), float32.

    Raises:
        ValueError: no cell has that name, or there is none.
    """
    if cell not in CELLS:
        raise ValueError(f"cell came as {cell!r}, but the known ones are {', '.join(CELLS)}")
    if not units:
        raise ValueError("units came empty, but at least one recurrent layer is needed")
    inputs = keras.Input(input_shape, name="sequence")
    if len(units) > 1 and not bidirectional:
        x = Stack(cell, units, every_step, dropout, name="stack")(inputs)
    else:
        x = inputs
        for number, width in enumerate(units, 1):
            name, whole = f"{cell}{number}", every_step or number < len(units)
            layer = CELLS[cell](width, return_sequences=whole, name=name)
            x = layers.Bidirectional(layer, name=name)(x) if bidirectional else layer(x)
            x = layers.Dropout(dropout, name=f"drop{number}")(x)  # (B, T, units), of the last (B, units)
    for number, width in enumerate(dense, 1):
        x = layers.Dense(width, activation="relu", name="features" if number == len(dense) else f"dense{number}")(x)
    # Half precision is too coarse for what is predicted: the last layer stays in float32.
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name=cell)


@keras.saving.register_keras_serializable(package="zoo")
class Stack(keras.Layer):
    """(B, T, D) to (B, units of the last) or (B, T, units of the last): recurrent layers, with dropout after each.

    On a processor all of them go through the steps in one loop, where a layer need not wait until the one below has
    seen the whole sequence: one core can work on the next step of that while another works on this. On a GPU, and
    wherever dropout is drawn (the loop has none), layer follows layer, which is what cuDNN takes. The numbers are
    the same up to rounding.

    Args:
        cell: rnn, lstm or gru.
        units: width of each layer.
        every_step: return (B, T, units), else the last step alone.
        dropout: fraction.
    """

    def __init__(self, cell: str, units: tuple[int, ...], every_step: bool, dropout: float, **options):
        super().__init__(**options)
        self.settings = {"cell": cell, "units": units, "every_step": every_step, "dropout": dropout}
        whole = [True] * (len(units) - 1) + [every_step]
        policy = {"dtype": self.dtype_policy}
        self.layers = [
            CELLS[cell](width, return_sequences=all_steps, name=f"{cell}{number}", **policy)
            for number, (width, all_steps) in enumerate(zip(units, whole, strict=True), 1)
        ]
        self.drops = [layers.Dropout(dropout, **policy) for _ in units]
        cells = layers.StackedRNNCells([layer.cell for layer in self.layers], **policy)
        self.loop = layers.RNN(cells, return_sequences=every_step, **policy)

    def build(self, shape):
        """Makes the cells, which both ways share; by the layers, so that weights have their names."""
        below = shape
        for layer in self.layers:
            layer.build(below)
            below = (*below[:2], layer.units)
        self.loop.build(shape)

    def call(self, x, training=False):
        """The layers, in the way that is fast here."""
        if on_processor() and not (training and self.settings["dropout"]):
            return self.loop(x, training=training)
        for layer, drop in zip(self.layers, self.drops, strict=True):
            x = drop(layer(x, training=training), training=training)
        return x

    def get_config(self):
        """The arguments that make the layer again."""
        return super().get_config() | self.settings


def on_processor() -> bool:
    """Whether there is no GPU or other accelerator, which is fast with Keras' own recurrent layers."""
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())


rnn = partial(recurrent, cell="rnn", units=(10,), dense=())
lstm = partial(recurrent, cell="lstm")
gru = partial(recurrent, cell="gru")
