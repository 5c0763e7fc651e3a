"""BERT: a Transformer's encoder that learns to fill in words that were hidden (Devlin 2018, arXiv:1810.04805).

Each token attends to all others on both sides, so a vector comes out for each that depends on the whole text. What
is learned from hidden words alone serves almost any task on texts, after a short training with a new last layer.
RoBERTa (Liu 2019, arXiv:1907.11692) is the same network, trained longer and without the prediction of next sentences.
Departs from the paper: next sentences are not predicted (RoBERTa found them useless), and a text is a single segment.
Checked against: transformers' BertModel, BertForMaskedLM and RobertaModel (outputs to 1e-4 with the same weights, and
the numbers of weights).
"""

from typing import NamedTuple

import keras
from keras import layers, ops

from zoo.layers import EncoderBlock, LearnedPositions, normal
from zoo.layers.transformer import normalization, padding_mask

FIRST = 2  # RoBERTa's first position: 0 is not used, and 1 is that of padding
POOLINGS = ("first", "mean")


class Variant(NamedTuple):
    """The size of a BERT; the hidden dense layer of a block is four times as wide as the block."""

    width: int
    depth: int  # blocks
    heads: int


VARIANTS = {
    # Turc 2019 (arXiv:1908.08962), table 1; the heads are width / 64 as in its section 3.
    "tiny": Variant(128, 2, 2),
    "mini": Variant(256, 4, 4),
    "small": Variant(512, 4, 8),
    "medium": Variant(512, 8, 8),
    # Devlin 2018, section 3.
    "base": Variant(768, 12, 12),
    "large": Variant(1024, 24, 16),
    "minilm": Variant(384, 6, 12),  # MiniLM (Wang 2020, arXiv:2002.10957), table 2, in its uncased form of 6 layers
}


class Body(NamedTuple):
    """A network without a head: its input (B, T), the layer that embeds tokens, a vector for each token (B, T, D)."""

    text: keras.KerasTensor
    tokens: layers.ReversibleEmbedding | None
    encoded: keras.KerasTensor


def bert(
    vocabulary: int,
    classes: int,
    *,
    variant: str = "mini",
    context: int = 512,
    dropout: float = 0.1,
    pooling: str = "first",
    roberta: bool = False,
) -> keras.Model:
    """BERT with a class for each text; base without the last layer has 109,482,240 weights (vocabulary 30522).

    Args:
        vocabulary: number of tokens, with 0 for padding.
        classes: labels to tell apart.
        variant: tiny, mini, small, medium, base, large or minilm.
        context: number of positions: the most tokens that a text may have.
        dropout: fraction dropped while training, of the embeddings, of the attention weights, of the output of each
            sublayer, and of what the last layer sees.
        pooling: what stands for a text: first, as in the paper, its first token ([CLS]) after a dense layer; or mean,
            the mean of all tokens that are not padding.
        roberta: the form of RoBERTa: its positions begin with 2, and its normalisations have another epsilon.

    Returns:
        An uncompiled functional model: (batch, T) int32 tokens, of any length up to the context,
        to (batch, classes) float32 logits. Padding at the end of a text does not change them.

    Raises:
        ValueError: variant or pooling is unknown, or the context is below 1.
    """
    return classified(
        body(vocabulary, context, size_of(variant), dropout=dropout, roberta=roberta),
        classes,
        pooling=pooling,
        dropout=dropout,
        name=f"bert_{variant}",
    )


