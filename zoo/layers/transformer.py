"""The blocks of the Transformer (Vaswani 2017, arXiv:1706.03762, section 3.1). GPT has its own in models/gpt.py.

Each sublayer has a residual connection around it. Post-norm, as in the paper, normalises the sum. Pre-norm (Xiong 2020,
arXiv:2002.04745) normalises the input of the sublayer instead: nothing then stands in the residual path, training works
without a warm-up, and the stack needs one more normalisation at its end.
Checked against: torch.nn.TransformerEncoderLayer and TransformerDecoderLayer.
"""

import keras
from keras import layers, ops

from zoo.layers.attention import CrossAttention, SelfAttention, normal, passed_on

EPSILON = 1e-5  # of PyTorch's layer normalisation


@keras.saving.register_keras_serializable(package="zoo")
class EncoderBlock(keras.Layer):
    """Self-attention over all places, then two dense layers: (B, S, D) to (B, S, D).

    Args:
        heads: number of attention heads, which must divide D.
        hidden: width of the first of the two dense layers.
        norm: post or pre.
        activation: between the two dense layers, by its name in Keras.
        dropout: fraction dropped while training, of the attention weights and of the output of each sublayer.
        epsilon: of the normalisations; PyTorch's by default.
        stddev: standard deviation of the initial weights of all projections; None: Glorot's initialisation.

    Raises:
        ValueError: norm is neither post nor pre.
    """

    def __init__(
        self,
        heads: int,
        hidden: int,
        *,
        norm: str,
        activation: str,
        dropout: float,
        epsilon: float = EPSILON,
        stddev: float | None = None,
        **options,
    ):
        super().__init__(**options)
        self.heads, self.pre = heads, checked(norm) == "pre"
        self.settings = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}
        self.settings |= {"epsilon": epsilon, "stddev": stddev}

    def build(self, shape):
        """Creates the sublayers."""
        stddev = self.settings["stddev"]
        options = {"dropout": self.settings["dropout"], "dtype": self.dtype_policy}
        self.attention = SelfAttention(self.heads, name="attention", stddev=stddev, out_stddev=stddev, **options)
        self.attention.build(shape)
        self.norms, self.mlp_in, self.mlp_out, self.drop = common(shape, 2, self.settings, self.dtype_policy)

    def call(self, x, mask=None, training=False):
        """Applies the block; `mask` is that of SelfAttention: (B, S), or four axes."""
        norm1, norm2 = self.norms
        y = self.attention(before(x, norm1, self.pre), mask=mask, training=training)
        x = after(x + self.drop(y, training=training), norm1, self.pre)
        y = self.mlp_out(self.mlp_in(before(x, norm2, self.pre)))
        return after(x + self.drop(y, training=training), norm2, self.pre)

    def attention_weights(self, x, mask=None):
        """The weight that each place of x gives to each other: float32 (B, heads, S, S)."""
        return self.attention.attention_weights(before(x, self.norms[0], self.pre), mask)

    def compute_mask(self, x, mask=None):
        """What Keras passes on to the next layer: a mask of places, (B, S); any other is for this block alone."""
        return passed_on(mask)

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


