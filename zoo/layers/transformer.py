"""The blocks of the Transformer (Vaswani 2017, arXiv:1706.03762, section 3.1), and how they write token by token.

Each part of a block stands beside a shortcut. Post-norm, as in the paper, normalises the sum; pre-norm (Xiong 2020,
arXiv:2002.04745) normalises what enters the part, which leaves the shortcuts free, needs one normalisation more at the
end, and learns without a warm-up.
Checked against: torch.nn.TransformerEncoderLayer and TransformerDecoderLayer.
"""

from collections.abc import Callable

import keras
from keras import layers, ops

from zoo.layers.attention import CrossAttention, SelfAttention


class Block(keras.Layer):
    """What both blocks share: their settings, two dense layers, and the way a part stands beside its shortcut.

    Args:
        heads: of the attention.
        hidden: width of the first of the two dense layers.
        norm: post or pre.
        activation: between the dense layers, by Keras' name.
        dropout: fraction dropped while training, of the attention weights and of what each part adds.
    """

    def __init__(self, heads: int, hidden: int, *, norm: str, activation: str, dropout: float, **options):
        super().__init__(**options)
        if norm not in ("post", "pre"):
            raise ValueError(f"norm came as {norm!r}, but must be post or pre")
        self.heads, self.norm = heads, norm
        self.settings = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}

    def make_common(self, shape, parts: int) -> None:
        """Makes the dense layers, the dropout and as many normalisations as the block has parts."""
        width, hidden, dtype = shape[-1], self.settings["hidden"], self.dtype_policy
        self.norms = [normalization(name=f"norm{number}", dtype=dtype) for number in range(1, parts + 1)]
        self.widen = layers.Dense(hidden, self.settings["activation"], name="widen", dtype=dtype)
        self.narrow = layers.Dense(width, name="narrow", dtype=dtype)
        self.drop = layers.Dropout(self.settings["dropout"], name="drop", dtype=dtype)
        for part in (*self.norms, self.widen):
            part.build(shape)
        self.narrow.build((*shape[:-1], hidden))

    def beside(self, x, number: int, part: Callable, training: bool):
        """x and what a part makes of it, with normalisation number `number` where the block has it."""
        norm = self.norms[number - 1]
        if self.norm == "pre":
            return x + self.drop(part(norm(x)), training=training)
        return norm(x + self.drop(part(x), training=training))

    def dense(self, x):
        """The two dense layers, the same at each place (section 3.3)."""
        return self.narrow(self.widen(x))

    def get_config(self):
        """What makes the block anew."""
        return super().get_config() | self.settings


@keras.saving.register_keras_serializable(package="zoo")
class EncoderBlock(Block):
    """(B, S, D) to the same: every place asks all places, then two dense layers. Arguments: see Block."""

    def build(self, shape):
        """Makes the parts."""
        options = {"dropout": self.settings["dropout"], "dtype": self.dtype_policy}
        self.attention = SelfAttention(self.heads, name="attention", **options)
        self.attention.build(shape)
        self.make_common(shape, 2)

    def call(self, x, seen=None, training=False):
        """The block; `seen` (broadcast to (B, heads, S, S)) is true where a place may look."""
        x = self.beside(x, 1, lambda y: self.attention(y, seen=seen, training=training), training)
        return self.beside(x, 2, self.dense, training)


@keras.saving.register_keras_serializable(package="zoo")
class DecoderBlock(Block):
    """(B, T, D) and a memory (B, S, D) to (B, T, D): every place asks itself and those before it, then the memory, then
    two dense layers. Arguments: see Block.
    """

    def build(self, x_shape, memory_shape):
        """Makes the parts."""
        options = {"dropout": self.settings["dropout"], "dtype": self.dtype_policy}
        self.attention = SelfAttention(self.heads, causal=True, name="attention", **options)
        self.cross = CrossAttention(self.heads, name="cross", **options)
        self.attention.build(x_shape)
        self.cross.build(x_shape, memory_shape)
        self.make_common(x_shape, 3)

    def call(self, x, memory, seen=None, training=False):
        """The block; `seen` (broadcast to (B, heads, T, S)) is true where a place may look at the memory."""
        x = self.beside(x, 1, lambda y: self.attention(y, training=training), training)
        x = self.beside(x, 2, lambda y: self.cross(y, memory, seen=seen, training=training), training)
        return self.beside(x, 3, self.dense, training)

    def go_on(self, x, remembered, seen, cache, at) -> tuple:
        """The block for the places (B, T, D) from `at` on, and the cache with them in it.

        Args:
            x: those places alone.
            remembered: what `cross.remember` made of the memory.
            seen: as in `call`.
            cache: of the places before (see SelfAttention).
            at: the first of the places.
        """

        def attention(y):
            nonlocal cache
            y, cache = self.attention(y, cache=cache, at=at)
            return y

        x = self.beside(x, 1, attention, training=False)
        x = self.beside(x, 2, lambda y: self.cross(y, seen=seen, remembered=remembered), training=False)
        return self.beside(x, 3, self.dense, training=False), cache

    def looks(self, x, memory, seen=None):
        """How much each place takes of each place of the memory: float32 (B, heads, T, S)."""
        x = self.beside(x, 1, self.attention, training=False)
        return self.cross.weights_of(self.norms[1](x) if self.norm == "pre" else x, memory, seen)


