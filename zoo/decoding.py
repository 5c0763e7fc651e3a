"""Choosing the next token from what a language model says of it, and writing on and on."""

from collections.abc import Callable, Iterator

import numpy as np


def choose(
    logits: np.ndarray,
    random: np.random.Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> int:
    """The next token.

    Args:
        logits: (vocabulary,) of what may come next.
        random: what the choice is drawn from.
        temperature: by which the logits are divided: 0 takes the likeliest, below 1 is bolder than the model, above
            1 more random.
        top_k: draw among so many of the likeliest (Fan 2018, arXiv:1805.04833).
        top_p: draw among the likeliest that together have this probability (Holtzman 2019, arXiv:1904.09751).
    """
    logits = np.asarray(logits, np.float64)
    if temperature == 0:
        return int(logits.argmax())
    order = np.argsort(-logits, kind="stable")[:top_k]
    scaled = (logits[order] - logits[order[0]]) / temperature
    probabilities = np.exp(scaled) / np.exp(scaled).sum()
    if top_p is not None:
        # The first with which the sum reaches top_p is taken too.
        kept = int(np.searchsorted(np.cumsum(probabilities), top_p)) + 1
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
    logits = read(begin, text, context)
    while True:
        token = pick(logits)
        yield token
        text.append(token)
        if len(text) > context:
            text = text[-max(1, context // 2) :]
            logits = read(begin, text, context)
        else:
            logits = go_on(token, len(text) - 1)


def read(begin: Callable[[np.ndarray], np.ndarray], text: list[int], context: int) -> np.ndarray:
    """The logits (vocabulary,) behind a text of at most `context` tokens."""
    filled = np.zeros(context, np.int32)
    filled[: len(text)] = text
    return begin(filled)[len(text) - 1]
