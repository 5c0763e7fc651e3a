"""Windows of a text for networks that carry their state: each continues where the window before it ended."""

import numpy as np
import tensorflow as tf

from zoo.data.pipeline import timed


def ring(
    numbers: np.ndarray, *, batch: int, context: int, seed: int, step: int, stopwatch: tf.Variable | None
) -> tf.data.Dataset:
    """An endless stream of (tokens, the tokens after them), both (batch, context), whose rows continue across batches.

    The text is treated as a ring, on which the rows start at equal distances. Its length is seldom a multiple of the
    context, so each pass cuts it in other places.

    Args:
        numbers: (N,) tokens, of any type of whole numbers.
        batch: number of rows.
        context: tokens per window.
        seed: of the place where the first row starts.
        step: the global step at which the stream starts.
        stopwatch: see `zoo.data.pipeline.training_stream`.
    """
    tokens, count = tf.constant(numbers), len(numbers)
    first = np.random.default_rng(seed).integers(count)
    starts = tf.constant(first + np.arange(batch, dtype=np.int64) * count // batch)[:, None]
    inside = tf.range(context + 1, dtype=tf.int64)

    def read(at):
        text = tf.cast(tf.gather(tokens, (starts + at * context + inside) % count), tf.int32)
        return text[:, :-1], text[:, 1:]

    data = tf.data.Dataset.range(step, np.iinfo(np.int64).max // context)
    data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return data if stopwatch is None else timed(data, stopwatch)


def rows(numbers: np.ndarray, *, batch: int, context: int) -> tf.data.Dataset:
    """One pass over the text in `batch` parts that are read side by side: each token but the first is predicted once.

    Args:
        numbers: (N,) tokens, of any type of whole numbers.
        batch: number of rows.
        context: tokens per window.

    Returns:
        Batches of (tokens, the tokens after them, weights), each (batch, context); the weights are 0 after the end
        of a row's part and 1 elsewhere.
    """
    predicted = len(numbers) - 1
    length = -(-predicted // batch)
    tokens = tf.constant(numbers)
    starts = tf.range(batch, dtype=tf.int64)[:, None] * length
    inside = tf.range(context, dtype=tf.int64)

    def read(at):
        along = at * context + inside
        places = starts + along
        weights = tf.cast((along < length) & (places < predicted), tf.float32)
        places = tf.minimum(places, predicted - 1)
        now, later = (tf.cast(tf.gather(tokens, at), tf.int32) for at in (places, places + 1))
        return now, later, weights

    data = tf.data.Dataset.range(-(-length // context))
    return data.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
