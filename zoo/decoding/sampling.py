"""Sampling: drawing one token after another from a network's predictions."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf
from keras import ops

from zoo.backend import check_tensorflow
from zoo.models import Writer

COLD = 1e-6  # temperature below which the most likely token is always taken
AHEAD = 16  # tokens per compiled call


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.8
    """0: always the most likely token; below 1: likely tokens more often than the model predicts; above 1: less."""
    top_k: int | None = None
    """Draw only from this many of the most likely tokens (Fan 2018, arXiv:1805.04833)."""
    top_p: float | None = None
    """Draw only from the most likely tokens that together have this probability (Holtzman 2019, arXiv:1904.09751)."""
    seed: int = 0
    """Seed of the draws."""

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
        """The next token, () int32: the most likely after adding Gumbel noise, which samples from the distribution.

        Args:
            logits: (vocabulary,) float, of the next token.
            noise: (vocabulary,) float32 Gumbel noise, drawn anew for each token (Gumbel 1954).

        Returns:
            The token; -1 if the logits are not numbers.
        """
        logits = ops.cast(logits, "float32")
        if self.temperature < COLD:
            token = ops.argmax(logits)
        else:
            # The largest becomes 0, so that dividing by a low temperature does not lose the noise to rounding.
            scaled = (logits - ops.max(logits)) / self.temperature
            token = ops.argmax(ops.where(self.kept(scaled), scaled + noise, -np.inf))
        return ops.where(ops.any(ops.isnan(logits)), -1, ops.cast(token, "int32"))

    def kept(self, scaled):
        """Which tokens may be drawn, (vocabulary,) bool, from their logits (vocabulary,); of equal ones the first."""
        count, cut = scaled.shape[-1], self.top_p is not None and self.top_p < 1
        if self.top_k is None and not cut:
            return ops.ones_like(scaled, "bool")
        count = min(self.top_k or count, count)
        # Only the values are sorted: an argsort takes XLA much longer to compile than everything else.
        ranked = ops.flip(ops.sort(scaled))
        if cut:
            probabilities = ops.softmax(ranked[:count])
            # The token with which the sum reaches top_p is included.
            count = ops.sum(ops.cast(ops.cumsum(probabilities) - probabilities < self.top_p, "int32"))
        least = ops.take(ranked, count - 1)
        above, equal = scaled > least, scaled == least
        room = count - ops.sum(ops.cast(above, "int32"))
        return ops.logical_or(above, ops.logical_and(equal, ops.cumsum(ops.cast(equal, "int32")) <= room))


def ahead(step: Callable, choose: Callable, token, state, noise) -> tuple:
    """The next tokens, each chosen from the network's prediction after the one before, and the state after them.

    They are computed in one loop of the backend, without returning to Python between tokens, which would take most of
    the time for a small network.

    Args:
        step: maps a token () int32 and a state to logits (vocabulary,) and the state after the token.
        choose: maps logits and noise, both (vocabulary,), to a token () int32.
        token: () int32, the last known token.
        state: the state before that token, in nested tuples and lists.
        noise: (count, vocabulary) float32, for `count` tokens.

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


def written(writer: Writer, vocabulary: int, prompt: list[int], sampling: Sampling) -> Iterator[int]:
    """Yields the tokens that follow the prompt, endlessly; they come in bursts, because AHEAD are written per call.

    The cost of a token does not depend on the length of the text. If the network has a context, it reads the last half
    of the context again whenever that is full.

    Args:
        writer: runs the network token by token.
        vocabulary: number of tokens that it predicts.
        prompt: at least one token; if there are too many, the last that fit into the context are used.
        sampling: how the next token is chosen.
    """
    check_tensorflow()
    noise = gumbel(vocabulary, sampling)
    if writer.context is None:
        return write_on(*on_and_on(writer, sampling, noise), prompt)
    return write(*within_a_context(writer, sampling, noise), prompt, writer.context)


