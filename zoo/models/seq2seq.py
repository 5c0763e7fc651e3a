"""Sequence to sequence: recurrent networks that read a text and write another, from before the Transformer.

The encoder reads the source and hands its last state to the decoder, which writes from it (Sutskever 2014,
arXiv:1409.3215): the whole source has to fit into that state. Cho 2014 (arXiv:1406.1078) shows the state to the decoder
at each step. Bahdanau 2014 (arXiv:1409.0473) shows it at each step those words of the source that matter then, and this
attention is what the Transformer later kept.
Departs from the papers: initial weights are Keras'; the GRU's reset gate is applied as in `zoo.models.rnn`.
Checked against: torch.nn.LSTM and GRU with the same weights; the attention in numpy.
"""

import keras
from keras import layers, ops

from zoo.models.rnn import CELLS
from zoo.models.writer import Writer

VARIANTS = {
    # Smaller than in the papers, whose layers have 1,000 units; Sutskever 2014 has four layers.
    "sutskever": {"cell": "lstm", "depth": 2, "backwards": True, "bidirectional": False, "context": "none"},
    "cho": {"cell": "gru", "depth": 1, "backwards": False, "bidirectional": False, "context": "state"},
    "bahdanau": {"cell": "gru", "depth": 1, "backwards": False, "bidirectional": True, "context": "attention"},
}


