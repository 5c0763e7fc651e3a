"""A recurrent language model (Zaremba 2014, arXiv:1409.2329, "Recurrent Neural Network Regularization").

A text is read in short windows, and gradients flow no further back than the start of a window. The state of the layers
is carried from each window into the next, so that a prediction can depend on more text than it is trained through.
Departs from the paper: biases start at 0, except those of the LSTM's forget gates, which start at 1 (Jozefowicz 2015).
Checked against: Zaremba's number of weights; PyTorch's layers with the same weights, over several windows, tied and
untied.
"""

import keras
from keras import initializers, layers, ops

from zoo.models.rnn import CELLS, on_processor
from zoo.models.writer import Writer

# On a CPU, windows of up to this many steps are unrolled. Windows of 20 steps ran faster without the loop, above all
# with XLA; but each unrolled step makes compilation longer.
UNROLLED = 32


def lm(
    vocabulary: int,
    context: int,
    carried: int | None = None,
    *,
    cell: str = "lstm",
    embedding: int = 200,
    units: tuple[int, ...] = (200, 200),
    tied: bool = False,
    dropout: float = 0.0,
) -> keras.Model:
    """Zaremba's small network: 4,651,600 weights for 10,000 words.

    Args:
        vocabulary: number of tokens.
        context: length of a window, in tokens.
        carried: number of texts that are read side by side, each window continuing where the one before ended; None:
            each window is read on its own.
        cell: rnn, lstm or gru.
        embedding: width of the token embedding.
        units: width of each recurrent layer.
        tied: whether the token embedding also predicts the next token at the output (Press 2016, arXiv:1608.05859).
        dropout: fraction dropped while training before, between and after the layers, but not from step to step
            (section 3).

    Returns:
        An uncompiled functional model: (batch, context) int32 tokens
        to (batch, context, vocabulary) float32 logits of the next token.

    Raises:
        ValueError: cell is unknown, units is empty, or the last layer is too wide or too narrow for `tied`.
    """
    if cell not in CELLS:
        raise ValueError(f"cell came as {cell!r}, but the known ones are {', '.join(CELLS)}")
    if not units:
        raise ValueError("units came empty, but the network needs at least one recurrent layer")
    if tied and units[-1] != embedding:
        raise ValueError(f"units came as {units}, but tied to an embedding of {embedding} the last must be {embedding}")
    inputs = keras.Input(batch_shape=(carried, context), dtype="int32", name="text")
    # The logits are computed in float32: half precision is too coarse for a softmax over them.
    if tied:
        tokens = layers.ReversibleEmbedding(
            vocabulary, embedding, embeddings_initializer=uniform(), reverse_dtype="float32", name="tokens"
        )
    else:
        tokens = layers.Embedding(vocabulary, embedding, uniform(), name="tokens")
    x = layers.Dropout(dropout, name="drop")(tokens(inputs))  # (B, T, embedding)
    for number, width in enumerate(units, 1):
        x = Carried(cell, width, name=f"{cell}{number}")(x)  # (B, T, units)
        x = layers.Dropout(dropout, name=f"drop{number}")(x)
    if tied:
        return keras.Model(inputs, tokens(x, reverse=True), name="lm")
    logits = layers.Dense(vocabulary, kernel_initializer=uniform(), dtype="float32", name="logits")
    return keras.Model(inputs, logits(x), name="lm")


class LmWriter(Writer):
    """Writes with a recurrent language model. The memory is a list of states, one for each layer: each (B, units).

    Args:
        model: a network that `lm` built, possibly saved and loaded since.
    """

    context = None

    def __init__(self, model: keras.Model):
        self.tokens = model.get_layer("tokens")
        self.tied = isinstance(self.tokens, layers.ReversibleEmbedding)
        self.logits = None if self.tied else model.get_layer("logits")
        self.recurrent = [layer.recurrent for layer in model.layers if isinstance(layer, Carried)]

    def start(self, batch, source=None, places: int | None = None) -> list:
        """Empty states; `source` and `places` are not used, for there is no source and a state has no places."""
        return [layer.get_initial_state(batch) for layer in self.recurrent]

    def step(self, tokens, at, memory: list) -> tuple:
        """See Writer; the tokens are (B, 1), and `at` is not used."""
        x, states = self.tokens(tokens[:, 0]), []  # (B, embedding)
        for layer, state in zip(self.recurrent, memory, strict=True):
            x, state = layer.cell(x, [ops.cast(part, x.dtype) for part in state])  # noqa: PLW2901 - a token further
            states.append(state)
        logits = self.tokens(x, reverse=True) if self.tied else self.logits(x)  # (B, vocabulary)
        return logits[:, None], states

    def repeated(self, memory: list, times: int) -> list:
        """See Writer."""
        return [[ops.repeat(part, times, axis=0) for part in state] for state in memory]

    def reordered(self, memory: list, rows) -> list:
        """See Writer."""
        return [[ops.take(part, rows, axis=0) for part in state] for state in memory]


@keras.saving.register_keras_serializable(package="zoo")
class Carried(keras.Layer):
    """A recurrent layer that starts each batch with the state in which it ended the one before.

    (B, T, D) to (B, T, units). Keras' own way, `stateful=True`, does not make the state one of the layer's weights, so
    that a checkpoint would not hold it. A batch of another size than the network was built for starts from an empty
    state, and does not change the carried one.

    Args:
        cell: rnn, lstm or gru.
        units: width.
    """

    def __init__(self, cell: str, units: int, **options):
        super().__init__(**options)
        self.settings = {"cell": cell, "units": units}
        self.recurrent = CELLS[cell](
            units,
            return_sequences=True,
            return_state=True,
            kernel_initializer=uniform(),
            recurrent_initializer=uniform(),
            name=cell,
            dtype=self.dtype_policy,
        )

    def build(self, shape):
        """Creates the weights, and if the batch size is known the state."""
        self.recurrent.unroll = on_processor() and shape[1] <= UNROLLED
        self.recurrent.build(shape)
        sizes = self.recurrent.state_size if shape[0] else ()
        self.states = [
            self.add_weight(shape=(shape[0], size), initializer="zeros", trainable=False, name=f"state{number}")
            for number, size in enumerate([sizes] if isinstance(sizes, int) else sizes)
        ]

    def call(self, x, training=False):
        """Applies the layer, and updates the state."""
        carried = bool(self.states) and x.shape[0] == self.states[0].shape[0]
        state = [ops.cast(kept, self.compute_dtype) for kept in self.states] if carried else None
        x, *state = self.recurrent(x, initial_state=state, training=training)
        if carried:
            for kept, new in zip(self.states, state, strict=True):
                kept.assign(ops.cast(new, kept.dtype))
        return x

    def reset_state(self):
        """Sets the state to zeros; the name is that of the same method of Keras' recurrent layers."""
        for kept in self.states:
            kept.assign(ops.zeros_like(kept))

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


def uniform() -> initializers.Initializer:
    """The initial weights: uniform between -0.1 and 0.1 (section 4.1)."""
    return initializers.RandomUniform(-0.1, 0.1)
