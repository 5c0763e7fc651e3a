"""A language model of recurrent layers (Zaremba 2014, arXiv:1409.2329, "Recurrent Neural Network Regularization").

A text is read in short windows, for gradients flow no further back than a window; but what the layers remember is
carried from each window into the next, so that they know more of the text than they learn from at once.
Departs from the paper: biases begin at 0, but those of the LSTM forget gates at 1 (Jozefowicz 2015).
Checked against: Zaremba's number of weights; PyTorch's layers with the same weights, windows carried, tied and untied.
"""

from collections.abc import Callable

import keras
from keras import initializers, layers, ops

from zoo.models.rnn import CELLS, on_processor

# Windows of up to this many steps are unrolled on a processor: without a loop to run, those of 20 were faster, most of
# all with XLA. Each step adds to the time of compilation.
UNROLLED = 32


def lm(
    vocabulary: int,
    context: int,
    batch: int | None = None,
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
        context: tokens of a window.
        batch: texts that are read side by side, each window going on where the one before ended; None: each window
            stands alone.
        cell: rnn, lstm or gru.
        embedding: width of the vectors that stand for tokens.
        units: width of each recurrent layer.
        tied: the same vectors predict at the output which token comes next (Press 2016, arXiv:1608.05859).
        dropout: fraction dropped while training before, between and after the layers, not from step to step
            (section 3).

    Returns:
        An uncompiled functional model: (batch, context) int32 tokens
        to (batch, context, vocabulary) float32 logits of the token that comes next.

    Raises:
        ValueError: no cell has that name, there is none, or the widths do not allow tying.
    """
    if cell not in CELLS:
        raise ValueError(f"cell came as {cell!r}, but the known ones are {', '.join(CELLS)}")
    if not units:
        raise ValueError("units came empty, but at least one recurrent layer is needed")
    if tied and units[-1] != embedding:
        raise ValueError(f"units came as {units}, but tied vectors of {embedding} want as many units at the end")
    inputs = keras.Input(batch_shape=(batch, context), dtype="int32", name="text")
    # Half precision is too coarse for a softmax over logits: those are in float32.
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


def token_step(model: keras.Model) -> tuple[Callable, Callable]:
    """The network for writing on: it keeps what each layer remembers, and is given a token at a time.

    Args:
        model: what `lm` made, perhaps saved and loaded since.

    Returns:
        Two functions: `start(batch)` makes the list of empty memories, one a layer;
        `step(tokens, memories)` takes (batch,) int32 tokens to (batch, vocabulary) logits and the memories after them.
    """
    tokens, recurrent = model.get_layer("tokens"), [layer for layer in model.layers if isinstance(layer, Carried)]

    def start(batch: int) -> list:
        return [layer.recurrent.get_initial_state(batch) for layer in recurrent]

    def step(text, memories: list) -> tuple:
        x, kept = tokens(text), []
        for layer, memory in zip(recurrent, memories, strict=True):
            x, state = layer.recurrent.cell(x, [ops.cast(part, x.dtype) for part in memory])
            kept.append(state)
        if isinstance(tokens, layers.ReversibleEmbedding):
            return tokens(x, reverse=True), kept
        return model.get_layer("logits")(x), kept

    return start, step


@keras.saving.register_keras_serializable(package="zoo")
class Carried(keras.Layer):
    """(B, T, D) to (B, T, units): a recurrent layer that begins each batch where it ended the one before.

    Keras' own way, `stateful=True`, keeps the state out of the layer's weights, so that it would be in no saved state
    of a training. A batch of another size than the network was built for is read from an empty state, and leaves the
    carried one alone.

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
        """Makes the layer, and its state where the batch is known."""
        self.recurrent.unroll = on_processor() and shape[1] <= UNROLLED
        self.recurrent.build(shape)
        sizes = self.recurrent.state_size if shape[0] else ()
        self.states = [
            self.add_weight(shape=(shape[0], size), initializer="zeros", trainable=False, name=f"state{number}")
            for number, size in enumerate([sizes] if isinstance(sizes, int) else sizes)
        ]

    def call(self, x, training=False):
        """The layer; the state goes on with it."""
        carried = bool(self.states) and x.shape[0] == self.states[0].shape[0]
        state = [ops.cast(kept, self.compute_dtype) for kept in self.states] if carried else None
        x, *state = self.recurrent(x, initial_state=state, training=training)
        if carried:
            for kept, new in zip(self.states, state, strict=True):
                kept.assign(ops.cast(new, kept.dtype))
        return x

    def reset_state(self):
        """Empties the state; named like the method of Keras' own recurrent layers."""
        for kept in self.states:
            kept.assign(ops.zeros_like(kept))

    def get_config(self):
        """The arguments that make the layer again."""
        return super().get_config() | self.settings


def uniform() -> initializers.Initializer:
    """How the weights are initialised: from -0.1 to 0.1 (section 4.1)."""
    return initializers.RandomUniform(-0.1, 0.1)