def bert_tagger(
    vocabulary: int,
    classes: int,
    *,
    variant: str = "mini",
    context: int = 512,
    dropout: float = 0.1,
    roberta: bool = False,
) -> keras.Model:
    """BERT with a class for each token (Devlin 2018, section 5.3).

    Args:
        vocabulary: number of tokens, with 0 for padding.
        classes: labels to tell apart.
        variant: tiny, mini, small, medium, base, large or minilm.
        context: number of positions: the most tokens that a text may have.
        dropout: fraction dropped while training, as in `bert`.
        roberta: the form of RoBERTa.

    Returns:
        An uncompiled functional model: (batch, T) int32 tokens, of any length up to the context,
        to (batch, T, classes) float32 logits. Padding at the end of a text does not change those of its tokens.

    Raises:
        ValueError: variant is unknown, or the context is below 1.
    """
    text, _, x = body(vocabulary, context, size_of(variant), dropout=dropout, roberta=roberta)
    x = layers.Dropout(dropout, name="features")(x)
    return keras.Model(text, last(classes)(x), name=f"bert_tagger_{variant}")


def bert_masked(
    vocabulary: int,
    context: int,
    *,
    variant: str = "mini",
    dropout: float = 0.1,
    roberta: bool = False,
) -> keras.Model:
    """BERT that says which tokens were hidden (Devlin 2018, section 3.1); only what stands at those places is decoded.

    Args:
        vocabulary: number of tokens, with 0 for padding.
        context: number of positions: the most tokens that a text may have.
        variant: tiny, mini, small, medium, base, large or minilm.
        dropout: fraction dropped while training, as in `bert`.
        roberta: the form of RoBERTa.

    Returns:
        An uncompiled functional model: [text (batch, T), places (batch, M)], int32 tokens and the places of those that
        are to be predicted, to (batch, M, vocabulary) float32 logits. The embedding also predicts: it is tied.

    Raises:
        ValueError: variant is unknown, or the context is below 1.
    """
    drawn = body(vocabulary, context, size_of(variant), dropout=dropout, roberta=roberta)
    return filled_in(drawn, roberta=roberta, name=f"bert_masked_{variant}")


def body(
    vocabulary: int,
    context: int,
    size: Variant,
    *,
    dropout: float = 0.1,
    roberta: bool = False,
    segments: int | None = None,
) -> Body:
    """The embeddings and the blocks; arguments as in `bert`.

    Args:
        vocabulary: number of tokens, with 0 for padding.
        context: number of positions.
        size: of the blocks.
        dropout: fraction dropped while training.
        roberta: the form of RoBERTa.
        segments: kinds of segments, of which all of a text is the first; None: two, and one for RoBERTa.

    Raises:
        ValueError: the context is below 1.
    """
    if context < 1:
        raise ValueError(f"context came as {context}, but must be at least 1")
    width, depth, heads = size
    epsilon, first = (1e-5, FIRST) if roberta else (1e-12, 0)
    options = {"norm": "post", "activation": "gelu", "dropout": dropout, "epsilon": epsilon, "stddev": 0.02}
    # Letters of the shapes: T = length, D = width, M = hidden places.
    text = keras.Input((None,), dtype="int32", name="text")
    # The logits are computed in float32: half precision is too coarse for a softmax over them.
    tokens = layers.ReversibleEmbedding(
        vocabulary, width, embeddings_initializer=normal(), reverse_dtype="float32", name="tokens"
    )
    x = LearnedPositions(first + context, name="positions")(tokens(text), at=first)  # (B, T, D)
    x = Segment(segments or (1 if roberta else 2), name="segment")(x)
    x = layers.Dropout(dropout, name="drop")(normalization(epsilon, name="norm")(x))
    mask = padding_mask(text)  # (B, 1, 1, T)
    for number in range(1, depth + 1):
        x = EncoderBlock(heads, 4 * width, name=f"block{number}", **options)(x, mask=mask)  # (B, T, D)
    return Body(text, tokens, x)


