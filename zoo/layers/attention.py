"""Attention (Vaswani 2017, arXiv:1706.03762, section 3.2), with a cache for writing token by token.

Keras' MultiHeadAttention has no cache, and projects queries, keys and values one by one where one matrix product
serves. Checked against: the formula in numpy; torch.nn.MultiheadAttention; transformers' GPT-2.
"""

import keras
from keras import layers, ops


def scaled_dot_product(query, key, value, mask=None, drop=None):
    """softmax(Q K' / sqrt(d)) V, equation 1, in every head, with the softmax in float32.

    Args:
        query: (B, T, H, d).
        key: (B, S, H, d).
        value: (B, S, H, d).
        mask: broadcast to (B, H, T, S): true where a query may attend; None: everywhere.
        drop: what is applied to the weights (B, H, T, S) before they are used, such as dropout.

    Returns:
        (B, T, H, d).
    """
    weights = ops.cast(attention_weights(query, key, mask), value.dtype)
    return ops.einsum("bhts,bshd->bthd", weights if drop is None else drop(weights), value)


def attention_weights(query, key, mask=None):
    """softmax(Q K' / sqrt(d)): how much of each value a query takes, float32 (B, H, T, S); see scaled_dot_product."""
    scores = ops.einsum("bthd,bshd->bhts", query * query.shape[-1] ** -0.5, key)
    scores = ops.cast(scores, "float32")
    return ops.softmax(scores if mask is None else ops.where(mask, scores, -1e9))


@keras.saving.register_keras_serializable(package="zoo")
class SelfAttention(keras.Layer):
    """Every position attends to all, or to itself and those before it, with several heads: (B, T, D) to (B, T, D).

    Args:
        heads: attention heads; D is a multiple of it.
        causal: whether a position sees none that comes after it.
        bias: whether the projections have one.
        dropout: fraction of the attention weights dropped while training.
        stddev: of the initial weights of the projections; None: Glorot's initialisation.
        out_stddev: the same for the projection that joins the heads.
    """

    def __init__(
        self,
        heads: int,
        *,
        causal: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        stddev: float | None = None,
        out_stddev: float | None = None,
        **options,
    ):
        super().__init__(**options)
        self.heads, self.causal = heads, causal
        self.settings = {"bias": bias, "dropout": dropout, "stddev": stddev, "out_stddev": out_stddev}

    def build(self, shape):
        """Makes the projections: (D, 3 D) to queries, keys and values, and (D, D) of what the heads found.

        Raises:
            ValueError: the heads do not divide D.
        """
        width = width_of(shape, self.heads)
        options = {"use_bias": self.settings["bias"], "dtype": self.dtype_policy}
        deviations = (self.settings["stddev"], self.settings["out_stddev"])
        start, out_start = ("glorot_uniform" if one is None else normal(one) for one in deviations)
        self.qkv = layers.Dense(3 * width, kernel_initializer=start, name="qkv", **options)
        self.out = layers.Dense(width, kernel_initializer=out_start, name="out", **options)
        self.drop = layers.Dropout(self.settings["dropout"], name="drop", dtype=self.dtype_policy)
        self.qkv.build(shape)
        self.out.build(shape)

    def call(self, x, seen=None, cache=None, at=0, training=False):
        """What each position gathers; with a cache also that cache with x in it.

        Args:
            x: (B, T, D).
            seen: broadcast to (B, heads, T, T, or with a cache C): true where a position may attend; None: everywhere.
            cache: (2, B, C, H, D / H), the keys and values of the C positions that there can be; what comes after
                `at` is not attended to if the layer is causal. None: x is all there is.
            at: the place of x's first position among the C.
            training: whether to drop.

        Returns:
            (B, T, D); with a cache a pair of that and the cache (2, B, C, H, D / H).
        """
        query, key, value = split(self.qkv(x), 3, self.heads)  # (B, T, H, D / H)
        if cache is not None:
            now = ops.cast(ops.stack([key, value]), cache.dtype)
            cache = ops.slice_update(cache, (0, 0, at, 0, 0), now)
            key, value = ops.unstack(cache)  # (B, C, H, D / H)
        if self.causal:
            before = ops.arange(ops.shape(key)[1])[None] <= ops.arange(ops.shape(x)[1])[:, None] + at  # (T, T or C)
            seen = before if seen is None else ops.logical_and(seen, before)
        y = scaled_dot_product(query, key, value, seen, lambda weights: self.drop(weights, training=training))
        y = self.out(joined(y))
        return y if cache is None else (y, cache)

    def get_config(self):
        """The arguments that make the layer again."""
        return super().get_config() | {"heads": self.heads, "causal": self.causal} | self.settings


