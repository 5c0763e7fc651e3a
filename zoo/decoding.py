"""Choosing the next token from what a network predicts: writing on and on, and searching for the best sentence."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from keras import ops

COLD = 1e-6  # a temperature below which nothing but the likeliest token is left


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.8
    """0: always the likeliest token; below 1: likely ones more often than the model has it; above 1: less often."""
    top_k: int | None = None
    """Draw among this many of the likeliest tokens (Fan 2018, arXiv:1805.04833)."""
    top_p: float | None = None
    """Draw among the likeliest tokens that together have this probability (Holtzman 2019, arXiv:1904.09751)."""
    seed: int = 0
    """Decides what is drawn."""

    def __post_init__(self):
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"--temperature came as {self.temperature}, but must be 0 or more")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"--top-k came as {self.top_k}, but must be at least 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"--top-p came as {self.top_p}, but must be above 0 and at most 1")
        if self.seed < 0:
            raise ValueError(f"--seed came as {self.seed}, but must be 0 or more")

    def choose(self, logits, noise):
        """The next token, () int32: the likeliest once Gumbel's noise is added, which draws it by its probability.

        Args:
            logits: (vocabulary,) float of what may come.
            noise: (vocabulary,) float32, drawn anew for each token (Gumbel 1954).

        Returns:
            The token; -1 if the logits are not numbers.
        """
        logits = ops.cast(logits, "float32")
        if self.temperature < COLD:
            chosen = ops.argmax(logits)
        else:
            # The likeliest is 0, so that a low temperature leaves room for the noise.
            scaled = (logits - ops.max(logits)) / self.temperature
            chosen = ops.argmax(ops.where(self.kept(scaled), scaled + noise, -np.inf))
        return ops.where(ops.any(ops.isnan(logits)), -1, ops.cast(chosen, "int32"))

    def kept(self, scaled):
        """Which tokens may be drawn, (vocabulary,) bool, by their logits (vocabulary,); among equals the first."""
        count, cut = scaled.shape[-1], self.top_p is not None and self.top_p < 1
        if self.top_k is None and not cut:
            return ops.ones_like(scaled, "bool")
        count = min(self.top_k or count, count)
        # Values alone: to sort their places with them takes XLA much longer to compile than all the rest.
        ranked = ops.flip(ops.sort(scaled))
        if cut:
            probabilities = ops.softmax(ranked[:count])
            # The token with which the sum reaches top_p is taken too.
            count = ops.sum(ops.cast(ops.cumsum(probabilities) - probabilities < self.top_p, "int32"))
        least = ops.take(ranked, count - 1)
        above, equal = scaled > least, scaled == least
        room = count - ops.sum(ops.cast(above, "int32"))
        return ops.logical_or(above, ops.logical_and(equal, ops.cumsum(ops.cast(equal, "int32")) <= room))


def ahead(step: Callable, choose: Callable, token, state, noise) -> tuple:
    """The next tokens, each chosen from what a network predicts after the one before, and the state after them.

    All in one loop of the backend: between two tokens Python has nothing to do, which for a small network is most of
    the time.

    Args:
        step: a token () int32 and a state to logits (vocabulary,) and the state after it.
        choose: logits and noise (vocabulary,) to a token () int32.
        token: () int32, the last that is known.
        state: what is remembered of the tokens before it, in nested tuples and lists.
        noise: (count, vocabulary) float32 for as many tokens.

    Returns:
        The tokens, (count,) int32, and the state after all of them but the last.
    """
    noise = ops.convert_to_tensor(noise)

    def one(at, carried: tuple) -> tuple:
        written, token, state = carried
        logits, state = step(token, state)
        token = choose(logits, noise[at])
        return ops.slice_update(written, (at,), token[None]), token, state

    count = noise.shape[0]
    written, _, state = ops.fori_loop(0, count, one, (ops.zeros(count, "int32"), token, state))
    return written, state


def write(
    begin: Callable[[np.ndarray, int], int],
    go_on: Callable[[int, int], np.ndarray],
    prompt: list[int],
    context: int,
) -> Iterator[int]:
    """The tokens that follow the prompt, one by one, for ever.

    A network sees `context` tokens. When these are full, it reads the last half of them again and goes on from there.

    Args:
        begin: a text (context,), padded with anything after its end, and its length to the token after it.
        go_on: a token and its place in the context to the tokens after it, one or more; what came before is
            remembered.
        prompt: the text so far, at least one token; of a longer one the last `context` count.
        context: tokens that the network sees at once.
    """
    text = list(prompt)[-context:]
    while True:
        written = [begin(filled(text, context), len(text))]
        while written:
            yield from written
            text += written
            # Beyond the last place of the context the memory has no room: what was predicted there is dropped.
            place = len(text) - 1
            written = [int(token) for token in go_on(text[-1], place)[: context - place]] if place < context else []
        text = text[-max(1, context // 2) :]


def write_on(read: Callable[[int], None], go_on: Callable[[int], np.ndarray], prompt: list[int]) -> Iterator[int]:
    """The tokens that follow the prompt, one by one, for ever; the network's memory is of one size, whatever the text.

    Args:
        read: a token, to remember it.
        go_on: a token to those after it, one or more; what came before is remembered.
        prompt: the text so far, at least one token.
    """
    *known, last = prompt
    for token in known:
        read(token)
    while True:
        written = [int(token) for token in go_on(last)]
        yield from written
        last = written[-1]


def filled(text: list[int], context: int) -> np.ndarray:
    """At most `context` tokens, padded with zeros after them to (context,) int32."""
    whole = np.zeros(context, np.int32)
    whole[: len(text)] = text
    return whole


def search(
    choose: Callable[[np.ndarray, int, np.ndarray], tuple[np.ndarray, np.ndarray]],
    sentences: int,
    *,
    begin: int,
    end: int,
    limit: int,
    beam: int,
    length_penalty: float,
) -> list[list[int]]:
    """The likeliest text for each of several sentences that beam search finds (Wu 2016, arXiv:1609.08144, section 7).

    Of all ways to lengthen a sentence's texts by a token the `beam` likeliest go on. One that ends among the first
    `beam` is a candidate; a sentence is done with `beam` candidates, or when none that goes on can become better.

    Args:
        choose: the last tokens (sentences * beam,), their place, and for each the row of the step before that it
            goes on from, to the logarithms of probabilities (sentences * beam, K) of the K likeliest tokens after
            each, and these tokens; K is beam + 1, or all tokens that there are.
        sentences: how many there are; each has `beam` rows, one after another.
        begin: the token that all begin with.
        end: the token that ends a text.
        limit: tokens of a text at most, with the end; a text that has not ended by then is taken only if none has.
        beam: texts followed at once for each sentence; 1: always the likeliest token.
        length_penalty: scores are divided by ((5 + length) / 6) to the power of this (equation 14).

    Returns:
        For each sentence the tokens between begin and end.
    """
    lengths = ((5 + np.arange(limit + 1)) / 6) ** length_penalty
    first_rows = beam * np.arange(sentences)[:, None]
    scores = np.where(np.arange(beam) > 0, -np.inf, np.zeros((sentences, 1)))  # all begin with one text
    texts = np.zeros((sentences * beam, limit), np.int32)
    tokens, rows = np.full(sentences * beam, begin, np.int32), np.arange(sentences * beam, dtype=np.int32)
    best, found = np.full(sentences, -np.inf), [[] for _ in range(sentences)]
    candidates, done = np.zeros(sentences, int), np.zeros(sentences, bool)
    for place in range(limit):
        logarithms, next_tokens = choose(tokens, place, rows)
        # All ways to go on, the likeliest first; among 2 * beam of them at least beam do not end.
        ways = (scores.reshape(-1, 1) + logarithms).reshape(sentences, -1)
        order = np.argsort(-ways, axis=1, kind="stable")[:, : 2 * beam]
        ways = np.take_along_axis(ways, order, 1)
        ending = np.take_along_axis(next_tokens.reshape(sentences, -1), order, 1) == end
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
