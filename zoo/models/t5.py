"""T5: every task as a text to read and a text to write (Raffel 2019, arXiv:1910.10683, section 2.1).

An encoder and a decoder like the Transformer's, but where a token stands is told by its distance alone: each head adds
a learned number to its scores for each range of distances, the same in all blocks. There are no biases, normalisation
only rescales, and scores are not divided by the square root of a head's width: the initial queries are, instead. Token
0 is padding.
Checked against: transformers' T5ForConditionalGeneration in PyTorch (logits to 1e-4 with the same weights, the tokens
that it writes, and the numbers of weights).
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from zoo.layers import CrossAttention, SelfAttention, normal
from zoo.layers.transformer import padding_mask
from zoo.models.transformer import TransformerWriter


class Variant(NamedTuple):
    """The size of a T5."""

    width: int
    heads: int
    size: int  # width of a head
    hidden: int  # width between the dense layers of a block
    depth: int  # blocks of the encoder, and as many of the decoder
    gated: bool = False  # whether one half of a block's hidden units multiplies the other (Shazeer 2020)
    tied: bool = True  # whether the embedding of the tokens also predicts them


VARIANTS = {
    # Ours, for two cores.
    "nano": Variant(128, 4, 32, 256, 2),
    # Raffel 2019, sections 3.1.1 and 3.7.
    "small": Variant(512, 8, 64, 2048, 6),
    "base": Variant(768, 12, 64, 3072, 12),
    "large": Variant(1024, 16, 64, 4096, 24),
    "3b": Variant(1024, 32, 128, 16384, 24),
    "11b": Variant(1024, 128, 128, 65536, 24),
    # T5 1.1, with gated GELU (Shazeer 2020, arXiv:2002.05202, section 2) and an output of its own: from the published
    # weights. Flan-T5 (Chung 2022, arXiv:2210.11416) has these sizes too.
    "nano-1.1": Variant(128, 4, 32, 256, 2, gated=True, tied=False),
    "small-1.1": Variant(512, 6, 64, 1024, 8, gated=True, tied=False),
    "base-1.1": Variant(768, 12, 64, 2048, 12, gated=True, tied=False),
    "large-1.1": Variant(1024, 16, 64, 2816, 24, gated=True, tied=False),
    "xl-1.1": Variant(2048, 32, 64, 5120, 24, gated=True, tied=False),
    "xxl-1.1": Variant(4096, 64, 64, 10240, 24, gated=True, tied=False),
}
BUCKETS, FARTHEST = 32, 128  # ranges of distances, and the distance from which on there is only one


def t5(vocabulary: int, *, variant: str = "nano", dropout: float = 0.1) -> keras.Model:
    """An encoder that reads a text, and a decoder that predicts the next token at each place of the answer.

    Small and base have 60,506,624 and 222,903,552 weights with the 32,128 tokens of the published ones.

    Args:
        vocabulary: number of tokens, including 0 for padding.
        variant: nano, small, base, large, 3b, 11b, or with -1.1 nano, small, base, large, xl, xxl of T5 1.1.
        dropout: fraction dropped while training, of the embeddings, of the attention weights, between the dense layers,
            and of the output of each sublayer and of each stack.

    Returns:
        An uncompiled functional model: [source (batch, S), target (batch, T)] int32 tokens, of any lengths, to
        (batch, T, vocabulary) float32 logits of the next token at each place. The target starts with a token that marks
        the start of an answer. Padding does not change the logits of the places before it.

    Raises:
        ValueError: the variant is unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    return network(vocabulary, VARIANTS[variant], dropout)


def network(vocabulary: int, sizes: Variant, dropout: float = 0.1) -> keras.Model:
    """See `t5`; of any size, as others publish them."""
    width, heads, size, hidden, depth, gated, tied = sizes
    options = {"heads": heads, "size": size, "hidden": hidden, "gated": gated, "dropout": dropout}
    # Letters of the shapes: S and T = lengths of source and target, D = width, H = heads.
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    tokens = layers.ReversibleEmbedding(
        vocabulary, width, embeddings_initializer=normal(1.0), reverse_dtype="float32", name="tokens"
    )
    drop, mask = layers.Dropout(dropout, name="drop"), padding_mask(source)  # (B, 1, 1, S)
    memory = drop(tokens(source))  # (B, S, D)
    offsets = RelativePositions(heads, name="encoder_positions")(memory)  # (1, H, S, S)
    for number in range(1, depth + 1):
        memory = T5Block(name=f"encoder{number}", **options)(memory, mask=mask, offsets=offsets)
    memory = drop(normalization(name="encoder_norm")(memory))
    x = drop(tokens(target))  # (B, T, D)
    offsets = RelativePositions(heads, causal=True, name="decoder_positions")(x)  # (1, H, T, T)
    for number in range(1, depth + 1):
        # The target's padding needs no mask: it comes after all real tokens, and those attend only to earlier places.
        x = T5Block(reads=True, name=f"decoder{number}", **options)(x, memory, mask=mask, offsets=offsets)
    x = drop(normalization(name="decoder_norm")(x))
    # The logits are computed in float32: half precision is too coarse for a softmax over them.
    if tied:  # embeddings begin with a deviation of 1, and would give logits with one of sqrt(D)
        logits = tokens(x * width**-0.5, reverse=True)
    else:
        start = normal(width**-0.5)
        logits = layers.Dense(vocabulary, use_bias=False, kernel_initializer=start, dtype="float32", name="logits")(x)
    return keras.Model([source, target], logits, name="t5")