@keras.saving.register_keras_serializable(package="zoo")
class CrossAttention(keras.Layer):
    """Every position attends to a memory, with several heads: (B, T, D) and (B, S, M) to (B, T, D).

    Args:
        heads: attention heads; D is a multiple of it.
        dropout: fraction of the attention weights dropped while training.
    """

    def __init__(self, heads: int, *, dropout: float = 0.0, **options):
        super().__init__(**options)
        self.heads, self.dropout = heads, dropout

    def build(self, x_shape, memory_shape):
        """Makes the projections: (D, D) to queries, (M, 2 D) to keys and values, and (D, D) of what the heads found.

        Raises:
            ValueError: the heads do not divide D.
        """
        width = width_of(x_shape, self.heads)
        self.query = layers.Dense(width, name="query", dtype=self.dtype_policy)
        self.memory = layers.Dense(2 * width, name="memory", dtype=self.dtype_policy)
        self.out = layers.Dense(width, name="out", dtype=self.dtype_policy)
        self.drop = layers.Dropout(self.dropout, name="drop", dtype=self.dtype_policy)
        self.query.build(x_shape)
        self.memory.build(memory_shape)
        self.out.build(x_shape)

    def remember(self, memory):
        """The keys and values of a memory (B, S, M), each (B, S, H, D / H), to be made once and used often."""
        return split(self.memory(memory), 2, self.heads)

    def call(self, x, memory=None, seen=None, remembered=None, training=False):
        """What each position gathers.

        Args:
            x: (B, T, D).
            memory: (B, S, M); None if it is `remembered`.
            seen: broadcast to (B, heads, T, S): true where a position may attend; None: everywhere.
            remembered: what `remember` made of the memory.
            training: whether to drop.

        Returns:
            (B, T, D).
        """
        key, value = self.remember(memory) if remembered is None else remembered
        (query,) = split(self.query(x), 1, self.heads)  # (B, T, H, D / H)
        y = scaled_dot_product(query, key, value, seen, lambda weights: self.drop(weights, training=training))
        return self.out(joined(y))

    def weights_of(self, x, memory, seen=None):
        """How much each position of x takes of each place of the memory: float32 (B, heads, T, S)."""
        (query,) = split(self.query(x), 1, self.heads)
        return attention_weights(query, self.remember(memory)[0], seen)

    def get_config(self):
        """The arguments that make the layer again."""
        return super().get_config() | {"heads": self.heads, "dropout": self.dropout}


def split(x, count: int, heads: int) -> list:
    """(B, T, count * D) to `count` tensors (B, T, heads, D / heads)."""
    parts = ops.reshape(x, (-1, ops.shape(x)[1], count, heads, x.shape[-1] // count // heads))
    return ops.unstack(parts, axis=2)


def joined(x):
    """(B, T, heads, D / heads) to (B, T, D)."""
    return ops.reshape(x, (-1, ops.shape(x)[1], x.shape[2] * x.shape[3]))


def width_of(shape: tuple, heads: int) -> int:
    """The last number of a shape, which the heads must divide.

    Raises:
        ValueError: they do not.
    """
    if shape[-1] % heads:
        raise ValueError(f"heads came as {heads}, but must divide the width, {shape[-1]}")
    return shape[-1]


def normal(stddev: float = 0.02) -> keras.Initializer:
    """How GPT's weights are initialised (Radford 2018, section 4.1)."""
    return keras.initializers.RandomNormal(stddev=stddev)
