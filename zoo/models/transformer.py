"""The Transformer (Vaswani 2017, "Attention Is All You Need", arXiv:1706.03762): translation without recurrence.

In the encoder each word of the source attends to all its words. The decoder writes the translation word by word, and
each word attends to those written so far and to the whole source. No computation waits for the previous word, so that
all words of a sentence are trained on at once. Token 0 is padding: it fills the end of shorter sentences, and nothing
attends to it.
Checked against: torch.nn.Transformer (outputs to 1e-4 with the same weights) and the numbers of weights in table 3,
though for a larger vocabulary than the paper states (see `transformer`).
"""

from functools import partial

import keras
from keras import layers, ops

from zoo.layers import DecoderBlock, EncoderBlock, SinusoidalPositions, normal
from zoo.layers.transformer import normalization, padding_mask
from zoo.models.writer import Writer

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
    """An encoder that reads the source, and a decoder that predicts the next token at each place of the target.

    The base model, `transformer(37_000, **VARIANTS["base"])`, has 63,082,496 weights. The 65 million of table 3 need a
    vocabulary of about 41,000 tokens, not the 37,000 of section 5.1.

    Args:
        vocabulary: number of tokens in the vocabulary that both languages share, including 0 for padding.
        width: of the token embeddings and of all blocks.
        heads: number of heads in each attention, which must divide the width.
        depth: number of blocks in the encoder.
        decoder_depth: number of blocks in the decoder; None: as many as in the encoder.
        hidden: width of the first of the two dense layers in a block.
        dropout: fraction dropped while training, of the embeddings, of the attention weights and of the output of each
            sublayer (section 5.4).
        norm: post, as in the paper, or pre, with which training needs no warm-up.
        activation: between the two dense layers of a block, by its name in Keras; relu in the paper.
        tied: whether source, target and output share one embedding matrix (section 3.4). If not, each has its own, and
            the output also has a bias.

    Returns:
        An uncompiled functional model: [source (batch, S), target (batch, T)] int32 tokens, of any lengths, to
        (batch, T, vocabulary) float32 logits of the next token at each place. The target starts with a token that marks
        the start of a translation. Padding does not change the logits of the places before it.

    Raises:
        ValueError: the width is odd or not a multiple of heads, norm is neither post nor pre, or a size is below 1.
    """
    decoder_depth = depth if decoder_depth is None else decoder_depth
    check_sizes(width=width, heads=heads, depth=depth, decoder_depth=decoder_depth, hidden=hidden)
    options = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}
    # Letters of the shapes: S and T = lengths of source and target, D = width.
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    # The logits are computed in float32: half precision is too coarse for a softmax over them.
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
    mask = padding_mask(source)  # (B, 1, 1, S)
    memory = drop(positions(source_tokens(source)))  # (B, S, D)
    for number in range(1, depth + 1):
        memory = EncoderBlock(name=f"encoder{number}", **options)(memory, mask=mask)
    memory = normalization(name="encoder_norm")(memory) if norm == "pre" else memory
    x = drop(positions(target_tokens(target)))  # (B, T, D)
    for number in range(1, decoder_depth + 1):
        # The target's padding needs no mask: it comes after all real tokens, and those attend only to earlier places.
        x = DecoderBlock(name=f"decoder{number}", **options)(x, memory, mask=mask)
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
    """The encoder alone, which classifies a text by the mean of its outputs over all tokens that are not padding.

    Args:
        vocabulary: number of tokens, including 0 for padding.
        classes: labels to tell apart.
        width: of the token embeddings and of all blocks.
        heads: number of heads in each attention, which must divide the width.
        depth: number of blocks.
        hidden: width of the first of the two dense layers in a block.
        dropout: fraction dropped while training, as in `transformer`, and of the mean.
        norm: pre or post.
        activation: between the two dense layers of a block, by its name in Keras.

    Returns:
        An uncompiled functional model: (batch, S) int32 tokens, of any length,
        to (batch, classes) float32 logits. Padding at the end of a text does not change them.

    Raises:
        ValueError: as in `transformer`.
    """
    check_sizes(width=width, heads=heads, depth=depth, hidden=hidden)
    options = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}
    text = keras.Input((None,), dtype="int32", name="text")
    x = layers.Embedding(vocabulary, width, normal(width**-0.5), name="tokens")(text)
    x = layers.Dropout(dropout, name="drop")(SinusoidalPositions(name="positions")(x))  # (B, S, D)
    for number in range(1, depth + 1):
        x = EncoderBlock(name=f"encoder{number}", **options)(x, mask=padding_mask(text))
    x = normalization(name="encoder_norm")(x) if norm == "pre" else x
    kept = ops.cast(ops.not_equal(text, 0), x.dtype)[..., None]  # (B, S, 1)
    # The divisor is at least 1: for a text without tokens, Keras' masked pooling would compute 0 / 0.
    x = ops.sum(x * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1)
    x = layers.Dropout(dropout, name="features")(x)  # (B, D)
    return keras.Model(text, layers.Dense(classes, dtype="float32", name="logits")(x), name="transformer_classifier")