@keras.saving.register_keras_serializable(package="zoo")
class DecoderBlock(keras.Layer):
    """Causal self-attention, attention to a memory, then two dense layers: (B, T, D) and (B, S, D) to (B, T, D).

    Each place attends to itself and those before it, and to the whole memory. Arguments and errors: see EncoderBlock.
    """

    def __init__(self, heads: int, hidden: int, *, norm: str, activation: str, dropout: float, **options):
        super().__init__(**options)
        self.heads, self.pre = heads, checked(norm) == "pre"
        self.settings = {"heads": heads, "hidden": hidden, "norm": norm, "activation": activation, "dropout": dropout}

    def build(self, x_shape, memory_shape):
        """Creates the sublayers."""
        options = {"dropout": self.settings["dropout"], "dtype": self.dtype_policy}
        self.attention = SelfAttention(self.heads, causal=True, name="attention", **options)
        self.cross = CrossAttention(self.heads, name="cross", **options)
        self.attention.build(x_shape)
        self.cross.build(x_shape, memory_shape)
        self.norms, self.mlp_in, self.mlp_out, self.drop = common(x_shape, 3, self.settings, self.dtype_policy)

    def call(self, x, memory, mask=None, training=False):
        """Applies the block; `mask` is that of CrossAttention, and says where the memory may be attended to."""
        norm1, norm2, norm3 = self.norms
        y = self.attention(before(x, norm1, self.pre), training=training)
        x = after(x + self.drop(y, training=training), norm1, self.pre)
        y = self.cross(before(x, norm2, self.pre), memory, mask=mask, training=training)
        x = after(x + self.drop(y, training=training), norm2, self.pre)
        y = self.mlp_out(self.mlp_in(before(x, norm3, self.pre)))
        return after(x + self.drop(y, training=training), norm3, self.pre)

    def step(self, x, keys_and_values, mask, cache, at) -> tuple:
        """Applies the block to the next places alone, with those before them in a cache.

        Args:
            x: (B, T, D), the places from `at` on.
            keys_and_values: those of the memory, from `cross.keys_and_values`.
            mask: as in `call`.
            cache: (2, B, C, H, D / H), the keys and values of the places before `at` (see SelfAttention).
            at: the index of the first place of x.

        Returns:
            (B, T, D), and the cache with x written to it.
        """
        norm1, norm2, norm3 = self.norms
        y, cache = self.attention(before(x, norm1, self.pre), cache=cache, at=at)
        x = after(x + y, norm1, self.pre)
        y = self.cross(before(x, norm2, self.pre), mask=mask, keys_and_values=keys_and_values)
        x = after(x + y, norm2, self.pre)
        y = self.mlp_out(self.mlp_in(before(x, norm3, self.pre)))
        return after(x + y, norm3, self.pre), cache

    def attention_weights(self, x, memory, mask=None):
        """The weight that each place of x gives to each place of the memory: float32 (B, heads, T, S)."""
        norm1, norm2, _ = self.norms
        x = after(x + self.attention(before(x, norm1, self.pre)), norm1, self.pre)
        return self.cross.attention_weights(before(x, norm2, self.pre), memory, mask)

    def compute_mask(self, x, mask=None):
        """None: the mask is that of the memory, and Keras must not pass it on with the output."""

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | self.settings


def checked(norm: str) -> str:
    """`norm`, if it is post or pre.

    Raises:
        ValueError: it is neither.
    """
    if norm not in ("post", "pre"):
        raise ValueError(f"norm came as {norm!r}, but must be post or pre")
    return norm


def common(shape, sublayers: int, settings: dict, dtype) -> tuple:
    """Creates and builds what both kinds of block have besides attention.

    Args:
        shape: of the block's input, (B, T, D).
        sublayers: how many sublayers the block has, each with a normalisation of its own.
        settings: the block's `hidden`, `activation` and `dropout`, and if it has them `epsilon` and `stddev`.
        dtype: the block's dtype policy.

    Returns:
        A list of the normalisations; the two dense layers, which are the same at each place (section 3.3); and the
        dropout for the output of each sublayer.
    """
    hidden, epsilon, stddev = settings["hidden"], settings.get("epsilon", EPSILON), settings.get("stddev")
    start = "glorot_uniform" if stddev is None else normal(stddev)
    norms = [normalization(epsilon, name=f"norm{number}", dtype=dtype) for number in range(1, sublayers + 1)]
    mlp_in = layers.Dense(hidden, settings["activation"], kernel_initializer=start, name="mlp_in", dtype=dtype)
    mlp_out = layers.Dense(shape[-1], kernel_initializer=start, name="mlp_out", dtype=dtype)
    drop = layers.Dropout(settings["dropout"], name="drop", dtype=dtype)
    for part in (*norms, mlp_in):
        part.build(shape)
    mlp_out.build((*shape[:-1], hidden))
    return norms, mlp_in, mlp_out, drop


def before(x, norm: keras.Layer, pre: bool):
    """The input of a sublayer: x, normalised if the block is pre-norm."""
    return norm(x) if pre else x


def after(x, norm: keras.Layer, pre: bool):
    """The output of a sublayer: the residual sum x, normalised if the block is post-norm."""
    return x if pre else norm(x)


def padding_mask(tokens):
    """True for the tokens (B, S) that are not padding, with axes for heads and queries: (B, 1, 1, S)."""
    return ops.not_equal(tokens, 0)[:, None, None]


def normalization(epsilon: float = EPSILON, **options) -> keras.Layer:
    """Layer normalisation, by default with PyTorch's epsilon, so that the networks can be compared with PyTorch's."""
    return layers.LayerNormalization(epsilon=epsilon, **options)
