"""Writes with a run's network: on from a beginning, or a translation.

python -m zoo.generate logs/gpt-1f3a9c --prompt "The"
python -m zoo.generate logs/transformer-1f3a9c --prompt "de: 4. März 2026"
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import tyro
from tokenizers import Tokenizer

from zoo.command import main, read
from zoo.data import TOKENIZER, encode, foreign, read_tokenizer
from zoo.decoding import COLD, Sampling, ahead, write, write_on
from zoo.errors import UserError
from zoo.gpt2 import HUB, published_gpt2
from zoo.models import writer_of
from zoo.sentences import no_text, print_translations, translates
from zoo.training import devices, runs
from zoo.training.runs import Run
from zoo.training.translation import BEAM

ONLY_WRITING = {field.name for field in fields(Sampling)} | {"tokens"}  # flags that mean nothing to a translation
AHEAD = 16  # tokens that are written at once
WARM = 1 + AHEAD  # tokens that are not timed: they wait for the network to be compiled


@dataclass(frozen=True)
class Options(Sampling):
    """Writes with a run's network: on from a beginning, or a translation."""

    run: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """Folder that fit named last, such as logs/gpt-1f3a9c; or with --weights a published network, such as gpt2."""
    weights: str | None = None
    """Of a published network instead of a run: hub, or a folder with config.json and model.safetensors."""
    prompt: str | None = None
    """The beginning, which is not printed again (if none is given a new line, or the first token where the tokenizer
    has none); or a sentence to translate."""
    file: Path | None = None
    """Sentences to translate instead, one a line, in UTF-8; - for standard input."""
    beam: int = 1
    """Translations followed at once; 1: always the likeliest token."""
    tokens: int = 500
    """How many tokens to write."""
    json: bool = False
    """Print one line of JSON instead of the text."""

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.tokens <= sys.maxsize:
            raise ValueError(f"--tokens came as {self.tokens}, but must be at least 1, and at most {sys.maxsize}")
        if not 1 <= self.beam <= BEAM:
            raise ValueError(f"--beam came as {self.beam}, but must be from 1 to {BEAM}")


def generate(
    run: Run | Path | str, prompt: str | None = None, sampling: Sampling | None = None, *, weights: str | None = None
) -> Iterator[str]:
    """The text after the prompt, piece by piece, for ever: a piece a token, empty where it is only part of a letter.

    Sixteen tokens are written at once, so that the pieces come in bursts.

    A token costs the same however long the text is, until the network's context is full; then it reads the last half
    of it again. A recurrent network has no context that could be full.

    Args:
        run: what fit made of a language model, or with `weights` the name of a published GPT-2.
        prompt: the beginning; of a long one the last tokens that fill the context, if there is one. None: a new line,
            or the first token where the tokenizer has none.
        sampling: how the next token is chosen.
        weights: "hub" or a folder; see `zoo.gpt2.published_gpt2`.

    Raises:
        UserError: the run is missing, damaged, of another version or no language model of ours, the weights cannot be
            had, the prompt is empty, not UTF-8 or unknown to the tokenizer, or the predictions are not numbers.
    """
    devices.check_backend()
    if no_text(prompt or ""):
        raise UserError("the prompt came with bytes that are not UTF-8: give it as UTF-8 text")
    sampling = sampling or Sampling()
    model, tokenizer = published_gpt2(Path(getattr(run, "path", run)).as_posix(), weights) if weights else trained(run)
    if prompt is None:
        prompt = "\n" if not foreign(tokenizer, "\n") else tokenizer.decode([0])
    unknown = foreign(tokenizer, prompt)
    if unknown:
        typed = (token for token in sorted(tokenizer.get_vocab()) if not foreign(tokenizer, token))
        known = ", ".join(map(repr, islice(typed, 20)))
        raise UserError(
            f"the prompt holds {' '.join(map(repr, unknown[:10]))}, for which {run} has no token"
            f": take others, such as {known}"
        )
    text, context = encode(tokenizer, prompt, "the prompt"), model.input_shape[1]
    if not text:
        raise UserError(f"the prompt came as {prompt!r}, which holds no token: give at least a word")
    recurrent = model.name == "lm"
    if len(text) > context and not recurrent:
        print(f"the prompt has {len(text)} tokens; the network sees the last {context} of them", file=sys.stderr)
    before, new = text[-1:], []
    if recurrent:
        tokens = write_on(*on_and_on(model, sampling), text)
    else:
        tokens = write(*within_a_context(model, sampling), text, context)
    for token in tokens:
        if token < 0:
            raise UserError(
                f"the predictions of the network of {run} are not numbers: train it again, with a lower rate"
            )
        new.append(token)
        # How a token is written may depend on the one before, and some are a part of a letter.
        now = tokenizer.decode(before + new)
        if now.endswith("\ufffd"):
            yield ""
            continue
        yield now[len(tokenizer.decode(before)) :]
        before, new = new, []


