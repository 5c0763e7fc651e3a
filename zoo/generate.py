"""Writes on from a beginning with a run's language model: `python -m zoo.generate logs/gpt-1f3a9c --prompt "The"`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import tensorflow as tf
import tyro

from zoo.command import main, read
from zoo.data.text import TOKENIZER, encode, read_tokenizer
from zoo.decoding import choose, write
from zoo.errors import UserError
from zoo.models.gpt import cached_step
from zoo.training import runs
from zoo.training.runs import Run


@dataclass(frozen=True)
class Options:
    """Writes on from a beginning with a run's language model."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder that fit named last, such as logs/gpt-1f3a9c."""
    prompt: str = "\n"
    """The beginning, which is not printed again."""
    tokens: int = 500
    """How many to write."""
    temperature: float = 0.8
    """0: always the likeliest token; below 1: bolder than the model; above 1: more random."""
    top_k: int | None = None
    """Draw among so many of the likeliest tokens."""
    top_p: float | None = None
    """Draw among the likeliest tokens that together have this probability."""
    seed: int = 0
    """Decides what is drawn."""
    json: bool = False
    """Print one line of JSON instead of the text."""

    def __post_init__(self):
        if self.tokens < 1:
            raise ValueError(f"--tokens came as {self.tokens}, but must be at least 1")
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"--temperature came as {self.temperature}, but must be 0 or more")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"--top-k came as {self.top_k}, but must be at least 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"--top-p came as {self.top_p}, but must be above 0 and at most 1")
        if self.seed < 0:
            raise ValueError(f"--seed came as {self.seed}, but must be 0 or more")
        if not self.prompt:
            raise ValueError("--prompt came empty: give at least a letter")


def generate(
    run: Run | Path | str,
    prompt: str = "\n",
    *,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """The text behind the prompt, piece by piece, for ever.

    A token costs the same however long the text is, until the network's context is full; then it reads the last half
    of it anew.

    Args:
        run: what fit made of a language model.
        prompt: the beginning; of a long one the last tokens that fill the context.
        temperature: 0 takes the likeliest token, below 1 is bolder than the model, above 1 more random.
        top_k: draw among so many of the likeliest tokens.
        top_p: draw among the likeliest tokens that together have this probability.
        seed: decides what is drawn.

    Raises:
        UserError: the run is missing, damaged, of another version or no language model, or its tokenizer does not
            know the prompt.
    """
    run = runs.open_for_reading(Path(run.path if isinstance(run, Run) else run))
    task = run.record["recipe"].get("task")
    if not isinstance(task, dict) or task.get("is") != "LanguageModel":
        raise UserError(f"{run.path} is no language model: it answers to `python -m zoo.predict {run.path}`")
    tokenizer, model = read_tokenizer(run.path / TOKENIZER), run.model()
    text, context = encode(tokenizer, prompt, "the prompt"), model.input_shape[1]
    if not text:
        raise UserError(f"the prompt {prompt!r} holds no token: give at least a word")
    if len(text) > context:
        print(f"the prompt has {len(text)} tokens; the network sees the last {context} of them", file=sys.stderr)
    pick = partial(choose, random=np.random.default_rng(seed), temperature=temperature, top_k=top_k, top_p=top_p)
    written, told = [], ""
    for token in write(*remembering(model), text, context, pick):
        written.append(token)
        # Some tokens are a part of a letter, which shows when it is whole.
        now = tokenizer.decode(written)
        if now.endswith("\ufffd"):
            yield ""
        else:
            yield now[len(told) :]
            told = now


def remembering(model) -> tuple:
    """`begin` and `go_on` of `zoo.decoding.write` for one text, compiled, with a memory between them."""
    start, step = cached_step(model)
    compiled = tf.function(step, jit_compile=True)
    caches = start(1)

    def begin(text: np.ndarray) -> np.ndarray:
        nonlocal caches
        logits, caches = compiled(tf.constant(text[None]), tf.constant(0), caches)
        return logits[0].numpy()

    def go_on(token: int, place: int) -> np.ndarray:
        nonlocal caches
        logits, caches = compiled(tf.constant([[token]]), tf.constant(place), caches)
        return logits[0, 0].numpy()

    return begin, go_on


def run_command(argv: list[str]) -> int:
    """Writes what the command line asks for."""
    options = read(Options, "generate", argv)
    how = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p, "seed": options.seed}
    pieces = islice(generate(options.run, options.prompt, **how), options.tokens)
    if options.json:
        print(json.dumps({"run": str(options.run), "prompt": options.prompt, "text": "".join(pieces)} | how))
        return 0
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
