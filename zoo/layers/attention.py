"""Attention (Vaswani 2017, arXiv:1706.03762, section 3.2), with a cache for writing token by token.

Keras' MultiHeadAttention has no cache, and projects queries, keys and values one by one where one matrix product
serves. Checked against: the formula in numpy; transformers' GPT-2.
"""

import keras
from keras import layers, ops


def scaled_dot_product(query, key, value, mask=None, drop=None):
    """softmax(Q K' / sqrt(d)) V, equation 1, in every head, with the softmax in float32.

    Args:
        query: (B, T, H, d).
        key: (B, S, H, d).
        value: (B, S, H, d).
        mask: broadcast to (B, H, T, S): true where a query may look; None: everywhere.
        drop: what becomes of the weights (B, H, T, S) before they are used, such as dropout.

    Returns:
        (B, T, H, d).
    """
    scores = ops.einsum("bthd,bshd->bhts", query * query.shape[-1] ** -0.5, key)
    scores = ops.cast(scores, "float32")
    weights = ops.cast(ops.softmax(scores if mask is None else ops.where(mask, scores, -1e9)), value.dtype)
    return ops.einsum("bhts,bshd->bthd", weights if drop is None else drop(weights), value)


@keras.saving.register_keras_serializable(package="zoo")
class CausalAttention(keras.Layer):
    """Every position asks itself and those before it, in several ways at once: (B, T, D) to (B, T, D).

    Args:
        heads: ways of asking; D is a multiple of it.
        bias: whether the projections have one.
        dropout: fraction of the attention weights dropped while training.
        out_stddev: with which the projection that joins the heads begins.
    """

    def __init__(self, heads: int, *, bias: bool = True, dropout: float = 0.0, out_stddev: float = 0.02, **options):
        super().__init__(**options)
        self.heads, self.bias, self.dropout, self.out_stddev = heads, bias, dropout, out_stddev

    def build(self, shape):
        """Makes the projections: (D, 3 D) to queries, keys and values, and (D, D) of what the heads found.

        Raises:
            ValueError: the heads do not divide D.
        """
        width = shape[-1]
        if width % self.heads:
            raise ValueError(f"heads came as {self.heads}, but must divide the width, {width}")
        options = {"use_bias": self.bias, "dtype": self.dtype_policy}
        self.qkv = layers.Dense(3 * width, kernel_initializer=normal(), name="qkv", **options)
        self.out = layers.Dense(width, kernel_initializer=normal(self.out_stddev), name="out", **options)
        self.drop = layers.Dropout(self.dropout, name="drop", dtype=self.dtype_policy)
        self.qkv.build(shape)
        self.out.build(shape)

    def call(self, x, cache=None, at=0, training=False):
        """What each position gathers; with a cache also that cache with `x` in it.

        Args:
            x: (B, T, D).
            cache: (2, B, C, H, D / H), the keys and values of the C positions that there can be; what lies behind
                `at` is not looked at. None: x is all there is.
            at: the place of x's first position among the C.
            training: whether to drop.
        """
        length, width = x.shape[1:]
        parts = ops.reshape(self.qkv(x), (-1, length, 3, self.heads, width // self.heads))
        query, key, value = ops.unstack(parts, axis=2)  # (B, T, H, D / H)
        if cache is not None:
            now = ops.cast(ops.stack([key, value]), cache.dtype)
            cache = ops.slice_update(cache, (0, 0, at, 0, 0), now)
            key, value = ops.unstack(cache)  # (B, C, H, D / H)
        seen = ops.arange(key.shape[1])[None] <= ops.arange(length)[:, None] + at  # (T, T or C)
        y = scaled_dot_product(query, key, value, seen, lambda weights: self.drop(weights, training=training))
        y = self.out(ops.reshape(y, (-1, length, width)))
        return y if cache is None else (y, cache)

    def get_config(self):
        """What makes the layer anew."""
        own = {"heads": self.heads, "bias": self.bias, "dropout": self.dropout, "out_stddev": self.out_stddev}
        return super().get_config() | own


def normal(stddev: float = 0.02) -> keras.Initializer:
    """How GPT's weights begin (Radford 2018, section 4.1)."""
    return keras.initializers.RandomNormal(stddev=stddev)
