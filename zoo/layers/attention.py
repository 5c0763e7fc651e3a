"""Attention (Vaswani 2017, arXiv:1706.03762, section 3.2), with a cache for writing token by token.

Keras' MultiHeadAttention has no cache, and it projects queries, keys and values separately, where a single matrix
product does all three.
Checked against: the formula in numpy; torch.nn.MultiheadAttention; transformers' GPT-2 and T5.
"""

from collections.abc import Callable
from functools import partial

import keras
from keras import layers, ops


def scaled_dot_product(query, key, value, mask=None, drop=None, *, scale=None, offsets=None):
    """softmax(Q K' / sqrt(d)) V (equation 1) in each head, with the softmax in float32.

    Args:
        query: (B, T, H, d).
        key: (B, S, H, d).
        value: (B, S, H, d).
        mask: broadcasts to (B, H, T, S); true where a query may attend to a key. None: everywhere.
        drop: a function that is applied to the weights (B, H, T, S) before they are used, such as dropout.
        scale: what Q K' is multiplied by; None: 1 / sqrt(d).
        offsets: broadcasts to (B, H, T, S); added to the scaled Q K', such as for the distance of two places.

    Returns:
        (B, T, H, d).
    """
    weights = ops.cast(attention_weights(query, key, mask, scale=scale, offsets=offsets), value.dtype)
    return ops.einsum("bhts,bshd->bthd", weights if drop is None else drop(weights), value)


def attention_weights(query, key, mask=None, *, scale=None, offsets=None):
    """softmax(Q K' / sqrt(d)): the weight of each value for each query, float32 (B, H, T, S)."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = ops.einsum("bthd,bshd->bhts", query * scale, key)
    scores = ops.cast(scores, "float32")
    scores = scores if offsets is None else scores + ops.cast(offsets, "float32")
    return ops.softmax(scores if mask is None else ops.where(mask, scores, -1e9))


@keras.saving.register_keras_serializable(package="zoo")
class SelfAttention(keras.Layer):
    """Multi-head self-attention: each position attends to all of them, or to itself and those before it.

    (B, T, D) to (B, T, D).

    Args:
        heads: number of attention heads, which must divide D.
        causal: whether a position may attend only to itself and those before it.
        bias: whether the projections have a bias.
        dropout: fraction of the attention weights that is dropped while training.
        stddev: standard deviation of the initial weights of the projections; None: Glorot's initialisation.
        out_stddev: the same for the output projection.
        size: width of a head; None: D / heads.
        scaled: whether scores are divided by the square root of that. If not, the initial queries are, where `stddev`
            is given (T5's code does so).
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
        size: int | None = None,
        scaled: bool = True,
        **options,
    ):
        super().__init__(**options)
        self.heads, self.causal = heads, causal
        self.scale = None if scaled else 1.0
        self.settings = {"bias": bias, "dropout": dropout, "stddev": stddev, "out_stddev": out_stddev}
        self.settings |= {"size": size, "scaled": scaled}

    def build(self, shape):
        """Creates the projections: (D, 3 D) to queries, keys and values, and (D, D) for the output.

        Raises:
            ValueError: D is not a multiple of the number of heads.
        """
        width = inner_width(shape, self.heads, self.settings["size"])
        options = {"use_bias": self.settings["bias"], "dtype": self.dtype_policy}
        query, start, out_start = starts(self.settings, width // self.heads)
        start = start if query is start else queries_first(query, start)
        self.qkv = layers.Dense(3 * width, kernel_initializer=start, name="qkv", **options)
        self.out = layers.Dense(shape[-1], kernel_initializer=out_start, name="out", **options)
        self.drop = layers.Dropout(self.settings["dropout"], name="drop", dtype=self.dtype_policy)
        self.qkv.build(shape)
        self.out.build((*shape[:-1], width))

    def call(self, x, mask=None, cache=None, at=0, *, offsets=None, training=False):
        """Attends from x to x, or with a cache to all positions in the cache.

        Args:
            x: (B, T, D).
            mask: (B, T), or with a cache (B, C), true for the positions that may be attended to; or four axes that
                broadcast to (B, heads, T, T or C), true where a query may attend to a key. None: everywhere.
            cache: (2, B, C, H, D / H), the keys and values of up to C positions. Only a causal layer ignores those
                from `at + T` on, which are not written yet. None: x is the whole sequence.
            at: where in the cache the first position of x belongs.
            offsets: added to the scores, and broadcast to (B, heads, T, T or C).
            training: whether to apply dropout.

        Returns:
            (B, T, D); with a cache, a pair of that and the cache with x written to it.
        """
        mask = of_places(mask)
        query, key, value = split(self.qkv(x), 3, self.heads)  # (B, T, H, D / H)
        if cache is not None:
            now = ops.cast(ops.stack([key, value]), cache.dtype)
            cache = ops.slice_update(cache, (0, 0, at, 0, 0), now)
            key, value = ops.unstack(cache)  # (B, C, H, D / H)
        if self.causal:
            before = ops.arange(ops.shape(key)[1])[None] <= ops.arange(ops.shape(x)[1])[:, None] + at  # (T, T or C)
            mask = before if mask is None else ops.logical_and(mask, before)
        drop = partial(self.drop, training=training)
        y = scaled_dot_product(query, key, value, mask, drop, scale=self.scale, offsets=offsets)
        y = self.out(joined(y))
        return y if cache is None else (y, cache)

    def attention_weights(self, x, mask=None):
        """The weight that each position of x gives to each other: float32 (B, heads, T, T); not of a causal layer."""
        query, key, _ = split(self.qkv(x), 3, self.heads)
        return attention_weights(query, key, of_places(mask), scale=self.scale)

    def compute_mask(self, x, mask=None):
        """What Keras passes on to the next layer: a mask of places, (B, T); any other is for this layer alone."""
        return passed_on(mask)

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"heads": self.heads, "causal": self.causal} | self.settings


