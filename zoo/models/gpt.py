"""GPT: a Transformer in which tokens attend only to the tokens before them, so that it can write (Radford 2019,
"Language Models are Unsupervised Multitask Learners", section 2.3).

Each block gathers information from earlier tokens by attention and then transforms it in a small dense network. The
vectors that embed the tokens at the input also predict the next token at the output.
Checked against: transformers' GPT-2 in PyTorch (logits to 1e-4 with the same weights, and the number of weights).
"""

from typing import NamedTuple

import keras
from keras import layers, ops

from zoo.layers import LearnedPositions, SelfAttention, normal
from zoo.models.writer import Writer


class Variant(NamedTuple):
    """The size of a GPT; the hidden dense layer of a block is four times as wide as the block."""

    width: int
    depth: int  # blocks
    heads: int


VARIANTS = {
    # nanoGPT's settings for a laptop and for one GPU (Karpathy 2022).
    "nano": Variant(128, 4, 4),
    "mini": Variant(384, 6, 6),
    # Radford 2019, table 2, which does not state the heads: those are from the published weights.
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
    """Token and position embeddings, blocks of causal attention and dense layers, and the token embedding once more.

    GPT-2 small (vocabulary 50257, context 1024, with bias, gelu tanh) has 124,439,808 weights.

    Args:
        vocabulary: number of tokens.
        context: length of the text that the network sees, in tokens.
        variant: nano, mini, small, medium, large, xl or distil.
        dropout: fraction dropped while training, of the embeddings and within each block.
        bias: whether dense layers and normalisations have a bias: GPT-2 does, nanoGPT found it no better.
        gelu: exact, or tanh for the approximation that GPT-2 uses (Hendrycks 2016, section 2).

    Returns:
        An uncompiled functional model: (batch, context) int32 tokens
        to (batch, context, vocabulary) float32 logits of the next token.

    Raises:
        ValueError: variant or gelu is unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    if gelu not in ("exact", "tanh"):
        raise ValueError(f"gelu came as {gelu!r}, but must be exact or tanh")
    width, depth, heads = VARIANTS[variant]
    # Letters of the shapes: T = context, D = width.
    inputs = keras.Input((context,), dtype="int32", name="text")
    # The logits are computed in float32: half precision is too coarse for a softmax over them.
    tokens = layers.ReversibleEmbedding(
        vocabulary, width, embeddings_initializer=normal(), reverse_dtype="float32", name="tokens"
    )
    x = LearnedPositions(context, name="positions")(tokens(inputs))  # (B, T, D)
    x = layers.Dropout(dropout, name="drop")(x)
    for number in range(1, depth + 1):
        x = Block(heads, depth, dropout=dropout, bias=bias, gelu=gelu, name=f"block{number}")(x)  # (B, T, D)
    x = normalization(bias, name="last_norm")(x)
    return keras.Model(inputs, tokens(x, reverse=True), name=f"gpt_{variant}")


class GptWriter(Writer):
    """Writes with a GPT. The memory is a list of caches, one for each block: (2, B, context, heads, D / heads).

    Args:
        model: a network that `gpt` built, possibly saved and loaded since.
    """

    def __init__(self, model: keras.Model):
        self.tokens, self.positions = model.get_layer("tokens"), model.get_layer("positions")
        self.blocks = [layer for layer in model.layers if isinstance(layer, Block)]
        self.last_norm = model.get_layer("last_norm")
        self.context = self.positions.count

    def start(self, batch, source=None, places: int | None = None) -> list:
        """Empty caches; `source` and `places` are not used, for there is no source and the context is fixed."""
        heads = self.blocks[0].heads
        shape = (2, batch, self.context, heads, self.tokens.output_dim // heads)
        return [ops.zeros(shape, block.compute_dtype) for block in self.blocks]

    def step(self, tokens, at, memory: list) -> tuple:
        """See Writer; `at + T` is at most the context."""
        x, caches = self.positions(self.tokens(tokens), at=at), []  # (B, T, D)
        for block, cache in zip(self.blocks, memory, strict=True):
            x, cache = block(x, cache=cache, at=at)  # noqa: PLW2901 - the same cache, some tokens further
            caches.append(cache)
        return self.tokens(self.last_norm(x), reverse=True), caches

    def repeated(self, memory: list, times: int) -> list:
        """See Writer."""
        return [ops.repeat(cache, times, axis=1) for cache in memory]

    def reordered(self, memory: list, rows) -> list:
        """See Writer."""
        return [ops.take(cache, rows, axis=1) for cache in memory]


@keras.saving.register_keras_serializable(package="zoo")
class Block(keras.Layer):
    """Causal attention, then two dense layers, each with a normalisation before it and a residual connection around it.

    (B, T, D) to (B, T, D).

    Args:
        heads: number of attention heads, which must divide D.
        depth: number of blocks in the network: the more there are, the smaller the initial weights of the layers that
            add to the residual path (Radford 2019, section 2.3).
        dropout: fraction dropped while training, of the attention weights and of the output of each sublayer.
        bias: whether dense layers and normalisations have a bias.
        gelu: exact or tanh.
    """

    def __init__(self, heads: int, depth: int, *, dropout: float, bias: bool, gelu: str, **options):
        super().__init__(**options)
        self.heads = heads
        self.settings = {"heads": heads, "depth": depth, "dropout": dropout, "bias": bias, "gelu": gelu}

    def build(self, shape):
        """Creates the sublayers."""
        depth, dropout, bias = (self.settings[name] for name in ("depth", "dropout", "bias"))
        width, dtype, small = shape[-1], self.dtype_policy, 0.02 / (2 * depth) ** 0.5
        self.norm1 = normalization(bias, name="norm1", dtype=dtype)
        self.norm2 = normalization(bias, name="norm2", dtype=dtype)
        starts = {"stddev": 0.02, "out_stddev": small}
        self.attention = SelfAttention(
            self.heads, causal=True, bias=bias, dropout=dropout, name="attention", dtype=dtype, **starts
        )
        options = {"use_bias": bias, "dtype": dtype}
        self.mlp_in = layers.Dense(4 * width, kernel_initializer=normal(), name="mlp_in", **options)
        self.mlp_out = layers.Dense(width, kernel_initializer=normal(small), name="mlp_out", **options)
        self.drop = layers.Dropout(dropout, name="drop", dtype=dtype)
        for part in (self.norm1, self.norm2, self.attention, self.mlp_in):
            part.build(shape)
        self.mlp_out.build((*shape[:-1], 4 * width))

    def call(self, x, cache=None, at=0, training=False):
        """Applies the block; with a cache (see SelfAttention), returns also the cache with `x` written to it."""
        y = self.attention(self.norm1(x), cache=cache, at=at, training=training)
        y, cache = (y, None) if cache is None else y
        x = x + self.drop(y, training=training)
        y = ops.gelu(self.mlp_in(self.norm2(x)), approximate=self.settings["gelu"] == "tanh")
        x = x + self.drop(self.mlp_out(y), training=training)
        return x if cache is None else (x, cache)

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


def normalization(bias: bool, **options) -> keras.Layer:
    """Layer normalisation, with the epsilon of the published weights."""
    return layers.LayerNormalization(epsilon=1e-5, center=bias, **options)
