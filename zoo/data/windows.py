"""Windows of a text, for networks that begin each window anew, and each with the same window one token later."""

import numpy as np
import tensorflow as tf

from zoo.data.pipeline import single_pass, training_stream

EVALUATED = 4096  # tokens per batch of validation and test


def at_random(
    numbers: np.ndarray, *, batch: int, context: int, seed: int, step: int, stopwatch: tf.Variable | None
) -> tf.data.Dataset:
    """An endless stream of (tokens, the tokens after them), both (batch, context) int32, from random places.

    Args:
        numbers: (N,) tokens, of any type of whole numbers.
        batch: windows per batch; all of them if there are fewer.
        context: tokens per window.
        seed: of the places.
        step: the global step at which the stream starts.
        stopwatch: see `zoo.data.pipeline.training_stream`.
    """
    tokens, last = tf.constant(numbers), len(numbers) - context - 1
    inside = tf.range(context + 1, dtype=tf.int64)

    def cut(windows, seed, step):
        starts, _ = random_starts(windows, seed, step, size=context, last=last)
        text = tf.cast(tf.gather(tokens, starts[:, None] + inside), tf.int32)
        return text[:, :-1], text[:, 1:]

    count = count_of(numbers, context)
    how = {"seed": seed, "step": step, "stopwatch": stopwatch}
    return training_stream(count, lambda windows: (windows,), batch=min(batch, count), augment=cut, **how)


def random_starts(windows: tf.Tensor, seed, step, *, size: int, last: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where windows begin: at a random place within each, so that each epoch cuts the text differently.

    Args:
        windows: (B,) int64, their numbers.
        seed: of the places.
        step: the global step.
        size: tokens from one window to the next.
        last: the last place at which a window can begin.

    Returns:
        (B,) int64 places, and the key from which they were drawn, (2,) int64.
    """
    key = tf.random.experimental.stateless_fold_in(tf.cast([seed, 0], tf.int64), step)
    shift = tf.random.stateless_uniform(tf.shape(windows), key, maxval=size, dtype=tf.int64)
    return tf.minimum(windows * size + shift, last), key


def in_order(numbers: np.ndarray, *, context: int) -> tf.data.Dataset:
    """One pass over the text, in which each token but the first is predicted once.

    Returns:
        Batches of (tokens, the tokens after them, weights), each (B, context); the weights are 0 for the padding of the
        last window and 1 elsewhere.
    """
    count, predicted = count_of(numbers, context), len(numbers) - 1
    tokens = tf.constant(np.pad(numbers, (0, count * context + 1 - len(numbers))))
    inside = tf.range(context, dtype=tf.int64)

    def read(windows):
        places = windows[:, None] * context + inside
        now, later = (tf.cast(tf.gather(tokens, at), tf.int32) for at in (places, places + 1))
        return now, later, tf.cast(places < predicted, tf.float32)

    return single_pass(count, read, batch=max(1, EVALUATED // context))


def count_of(numbers: np.ndarray, context: int) -> int:
    """The number of windows of a text; the last may be shorter."""
    return -(-(len(numbers) - 1) // context)