def seq2seq(
    vocabulary: int, *, variant: str = "bahdanau", width: int = 256, units: int = 256, dropout: float = 0.2
) -> keras.Model:
    """An encoder that reads the source, and a decoder that predicts the next token at each place of the target.

    Args:
        vocabulary: number of tokens in the vocabulary that both languages share, including 0 for padding.
        variant: sutskever (LSTM, reads the source backwards, section 3.3), cho (GRU), or bahdanau (GRU with additive
            attention; reads the source in both directions, section 3.2).
        width: of the token embeddings.
        units: of each recurrent layer, in each direction.
        dropout: fraction dropped while training, of the embeddings and of what the logits are computed from.

    Returns:
        An uncompiled functional model: [source (batch, S), target (batch, T)] int32 tokens, of any lengths, to
        (batch, T, vocabulary) float32 logits of the next token at each place. The target starts with a token that marks
        the start of a text. Padding does not change the logits of the places before it.

    Raises:
        ValueError: variant is unknown, or a size is below 1.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    for name, size in (("width", width), ("units", units)):
        if size < 1:
            raise ValueError(f"{name} came as {size}, but must be at least 1")
    form = VARIANTS[variant]
    # Letters of the shapes: S and T = lengths of source and target, U = units, D = of the encoder's output, 2 U if it
    # reads in both directions.
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    real = ops.not_equal(source, 0)  # (B, S)
    drop = layers.Dropout(dropout, name="drop")
    x = drop(layers.Embedding(vocabulary, width, name="source_tokens")(source))  # (B, S, width)
    starts = []  # the decoder's first states, a list for each layer
    for number in range(1, form["depth"] + 1):
        # Backwards the padding comes first, and a masked step leaves the state as it is: empty.
        backwards = form["backwards"] and number == 1
        options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
        layer = CELLS[form["cell"]](units, name=f"encoder{number}", **options)
        if form["bidirectional"]:
            layer = layers.Bidirectional(layer, name=f"encoder{number}")
        # What came out backwards has its padding in front from then on.
        x, *state = layer(x, mask=ops.flip(real, axis=1) if form["backwards"] and number > 1 else real)
        starts.append(state)
    if form["context"] != "none":
        # Of the encoder that reads in both directions, the state at the first word (Bahdanau 2014, section A.2.2).
        starts = [[layers.Dense(units, "tanh", name="bridge")(starts[-1][-1])]]
    y = drop(layers.Embedding(vocabulary, width, name="target_tokens")(target))  # (B, T, width)
    decoder = Decoder(form["cell"], units, form["depth"], form["context"], name="decoder")
    states = [part for start in starts for part in start]
    if form["context"] == "none":
        x, _ = decoder(y, states)  # (B, T, U)
    else:
        memory = x if form["context"] == "attention" else state[0][:, None]  # (B, S or 1, D)
        seen = real if form["context"] == "attention" else ops.ones_like(real[:, :1])
        x, _ = decoder(y, states, memory, seen)  # (B, T, U + D)
        x = layers.Concatenate(name="known")([x, y])
        x = Maxout(width, name="readout")(x)  # (B, T, width)
    x = layers.Dropout(dropout, name="features")(x)
    # Half precision is too coarse for a softmax over logits: the last layer stays in float32.
    logits = layers.Dense(vocabulary, dtype="float32", name="logits")
    return keras.Model([source, target], logits(x), name="seq2seq")


@keras.saving.register_keras_serializable(package="zoo")
class Decoder(keras.Layer):
    """Recurrent layers that see at each step the word before and, unless `context` is none, something of the source.

    Args:
        cell: lstm or gru.
        units: width of each layer.
        depth: number of layers.
        context: none, state (the memory's one place) or attention (a weighted mean of the memory, Bahdanau 2014,
            section 3.1).
    """

    def __init__(self, cell: str, units: int, depth: int, context: str, **options):
        super().__init__(**options)
        self.settings = {"cell": cell, "units": units, "depth": depth, "context": context}
        self.cell = Step(**self.settings, name="step", dtype=self.dtype_policy)
        self.loop = layers.RNN(self.cell, return_sequences=True, return_state=True, dtype=self.dtype_policy)

    def build(self, x_shape, states_shape=None, memory_shape=None, seen_shape=None):
        """Creates the cells."""
        self.cell.build((x_shape[0], x_shape[2]), memory_shape)
        self.loop.build(x_shape)

    def call(self, x, states, memory=None, seen=None):
        """Runs through the steps.

        Args:
            x: (B, T, width), the words.
            states: of all layers, one after another: each (B, units); an LSTM has two.
            memory: (B, S, D), what the encoder gave for each word of the source; or None.
            seen: (B, S), true for the places of the memory that count.

        Returns:
            The top layer's outputs and beside them what each step saw of the memory, (B, T, units + D), or without a
            memory (B, T, units); and the states after the last step.
        """
        # Keras' loop has no constants: what stays the same goes through it as further states.
        same = [] if memory is None else self.cell.prepared(memory, seen)
        outputs, *after = self.loop(x, initial_state=[*states, *same])
        return outputs, after[: len(states)]

    def compute_output_spec(self, x, states, memory=None, seen=None):
        """The shapes of what `call` returns."""
        units = self.settings["units"]
        outputs = (*x.shape[:2], units + (0 if memory is None else memory.shape[-1]))
        state = keras.KerasTensor((x.shape[0], units), self.compute_dtype)
        return keras.KerasTensor(outputs, self.compute_dtype), [state] * len(states)

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


class Step(keras.Layer):
    """One step of a `Decoder`, with its arguments."""

    def __init__(self, cell: str, units: int, depth: int, context: str, **options):
        super().__init__(**options)
        kinds = {"lstm": layers.LSTMCell, "gru": layers.GRUCell}
        policy = {"dtype": self.dtype_policy}
        self.units, self.context = units, context
        self.cells = [kinds[cell](units, name=f"{cell}{number}", **policy) for number in range(1, depth + 1)]
        self.each = 2 if cell == "lstm" else 1  # states of a cell
        self.state_size = [units] * self.each * depth
        if context == "attention":  # e = v' tanh(W s + U h)
            self.query = layers.Dense(units, use_bias=False, name="query", **policy)
            self.key = layers.Dense(units, name="key", **policy)
            self.score = layers.Dense(1, use_bias=False, name="score", **policy)

    def build(self, x_shape, memory_shape=None):
        """Creates the weights."""
        below = x_shape[-1] + (memory_shape[-1] if memory_shape else 0)
        for cell in self.cells:
            cell.build((x_shape[0], below))
            below = self.units
        if self.context == "attention":
            self.query.build((x_shape[0], self.units))
            self.key.build(memory_shape)
            self.score.build((x_shape[0], self.units))

    def prepared(self, memory, seen) -> list:
        """What stays the same at all steps: memory (B, S, D), keys (B, S, U), and what is added to the scores (B, S).

        Arguments: see `Decoder.call`.
        """
        keys = [self.key(memory)] if self.context == "attention" else []
        return [memory, *keys, ops.where(seen, 0.0, -1e9)]

    def look(self, state, memory, keys, hidden):
        """The weights (B, S) float32 that a state (B, U) gives to the places of the memory; see `prepared`."""
        scores = self.score(ops.tanh(self.query(state)[:, None] + keys))[..., 0]
        return ops.softmax(ops.cast(scores, "float32") + ops.cast(hidden, "float32"))

    def call(self, word, states):
        """(B, width) and the states before to the output and the states after; see `Decoder.call`."""
        count = self.each * len(self.cells)
        before, same, seen = states[:count], list(states[count:]), []
        if self.context == "state":
            seen = [same[0][:, 0]]
        elif self.context == "attention":
            weights = self.look(before[-self.each], *same)
            seen = [ops.einsum("bs,bsd->bd", ops.cast(weights, word.dtype), same[0])]
        y, after = ops.concatenate([word, *seen], axis=-1), []
        for number, cell in enumerate(self.cells):
            y, new = cell(y, list(before[self.each * number : self.each * (number + 1)]))
            after += new if isinstance(new, list | tuple) else [new]
        return ops.concatenate([y, *seen], axis=-1), [*after, *same]


@keras.saving.register_keras_serializable(package="zoo")
class Maxout(keras.Layer):
    """The larger of each two of 2 `units` linear outputs (Goodfellow 2013, arXiv:1302.4389; Bahdanau 2014, A.2.2)."""

    def __init__(self, units: int, **options):
        super().__init__(**options)
        self.units = units
        self.dense = layers.Dense(2 * units, name="dense", dtype=self.dtype_policy)

    def build(self, shape):
        """Creates the weights, (D, 2 units)."""
        self.dense.build(shape)

    def call(self, x):
        """(..., D) to (..., units)."""
        pairs = self.dense(x)
        return ops.maximum(pairs[..., ::2], pairs[..., 1::2])

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units}


class Seq2seqWriter(Writer):
    """Writes with a recurrent encoder and decoder.

    The memory is a pair: of the source, what the decoder looks at, (B, S, D) and (B, S), or nothing; and the states of
    the decoder's layers, each (B, units).

    Args:
        model: a network that `seq2seq` built, possibly saved and loaded since.
    """

    context = None

    def __init__(self, model: keras.Model):
        self.decoder, self.tokens = model.get_layer("decoder"), model.get_layer("target_tokens")
        names = [layer.name for layer in model.layers]
        self.readout = model.get_layer("readout") if "readout" in names else None
        self.logits = model.get_layer("logits")
        # What the decoder is called with, but for the words: its states, then what it looks at.
        _, *given = self.decoder.input
        states = len(self.decoder.cell.state_size)
        self.encoder = keras.Model(model.inputs[0], [given[:states], given[states:]])

    def start(self, batch, source=None, places: int | None = None) -> tuple:
        """Reads the source (B, S); `batch` and `places` are not used, for a state has no places.

        Raises:
            ValueError: source is missing.
        """
        if source is None:
            raise ValueError("an encoder and decoder need a source: give one")
        states, memory = self.encoder(source)
        return memory, states

    def step(self, tokens, at, memory: tuple) -> tuple:
        """See Writer; `at` is not used."""
        source, states = memory
        y = self.tokens(tokens)
        x, states = self.decoder(y, states, *source)
        if self.readout is not None:
            x = self.readout(ops.concatenate([x, y], axis=-1))
        return self.logits(x), (source, states)

    def repeated(self, memory: tuple, times: int) -> tuple:
        """See Writer."""
        return tuple([ops.repeat(part, times, axis=0) for part in parts] for parts in memory)

    def reordered(self, memory: tuple, rows) -> tuple:
        """See Writer."""
        source, states = memory
        return source, [ops.take(state, rows, axis=0) for state in states]

    def attention_weights(self, source, target) -> list:
        """Where the decoder looks at in the source at each step: float32 (B, 1, T, S), or an empty list.

        Args:
            source: (B, S) int32 tokens.
            target: (B, T) int32 tokens, starting with the one that starts a text.
        """
        if self.decoder.settings["context"] != "attention":
            return []
        (memory, seen), states = self.start(len(source), source)
        same, found = self.decoder.cell.prepared(memory, seen), []
        for place in range(target.shape[1]):
            found.append(self.decoder.cell.look(states[0], *same))
            _, states = self.decoder(self.tokens(target[:, place : place + 1]), states, memory, seen)
        return [ops.stack(found, axis=1)[:, None]]
