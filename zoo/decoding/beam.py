"""Beam search (Wu 2016, arXiv:1609.08144, section 7), for networks that read a source and write a text.

With one beam it is greedy: always the likeliest token.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from zoo.backend import check_tensorflow
from zoo.models import writer_of

SENTENCES = 64  # that are written at once
COMPILED: WeakKeyDictionary = WeakKeyDictionary()  # for each model that is still there, what `compiled` made of it


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
    """The likeliest text for each source that the search finds.

    Args:
        model: an encoder and decoder of `zoo.models.WRITERS`, perhaps saved and loaded since.
        sources: (N, S) int32 tokens, padded with 0 after their ends.
        bos: the token with which a text begins.
        eos: the token that ends it.
        limit: tokens that a text has at most; one that has not ended by then is cut there.
        beam: texts followed at once for each source; 1: always the likeliest token.
        length_penalty: logarithms of probabilities are divided by ((5 + length) / 6) to the power of this (equation
            14), which keeps long texts from losing by their length alone; 0: not divided.

    Returns:
        A list of tokens for each source, without padding, bos and eos.

    Raises:
        ValueError: sources has another rank, or limit, beam or length_penalty is too small.
    """
    check_tensorflow()
    sources = np.asarray(sources, np.int32)
    if sources.ndim != 2:
        raise ValueError(f"sources came with shape {sources.shape}, but must be (sentences, places)")
    for name, value, least in (("limit", limit, 1), ("beam", beam, 1), ("length_penalty", length_penalty, 0)):
        if not value >= least:
            raise ValueError(f"{name} came as {value}, but must be at least {least}")
    start, step = compiled(model, beam, limit, frozenset({0, bos} - {eos}))
    found: list[list[int]] = [[]] * len(sources)
    # Sentences of about the same length together: none is padded much, and none waits long for another.
    order = np.argsort(-(sources != 0).sum(1), kind="stable")
    for first in range(0, len(order), SENTENCES):
        rows = order[first : first + SENTENCES]
        longest = np.flatnonzero((sources[rows] != 0).any(0)).max(initial=0) + 1
        likeliest = remembering(step, start(tf.constant(sources[rows, :longest])))
        texts = search(likeliest, len(rows), bos=bos, eos=eos, limit=limit, beam=beam, length_penalty=length_penalty)
        for row, tokens in zip(rows, texts, strict=True):
            found[row] = tokens
    return found


def compiled(model: keras.Model, beam: int, limit: int, never: frozenset[int]) -> tuple[Callable, Callable]:
    """The network token by token, compiled once for a model and these settings: a fit asks after every epoch.

    Args:
        model: as of `decode`.
        beam: rows that follow each other for one sentence.
        limit: places of a text.
        never: tokens that no text holds.

    Returns:
        `start`: (N, S) tokens to a memory of N * beam rows;
        `step`: tokens (N * beam,), their place, the rows that they go on from, and a memory, to the logarithms of
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


def remembering(step: Callable, memory) -> Callable:
    """`likeliest` of `search`, with a memory between the steps."""

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
    """The likeliest text for each of several sentences that beam search finds (Wu 2016, arXiv:1609.08144, section 7).

    Of all ways to lengthen a sentence's texts by a token the `beam` likeliest go on. One that ends among the first
    `beam` is a candidate; a sentence is done with `beam` candidates, or when none that goes on can become better.

    Args:
        likeliest: the last tokens (sentences * beam,), their place, and for each the row of the step before that it
            goes on from, to the logarithms of probabilities (sentences * beam, K) of the K likeliest tokens after
            each, and these tokens; K is beam + 1, or all tokens that there are.
        sentences: how many there are; each has `beam` rows, one after another.
        bos: the token that begins each text.
        eos: the token that ends one.
        limit: tokens of a text at most, with the end; a text that has not ended by then is taken only if none has.
        beam: texts followed at once for each sentence; 1: always the likeliest token.
        length_penalty: scores are divided by ((5 + length) / 6) to the power of this (equation 14).

    Returns:
        For each sentence the tokens between bos and eos.
    """
    lengths = ((5 + np.arange(limit + 1)) / 6) ** length_penalty
    first_rows = beam * np.arange(sentences)[:, None]
    scores = np.where(np.arange(beam) > 0, -np.inf, np.zeros((sentences, 1)))  # all begin with one text
    texts = np.zeros((sentences * beam, limit), np.int32)
    tokens, rows = np.full(sentences * beam, bos, np.int32), np.arange(sentences * beam, dtype=np.int32)
    best, found = np.full(sentences, -np.inf), [[] for _ in range(sentences)]
    candidates, done = np.zeros(sentences, int), np.zeros(sentences, bool)
    for place in range(limit):
        logarithms, next_tokens = likeliest(tokens, place, rows)
        # All ways to go on, the likeliest first; among 2 * beam of them at least beam do not end.
        ways = (scores.reshape(-1, 1) + logarithms).reshape(sentences, -1)
        order = np.argsort(-ways, axis=1, kind="stable")[:, : 2 * beam]
        ways = np.take_along_axis(ways, order, 1)
        ending = np.take_along_axis(next_tokens.reshape(sentences, -1), order, 1) == eos
        parents = first_rows + order // logarithms.shape[1]
        for sentence, rank in np.argwhere(ending[:, :beam] & np.isfinite(ways[:, :beam]) & ~done[:, None]):
            candidates[sentence] += 1
            score = ways[sentence, rank] / lengths[place + 1]
            if score > best[sentence]:
                best[sentence], found[sentence] = score, texts[parents[sentence, rank], :place].tolist()
        ways = np.where(ending, -np.inf, ways)
        chosen = np.argsort(-ways, axis=1, kind="stable")[:, :beam]
        scores = np.take_along_axis(ways, chosen, 1)
        rows = np.take_along_axis(parents, chosen, 1).reshape(-1).astype(np.int32)
        order = np.take_along_axis(order, chosen, 1)
        tokens = np.take_along_axis(next_tokens.reshape(sentences, -1), order, 1).reshape(-1).astype(np.int32)
        texts = texts[rows]
        texts[:, place] = tokens
        done |= (candidates >= beam) | (best >= scores[:, 0] / lengths[limit])
        if done.all():
            break
    for sentence in np.flatnonzero(np.isneginf(best)):
        found[sentence] = texts[beam * sentence].tolist()
    return found
