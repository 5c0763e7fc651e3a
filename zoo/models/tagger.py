"""A tagger: a bidirectional LSTM and a conditional random field (Lample 2016, arXiv:1603.01360, "Neural Architectures
for Named Entity Recognition").

Each word is read as a whole and by its letters, so that a word that nobody has seen can still look like a name. Two
LSTMs then read the sentence, one from each end, and the field decides on all tags together, so that no tag follows one
that it cannot follow.
Departs from the paper: the gates of the LSTM are not coupled; the field has no tags of start and end.
Checked against: the sum and the best of all paths; PyTorch's LSTM with the same weights; padding that changes nothing.
"""

import keras
from keras import layers, ops

from zoo.layers.crf import Chain


def tagger(
    vocabulary: int,
    classes: int,
    characters: int | None = None,
    *,
    width: int = 100,
    units: int = 100,
    letters: int = 25,
    crf: bool = True,
    dropout: float = 0.5,
) -> keras.Model:
    """The paper's network; without `characters` it reads the tokens only as wholes.

    Args:
        vocabulary: number of tokens, with 0 for padding.
        classes: tags to tell apart, of which tag 0 stands where there is nothing.
        characters: number of characters of which words consist, with 0 for padding; None: words have no letters.
        width: of the vectors that stand for tokens.
        units: width of the LSTM over a sentence, in each direction, and of the layer after it.
        letters: width of the vectors that stand for characters, and of the LSTM over a word, in each direction.
        crf: whether the tags of a sentence are decided together; if not, each by itself.
        dropout: fraction of a word's vector that is dropped while training (section 5.1).

    Returns:
        An uncompiled functional model: (batch, length) int32 tokens of whatever length, and with `characters` also
        (batch, length, letters) int32 characters,
        to (batch, length, classes) float32 logits, or with `crf` (batch, length, classes, classes) float32 scores of
        each tag (last axis) after each tag, as `zoo.layers.crf` has them.

    Raises:
        ValueError: a size is below 1.
    """
    for name, size in (("width", width), ("units", units), ("letters", letters)):
        if size < 1:
            raise ValueError(f"{name} came as {size}, but must be at least 1")
    tokens = keras.Input((None,), dtype="int32", name="text")
    text = ops.not_equal(tokens, 0)  # (B, T)
    x = layers.Embedding(vocabulary, width, name="tokens")(tokens)  # (B, T, D)
    inputs = tokens
    if characters is not None:
        spelling = keras.Input((None, None), dtype="int32", name="letters")
        x = layers.Concatenate(name="word")([x, Spelling(characters, letters, name="spelling")(spelling)])
        inputs = [tokens, spelling]
    x = layers.Dropout(dropout, name="drop")(x)
    x = both_ways(units, every_step=True, name="lstm")(x, mask=at_least_one(text))  # (B, T, 2 units)
    x = layers.Dense(units, activation="tanh", name="features")(x)  # section 4.1
    # Half precision is too coarse for a softmax over logits: the last layers stay in float32.
    x = layers.Dense(classes, dtype="float32", name="logits")(x)  # (B, T, K)
    return keras.Model(inputs, Chain(dtype="float32", name="chain")(x, text) if crf else x, name="tagger")


@keras.saving.register_keras_serializable(package="zoo")
class Spelling(keras.Layer):
    """What the letters of each word say, read from both ends: int32 (B, T, C), padded with 0, to (B, T, 2 width).

    Args:
        characters: number of characters, with 0 for padding.
        width: of the vectors that stand for characters, and of the LSTM in each direction.
    """

    def __init__(self, characters: int, width: int, **options):
        super().__init__(**options)
        self.settings = {"characters": characters, "width": width}
        self.vectors = layers.Embedding(characters, width, name="characters", dtype=self.dtype_policy)
        self.lstm = both_ways(width, every_step=False, dtype=self.dtype_policy, name="lstm")

    def build(self, shape):
        """Creates the weights."""
        self.vectors.build((None, None))
        self.lstm.build((None, None, self.settings["width"]))

    def call(self, letters):
        """Applies the layer."""
        batch, length, size = ops.shape(letters)
        words = ops.reshape(letters, (batch * length, size))
        x = self.lstm(self.vectors(words), mask=at_least_one(ops.not_equal(words, 0)))
        return ops.reshape(x, (batch, length, 2 * self.settings["width"]))

    def compute_output_shape(self, shape):
        """The shape (B, T, 2 width)."""
        return (*shape[:2], 2 * self.settings["width"])

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


def both_ways(units: int, *, every_step: bool, **options) -> keras.Layer:
    """An LSTM that reads from both ends: each step, or the last of each."""
    dtype = {"dtype": options["dtype"]} if "dtype" in options else {}
    return layers.Bidirectional(layers.LSTM(units, return_sequences=every_step, name="lstm", **dtype), **options)


def at_least_one(mask):
    """The mask (N, T), true at the first step too: cuDNN refuses a sequence of padding alone."""
    return ops.concatenate([ops.ones_like(mask[:, :1]), mask[:, 1:]], axis=1)
