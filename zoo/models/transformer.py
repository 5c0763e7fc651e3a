"""The Transformer (Vaswani 2017, "Attention Is All You Need", arXiv:1706.03762): translation without recurrence.

The encoder lets every word of a sentence look at all the others; the decoder writes the translation word by word, each
looking at what is written and at the whole sentence. Nothing waits for the word before, so that all of a sentence is
learned at once. Token 0 is padding: it follows the end of shorter sentences, and nothing attends to it.
Checked against: torch.nn.Transformer, outputs to 1e-4 with the same weights, and the numbers of weights of table 3,
but with more tokens than the paper states (see `transformer`).
"""

from functools import partial

import keras
from keras import layers, ops

from zoo.layers import DecoderBlock, EncoderBlock, SinusoidalPositions, normal
from zoo.layers.transformer import normalization, real

VARIANTS = {
    # Vaswani 2017, table 3.
    "base": {"width": 512, "heads": 8, "depth": 6, "hidden": 2048, "dropout": 0.1},
    "big": {"width": 1024, "heads": 16, "depth": 6, "hidden": 4096, "dropout": 0.3},
}


def transformer(
    vocabulary: int,
    *,
    width: int = 128,
    heads: int = 8,
    depth: int = 4,
    decoder_depth: int | None = None,
    hidden: int = 512,
    dropout: float = 0.1,
    norm: str = "post",
    activation: str = "relu",
    tied: bool = True,
) -> keras.Model:
    """An encoder that reads the source, and a decoder that predicts at each place of the target what comes next.

    The base model, `transformer(37_000, **VARIANTS["base"])`, has 63,082,496 weights: the 65 million of table 3 come
    out only with about 41,000 tokens, not with the 37,000 of section 5.1.

    Args:
        vocabulary: number of tokens, of both languages together, with 0 for padding.
        width: of the vectors of tokens and places.
        heads: of each attention; they divide the width.
        depth: blocks of the encoder.
        decoder_depth: blocks of the decoder; None: as many as the encoder.
        hidden: width of the first of the two dense layers in a block.
        dropout: fraction dropped while training, of the vectors that come in, the attention weights, and what each part
            of a block adds (section 5.4).
        norm: post, as in the paper, or pre, which also learns without a warm-up.
        activation: between the dense layers of a block, by Keras' name; the paper's is relu.
        tied: whether the same vectors embed tokens of the source and the target and predict the next (section 3.4).
            If not, source, target and output have matrices of their own, the last with a bias.

    Returns:
        An uncompiled functional model: [source (batch, S), target (batch, T)] int32 tokens of whatever lengths, the
        target beginning with the token that begins one, to (batch, T, vocabulary) float32 logits of the tokens that
        come next. Real places come out the same however much padding comes after them.

    Raises:
        ValueError: the heads do not divide the width, the width is odd, norm is neither post nor pre, or a size is
            below 1.
    """
    decoder_depth = depth if decoder_depth is None else decoder_depth
    check_sizes(width=width, heads=heads, depth=depth, decoder_depth=decoder_depth, hidden=hidden)
    options = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}
    # Letters of the shapes: S and T = places of source and target, D = width.
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    # Half precision is too coarse for a softmax over logits: those are in float32.
    if tied:
        source_tokens = target_tokens = layers.ReversibleEmbedding(
            vocabulary, width, embeddings_initializer=normal(width**-0.5), reverse_dtype="float32", name="tokens"
        )
        project = partial(target_tokens, reverse=True)
    else:
        source_tokens = layers.Embedding(vocabulary, width, normal(width**-0.5), name="source_tokens")
        target_tokens = layers.Embedding(vocabulary, width, normal(width**-0.5), name="target_tokens")
        project = layers.Dense(vocabulary, dtype="float32", name="logits")
    positions, drop = SinusoidalPositions(name="positions"), layers.Dropout(dropout, name="drop")
    seen = real(source)  # (B, 1, 1, S)
    memory = drop(positions(source_tokens(source)))  # (B, S, D)
    for number in range(1, depth + 1):
        memory = EncoderBlock(name=f"encoder{number}", **options)(memory, seen=seen)
    memory = normalization(name="encoder_norm")(memory) if norm == "pre" else memory
    x = drop(positions(target_tokens(target)))  # (B, T, D)
    for number in range(1, decoder_depth + 1):
        # Padding of the target needs no mask: it comes after all that is real, where nothing attends to it.
        x = DecoderBlock(name=f"decoder{number}", **options)(x, memory, seen=seen)
    x = normalization(name="decoder_norm")(x) if norm == "pre" else x
    return keras.Model([source, target], project(x), name="transformer")


def transformer_classifier(
    vocabulary: int,
    classes: int,
    *,
    width: int = 64,
    heads: int = 4,
    depth: int = 2,
    hidden: int = 256,
    dropout: float = 0.1,
    norm: str = "pre",
    activation: str = "relu",
) -> keras.Model:
    """The encoder alone; the mean of what it makes of the real places decides.

    Args:
        vocabulary: number of tokens, with 0 for padding.
        classes: number of classes.
        width: of the vectors of tokens and places.
        heads: of each attention; they divide the width.
        depth: blocks.
        hidden: width of the first of the two dense layers in a block.
        dropout: fraction dropped while training, as in `transformer`, and of the mean.
        norm: pre or post.
        activation: between the dense layers of a block, by Keras' name.

    Returns:
        An uncompiled functional model: (batch, S) int32 tokens of whatever length
        to (batch, classes) float32 logits. Padding after a text changes nothing.

    Raises:
        ValueError: as in `transformer`.
    """
    check_sizes(width=width, heads=heads, depth=depth, hidden=hidden)
    options = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}
    text = keras.Input((None,), dtype="int32", name="text")
    x = layers.Embedding(vocabulary, width, normal(width**-0.5), name="tokens")(text)
    x = layers.Dropout(dropout, name="drop")(SinusoidalPositions(name="positions")(x))  # (B, S, D)
    for number in range(1, depth + 1):
        x = EncoderBlock(name=f"encoder{number}", **options)(x, seen=real(text))
    x = normalization(name="encoder_norm")(x) if norm == "pre" else x
    kept = ops.cast(ops.not_equal(text, 0), x.dtype)[..., None]  # (B, S, 1)
    # A text of nothing has a mean of nothing, not of 0 / 0, which Keras' pooling gives.
    x = ops.sum(x * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1)
    x = layers.Dropout(dropout, name="features")(x)  # (B, D)
    return keras.Model(text, layers.Dense(classes, dtype="float32", name="logits")(x), name="transformer_classifier")


def check_sizes(**sizes: int) -> None:
    """Raises ValueError where one of them is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} came as {size}, but must be at least 1")