@keras.saving.register_keras_serializable(package="zoo")
class CrossAttention(keras.Layer):
    """Multi-head attention from one sequence to another, the memory: (B, T, D) and (B, S, M) to (B, T, D).

    Args:
        heads: number of attention heads, which must divide D.
        bias, dropout, stddev, out_stddev, size, scaled: see SelfAttention.
    """

    def __init__(
        self,
        heads: int,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        stddev: float | None = None,
        out_stddev: float | None = None,
        size: int | None = None,
        scaled: bool = True,
        **options,
    ):
        super().__init__(**options)
        self.heads = heads
        self.scale = None if scaled else 1.0
        self.settings = {"bias": bias, "dropout": dropout, "stddev": stddev, "out_stddev": out_stddev}
        self.settings |= {"size": size, "scaled": scaled}

    def build(self, x_shape, memory_shape):
        """Creates the projections: (D, D) to queries, (M, 2 D) to keys and values, and (D, D) for the output.

        Raises:
            ValueError: D is not a multiple of the number of heads.
        """
        width = inner_width(x_shape, self.heads, self.settings["size"])
        options = {"use_bias": self.settings["bias"], "dtype": self.dtype_policy}
        query, start, out_start = starts(self.settings, width // self.heads)
        self.query = layers.Dense(width, kernel_initializer=query, name="query", **options)
        self.memory = layers.Dense(2 * width, kernel_initializer=start, name="memory", **options)
        self.out = layers.Dense(x_shape[-1], kernel_initializer=out_start, name="out", **options)
        self.drop = layers.Dropout(self.settings["dropout"], name="drop", dtype=self.dtype_policy)
        self.query.build(x_shape)
        self.memory.build(memory_shape)
        self.out.build((*x_shape[:-1], width))

    def keys_and_values(self, memory):
        """The keys and values of a memory (B, S, M), each (B, S, H, D / H), so that they need computing only once."""
        return split(self.memory(memory), 2, self.heads)

    def call(self, x, memory=None, mask=None, keys_and_values=None, training=False):
        """Attends from x to the memory.

        Args:
            x: (B, T, D).
            memory: (B, S, M); None if `keys_and_values` is given.
            mask: (B, S), true for the places of the memory that may be attended to; or four axes that broadcast to
                (B, heads, T, S), true where a query may attend to a key. None: everywhere.
            keys_and_values: what the method `keys_and_values` returned for the memory.
            training: whether to apply dropout.

        Returns:
            (B, T, D).
        """
        mask = of_places(mask)
        key, value = self.keys_and_values(memory) if keys_and_values is None else keys_and_values
        (query,) = split(self.query(x), 1, self.heads)  # (B, T, H, D / H)
        drop = partial(self.drop, training=training)
        return self.out(joined(scaled_dot_product(query, key, value, mask, drop, scale=self.scale)))

    def attention_weights(self, x, memory, mask=None):
        """The weight that each position of x gives to each place of the memory: float32 (B, heads, T, S)."""
        (query,) = split(self.query(x), 1, self.heads)
        return attention_weights(query, self.keys_and_values(memory)[0], of_places(mask), scale=self.scale)

    def compute_mask(self, x, mask=None):
        """None: the mask is that of the memory, and Keras must not pass it on with the output."""

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"heads": self.heads} | self.settings


def of_places(mask):
    """A mask of the places to attend to, (B, S), as (B, 1, 1, S); any other mask, and None, as it is."""
    return mask if passed_on(mask) is None else mask[:, None, None]


def passed_on(mask):
    """A mask of places, (B, T), the form in which Keras' own layers hand masks on; None for any other."""
    return mask if mask is not None and len(mask.shape) == 2 else None


def split(x, count: int, heads: int) -> list:
    """(B, T, count * D) to `count` tensors (B, T, heads, D / heads)."""
    parts = ops.reshape(x, (-1, ops.shape(x)[1], count, heads, x.shape[-1] // count // heads))
    return ops.unstack(parts, axis=2)


def joined(x):
    """(B, T, heads, D / heads) to (B, T, D)."""
    return ops.reshape(x, (-1, ops.shape(x)[1], x.shape[2] * x.shape[3]))


def inner_width(shape: tuple, heads: int, size: int | None) -> int:
    """The width of all heads together: of that size, or else the last one of the shape.

    Raises:
        ValueError: that is not a multiple of the number of heads.
    """
    if size is not None:
        return heads * size
    if shape[-1] % heads:
        raise ValueError(f"heads came as {heads}, but must divide the width, {shape[-1]}")
    return shape[-1]


def starts(settings: dict, size: int) -> tuple:
    """The initialisers of queries, of keys and values, and of the output, by the settings of an attention layer."""
    stddev, out_stddev = settings["stddev"], settings["out_stddev"]
    start, out_start = ("glorot_uniform" if one is None else normal(one) for one in (stddev, out_stddev))
    query = start if settings["scaled"] or stddev is None else normal(stddev * size**-0.5)
    return query, start, out_start


def queries_first(query: keras.Initializer, others: keras.Initializer) -> Callable:
    """Initialises the first third of a matrix in one way, and the other two in another."""

    def start(shape, dtype=None):
        third = shape[-1] // 3
        first, rest = query((*shape[:-1], third), dtype), others((*shape[:-1], 2 * third), dtype)
        return ops.concatenate([first, rest], axis=-1)

    return start


def normal(stddev: float = 0.02) -> keras.Initializer:
    """A normal distribution, with which GPT's weights are initialised (Radford 2018, section 4.1)."""
    return keras.initializers.RandomNormal(stddev=stddev)
