"""The blocks of the Transformer (Vaswani 2017, arXiv:1706.03762, section 3.1).

Each part of a block has a shortcut around it. Post-norm, as in the paper, normalises the sum; pre-norm (Xiong 2020,
arXiv:2002.04745) normalises what enters the part, which leaves the shortcuts free, needs one normalisation more at the
end, and learns without a warm-up.
Checked against: torch.nn.TransformerEncoderLayer and TransformerDecoderLayer.
"""

import keras
from keras import layers, ops

from zoo.layers.attention import CrossAttention, SelfAttention


@keras.saving.register_keras_serializable(package="zoo")
class EncoderBlock(keras.Layer):
    """(B, S, D) to the same: every place attends to all places, then two dense layers.

    Args:
        heads: of the attention.
        hidden: width of the first of the two dense layers.
        norm: post or pre.
        activation: between the dense layers, by Keras' name.
        dropout: fraction dropped while training, of the attention weights and of what each part adds.

    Raises:
        ValueError: norm is neither post nor pre.
    """

    def __init__(self, heads: int, hidden: int, *, norm: str, activation: str, dropout: float, **options):
        super().__init__(**options)
        self.heads, self.pre = heads, checked(norm) == "pre"
        self.settings = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}

    def build(self, shape):
        """Makes the parts."""
        options = {"dropout": self.settings["dropout"], "dtype": self.dtype_policy}
        self.attention = SelfAttention(self.heads, name="attention", **options)
        self.attention.build(shape)
        self.norms, self.widen, self.narrow, self.drop = common(shape, 2, self.settings, self.dtype_policy)

    def call(self, x, seen=None, training=False):
        """The block; `seen` (broadcast to (B, heads, S, S)) is true where a place may attend."""
        norm1, norm2 = self.norms
        y = self.attention(before(x, norm1, self.pre), seen=seen, training=training)
        x = after(x + self.drop(y, training=training), norm1, self.pre)
        y = self.narrow(self.widen(before(x, norm2, self.pre)))
        return after(x + self.drop(y, training=training), norm2, self.pre)

    def get_config(self):
        """The arguments that make the block again."""
        return super().get_config() | self.settings


@keras.saving.register_keras_serializable(package="zoo")
class DecoderBlock(keras.Layer):
    """(B, T, D) and a memory (B, S, D) to (B, T, D): every place attends to itself and those before it, then to
    the memory, then two dense layers. Arguments and errors: see EncoderBlock.
    """

    def __init__(self, heads: int, hidden: int, *, norm: str, activation: str, dropout: float, **options):
        super().__init__(**options)
        self.heads, self.pre = heads, checked(norm) == "pre"
        self.settings = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}

    def build(self, x_shape, memory_shape):
        """Makes the parts."""
        options = {"dropout": self.settings["dropout"], "dtype": self.dtype_policy}
        self.attention = SelfAttention(self.heads, causal=True, name="attention", **options)
        self.cross = CrossAttention(self.heads, name="cross", **options)
        self.attention.build(x_shape)
        self.cross.build(x_shape, memory_shape)
        self.norms, self.widen, self.narrow, self.drop = common(x_shape, 3, self.settings, self.dtype_policy)

    def call(self, x, memory, seen=None, training=False):
        """The block; `seen` (broadcast to (B, heads, T, S)) is true where a place may attend to the memory."""
        norm1, norm2, norm3 = self.norms
        y = self.attention(before(x, norm1, self.pre), training=training)
        x = after(x + self.drop(y, training=training), norm1, self.pre)
        y = self.cross(before(x, norm2, self.pre), memory, seen=seen, training=training)
        x = after(x + self.drop(y, training=training), norm2, self.pre)
        y = self.narrow(self.widen(before(x, norm3, self.pre)))
        return after(x + self.drop(y, training=training), norm3, self.pre)

    def go_on(self, x, remembered, seen, cache, at) -> tuple:
        """The block for the places (B, T, D) from `at` on, and the cache with them in it.

        Args:
            x: those places alone.
            remembered: what `cross.remember` made of the memory.
            seen: as in `call`.
            cache: of the places before (see SelfAttention).
            at: the first of the places.
        """
        norm1, norm2, norm3 = self.norms
        y, cache = self.attention(before(x, norm1, self.pre), cache=cache, at=at)
        x = after(x + y, norm1, self.pre)
        y = self.cross(before(x, norm2, self.pre), seen=seen, remembered=remembered)
        x = after(x + y, norm2, self.pre)
        y = self.narrow(self.widen(before(x, norm3, self.pre)))
        return after(x + y, norm3, self.pre), cache

    def looks(self, x, memory, seen=None):
        """How much each place takes of each place of the memory: float32 (B, heads, T, S)."""
        norm1, norm2, _ = self.norms
        x = after(x + self.attention(before(x, norm1, self.pre)), norm1, self.pre)
        return self.cross.weights_of(before(x, norm2, self.pre), memory, seen)

    def get_config(self):
        """The arguments that make the block again."""
        return super().get_config() | self.settings


def checked(norm: str) -> str:
    """The name of a normalisation, post or pre.

    Raises:
        ValueError: it is neither.
    """
    if norm not in ("post", "pre"):
        raise ValueError(f"norm came as {norm!r}, but must be post or pre")
    return norm


def common(shape, parts: int, settings: dict, dtype) -> tuple:
    """What both blocks are made of besides attention, built.

    Args:
        shape: of what goes through the block, (..., D).
        parts: that have a shortcut around them.
        settings: `hidden`, `activation` and `dropout` of the block.
        dtype: policy of the block.

    Returns:
        A list of as many normalisations as parts, the two dense layers, the same at each place (section 3.3), and the
        dropout of what the parts add.
    """
    hidden = settings["hidden"]
    norms = [normalization(name=f"norm{number}", dtype=dtype) for number in range(1, parts + 1)]
    widen = layers.Dense(hidden, settings["activation"], name="widen", dtype=dtype)
    narrow = layers.Dense(shape[-1], name="narrow", dtype=dtype)
    drop = layers.Dropout(settings["dropout"], name="drop", dtype=dtype)
    for part in (*norms, widen):
        part.build(shape)
    narrow.build((*shape[:-1], hidden))
    return norms, widen, narrow, drop


def before(x, norm: keras.Layer, pre: bool):
    """What enters a part: x, normalised if pre-norm."""
    return norm(x) if pre else x


def after(x, norm: keras.Layer, pre: bool):
    """What a part and its shortcut return: their sum x, normalised if post-norm."""
    return x if pre else norm(x)


def real(tokens):
    """Which of (B, S) tokens are not padding, for every head and every query: (B, 1, 1, S)."""
    return ops.not_equal(tokens, 0)[:, None, None]


def normalization(**options) -> keras.Layer:
    """Layer normalisation with the epsilon of PyTorch, with which the networks are compared."""
    return layers.LayerNormalization(epsilon=1e-5, **options)
