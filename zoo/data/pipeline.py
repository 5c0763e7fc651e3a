"""The one tf.data pipeline: an endless training stream that can start at any step, and a single pass.

Order of operations in training: shuffle indices, read, augment, prefetch. The pipeline is stateless: a batch
depends only on (seed, step), so a resumed run only needs to give its step.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def training_stream(
    count: int,
    read: Callable,
    *,
    batch: int,
    seed: int,
    step: int = 0,
    augment: Callable | None = None,
    arrange: Callable | None = None,
    stopwatch: tf.Variable | None = None,
) -> tf.data.Dataset:
    """An endless stream of batches, in a new order for each pass over the data; no example is ever dropped.

    Args:
        count: number of examples.
        read: maps (batch,) int64 indices to (inputs, targets) tensors; called inside tf.data.
        batch: examples per batch; a batch may span the end of one pass and the start of the next.
        seed: of the orders and the augmentation.
        step: the global step at which the stream starts.
        augment: maps (inputs, targets, seed, step) to (inputs, targets), for a whole batch.
        arrange: maps (count,) shuffled indices, and the two numbers that seeded the shuffle, to their final order.
        stopwatch: a float64 variable to which the seconds spent waiting for batches are added.
    """

    def order(epoch):
        indices = tf.range(count, dtype=tf.int64)
        indices = tf.random.experimental.stateless_shuffle(indices, seed=[seed, epoch])
        return tf.data.Dataset.from_tensor_slices(arrange(indices, [seed, epoch]) if arrange else indices)

    epochs = tf.data.Dataset.range(step * batch // count, np.iinfo(np.int64).max)
    data = epochs.flat_map(order).skip(step * batch % count).batch(batch, drop_remainder=True)
    data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    if augment is not None:
        data = data.enumerate(start=step).map(
            lambda at, example: augment(*example, seed, at), num_parallel_calls=tf.data.AUTOTUNE
        )
    data = data.prefetch(tf.data.AUTOTUNE)
    return data if stopwatch is None else timed(data, stopwatch)


def single_pass(count: int, read: Callable, *, batch: int) -> tf.data.Dataset:
    """Every example once, in the order of the data; the last batch may be smaller."""
    data = tf.data.Dataset.range(count).batch(batch)
    return data.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def timed(data: tf.data.Dataset, stopwatch: tf.Variable) -> tf.data.Dataset:
    """The same elements; the seconds between requesting and receiving each are added to `stopwatch`."""
    # `zip` evaluates its parts in order, so the two clocks are read before and after the element.
    clock = tf.data.Dataset.range(np.iinfo(np.int64).max).map(lambda _: tf.timestamp())

    def note(before, element, after):
        stopwatch.assign_add(after - before)
        return element

    options = tf.data.Options()
    # tf.data would append a prefetch, and then it would be that thread that waits.
    options.experimental_optimization.inject_prefetch = False
    return tf.data.Dataset.zip((clock, data, clock)).map(note).with_options(options)
