"""Batches of pairs of token sequences of like length, so that little of a batch is padding, and shapes are few."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from zoo.data.pipeline import single_pass, training_stream

PADDING, BOS, EOS = 0, 1, 2  # tokens that pad a row, begin a target, and end it

Numbers = list[tuple[list[int], list[int]]]  # pairs: the tokens of a source, those of its target


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
    """The pairs for ever, each once an epoch, as ((source, target), labels, weights): see `zoo.data.Pairs.load`.

    Args:
        numbers: the pairs.
        edges: rising; each pair is padded to the first that neither of its sides exceeds.
        longest: tokens of the longest source and target, beyond which nothing is padded.
        batch: pairs a batch; all of them if they are fewer.
        seed, step, stopwatch: see `zoo.data.pipeline.training_stream`.
    """
    batch = min(batch, len(numbers))
    read, alike = tables(numbers, edges, longest)

    def arrange(indices, key):
        # The batches in any order: always the short ones first would teach an epoch's end to forget its beginning.
        rows = tf.reshape(alike(indices), (-1, batch))
        key = tf.random.experimental.stateless_fold_in(tf.cast(key, tf.int64), 1)
        return tf.reshape(tf.random.experimental.stateless_shuffle(rows, seed=key), (-1,))

    slots = padded(len(numbers), batch)
    return training_stream(slots, read, batch=batch, seed=seed, step=step, arrange=arrange, stopwatch=stopwatch)


def once(numbers: Numbers, edges: np.ndarray, longest: np.ndarray, *, batch: int) -> tf.data.Dataset:
    """The pairs once, the short ones first, in batches as those of `endless`."""
    batch = min(batch, len(numbers))
    read, alike = tables(numbers, edges, longest)
    order = alike(tf.range(padded(len(numbers), batch), dtype=tf.int64))
    return single_pass(len(order), lambda places: read(tf.gather(order, places)), batch=batch)


def tables(numbers: Numbers, edges: np.ndarray, longest: np.ndarray) -> tuple[Callable, Callable]:
    """Two functions of indices: one reads their batch, one puts them in the order of their edges.

    An index beyond the last pair stands for a row with nothing to predict.
    """
    count = len(numbers)
    # Padding must not be attended to, so even that row has a token to attend to.
    sources = filled([*(source for source, _ in numbers), [EOS]], longest[0])
    targets = filled([*([BOS, *target] for _, target in numbers), [BOS]], longest[1] + 1)
    labels = filled([*([*target, EOS] for _, target in numbers), []], longest[1] + 1)
    edge_of = tf.constant(np.append(np.searchsorted(edges, lengths_of(numbers).max(1)), 0))
    sizes = tf.constant(np.stack([np.minimum(edges, longest[0]), np.minimum(edges, longest[1]) + 1], 1))

    def read(indices):
        rows = tf.minimum(indices, count)
        size = tf.gather(sizes, tf.reduce_max(tf.gather(edge_of, rows)))
        source = tf.gather(sources, rows)[:, : size[0]]
        target, label = (tf.gather(held, rows)[:, : size[1]] for held in (targets, labels))
        return (source, target), label, tf.cast(label != PADDING, tf.float32)

    def alike(indices):
        return tf.gather(indices, tf.argsort(tf.gather(edge_of, tf.minimum(indices, count)), stable=True))

    return read, alike


def padded(count: int, batch: int) -> int:
    """The least multiple of the batch, or of the count if that is less, that is not below the count."""
    batch = min(batch, count)
    return -(-count // batch) * batch


def lengths_of(numbers: Numbers) -> np.ndarray:
    """(N, 2) tokens of source and target."""
    return np.array([[len(source), len(target)] for source, target in numbers])


def filled(rows: list[list[int]], width: int) -> tf.Tensor:
    """(N, width) int32 tokens, with padding after the end of each row."""
    table = np.full((len(rows), width), PADDING, np.int32)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return tf.constant(table)


def widths(lengths: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the lengths, rising: with each padded to the next of them, there is the least padding in all.

    Args:
        lengths: (N,) of sequences.
        count: how many to choose; the longest is always among them.
    """
    known, times = np.unique(lengths, return_counts=True)
    before = np.concatenate([[0], np.cumsum(times)])
    # price[i, j]: tokens if the i-th to the j-th length are all padded to the j-th.
    price = np.where(np.tri(len(known)).T > 0, known * (before[1:] - before[:-1, None]), np.inf)
    # least[j]: tokens if the first j lengths are padded to that many of them; Bellman's principle adds one at a time.
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
