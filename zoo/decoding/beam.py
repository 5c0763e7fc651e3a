"""Beam search (Wu 2016, arXiv:1609.08144, section 7), for networks that read a source and write a text.

With a beam of 1 it is greedy: always the most likely token.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from zoo.backend import check_tensorflow
from zoo.models import writer_of

SENTENCES = 64  # sentences per batch
COMPILED: WeakKeyDictionary = WeakKeyDictionary()  # the results of `compiled` for each model that still exists


def decode(
    model: keras.Model,
    sources: np.ndarray,
    *,
    bos: int,
    eos: int,
    limit: int,
    beam: int = 1,
    length_penalty: float = 0.6,
) -> list[list[int]]:
    """The most likely text that beam search finds for each source.

    Args:
        model: an encoder-decoder network of `zoo.models.WRITERS`, possibly saved and loaded since.
        sources: (N, S) int32 tokens, padded with 0 at the end.
        bos: the token that starts a text.
        eos: the token that ends a text.
        limit: largest number of tokens of a text; one that has not ended by then is truncated.
        beam: number of texts kept for each source; 1: always the most likely token.
        length_penalty: log-probabilities are divided by ((5 + length) / 6) to the power of this (equation 14), so that
            long texts are not at a disadvantage; 0: no division.

    Returns:
        A list of tokens for each source, without padding, bos and eos.

    Raises:
        ValueError: sources is not of rank 2, or limit, beam or length_penalty is too small.
    """
    check_tensorflow()
    sources = np.asarray(sources, np.int32)
    if sources.ndim != 2:
        raise ValueError(f"sources came with shape {sources.shape}, but must be (sentences, places)")
    for name, value, least in (("limit", limit, 1), ("beam", beam, 1), ("length_penalty", length_penalty, 0)):
        if not value >= least:
            raise ValueError(f"{name} came as {value}, but must be at least {least}")
    start, step = compiled(model, beam, limit, frozenset({0, bos} - {eos}))
    results: list[list[int]] = [[]] * len(sources)
    # Batches have sentences of similar length, so that there is little padding and they end at about the same time.
    order = np.argsort(-(sources != 0).sum(1), kind="stable")
    for first in range(0, len(order), SENTENCES):
        rows = order[first : first + SENTENCES]
        longest = np.flatnonzero((sources[rows] != 0).any(0)).max(initial=0) + 1
        likeliest = remembering(step, start(tf.constant(sources[rows, :longest])))
        texts = search(likeliest, len(rows), bos=bos, eos=eos, limit=limit, beam=beam, length_penalty=length_penalty)
        for row, tokens in zip(rows, texts, strict=True):
            results[row] = tokens
    return results


def compiled(model: keras.Model, beam: int, limit: int, never: frozenset[int]) -> tuple[Callable, Callable]:
    """The functions that run the network token by token.

    They are compiled once per model and settings, because `fit` translates after every epoch.

    Args:
        model: as for `decode`.
        beam: consecutive rows per sentence.
        limit: number of positions of a text.
        never: tokens that are never written.

    Returns:
        `start`: maps (N, S) tokens to a memory of N * beam rows;
        `step`: maps tokens (N * beam,), their position, the rows that they continue, and a memory, to the
        log-probabilities of the most likely next tokens with these tokens, and the memory.
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


def remembering(step: Callable, memory) -> Callable:
    """The argument `likeliest` of `search`, which keeps the memory between steps."""

    def likeliest(tokens: np.ndarray, place: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal memory
        best, memory = step(tf.constant(tokens), tf.constant(place), tf.constant(rows), memory)
        return best.values.numpy(), best.indices.numpy()

    return likeliest


def search(
    likeliest: Callable[[np.ndarray, int, np.ndarray], tuple[np.ndarray, np.ndarray]],
    sentences: int,
    *,
    bos: int,
    eos: int,
    limit: int,
    beam: int,
    length_penalty: float,
) -> list[list[int]]:
    """The most likely text that beam search finds for each sentence (Wu 2016, arXiv:1609.08144, section 7).

    Of all extensions of a sentence's texts by one token, the `beam` most likely that do not end are kept. An extension
    that ends is a candidate if it is among the first `beam`. A sentence is done when it has `beam` candidates, or when
    no text that continues can have a better score.

    Args:
        likeliest: maps the last tokens (sentences * beam,), their position, and for each the row of the step before
            that it continues, to the log-probabilities (sentences * beam, K) of the K most likely tokens after each,
            and these tokens; K is beam + 1, or the size of the vocabulary if that is smaller.
        sentences: number of sentences; each has `beam` consecutive rows.
        bos: the token that starts each text.
        eos: the token that ends a text.
        limit: largest number of tokens of a text, including eos; a text that has not ended by then is returned only if
            none has ended.
        beam: number of texts kept for each sentence; 1: always the most likely token.
        length_penalty: scores are divided by ((5 + length) / 6) to the power of this (equation 14).

    Returns:
        For each sentence the tokens between bos and eos.
    """
    lengths = ((5 + np.arange(limit + 1)) / 6) ** length_penalty
    first_rows = beam * np.arange(sentences)[:, None]
    scores = np.where(np.arange(beam) > 0, -np.inf, np.zeros((sentences, 1)))  # at first there is only one text
    texts = np.zeros((sentences * beam, limit), np.int32)
    tokens, rows = np.full(sentences * beam, bos, np.int32), np.arange(sentences * beam, dtype=np.int32)
    best, results = np.full(sentences, -np.inf), [[] for _ in range(sentences)]
    candidates, done = np.zeros(sentences, int), np.zeros(sentences, bool)
    for place in range(limit):
        log_probabilities, next_tokens = likeliest(tokens, place, rows)
        # All extensions, the most likely first; of the first 2 * beam at least beam do not end.
        extended = (scores.reshape(-1, 1) + log_probabilities).reshape(sentences, -1)
        order = np.argsort(-extended, axis=1, kind="stable")[:, : 2 * beam]
        extended = np.take_along_axis(extended, order, 1)
        ending = np.take_along_axis(next_tokens.reshape(sentences, -1), order, 1) == eos
        parents = first_rows + order // log_probabilities.shape[1]
        for sentence, rank in np.argwhere(ending[:, :beam] & np.isfinite(extended[:, :beam]) & ~done[:, None]):
            candidates[sentence] += 1
            score = extended[sentence, rank] / lengths[place + 1]
            if score > best[sentence]:
                best[sentence], results[sentence] = score, texts[parents[sentence, rank], :place].tolist()
        extended = np.where(ending, -np.inf, extended)
        kept = np.argsort(-extended, axis=1, kind="stable")[:, :beam]
        scores = np.take_along_axis(extended, kept, 1)
        rows = np.take_along_axis(parents, kept, 1).reshape(-1).astype(np.int32)
        order = np.take_along_axis(order, kept, 1)
        tokens = np.take_along_axis(next_tokens.reshape(sentences, -1), order, 1).reshape(-1).astype(np.int32)
        texts = texts[rows]
        texts[:, place] = tokens
        done |= (candidates >= beam) | (best >= scores[:, 0] / lengths[limit])
        if done.all():
            break
    for sentence in np.flatnonzero(np.isneginf(best)):
        results[sentence] = texts[beam * sentence].tolist()
    return results
