"""GPT: a Transformer that only reads to the left, and so can write (Radford 2019, "Language Models are Unsupervised
Multitask Learners", section 2.3).

Each block lets every token gather from those before it, then thinks about what it found in a small dense network. The
same vectors that embed the tokens at the input predict at the output which token comes next.
Checked against: transformers' GPT-2 in PyTorch, logits to 1e-4 with the same weights, and its number of weights.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import layers, ops

from zoo.layers import LearnedPositions, SelfAttention, normal


class Variant(NamedTuple):
    """The size of a GPT; the dense layer in a block is four times as wide as the block."""

    width: int
    depth: int  # blocks
    heads: int


VARIANTS = {
    # nanoGPT's for two cores, and for one GPU (Karpathy 2022).
    "nano": Variant(128, 4, 4),
    "mini": Variant(384, 6, 6),
    # Radford 2019, table 2; the heads are those of the published weights.
    "small": Variant(768, 12, 12),
    "medium": Variant(1024, 24, 16),
    "large": Variant(1280, 36, 20),
    "xl": Variant(1600, 48, 25),
    "distil": Variant(768, 6, 12),  # DistilGPT-2 (Sanh 2019, arXiv:1910.01108, of BERT)
}


def gpt(
    vocabulary: int,
    context: int,
    *,
    variant: str = "nano",
    dropout: float = 0.0,
    bias: bool = False,
    gelu: str = "exact",
) -> keras.Model:
    """Token and position vectors, blocks of causal attention and dense layers, and the token vectors once more.

    GPT-2 small (vocabulary 50257, context 1024, with bias, gelu tanh) has 124,439,808 weights.

    Args:
        vocabulary: number of tokens.
        context: tokens that it sees at once.
        variant: nano, mini, small, medium, large, xl or distil.
        dropout: fraction dropped while training, of the vectors that come in and within each block.
        bias: whether dense layers and normalisations have one; GPT-2 has, nanoGPT found it no better.
        gelu: exact, or tanh for the approximation of GPT-2 (Hendrycks 2016, section 2).

    Returns:
        An uncompiled functional model: (batch, context) int32 tokens
        to (batch, context, vocabulary) float32 logits of the token that comes next.

    Raises:
        ValueError: no variant or gelu has that name.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    if gelu not in ("exact", "tanh"):
        raise ValueError(f"gelu came as {gelu!r}, but must be exact or tanh")
    width, depth, heads = VARIANTS[variant]
    # Letters of the shapes: T = context, D = width.
    inputs = keras.Input((context,), dtype="int32", name="text")
    # Half precision is too coarse for a softmax over logits: those are in float32.
    tokens = layers.ReversibleEmbedding(
        vocabulary, width, embeddings_initializer=normal(), reverse_dtype="float32", name="tokens"
    )
    x = LearnedPositions(context, name="positions")(tokens(inputs))  # (B, T, D)
    x = layers.Dropout(dropout, name="drop")(x)
    for number in range(1, depth + 1):
        x = Block(heads, depth, dropout=dropout, bias=bias, gelu=gelu, name=f"block{number}")(x)  # (B, T, D)
    x = normalization(bias, name="last_norm")(x)
    return keras.Model(inputs, tokens(x, reverse=True), name=f"gpt_{variant}")


def cached_step(model: keras.Model) -> tuple[Callable, Callable]:
    """The network for writing on: it keeps what each block made of the text so far, and is given only what is new.

    Args:
        model: what `gpt` made, perhaps saved and loaded since.

    Returns:
        Two functions: `start(batch)` makes the list of empty caches, one a block;
        `step(tokens, at, caches)` takes (batch, length) int32 tokens, the place of the first of them in the context
        and the caches to (batch, length, vocabulary) logits and the caches with these tokens in them.
    """
    tokens, positions = model.get_layer("tokens"), model.get_layer("positions")
    blocks = [layer for layer in model.layers if isinstance(layer, Block)]

    def start(batch: int) -> list:
        shape = (2, batch, positions.count, blocks[0].heads, tokens.output_dim // blocks[0].heads)
        return [ops.zeros(shape, block.compute_dtype) for block in blocks]

    def step(text, at, caches: list) -> tuple:
        x, written = positions(tokens(text), at=at), []
        for block, cache in zip(blocks, caches, strict=True):
            x, cache = block(x, cache=cache, at=at)  # noqa: PLW2901 - the same cache, one token further
            written.append(cache)
        return tokens(model.get_layer("last_norm")(x), reverse=True), written

    return start, step


@keras.saving.register_keras_serializable(package="zoo")
class Block(keras.Layer):
    """(B, T, D) to the same: causal attention, then two dense layers, each normalised first, inside a shortcut.

    Args:
        heads: of the attention.
        depth: blocks of the network: the more, the smaller what each first adds (Radford 2019, section 2.3).
        dropout: fraction dropped while training, of the attention weights and of what is added.
        bias: whether dense layers and normalisations have one.
        gelu: exact or tanh.
    """

    def __init__(self, heads: int, depth: int, *, dropout: float, bias: bool, gelu: str, **options):
        super().__init__(**options)
        self.heads = heads
        self.settings = {"heads": heads, "depth": depth, "dropout": dropout, "bias": bias, "gelu": gelu}

    def build(self, shape):
        """Makes the parts."""
        depth, dropout, bias = (self.settings[name] for name in ("depth", "dropout", "bias"))
        width, dtype, small = shape[-1], self.dtype_policy, 0.02 / (2 * depth) ** 0.5
        self.norm1 = normalization(bias, name="norm1", dtype=dtype)
        self.norm2 = normalization(bias, name="norm2", dtype=dtype)
        starts = {"stddev": 0.02, "out_stddev": small}
        self.attention = SelfAttention(
            self.heads, causal=True, bias=bias, dropout=dropout, name="attention", dtype=dtype, **starts
        )
        options = {"use_bias": bias, "dtype": dtype}
        self.widen = layers.Dense(4 * width, kernel_initializer=normal(), name="widen", **options)
        self.narrow = layers.Dense(width, kernel_initializer=normal(small), name="narrow", **options)
        self.drop = layers.Dropout(dropout, name="drop", dtype=dtype)
        for part in (self.norm1, self.norm2, self.attention, self.widen):
            part.build(shape)
        self.narrow.build((*shape[:-1], 4 * width))

    def call(self, x, cache=None, at=0, training=False):
        """The block; with a cache (see SelfAttention) also that cache with `x` in it."""
        y = self.attention(self.norm1(x), cache=cache, at=at, training=training)
        y, cache = (y, None) if cache is None else y
        x = x + self.drop(y, training=training)
        y = ops.gelu(self.widen(self.norm2(x)), approximate=self.settings["gelu"] == "tanh")
        x = x + self.drop(self.narrow(y), training=training)
        return x if cache is None else (x, cache)

    def get_config(self):
        """The arguments that make the block again."""
        return super().get_config() | self.settings


def normalization(bias: bool, **options) -> keras.Layer:
    """Layer normalisation with the epsilon of the published networks."""
    return layers.LayerNormalization(epsilon=1e-5, center=bias, **options)