def write(
    read: Callable[[np.ndarray, int], int],
    step: Callable[[int, int], np.ndarray],
    prompt: list[int],
    context: int,
) -> Iterator[int]:
    """Yields the tokens that follow the prompt, endlessly, for a network with a context.

    When the context is full, the network reads the last half of it again and continues from there.

    Args:
        read: maps a text (context,), padded with anything at the end, and its length to the token after it.
        step: maps a token and its position in the context to the tokens after it, one or more; it remembers what came
            before.
        prompt: the text so far, at least one token; only the last `context` tokens are used.
        context: number of tokens that the network sees at once.
    """
    text = list(prompt)[-context:]
    while True:
        written = [read(filled(text, context), len(text))]
        while written:
            yield from written
            text += written
            # The memory has no room beyond the end of the context: tokens that were predicted there are dropped.
            place = len(text) - 1
            written = [int(token) for token in step(text[-1], place)[: context - place]] if place < context else []
        text = text[-max(1, context // 2) :]


def write_on(read: Callable[[int], None], step: Callable[[int], np.ndarray], prompt: list[int]) -> Iterator[int]:
    """Yields the tokens that follow the prompt, endlessly, for a network whose memory has a fixed size.

    Args:
        read: takes a token and remembers it.
        step: maps a token to the tokens after it, one or more; it remembers what came before.
        prompt: the text so far, at least one token.
    """
    *known, last = prompt
    for token in known:
        read(token)
    while True:
        written = [int(token) for token in step(last)]
        yield from written
        last = written[-1]


def within_a_context(writer: Writer, sampling: Sampling, noise: Callable) -> tuple[Callable, Callable]:
    """The arguments `read` and `step` of `write`, compiled, which share the memory of one text."""
    memory = writer.start(1)

    @partial(tf.function, jit_compile=True)
    def first(text, length, noise, memory):
        logits, memory = writer.step(text[None], 0, memory)
        # `take` and not a slice, because XLA would compile everything again for each new position of a slice.
        return sampling.choose(ops.take(logits[0], length - 1, axis=0), noise[0]), memory

    @partial(tf.function, jit_compile=True)
    def more(token, place, noise, memory):
        def one(token, state):
            place, memory = state
            logits, memory = writer.step(token[None, None], place, memory)
            return logits[0, 0], (place + 1, memory)

        tokens, (_, memory) = ahead(one, sampling.choose, token, (place, memory), noise)
        return tokens, memory

    def read(text: np.ndarray, length: int) -> int:
        nonlocal memory
        token, memory = first(tf.constant(text), tf.constant(length), noise(1), memory)
        return int(token)

    def step(token: int, place: int) -> np.ndarray:
        nonlocal memory
        tokens, memory = more(tf.constant(token), tf.constant(place), noise(AHEAD), memory)
        return tokens.numpy()

    return read, step


def on_and_on(writer: Writer, sampling: Sampling, noise: Callable) -> tuple[Callable, Callable]:
    """The arguments `read` and `step` of `write_on`, compiled, which share the memory of one text."""
    memory = writer.start(1)

    def one(token, memory):
        logits, memory = writer.step(token[None, None], 0, memory)
        return logits[0, 0], memory

    after = tf.function(lambda token, memory: one(token, memory)[1], jit_compile=True)
    more = tf.function(partial(ahead, one, sampling.choose), jit_compile=True)

    def read(token: int) -> None:
        nonlocal memory
        memory = after(tf.constant(token), memory)

    def step(token: int) -> np.ndarray:
        nonlocal memory
        tokens, memory = more(tf.constant(token), memory, noise(AHEAD))
        return tokens.numpy()

    return read, step


def gumbel(vocabulary: int, sampling: Sampling) -> Callable[[int], tf.Tensor]:
    """A function that draws the Gumbel noise of `count` tokens, (count, vocabulary) float32; zeros at temperature 0."""
    random = np.random.default_rng(sampling.seed)
    if sampling.temperature < COLD:
        return lambda count: tf.zeros((count, vocabulary))
    return lambda count: tf.constant(random.gumbel(size=(count, vocabulary)), tf.float32)


def filled(text: list[int], context: int) -> np.ndarray:
    """At most `context` tokens, padded with zeros at the end to (context,) int32."""
    row = np.zeros(context, np.int32)
    row[: len(text)] = text
    return row