class Stepwise:
    """A network for translation that goes token by token: it reads the source once, and keeps what it made of all.

    Args:
        model: what `zoo.models.transformer` made, perhaps saved and loaded since.
    """

    def __init__(self, model: keras.Model):
        self.named = {layer.name: layer for layer in model.layers}
        self.encoder = [layer for layer in model.layers if isinstance(layer, EncoderBlock)]
        self.decoder = [layer for layer in model.layers if isinstance(layer, DecoderBlock)]

    def read(self, source, places: int) -> tuple:
        """What the decoder keeps of a source, and an empty cache for each of its blocks.

        Args:
            source: (B, S) int32 tokens.
            places: of the longest translation that there may be.
        """
        x, seen = self.encode(source)
        remembered = [block.cross.remember(x) for block in self.decoder]  # 2 of (B, S, H, D / H) a block
        batch, (heads, width) = ops.shape(x)[0], remembered[0][0].shape[2:]
        caches = [ops.zeros((2, batch, places, heads, width), block.compute_dtype) for block in self.decoder]
        return (remembered, seen), caches

    def step(self, tokens, at, kept: tuple, caches: list) -> tuple:
        """What comes next, and the caches with the tokens in them.

        Args:
            tokens: (B, T) int32.
            at: the place of the first of them.
            kept: of the source, as `read` tells it.
            caches: of the tokens before.

        Returns:
            (B, T, vocabulary) float32 logits, and the caches.
        """
        x, (remembered, seen), written = self.embedded(tokens, "target_tokens", at), kept, []
        for block, memory, cache in zip(self.decoder, remembered, caches, strict=True):
            x, cache = block.go_on(x, memory, seen, cache, at)  # noqa: PLW2901 - the same cache, some tokens further
            written.append(cache)
        x = self.normalized(x, "decoder_norm")
        return (self.named["logits"](x) if "logits" in self.named else self.named["tokens"](x, reverse=True)), written

    def looks(self, source, target) -> list:
        """Where the decoder looks: for each of its blocks float32 (B, heads, T, S), rows of which sum to 1.

        Args:
            source: (B, S) int32 tokens.
            target: (B, T) int32 tokens, with that which begins it.
        """
        (memory, seen), x, found = self.encode(source), self.embedded(target, "target_tokens"), []
        for block in self.decoder:
            found.append(block.looks(x, memory, seen))
            x = block(x, memory, seen=seen)
        return found

    def encode(self, source) -> tuple:
        """(B, S) tokens to what the encoder makes of them, (B, S, D), and where they are real, (B, 1, 1, S)."""
        x, seen = self.embedded(source, "source_tokens"), real(source)
        for block in self.encoder:
            x = block(x, seen=seen)
        return self.normalized(x, "encoder_norm"), seen

    def embedded(self, tokens, name: str, at=0):
        """(B, T) tokens to vectors (B, T, D) with their positions, by the layer of that name if it isn't shared."""
        return self.named["positions"](self.named.get("tokens", self.named.get(name))(tokens), at=at)

    def normalized(self, x, name: str):
        """x behind the normalisation of that name, which a pre-norm network has."""
        return self.named[name](x) if name in self.named else x


def real(tokens):
    """Which of (B, S) tokens are no padding, for every head and every place that asks: (B, 1, 1, S)."""
    return ops.not_equal(tokens, 0)[:, None, None]


def normalization(**options) -> keras.Layer:
    """Layer normalisation with PyTorch's epsilon, to which the networks are compared."""
    return layers.LayerNormalization(epsilon=1e-5, **options)
