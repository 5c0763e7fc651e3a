"""What BERT hides from itself (Devlin 2018, arXiv:1810.04805, section 3.1): which tokens, and by what."""

from typing import NamedTuple

import tensorflow as tf

MASKED, CHANGED = 0.8, 0.1  # shares of the hidden tokens that are replaced by [MASK], and by a token at random


class Hiding(NamedTuple):
    """Hides tokens; a function of the tokens and a key alone.

    Args:
        ordinary: the numbers of all tokens that may be hidden, and that may take the place of others.
        mask: the number of [MASK].
        vocabulary: one more than the largest number of a token.
        share: of the ordinary tokens of a window that are hidden.
        count: M, the most tokens that are hidden in a window.
    """

    ordinary: tuple[int, ...]
    mask: int
    vocabulary: int
    share: float
    count: int

    def __call__(self, tokens: tf.Tensor, key: tf.Tensor) -> tuple:
        """Hides some of each window.

        Args:
            tokens: (B, T) int32.
            key: (2,) int64, from which all chance follows.

        Returns:
            ((tokens with some hidden (B, T), places (B, M)), the tokens that stood there (B, M), weights (B, M)), in
            int32 and float32. Where fewer than M are hidden, weight and label are 0.
        """
        which, how, what = tf.unstack(tf.random.experimental.stateless_split(key, 3))
        ordinary = tf.constant(self.ordinary)
        known = tf.scatter_nd(ordinary[:, None], tf.ones_like(ordinary), [self.vocabulary])
        may = tf.gather(known, tokens) > 0  # (B, T)
        chance = tf.where(may, tf.random.stateless_uniform(tf.shape(tokens), which), -1.0)
        places = tf.math.top_k(chance, self.count).indices  # (B, M)
        there = tf.reduce_sum(tf.cast(may, tf.float32), axis=1, keepdims=True)  # (B, 1)
        wanted = tf.minimum(there, tf.maximum(1.0, tf.round(self.share * there)))
        real = tf.range(self.count, dtype=tf.float32) < wanted  # (B, M)
        stood = tf.gather(tokens, places, batch_dims=1)
        way = tf.random.stateless_uniform(tf.shape(places), how)
        drawn = tf.random.stateless_uniform(tf.shape(places), what, maxval=len(self.ordinary), dtype=tf.int32)
        others = tf.gather(ordinary, drawn)
        now = tf.where(way < MASKED, self.mask, tf.where(way < MASKED + CHANGED, others, stood))
        now = tf.where(real, now, stood)
        rows = tf.broadcast_to(tf.range(tf.shape(tokens)[0])[:, None], tf.shape(places))
        hidden = tf.tensor_scatter_nd_update(tokens, tf.stack([rows, places], axis=-1), now)
        return (hidden, places), tf.where(real, stood, 0), tf.cast(real, tf.float32)


def framed(text: tf.Tensor, start: int, end: int) -> tf.Tensor:
    """Tokens (B, T) int32 with a mark before them and, before any padding, another one: (B, T + 2)."""
    with_start = tf.pad(tf.pad(text, ((0, 0), (1, 0)), constant_values=start), ((0, 0), (0, 1)))
    lengths = tf.reduce_sum(tf.cast(with_start != 0, tf.int32), axis=1)
    return with_start + end * tf.one_hot(lengths, tf.shape(with_start)[1], dtype=tf.int32)
