"""Translations from an encoder and decoder: greedy, and by beam search (Wu 2016, arXiv:1609.08144, section 7)."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from zoo.decoding import search
from zoo.layers.transformer import remembering

SENTENCES = 64  # that are translated at once


def translate(
    model: keras.Model,
    sources: np.ndarray,
    *,
    begin: int,
    end: int,
    limit: int,
    beam: int = 1,
    length_penalty: float = 0.6,
) -> list[list[int]]:
    """The likeliest translation of each source that the search finds.

    Args:
        model: what `zoo.models.transformer` made, perhaps saved and loaded since.
        sources: (N, S) int32 tokens, filled up with 0 behind their ends.
        begin: the token that a translation begins with.
        end: the token that ends it.
        limit: tokens that a translation has at most; one that has not ended by then is cut there.
        beam: translations followed at once for each source; 1: always the likeliest token.
        length_penalty: logarithms of probabilities are divided by ((5 + length) / 6) to the power of this (equation
            14), which keeps long translations from losing by their length alone; 0: not divided.

    Returns:
        A list of tokens for each source, without padding, begin and end.

    Raises:
        ValueError: sources has another rank, or limit, beam or length_penalty is too small.
    """
    sources = np.asarray(sources, np.int32)
    if sources.ndim != 2:
        raise ValueError(f"sources came with shape {sources.shape}, but must be (sentences, places)")
    for name, value, least in (("limit", limit, 1), ("beam", beam, 1), ("length_penalty", length_penalty, 0)):
        if not value >= least:
            raise ValueError(f"{name} came as {value}, but must be at least {least}")
    choices = min(beam + 1, model.output_shape[-1])
    start, choose = compiled(model, beam, limit, choices, (0, begin))
    translations: list[list[int]] = [[]] * len(sources)
    # Sentences of about the same length together: none is filled up much, and none waits long for another.
    order = np.argsort(-(sources != 0).sum(1), kind="stable")
    for first in range(0, len(order), SENTENCES):
        rows = order[first : first + SENTENCES]
        start(sources[rows])
        found = search(choose, len(rows), begin=begin, end=end, limit=limit, beam=beam, length_penalty=length_penalty)
        for row, tokens in zip(rows, found, strict=True):
            translations[row] = tokens
    return translations


def compiled(model: keras.Model, beam: int, limit: int, choices: int, never: tuple[int, ...]) -> tuple:
    """The network as `zoo.decoding.search` asks it, with a memory between the steps.

    Args:
        model: as of `translate`.
        beam: rows that follow each other for one sentence.
        limit: places of a translation.
        choices: of how many tokens a step tells.
        never: tokens that no translation holds.

    Returns:
        `start(sources)`, which reads (N, S) tokens, and `choose` of `zoo.decoding.search`.
    """
    read, step = remembering(model)
    forbidden = np.zeros(model.output_shape[-1], np.float32)
    forbidden[list(never)] = -np.inf

    @tf.function(reduce_retracing=True)
    def first(sources):
        remembered, seen, caches = read(sources, limit)
        remembered, seen = tf.nest.map_structure(lambda part: tf.repeat(part, beam, axis=0), (remembered, seen))
        return remembered, seen, [tf.repeat(cache, beam, axis=1) for cache in caches]

    @tf.function(reduce_retracing=True)
    def following(tokens, at, rows, remembered, seen, caches):
        if beam > 1:
            caches = [tf.gather(cache, rows, axis=1) for cache in caches]
        logits, caches = step(tokens[:, None], at, remembered, seen, caches)
        return tf.math.top_k(tf.nn.log_softmax(logits[:, 0]) + forbidden, choices), caches

    remembered = seen = caches = None

    def start(sources: np.ndarray) -> None:
        nonlocal remembered, seen, caches
        longest = max(1, int((sources != 0).sum(1).max()))
        remembered, seen, caches = first(tf.constant(sources[:, :longest]))

    def choose(tokens: np.ndarray, at: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal caches
        best, caches = following(tf.constant(tokens), tf.constant(at), tf.constant(rows), remembered, seen, caches)
        return best.values.numpy(), best.indices.numpy()

    return start, choose