class TransformerWriter(Writer):
    """Writes translations with a Transformer, which reads the source once.

    The memory is a pair: of the source, its keys and values for each decoder block, two of (B, S, heads, D / heads),
    with the padding mask (B, 1, 1, S); of the target, a cache for each decoder block, (2, B, places, heads, D / heads).

    Args:
        model: a network that `transformer` built, possibly saved and loaded since.

    Raises:
        ValueError: the network has no decoder.
    """

    context = None

    def __init__(self, model: keras.Model):
        self.named = {layer.name: layer for layer in model.layers}
        self.encoder = [layer for layer in model.layers if isinstance(layer, EncoderBlock)]
        self.decoder = [layer for layer in model.layers if isinstance(layer, DecoderBlock)]
        if not self.decoder:
            raise ValueError(f"{model.name} has no decoder to write with: give a network that transformer built")

    def start(self, batch, source=None, places: int | None = None) -> tuple:
        """Reads the source; the caches are empty.

        Args:
            batch: number of rows of the source.
            source: (B, S) int32 tokens.
            places: length of the longest translation that may be written.

        Raises:
            ValueError: source or places is missing.
        """
        if source is None or places is None:
            raise ValueError("a Transformer translates a source into a given number of places: give source and places")
        x, mask = self.encode(source)
        keys_and_values = [block.cross.keys_and_values(x) for block in self.decoder]  # 2 of (B, S, H, D / H) each
        heads, width = keys_and_values[0][0].shape[2:]
        caches = [ops.zeros((2, batch, places, heads, width), block.compute_dtype) for block in self.decoder]
        return (keys_and_values, mask), caches

    def step(self, tokens, at, memory: tuple) -> tuple:
        """See Writer; `at + T` is at most the places that `start` was given."""
        ((keys_and_values, mask), caches), written = memory, []
        x = self.embedded(tokens, "target_tokens", at)  # (B, T, D)
        for block, pair, cache in zip(self.decoder, keys_and_values, caches, strict=True):
            x, cache = block.step(x, pair, mask, cache, at)  # noqa: PLW2901 - the same cache, some tokens further
            written.append(cache)
        x = self.normalized(x, "decoder_norm")
        logits = self.named["logits"](x) if "logits" in self.named else self.named["tokens"](x, reverse=True)
        return logits, ((keys_and_values, mask), written)

    def repeated(self, memory: tuple, times: int) -> tuple:
        """See Writer."""
        (keys_and_values, mask), caches = memory
        keys_and_values = [[ops.repeat(part, times, axis=0) for part in pair] for pair in keys_and_values]
        source = keys_and_values, ops.repeat(mask, times, axis=0)
        return source, [ops.repeat(cache, times, axis=1) for cache in caches]

    def reordered(self, memory: tuple, rows) -> tuple:
        """See Writer."""
        source, caches = memory
        return source, [ops.take(cache, rows, axis=1) for cache in caches]

    def attention_weights(self, source, target) -> list:
        """Where the decoder attends to in the source: for each of its blocks float32 (B, heads, T, S); rows sum to 1.

        Args:
            source: (B, S) int32 tokens.
            target: (B, T) int32 tokens, starting with the one that starts a translation.
        """
        (memory, mask), x, found = self.encode(source), self.embedded(target, "target_tokens"), []
        for block in self.decoder:
            found.append(block.attention_weights(x, memory, mask))
            x = block(x, memory, mask=mask)
        return found

    def encode(self, source) -> tuple:
        """The encoder's output (B, S, D) for tokens (B, S), and their padding mask (B, 1, 1, S)."""
        x, mask = self.embedded(source, "source_tokens"), padding_mask(source)
        for block in self.encoder:
            x = block(x, mask=mask)
        return self.normalized(x, "encoder_norm"), mask

    def embedded(self, tokens, name: str, at=0):
        """The embedding (B, T, D) of tokens (B, T) with their positions, by the tied layer or the one of that name."""
        return self.named["positions"](self.named.get("tokens", self.named.get(name))(tokens), at=at)

    def normalized(self, x, name: str):
        """x after the normalisation of that name, which only pre-norm networks have."""
        return self.named[name](x) if name in self.named else x


def check_sizes(**sizes: int) -> None:
    """Raises ValueError if any of the sizes is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} came as {size}, but must be at least 1")