def classified(drawn: Body, classes: int, *, pooling: str, dropout: float, name: str) -> keras.Model:
    """A body with a class for each text; arguments as in `bert`.

    Raises:
        ValueError: pooling is unknown.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"pooling came as {pooling!r}, but must be {' or '.join(POOLINGS)}")
    text, _, x = drawn
    if pooling == "first":
        x = layers.Dense(x.shape[-1], "tanh", kernel_initializer=normal(), name="pooler")(x[:, 0])  # (B, D)
    else:
        x = Mean(name="mean")(x, text)
    x = layers.Dropout(dropout, name="features")(x)  # (B, D)
    return keras.Model(text, last(classes)(x), name=name)


def filled_in(drawn: Body, *, roberta: bool, name: str) -> keras.Model:
    """A body with the tokens that were hidden; arguments as in `bert_masked`."""
    text, tokens, x = drawn
    places = keras.Input((None,), dtype="int32", name="places")
    x = ops.take_along_axis(x, places[..., None], axis=1)  # (B, M, D)
    x = layers.Dense(x.shape[-1], "gelu", kernel_initializer=normal(), name="transform")(x)
    x = normalization(1e-5 if roberta else 1e-12, name="transform_norm")(x)
    logits = Bias(dtype="float32", name="logits")(tokens(x, reverse=True))  # (B, M, vocabulary)
    return keras.Model([text, places], logits, name=name)


def headed(model: keras.Model, *, each: bool = False) -> keras.Model:
    """The network, if it has a head of that form, or the same body with a new one of one class; `finetune` replaces it.

    Args:
        model: a network that `bert`, `bert_tagger` or `bert_masked` built, possibly saved and loaded since.
        each: whether each token gets a class; or else the text does, by the mean of its tokens.
    """
    if len(model.inputs) == 1 and each == (len(model.output_shape) == 3):
        return model
    text = model.inputs[0]
    x = [layer for layer in model.layers if isinstance(layer, EncoderBlock)][-1].output
    if not each:
        return classified(Body(text, None, x), 1, pooling="mean", dropout=0.1, name="bert")
    return keras.Model(text, last(1)(layers.Dropout(0.1, name="features")(x)), name="bert_tagger")


def last(classes: int) -> keras.Layer:
    """The last layer of a network that tells classes apart, in float32."""
    return layers.Dense(classes, kernel_initializer=normal(), dtype="float32", name="logits")


def size_of(variant: str) -> Variant:
    """The size of that name.

    Raises:
        ValueError: there is none.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    return VARIANTS[variant]


@keras.saving.register_keras_serializable(package="zoo")
class Segment(keras.Layer):
    """Adds to each token the vector of the first segment: (B, T, D) to (B, T, D).

    In pre-training Devlin tells two sentences apart by the vectors of two segments (section 3.2).

    Args:
        count: number of segments; published weights have a vector for each.
    """

    def __init__(self, count: int, **options):
        super().__init__(**options)
        self.count = count

    def build(self, shape):
        """Creates the vectors, (count, D)."""
        self.segments = self.add_weight((self.count, shape[-1]), normal(), name="segments")

    def call(self, x):
        """Adds the first vector to x."""
        return x + ops.cast(self.segments[0], x.dtype)

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"count": self.count}


@keras.saving.register_keras_serializable(package="zoo")
class Mean(keras.Layer):
    """The mean of a text's tokens: (B, T, D) and the tokens (B, T), of which 0 is padding, to (B, D).

    A layer, since Keras refuses a second operation of one name, and a loaded network has its `not_equal` already.
    """

    def call(self, x, text):
        """The mean over the places where the text is not 0."""
        kept = ops.cast(ops.not_equal(text, 0), x.dtype)[..., None]  # (B, T, 1)
        # The divisor is at least 1: for a text without tokens, Keras' masked pooling would compute 0 / 0.
        return ops.sum(x * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1)


@keras.saving.register_keras_serializable(package="zoo")
class Bias(keras.Layer):
    """Adds a number to each of the last axis: (..., V) to (..., V)."""

    def build(self, shape):
        """Creates the numbers, (V,)."""
        self.bias = self.add_weight((shape[-1],), "zeros", name="bias")

    def call(self, x):
        """Adds them."""
        return x + self.bias