class T5Writer(TransformerWriter):
    """Writes answers with a T5, which reads the source once; its memory is that of a TransformerWriter.

    Args:
        model: a network that `t5` built, possibly saved and loaded since.
    """

    def __init__(self, model: keras.Model):
        self.named = {layer.name: layer for layer in model.layers}
        blocks = [layer for layer in model.layers if isinstance(layer, T5Block)]
        self.encoder = [block for block in blocks if not block.reads]
        self.decoder = [block for block in blocks if block.reads]

    def step(self, tokens, at, memory: tuple) -> tuple:
        """See Writer; `at + T` is at most the places that `start` was given."""
        ((keys_and_values, mask), caches), written = memory, []
        x = self.named["tokens"](tokens)  # (B, T, D)
        offsets = self.named["decoder_positions"](x, places=caches[0].shape[2], at=at)
        for block, pair, cache in zip(self.decoder, keys_and_values, caches, strict=True):
            given = {"mask": mask, "offsets": offsets, "keys_and_values": pair, "cache": cache, "at": at}
            x, cache = block(x, **given)  # noqa: PLW2901 - the same cache, some tokens further
            written.append(cache)
        x = self.named["decoder_norm"](x)
        if "logits" in self.named:
            logits = self.named["logits"](x)
        else:
            logits = self.named["tokens"](x * x.shape[-1] ** -0.5, reverse=True)
        return logits, ((keys_and_values, mask), written)

    def attention_weights(self, source, target) -> list:
        """See TransformerWriter."""
        (memory, mask), x, found = self.encode(source), self.named["tokens"](target), []
        offsets = self.named["decoder_positions"](x)
        for block in self.decoder:
            found.append(block.attention_weights(x, memory, mask, offsets))
            x = block(x, memory, mask=mask, offsets=offsets)
        return found

    def encode(self, source) -> tuple:
        """The encoder's output (B, S, D) for tokens (B, S), and their padding mask (B, 1, 1, S)."""
        x, mask = self.named["tokens"](source), padding_mask(source)
        offsets = self.named["encoder_positions"](x)
        for block in self.encoder:
            x = block(x, mask=mask, offsets=offsets)
        return self.named["encoder_norm"](x), mask


