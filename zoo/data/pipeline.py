"""The one tf.data pipeline: an endless training stream that can start at any step, and a plain pass.

Order of steps in training: choose indices, read, augment, prefetch. Nothing in it has a state: a batch
follows from (seed, step) alone, so a resumed run seeks by saying at which step it stands.
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
    """Batches for ever, in a new order each time all examples were seen; none is ever dropped.

    Args:
        count: examples in all.
        read: (batch,) int64 indices to (inputs, targets) tensors; called inside tf.data.
        batch: examples a batch; a batch may reach from one pass over the data into the next.
        seed: decides the orders and the augmentation.
        step: the global step at which the stream starts.
        augment: (inputs, targets, seed, step) to (inputs, targets), for a whole batch.
        arrange: (count,) indices in their new order, and the numbers that decided it, to the order in which they come.
        stopwatch: a float64 variable to which the seconds are added that its user waited for batches.
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
    """Every example once, in the order of the data, the last batch as small as it comes out."""
    data = tf.data.Dataset.range(count).batch(batch)
    return data.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def timed(data: tf.data.Dataset, stopwatch: tf.Variable) -> tf.data.Dataset:
    """The same elements; the seconds between asking for one and having it are added to `stopwatch`."""
    # `zip` asks its parts one after the other, so the two clocks stand before and after the element.
    clock = tf.data.Dataset.range(np.iinfo(np.int64).max).map(lambda _: tf.timestamp())

    def note(before, element, after):
        stopwatch.assign_add(after - before)
        return element

    options = tf.data.Options()
    # tf.data would add a prefetch at the end, and its thread would be the one that waits.
    options.experimental_optimization.inject_prefetch = False
    return tf.data.Dataset.zip((clock, data, clock)).map(note).with_options(options)
