"""Translations from an encoder and decoder: greedy, and by beam search (Wu 2016, arXiv:1609.08144, section 7)."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from zoo.decoding import search
from zoo.models import writer_of

SENTENCES = 64  # that are translated at once
COMPILED: WeakKeyDictionary = WeakKeyDictionary()  # for each model that is still there, what `compiled` made of it


def decode(
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
        sources: (N, S) int32 tokens, padded with 0 after their ends.
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
    start, step = compiled(model, beam, limit, frozenset({0, begin} - {end}))
    translations: list[list[int]] = [[]] * len(sources)
    # Sentences of about the same length together: none is padded much, and none waits long for another.
    order = np.argsort(-(sources != 0).sum(1), kind="stable")
    for first in range(0, len(order), SENTENCES):
        rows = order[first : first + SENTENCES]
        longest = np.flatnonzero((sources[rows] != 0).any(0)).max(initial=0) + 1
        choose = chooser(step, start(tf.constant(sources[rows, :longest])))
        found = search(choose, len(rows), begin=begin, end=end, limit=limit, beam=beam, length_penalty=length_penalty)
        for row, tokens in zip(rows, found, strict=True):
            translations[row] = tokens
    return translations


def compiled(model: keras.Model, beam: int, limit: int, never: frozenset[int]) -> tuple[Callable, Callable]:
    """The network token by token, compiled once for a model and these settings, which a fit calls after every epoch.

    Args:
        model: as of `decode`.
        beam: rows that follow each other for one sentence.
        limit: places of a translation.
        never: tokens that no translation holds.

    Returns:
        `start`: (N, S) tokens to the memory of an empty translation of each, in N * beam rows;
        `step`: tokens (N * beam,), their place, the rows that they go on from and the memory, to the logarithms of
        the likeliest next tokens' probabilities with these tokens, and the memory.
    """
    known = COMPILED.setdefault(model, {})
    if (beam, limit, never) in known:
        return known[beam, limit, never]
    writer, vocabulary = writer_of(model), model.output_shape[-1]
    forbidden = np.zeros(vocabulary, np.float32)
    forbidden[list(never)] = -np.inf

    @tf.function(reduce_retracing=True)
    def start(sources):
        return writer.repeated(writer.start(tf.shape(sources)[0], sources, limit), beam)

    @tf.function(reduce_retracing=True)
    def step(tokens, at, rows, memory):
        if beam > 1:
            memory = writer.reordered(memory, rows)
        logits, memory = writer.step(tokens[:, None], at, memory)
        return tf.math.top_k(tf.nn.log_softmax(logits[:, 0]) + forbidden, min(beam + 1, vocabulary)), memory

    known[beam, limit, never] = start, step
    return start, step


def chooser(step: Callable, memory) -> Callable:
    """`choose` of `zoo.decoding.search`, with a memory between the steps."""

    def choose(tokens: np.ndarray, place: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal memory
        best, memory = step(tf.constant(tokens), tf.constant(place), tf.constant(rows), memory)
        return best.values.numpy(), best.indices.numpy()

    return choose


def attention_map(model: keras.Model, source: list[int], translation: list[int], *, begin: int) -> np.ndarray:
    """Where the decoder looks for each token of a translation: the mean over its last block's heads, for a picture.

    Args:
        model: as of `decode`.
        source: tokens of one sentence.
        translation: tokens without begin and end, such as `decode` gives.
        begin: the token that a translation begins with.

    Returns:
        (len(translation) + 1, len(source)) float32: a row for each token of the translation and for its end, which
        sums to 1.
    """
    weights = writer_of(model).attention_weights(tf.constant([source]), tf.constant([[begin, *translation]]))
    return keras.ops.convert_to_numpy(weights[-1][0]).mean(0)
