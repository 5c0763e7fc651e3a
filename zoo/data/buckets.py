"""Batches of sequence pairs of similar length, so that there is little padding and there are few shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from zoo.data.pipeline import single_pass, training_stream

PADDING, BOS, EOS = 0, 1, 2  # tokens that pad a row, start a target, and end it
SOURCE_AND_TARGET = (
    "source: the numbers that tokenizer.json, as the library tokenizers reads it, gives to the tokens of a sentence, "
    "then 2, and 0 after its end; target: 1, and then those of what is written so far"
)

Numbers = list[tuple[list[int], list[int]]]  # pairs of the tokens of a source and those of its target


def endless(
    numbers: Numbers,
    edges: np.ndarray,
    longest: np.ndarray,
    *,
    batch: int,
    seed: int,
    step: int,
    stopwatch: tf.Variable | None,
) -> tf.data.Dataset:
    """An endless stream of the pairs, each once per epoch, as ((source, target), labels, weights): see `Pairs.load`.

    Args:
        numbers: the pairs.
        edges: lengths, ascending; each pair is padded to the first that neither of its sides exceeds.
        longest: lengths of the longest source and the longest target, beyond which nothing is padded.
        batch: pairs per batch; all of them if there are fewer.
        seed, step, stopwatch: see `zoo.data.pipeline.training_stream`.
    """
    batch = min(batch, len(numbers))
    read, alike = tables(numbers, edges, longest)

    def arrange(indices, key):
        # Shuffle the batches: if short ones always came first, each epoch would end on long pairs and forget the short.
        rows = tf.reshape(alike(indices), (-1, batch))
        key = tf.random.experimental.stateless_fold_in(tf.cast(key, tf.int64), 1)
        return tf.reshape(tf.random.experimental.stateless_shuffle(rows, seed=key), (-1,))

    slots = padded(len(numbers), batch)
    return training_stream(slots, read, batch=batch, seed=seed, step=step, arrange=arrange, stopwatch=stopwatch)


def once(numbers: Numbers, edges: np.ndarray, longest: np.ndarray, *, batch: int) -> tf.data.Dataset:
    """The pairs once, the short ones first, in batches like those of `endless`."""
    batch = min(batch, len(numbers))
    read, alike = tables(numbers, edges, longest)
    order = alike(tf.range(padded(len(numbers), batch), dtype=tf.int64))
    return single_pass(len(order), lambda places: read(tf.gather(order, places)), batch=batch)


def tables(numbers: Numbers, edges: np.ndarray, longest: np.ndarray) -> tuple[Callable, Callable]:
    """Two functions of indices: the first reads them as a batch, the second sorts them by the edges of their pairs.

    An index beyond the last pair gives a row with nothing to predict.
    """
    count = len(numbers)
    # Padding is masked in attention, so even such a row needs a token that can be attended to.
    sources = filled([*(source for source, _ in numbers), [EOS]], longest[0])
    targets = filled([*([BOS, *target] for _, target in numbers), [BOS]], longest[1] + 1)
    labels = filled([*([*target, EOS] for _, target in numbers), []], longest[1] + 1)
    edge_of = tf.constant(np.append(np.searchsorted(edges, lengths_of(numbers).max(1)), 0))
    sizes = tf.constant(np.stack([np.minimum(edges, longest[0]), np.minimum(edges, longest[1]) + 1], 1))

    def read(indices):
        rows = tf.minimum(indices, count)
        size = tf.gather(sizes, tf.reduce_max(tf.gather(edge_of, rows)))
        source = tf.gather(sources, rows)[:, : size[0]]
        target, label = (tf.gather(table, rows)[:, : size[1]] for table in (targets, labels))
        return (source, target), label, tf.cast(label != PADDING, tf.float32)

    def alike(indices):
        return tf.gather(indices, tf.argsort(tf.gather(edge_of, tf.minimum(indices, count)), stable=True))

    return read, alike


def padded(count: int, batch: int) -> int:
    """The count rounded up to a multiple of the batch size, which is at most the count."""
    batch = min(batch, count)
    return -(-count // batch) * batch


def lengths_of(numbers: Numbers) -> np.ndarray:
    """The lengths (N, 2) of source and target, in tokens."""
    return np.array([[len(source), len(target)] for source, target in numbers])


def filled(rows: list[list[int]], width: int) -> tf.Tensor:
    """The rows padded at the end: (N, width) int32."""
    table = np.full((len(rows), width), PADDING, np.int32)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return tf.constant(table)


def widths(lengths: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the lengths, ascending, such that padding each sequence to the next one needs least padding.

    Args:
        lengths: (N,) of the sequences.
        count: largest number of lengths to return; the longest is always one of them.
    """
    known, times = np.unique(lengths, return_counts=True)
    before = np.concatenate([[0], np.cumsum(times)])
    # price[i, j]: total tokens if the i-th to the j-th length are all padded to the j-th.
    price = np.where(np.tri(len(known)).T > 0, known * (before[1:] - before[:-1, None]), np.inf)
    # least[j]: fewest tokens for the first j lengths with the edges so far; dynamic programming adds one at a time.
    least, choices = np.concatenate([[0.0], np.full(len(known), np.inf)]), []
    for _ in range(min(count, len(known))):
        totals = least[:-1, None] + price
        choices.append(totals.argmin(0))
        least = np.concatenate([[np.inf], totals.min(0)])
    edges, end = [], len(known)
    for choice in reversed(choices):
        edges.append(known[end - 1])
        end = choice[end - 1]
    return np.array(edges[::-1])
