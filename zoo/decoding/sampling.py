"""Sampling: the next token is drawn from what a network predicts, and so on and on."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf
from keras import ops

from zoo.backend import check_tensorflow
from zoo.models import Writer

COLD = 1e-6  # a temperature below which nothing but the likeliest token is left
AHEAD = 16  # tokens that are written at once


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


def written(writer: Writer, vocabulary: int, prompt: list[int], sampling: Sampling) -> Iterator[int]:
    """The tokens that follow the prompt, one by one, for ever; they come in bursts, since sixteen are written at once.

    A token costs the same however long the text is. Where the network's memory has a last place, it reads the last half
    of the text again when that is reached.

    Args:
        writer: the network, token by token.
        vocabulary: tokens that it predicts.
        prompt: at least one token; of a long one the last that fill the memory.
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
    """The tokens that follow the prompt, one by one, for ever.

    A network sees `context` tokens. When these are full, it reads the last half of them again and goes on from there.

    Args:
        read: a text (context,), padded with anything after its end, and its length to the token after it.
        step: a token and its place in the context to the tokens after it, one or more; what came before is
            remembered.
        prompt: the text so far, at least one token; of a longer one the last `context` count.
        context: tokens that the network sees at once.
    """
    text = list(prompt)[-context:]
    while True:
        written = [read(filled(text, context), len(text))]
        while written:
            yield from written
            text += written
            # Beyond the last place of the context the memory has no room: what was predicted there is dropped.
            place = len(text) - 1
            written = [int(token) for token in step(text[-1], place)[: context - place]] if place < context else []
        text = text[-max(1, context // 2) :]


def write_on(read: Callable[[int], None], step: Callable[[int], np.ndarray], prompt: list[int]) -> Iterator[int]:
    """The tokens that follow the prompt, one by one, for ever; the network's memory is of one size, whatever the text.

    Args:
        read: a token, to remember it.
        step: a token to those after it, one or more; what came before is remembered.
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
    """`read` and `step` of `write` for one text, compiled, with a memory between them."""
    memory = writer.start(1)

    @partial(tf.function, jit_compile=True)
    def first(text, length, noise, memory):
        logits, memory = writer.step(text[None], 0, memory)
        # Taken and not sliced: for each new place to slice at XLA would compile all of it again.
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
    """`read` and `step` of `write_on` for one text, compiled, with a memory between two tokens."""
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
    """What draws, by the seed, the noise of `count` tokens: (count, vocabulary) float32; zeros where none is wanted."""
    random = np.random.default_rng(sampling.seed)
    if sampling.temperature < COLD:
        return lambda count: tf.zeros((count, vocabulary))
    return lambda count: tf.constant(random.gumbel(size=(count, vocabulary)), tf.float32)


def filled(text: list[int], context: int) -> np.ndarray:
    """At most `context` tokens, padded with zeros after them to (context,) int32."""
    whole = np.zeros(context, np.int32)
    whole[: len(text)] = text
    return whole