def trained(run: Run | Path | str) -> tuple[keras.Model, Tokenizer]:
    """The language model of a run and its tokenizer.

    Raises:
        UserError: as `run_in`; or it is no language model of ours.
    """
    run = run_in(Path(run.path if isinstance(run, Run) else run))
    if translates(run):
        raise UserError(f"{run.path} translates and does not write on: give it a sentence")
    if "vocabulary" not in run.record["spec"]:
        raise UserError(f"{run.path} is not a language model: it answers to `python -m zoo.predict {run.path} FILE`")
    tokenizer, model = read_tokenizer(run.path / TOKENIZER), run.model()
    if model.name.split("_")[0] not in ("gpt", "lm"):
        raise UserError(
            f"the network of {run.path} is {model.name}: generate writes with gpt and lm, which can remember"
        )
    if max(tokenizer.get_vocab().values(), default=-1) >= model.output_shape[-1]:
        raise UserError(f"{run.path / TOKENIZER} is not that of the run: {run.how_to_go_on('--fresh')}")
    return model, tokenizer


def run_in(path: Path) -> Run:
    """The run of that folder.

    Raises:
        UserError: it is missing, damaged or of another version, or a published network was meant.
    """
    if str(path) in HUB and not path.exists():
        raise UserError(f"{path} is a published network and not a run: give its weights too, with --weights hub")
    return runs.open_for_reading(path)


def rate(times: list[float]) -> float | None:
    """Tokens a second by when each came, in seconds: of whole bursts, after those that waited for the compilation.

    Where a context was full, bursts are shorter: then this is of as many tokens, but a little less exact.

    None if there were no such bursts.
    """
    whole = (len(times) - WARM) // AHEAD * AHEAD
    return whole / (times[WARM + whole - 1] - times[WARM - 1]) if whole > 0 else None


def within_a_context(model: keras.Model, sampling: Sampling) -> tuple[Callable, Callable]:
    """`begin` and `go_on` of `zoo.decoding.write` for one text, compiled, with a memory between them.

    Args:
        model: what `zoo.models.gpt` made.
        sampling: how tokens are chosen.
    """
    writer = writer_of(model)
    noise, caches = gumbel(model, sampling), writer.start(1)

    @partial(tf.function, jit_compile=True)
    def first(text, length, noise, caches):
        logits, caches = writer.step(text[None], 0, caches)
        # Taken and not sliced: for each new place to slice at XLA would compile all of it again.
        return sampling.choose(keras.ops.take(logits[0], length - 1, axis=0), noise[0]), caches

    @partial(tf.function, jit_compile=True)
    def more(token, place, noise, caches):
        def one(token, state):
            place, caches = state
            logits, caches = writer.step(token[None, None], place, caches)
            return logits[0, 0], (place + 1, caches)

        written, (_, caches) = ahead(one, sampling.choose, token, (place, caches), noise)
        return written, caches

    def begin(text: np.ndarray, length: int) -> int:
        nonlocal caches
        token, caches = first(tf.constant(text), tf.constant(length), noise(1), caches)
        return int(token)

    def go_on(token: int, place: int) -> np.ndarray:
        nonlocal caches
        written, caches = more(tf.constant(token), tf.constant(place), noise(AHEAD), caches)
        return written.numpy()

    return begin, go_on


def on_and_on(model: keras.Model, sampling: Sampling) -> tuple[Callable, Callable]:
    """`read` and `go_on` of `zoo.decoding.write_on` for one text, compiled, with a memory between two tokens.

    Args:
        model: what `zoo.models.lm` made.
        sampling: how tokens are chosen.
    """
    writer = writer_of(model)
    noise, memories = gumbel(model, sampling), writer.start(1)

    def one(token, memories):
        logits, memories = writer.step(token[None, None], 0, memories)
        return logits[0, 0], memories

    after = tf.function(lambda token, memories: one(token, memories)[1], jit_compile=True)
    more = tf.function(partial(ahead, one, sampling.choose), jit_compile=True)

    def read(token: int) -> None:
        nonlocal memories
        memories = after(tf.constant(token), memories)

    def go_on(token: int) -> np.ndarray:
        nonlocal memories
        written, memories = more(tf.constant(token), memories, noise(AHEAD))
        return written.numpy()

    return read, go_on


def gumbel(model: keras.Model, sampling: Sampling) -> Callable[[int], tf.Tensor]:
    """What draws, by the seed, the noise of `count` tokens: (count, vocabulary) float32; zeros where none is wanted."""
    random, vocabulary = np.random.default_rng(sampling.seed), model.output_shape[-1]
    if sampling.temperature < COLD:
        return lambda count: tf.zeros((count, vocabulary))
    return lambda count: tf.constant(random.gumbel(size=(count, vocabulary)), tf.float32)


def run_command(argv: list[str]) -> int:
    """Writes what the command line asks for."""
    options = read(Options, "generate", argv)
    how = Sampling(options.temperature, options.top_k, options.top_p, options.seed)
    if not options.weights and translates(run_in(options.run)):
        for field in fields(Options):
            if field.name in ONLY_WRITING and getattr(options, field.name) != field.default:
                flag = field.name.replace("_", "-")
                raise UserError(f"--{flag} is for language models: {options.run} translates; there is --beam")
        return print_translations(options.run, options.prompt, options.file, options.beam, options.json)
    if options.file is not None or options.beam > 1:
        raise UserError(f"--file and --beam are for translations: {options.run} takes --prompt")
    pieces = islice(generate(options.run, options.prompt, how, weights=options.weights), options.tokens)
    if options.json:
        written, times = [], []
        for piece in pieces:
            written.append(piece)
            times.append(time.perf_counter())
        answer = {"run": str(options.run), "prompt": options.prompt, "text": "".join(written)}
        answer["tokens_per_second"] = rate(times)
        print(json.dumps(answer | asdict(how)))
        return 0
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