@keras.saving.register_keras_serializable(package="zoo")
class RelativePositions(keras.Layer):
    """What each head adds to the score of two places for their distance: (B, T, D) to (1, H, T, T) (section 2.1).

    This is the relative position bias. Small distances have a bucket each, larger ones share one with others of about
    the same logarithm.

    Args:
        heads: H.
        causal: whether places see only those before them; else half of the buckets are for those after them.
    """

    def __init__(self, heads: int, *, causal: bool = False, **options):
        super().__init__(**options)
        self.heads, self.causal = heads, causal
        self.buckets = buckets_of(BUCKETS if causal else BUCKETS // 2)

    def build(self, shape):
        """Creates a number for each bucket and head."""
        self.embeddings = self.add_weight((BUCKETS, self.heads), normal(shape[-1] ** -0.5), name="embeddings")

    def call(self, x, places=None, at=0):
        """The offsets from the places of x, which are `at` and those after it, to the first `places`, or to x's own."""
        count = ops.shape(x)[1]
        ahead = ops.arange(count if places is None else places)[None] - (ops.arange(count)[:, None] + at)
        far = ops.maximum(-ahead, 0) if self.causal else ops.absolute(ahead)
        bucket = ops.take(ops.convert_to_tensor(self.buckets), ops.minimum(far, FARTHEST))
        if not self.causal:
            bucket = bucket + ops.where(ahead > 0, BUCKETS // 2, 0)
        return ops.transpose(ops.take(self.embeddings, bucket, axis=0), (2, 0, 1))[None]

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"heads": self.heads, "causal": self.causal}


def buckets_of(count: int) -> np.ndarray:
    """The bucket of each distance from 0 to FARTHEST, int32, by the published code; a table, so that it is exact."""
    near, far = count // 2, np.arange(FARTHEST + 1)
    shares = np.log(np.maximum(far, near) / near) / math.log(FARTHEST / near)
    later = np.minimum(near + (shares * (count - near) + 1e-6).astype(int), count - 1)
    return np.where(far < near, far, later).astype("int32")


@keras.saving.register_keras_serializable(package="zoo")
class T5Block(keras.Layer):
    """Self-attention, in the decoder also attention to a memory, and dense layers: (B, T, D) to (B, T, D).

    Each of these has a normalisation before it and a residual connection around it.

    Args:
        heads: number of attention heads.
        size: width of a head.
        hidden: width between the dense layers.
        gated: whether a second dense layer, through a GELU, multiplies the first.
        dropout: fraction dropped while training.
        reads: whether it is one of the decoder, which attends to itself and those before it, and to a memory.
    """

    def __init__(
        self, heads: int, size: int, hidden: int, *, gated: bool, dropout: float, reads: bool = False, **options
    ):
        super().__init__(**options)
        self.gated, self.reads = gated, reads
        self.settings = {"heads": heads, "size": size, "hidden": hidden}
        self.settings |= {"gated": gated, "dropout": dropout, "reads": reads}

    def build(self, x_shape, memory_shape=None):
        """Creates the sublayers."""
        heads, size, hidden, dropout = (self.settings[name] for name in ("heads", "size", "hidden", "dropout"))
        width, dtype = x_shape[-1], self.dtype_policy
        options = {"bias": False, "size": size, "scaled": False, "dropout": dropout, "dtype": dtype}
        options |= {"stddev": width**-0.5, "out_stddev": (heads * size) ** -0.5}
        self.attention = SelfAttention(heads, causal=self.reads, name="attention", **options)
        self.attention_norm = normalization(name="attention_norm", dtype=dtype)
        self.mlp_norm = normalization(name="mlp_norm", dtype=dtype)
        for part in (self.attention, self.attention_norm, self.mlp_norm):
            part.build(x_shape)
        if self.reads:
            self.cross = CrossAttention(heads, name="cross", **options)
            self.cross_norm = normalization(name="cross_norm", dtype=dtype)
            self.cross.build(x_shape, memory_shape)
            self.cross_norm.build(x_shape)

        def dense(units: int, read: int, **how) -> layers.Dense:
            return layers.Dense(units, use_bias=False, kernel_initializer=normal(read**-0.5), dtype=dtype, **how)

        self.mlp_in = dense(hidden, width, activation=None if self.gated else "relu", name="mlp_in")
        self.mlp_in.build(x_shape)
        if self.gated:
            self.mlp_gate = dense(hidden, width, name="mlp_gate")
            self.mlp_gate.build(x_shape)
        self.mlp_out = dense(width, hidden, name="mlp_out")
        self.mlp_out.build((*x_shape[:-1], hidden))
        self.drop = layers.Dropout(dropout, name="drop", dtype=dtype)

    def call(self, x, memory=None, *, mask=None, offsets=None, keys_and_values=None, cache=None, at=0, training=False):
        """Applies the block.

        Args:
            x: (B, T, D).
            memory: (B, S, D), the encoder's output, for a block that reads; None if `keys_and_values` is given.
            mask: of the encoder's padding, (B, 1, 1, S).
            offsets: for the distances, (1, H, T, T), or with a cache (1, H, T, C).
            keys_and_values: those of the memory, from `cross.keys_and_values`.
            cache: (2, B, C, H, size), the keys and values of the places before `at`, so that x is what comes next.
            at: the index of the first place of x.
            training: whether to apply dropout.

        Returns:
            (B, T, D); with a cache, a pair of that and the cache with x written to it.
        """
        attended = self.attention(
            self.attention_norm(x),
            mask=None if self.reads else mask,
            cache=cache,
            at=at,
            offsets=offsets,
            training=training,
        )
        y, cache = (attended, None) if cache is None else attended
        x = x + self.drop(y, training=training)
        if self.reads:
            y = self.cross(self.cross_norm(x), memory, mask=mask, keys_and_values=keys_and_values, training=training)
            x = x + self.drop(y, training=training)
        normed = self.mlp_norm(x)
        y = self.mlp_in(normed)
        y = y * ops.gelu(self.mlp_gate(normed), approximate=True) if self.gated else y
        y = self.mlp_out(self.drop(y, training=training))
        x = x + self.drop(y, training=training)
        return x if cache is None else (x, cache)

    def attention_weights(self, x, memory, mask, offsets):
        """The weight that each place of x gives to each place of the memory: float32 (B, heads, T, S)."""
        x = x + self.attention(self.attention_norm(x), offsets=offsets)
        return self.cross.attention_weights(self.cross_norm(x), memory, mask)

    def compute_mask(self, x, mask=None):
        """None: the mask is that of the encoder's padding, and Keras must not pass it on with the output."""

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


def normalization(**options) -> keras.Layer:
    """Root mean square normalisation (Zhang 2019, arXiv:1910.07467), with the epsilon of the published weights."""
    return layers.RMSNormalization(epsilon=1e-6, **options)
