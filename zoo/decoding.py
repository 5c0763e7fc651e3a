"""Choosing the next token from what a language model says of it, and writing on and on."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

COLD = 1e-6  # a temperature below which nothing but the likeliest token is left


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.8
    """0: always the likeliest token; below 1: bolder than the model; above 1: more random."""
    top_k: int | None = None
    """Draw among so many of the likeliest tokens (Fan 2018, arXiv:1805.04833)."""
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

    def choose(self, logits: np.ndarray, random: np.random.Generator) -> int:
        """The next token, drawn with `random` from (vocabulary,) logits of what may come."""
        logits = np.asarray(logits, np.float64)
        order = np.argsort(-logits, kind="stable")[: self.top_k]
        if self.temperature < COLD:
            return int(order[0])
        scaled = np.exp((logits[order] - logits[order[0]]) / self.temperature)
        probabilities = scaled / scaled.sum()
        if self.top_p is not None:
            # The token with which the sum reaches top_p is taken too.
            kept = int(np.searchsorted(np.cumsum(probabilities), self.top_p)) + 1
            order, probabilities = order[:kept], probabilities[:kept] / probabilities[:kept].sum()
        return int(random.choice(order, p=probabilities))


def write(
    begin: Callable[[np.ndarray], np.ndarray],
    go_on: Callable[[int, int], np.ndarray],
    prompt: list[int],
    context: int,
    pick: Callable[[np.ndarray], int],
) -> Iterator[int]:
    """Token after token behind the prompt, for ever.

    A network sees `context` tokens. When they are full, it reads the last half of them anew and goes on from there.

    Args:
        begin: a text (context,), filled up with anything behind its end, to logits (context, vocabulary).
        go_on: a token and its place in the context to logits (vocabulary,); what stood before is remembered.
        prompt: the text so far, at least one token; of a longer one the last `context` count.
        context: tokens that the network sees at once.
        pick: logits (vocabulary,) to the next token.
    """
    text = list(prompt)[-context:]
    logits = behind(begin, text, context)
    while True:
        token = pick(logits)
        yield token
        text.append(token)
        if len(text) > context:
            text = text[-max(1, context // 2) :]
            logits = behind(begin, text, context)
        else:
            logits = go_on(token, len(text) - 1)


def write_on(go_on: Callable[[int], np.ndarray], prompt: list[int], pick: Callable[[np.ndarray], int]) -> Iterator[int]:
    """Token after token behind the prompt, for ever, of a network whose memory is of one size however long the text.

    Args:
        go_on: a token to logits (vocabulary,); what stood before is remembered.
        prompt: the text so far, at least one token.
        pick: logits (vocabulary,) to the next token.
    """
    for token in prompt:
        logits = go_on(token)
    while True:
        token = pick(logits)
        yield token
        logits = go_on(token)


def behind(begin: Callable[[np.ndarray], np.ndarray], text: list[int], context: int) -> np.ndarray:
    """The logits (vocabulary,) behind a text of at most `context` tokens."""
    filled = np.zeros(context, np.int32)
    filled[: len(text)] = text
    return begin(filled)[len(text) - 1]
