"""Words paired with those around them and with false neighbours, a stretch of text at once, as tf.data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from zoo.data.pipeline import timed

CHUNK = 16  # consecutive words that share their false neighbours
SHARED = 32  # false neighbours of a chunk; with 16, fewer analogies were right
FAR = 2**30  # a distance beyond any window


@dataclass(frozen=True)
class Settings:
    """What decides how words are paired.

    Args:
        window: words before and after a word that count as near it, at most.
        negatives: false neighbours for each true one.
        cbow: whether a word is predicted from those around it.
        chunks: per batch.
        kept: (V,) the share of each word's occurrences that is not thinned out.
        counts: (V,) how often each word occurs.
    """

    window: int
    negatives: int
    cbow: bool
    chunks: int
    kept: np.ndarray
    counts: np.ndarray


def passes(
    numbers: np.ndarray, settings: Settings, size: int, *, seed: int, step: int, stopwatch: tf.Variable | None
) -> tf.data.Dataset:
    """An endless stream of batches: in each pass the text is thinned out and its chunks are shuffled anew.

    Args:
        numbers: (N,) words, with 0 between paragraphs.
        settings: see there.
        size: words of a pass, about as many as are left after thinning out; rounded to whole batches.
        seed: of all that is drawn.
        step: the global step at which the stream starts.
        stopwatch: see `zoo.data.pipeline.training_stream`.
    """
    chunks = min(settings.chunks, max(1, size // CHUNK))
    batches, pair = max(1, round(size / CHUNK / chunks)), pairing(settings)

    def thin(number):
        random = np.random.default_rng([seed, number])
        words, places = thinned(numbers, settings, random)
        order = np.resize(random.permutation(-(-len(words) // CHUNK)), batches * chunks)
        return *padded(words, places, settings.window), order.reshape(batches, chunks)

    def one(number):
        words, places, order = tf.numpy_function(thin, [number], (tf.int32, tf.int32, tf.int64))
        return number, *(tf.ensure_shape(part, (None,)) for part in (words, places)), order

    def batched(number, words, places, order):
        data = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(order, (batches, chunks))).enumerate()
        data = data.skip(tf.where(number == step // batches, tf.cast(step % batches, tf.int64), 0))
        return data.map(
            lambda at, chunks: pair(words, places, chunks, fold(seed, number, at)), num_parallel_calls=tf.data.AUTOTUNE
        )

    # The next pass is prepared while this one is used.
    data = tf.data.Dataset.range(step // batches, np.iinfo(np.int64).max).map(one).prefetch(1)
    data = data.flat_map(batched).prefetch(tf.data.AUTOTUNE)
    return data if stopwatch is None else timed(data, stopwatch)


def single(numbers: np.ndarray, settings: Settings) -> tf.data.Dataset:
    """One pass in the order of the text, always the same; the last batch may be smaller."""
    words, places = thinned(numbers, settings, np.random.default_rng(0))
    count, pair = -(-len(words) // CHUNK), pairing(settings)
    words, places = map(tf.constant, padded(words, places, settings.window))
    data = tf.data.Dataset.range(count).batch(settings.chunks).enumerate()
    data = data.map(lambda at, chunks: pair(words, places, chunks, fold(0, 0, at)), num_parallel_calls=tf.data.AUTOTUNE)
    return data.prefetch(tf.data.AUTOTUNE)


def thinned(numbers: np.ndarray, settings: Settings, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The words that stay, (M,) int32, at least one, and the number of each one's paragraph, (M,) int32."""
    stays = random.random(len(numbers), np.float32) < settings.kept[numbers].astype(np.float32)
    mark = numbers == 0
    stays |= mark
    stays[np.argmax(~mark)] = True
    mark = mark[stays]
    return numbers[stays][~mark], np.cumsum(mark, dtype=np.int32)[~mark]


def padded(words: np.ndarray, places: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Both with room for the window of every chunk; what is added is no word and in no paragraph."""
    around = (window, window + CHUNK)
    return np.pad(words, around), np.pad(places, around, constant_values=-1)


def fold(seed: int, number: tf.Tensor | int, at: tf.Tensor) -> tf.Tensor:
    """The seed of a batch of a pass."""
    return tf.random.experimental.stateless_fold_in(tf.cast(tf.stack([seed, number]), tf.int64), at)


def pairing(settings: Settings):
    """A function for tf.data from the words of a pass, their paragraphs, chunks (B,) and a seed to a batch."""
    window, share = settings.window, settings.negatives / SHARED
    inside = tf.range(CHUNK + 2 * window, dtype=tf.int64)
    distance = np.abs(np.arange(CHUNK + 2 * window) - np.arange(window, window + CHUNK)[:, None])
    distance = tf.constant(np.where(distance == 0, FAR, distance), tf.int32)  # (T, L): no word is near itself
    # Words are drawn by their counts to the power of 3/4 (section 2.2), without the rounding of a float's 24 bits.
    heap = np.cumsum(settings.counts**0.75)
    heap = tf.constant(np.round(heap / heap[-1] * (2**31 - 1)), tf.int32)

    def pair(words, places, chunks, seed):
        at = chunks[:, None] * CHUNK + inside
        around, places = tf.gather(words, at), tf.gather(places, at)  # (B, L)
        centre = around[:, window:-window]  # (B, T)
        first, second = tf.unstack(tf.random.split(seed, 2))
        reach = tf.random.stateless_uniform(tf.shape(centre), first, 1, window + 1, tf.int32)
        drawn = tf.random.stateless_uniform((tf.shape(at)[0] * SHARED,), second, 0, 2**31 - 1, tf.int32)
        false = tf.reshape(tf.searchsorted(heap, drawn, side="right"), (-1, SHARED))  # (B, K)
        near = (distance <= reach[..., None]) & (places[:, None] == places[:, window:-window, None])
        near = tf.cast(near & (centre > 0)[..., None], tf.float32)  # (B, T, L)
        if settings.cbow:
            some = tf.reduce_max(near, -1)  # (B, T)
            true, other = tf.linalg.diag(some), tf.cast(centre[..., None] != false[:, None], tf.float32)  # (B, T, K)
            targets = tf.concat([true, -share * some[..., None] * other], -1)
            return (around, tf.concat([centre, false], -1), near), targets
        # A false neighbour that is a true one is none, for that pair.
        other = tf.cast(around[..., None] != false[:, None], tf.float32)  # (B, L, K)
        targets = tf.concat([near, -share * tf.matmul(near, other)], -1)
        return (centre, tf.concat([around, false], -1)), targets

    return pair
