"""Leaving spans out of windows of tokens, and a mark in the place of each (Raffel 2019, section 3.1.4)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

FIRST = 3  # number of the first mark, after padding and what begins and ends a text; the others follow it


class Sizes(NamedTuple):
    """How many tokens of a window are left out, in how many spans; so all windows give sources of one length."""

    left_out: int
    spans: int


def left_out(keys, context: int, sizes: Sizes):
    """Which places of each window are left out: (B, context) bool, spans of random lengths in random places.

    All ways to cut what is left out into spans, and to place these, are equally likely. T5's own code lets each window
    end with a span; the paper does not ask for that, and it leaves less out elsewhere.

    Args:
        keys: (B, 2) int64, which decide the places.
        context: tokens of a window.
        sizes: how many are left out, in how many spans.
    """
    kept, ends = context - sizes.left_out, np.eye(sizes.spans + 1, dtype="int32")[[0, -1]].sum(0)

    def one(key):
        before, after = (tf.random.experimental.stateless_fold_in(key, number) for number in range(2))
        between = parts(kept + 2, sizes.spans + 1, before) - ends  # at both ends there may be nothing
        spans = parts(sizes.left_out, sizes.spans, after)
        turns = tf.reshape(tf.stack([between, tf.pad(spans, ((0, 1),))], 1), (-1,))  # kept, left out, kept, ...
        return tf.repeat(tf.range(2 * sizes.spans + 2) % 2 == 1, turns)

    return tf.ensure_shape(tf.map_fn(one, keys, fn_output_signature=tf.bool), (None, context))


def parts(total: int, count: int, key):
    """The lengths of `count` parts, each at least 1, into which `total` is cut at random: (count,) int32."""
    cuts = tf.random.experimental.stateless_shuffle(tf.range(1, total), seed=key)[: count - 1]
    edges = tf.concat([[0], tf.sort(cuts), [total]], 0)
    return edges[1:] - edges[:-1]


def corrupted(text, out, sizes: Sizes) -> tuple:
    """The sources and targets of windows.

    Args:
        text: (B, C) int32 tokens.
        out: (B, C) bool, which places are left out.
        sizes: how many these are, and in how many spans.

    Returns:
        (B, C - left_out + spans) and (B, left_out + spans + 1) int32: the text with a mark in the place of each span;
        and the spans, each after its mark, with one more mark at the end.
    """
    rows, begins = tf.shape(text)[0], out & ~tf.pad(out, ((0, 0), (1, 0)))[:, :-1]
    marks = FIRST - 1 + tf.cumsum(tf.cast(begins, tf.int32), axis=1)  # of the span that begins here or did before
    pairs, both = tf.stack([marks, text], 2), tf.stack([begins, out], 2)  # a mark stands before the first of its span
    source = tf.boolean_mask(pairs, tf.stack([begins, ~out], 2))
    target = tf.boolean_mask(pairs, both)
    source = tf.reshape(source, (rows, text.shape[1] - sizes.left_out + sizes.spans))
    target = tf.reshape(target, (rows, sizes.left_out + sizes.spans))
    return source, tf.pad(target, ((0, 0), (0, 1)), constant_values=FIRST + sizes.spans)
