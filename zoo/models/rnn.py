"""Recurrent networks: RNN (Elman 1990, "Finding Structure in Time"), LSTM (Hochreiter & Schmidhuber 1997, with the
forget gate of Gers 2000) and GRU (Cho 2014, arXiv:1406.1078).

A cell reads a sequence step by step and keeps what it has read in its state. The gates of LSTM and GRU decide what of
the state is kept, so that gradients reach further back than in the plain cell, where they shrink with each step.
Departs from Cho 2014: the reset gate of GRU is applied after the recurrent product, as in cuDNN and PyTorch.
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
    """Stacked recurrent layers, dense layers with ReLU, and an output layer.

    The chapters' networks are `rnn`, with 10 units, one input and one output, and `lstm`, with three layers of 128
    units on 100 steps of 64 features, a dense layer of 64 units and 10 classes: 370,890 weights.

    Args:
        input_shape: (steps, features) of a sequence.
        classes: labels to tell apart, or numbers to predict.
        cell: rnn, lstm or gru.
        units: width of each recurrent layer, in each direction.
        dense: width of each hidden dense layer after them.
        bidirectional: whether the sequence is read in both directions (Schuster 1997).
        every_step: whether to predict at each step; if not, only after the last.
        dropout: fraction dropped while training after each recurrent layer, but not from step to step (Zaremba 2014,
            section 3).

    Returns:
        An uncompiled functional model: (batch, steps, features) float32
        to (batch, classes), or with `every_step` (batch, steps, classes), float32.

    Raises:
        ValueError: cell is unknown, or units is empty.
    """
    if cell not in CELLS:
        raise ValueError(f"cell came as {cell!r}, but the known ones are {', '.join(CELLS)}")
    if not units:
        raise ValueError("units came empty, but the network needs at least one recurrent layer")
    inputs = keras.Input(input_shape, name="sequence")
    if len(units) > 1 and not bidirectional:
        x = Stack(cell, units, every_step, dropout, name="stack")(inputs)
    else:
        x = inputs
        for number, width in enumerate(units, 1):
            name, whole = f"{cell}{number}", every_step or number < len(units)
            layer = CELLS[cell](width, return_sequences=whole, name=name)
            x = layers.Bidirectional(layer, name=name)(x) if bidirectional else layer(x)
            x = layers.Dropout(dropout, name=f"drop{number}")(x)  # (B, T, units); after the last layer (B, units)
    for number, width in enumerate(dense, 1):
        x = layers.Dense(width, activation="relu", name="features" if number == len(dense) else f"dense{number}")(x)
    # The last layer stays in float32: half precision is too coarse for predictions.
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name=cell)


@keras.saving.register_keras_serializable(package="zoo")
class Stack(keras.Layer):
    """Recurrent layers, with dropout after each: (B, T, D) to (B, units[-1]), or with every_step to (B, T, units[-1]).

    On a CPU all layers run through the steps in one loop. A layer then need not wait until the one below has read the
    whole sequence: while one core works on a step of the upper layer, another can work on the next step of the lower
    one. On a GPU the layers run one after another, which cuDNN needs; so they do in training with dropout, which the
    loop does not have. Both ways give the same results up to rounding.

    Args:
        cell: rnn, lstm or gru.
        units: width of each layer.
        every_step: whether to return all steps; if not, only the last.
        dropout: fraction dropped while training.
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
        """Creates the cells, which both ways share; through the layers, so that weights are named after them."""
        below = shape
        for layer in self.layers:
            layer.build(below)
            below = (*below[:2], layer.units)
        self.loop.build(shape)

    def call(self, x, training=False):
        """Applies the layers, in the way that is faster on this device."""
        if on_processor() and not (training and self.settings["dropout"]):
            return self.loop(x, training=training)
        for layer, drop in zip(self.layers, self.drops, strict=True):
            x = drop(layer(x, training=training), training=training)
        return x

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


def on_processor() -> bool:
    """Whether there is no GPU or other accelerator."""
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())


rnn = partial(recurrent, cell="rnn", units=(10,), dense=())
lstm = partial(recurrent, cell="lstm")
gru = partial(recurrent, cell="gru")
