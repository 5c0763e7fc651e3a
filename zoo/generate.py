"""Writes with a run's network: on from a beginning, or a translation.

python -m zoo.generate logs/gpt-1f3a9c --prompt "The"
python -m zoo.generate logs/transformer-1f3a9c --prompt "de: 4. März 2026"
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import tensorflow as tf
import tyro

from zoo.command import main, read
from zoo.data import SOURCES, TOKENIZER, encode, foreign, read_tokenizer
from zoo.decoding import Sampling, write
from zoo.errors import UserError
from zoo.models.gpt import cached_step
from zoo.training import devices, runs
from zoo.training.recipe import revive
from zoo.training.runs import Run
from zoo.training.translation import translations

AT_ONCE = 64  # lines of a file that are translated together


@dataclass(frozen=True)
class Options(Sampling):
    """Writes with a run's network: on from a beginning, or a translation."""

    run: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """Folder that fit named last, such as logs/gpt-1f3a9c."""
    prompt: str | None = None
    """The beginning, which is not printed again, a new line if none is given; or a sentence to translate."""
    file: Path | None = None
    """Sentences to translate instead, one a line, in UTF-8; - for standard input."""
    beam: int = 1
    """Translations followed at once; 1: always the likeliest token."""
    tokens: int = 500
    """How many to write on."""
    json: bool = False
    """Print one line of JSON instead of the text."""

    def __post_init__(self):
        super().__post_init__()
        if self.tokens < 1:
            raise ValueError(f"--tokens came as {self.tokens}, but must be at least 1")
        if self.beam < 1:
            raise ValueError(f"--beam came as {self.beam}, but must be at least 1")


def generate(run: Run | Path | str, prompt: str | None = None, sampling: Sampling | None = None) -> Iterator[str]:
    """The text behind the prompt, piece by piece, for ever: a piece a token, empty where it is only part of a letter.

    A token costs the same however long the text is, until the network's context is full; then it reads the last half
    of it anew.

    Args:
        run: what fit made of a language model.
        prompt: the beginning; of a long one the last tokens that fill the context. None: a new line.
        sampling: how the next token is chosen.

    Raises:
        UserError: the run is missing, damaged, of another version or no language model, or its tokenizer does not
            know the prompt.
    """
    devices.check_backend()
    if no_text(prompt or ""):
        raise UserError("the prompt came with bytes that are not UTF-8: give it as UTF-8 text")
    sampling = sampling or Sampling()
    run = runs.open_for_reading(Path(run.path if isinstance(run, Run) else run))
    if translates(run):
        raise UserError(f"{run.path} translates and does not write on: give it a sentence")
    if "vocabulary" not in run.record["spec"]:
        raise UserError(f"{run.path} is no language model: it answers to `python -m zoo.predict {run.path} FILE`")
    tokenizer, model = read_tokenizer(run.path / TOKENIZER), run.model()
    if max(tokenizer.get_vocab().values(), default=-1) >= model.output_shape[-1]:
        raise UserError(f"{run.path / TOKENIZER} is not that of the run: {run.how_to_go_on('--fresh')}")
    if prompt is None:
        prompt = "\n" if not foreign(tokenizer, "\n") else tokenizer.decode([0])
    unknown = foreign(tokenizer, prompt)
    if unknown:
        known = ", ".join(map(repr, list(tokenizer.get_vocab())[:20]))
        raise UserError(
            f"the prompt holds {' '.join(map(repr, unknown[:10]))}, which was not in the text that {run.path} learned "
            f"from: take others, such as {known}"
        )
    text, context = encode(tokenizer, prompt, "the prompt"), model.input_shape[1]
    if not text:
        raise UserError(f"the prompt came as {prompt!r}, which holds no token: give at least a word")
    if len(text) > context:
        print(f"the prompt has {len(text)} tokens; the network sees the last {context} of them", file=sys.stderr)
    pick = partial(sampling.choose, random=np.random.default_rng(sampling.seed))
    before, new = text[-1:], []
    for token in write(*remembering(model), text, context, pick):
        new.append(token)
        # How a token is written may depend on the one before, and some are a part of a letter.
        now = tokenizer.decode(before + new)
        if now.endswith("\ufffd"):
            yield ""
            continue
        yield now[len(tokenizer.decode(before)) :]
        before, new = new, []


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


def no_text(text: str) -> bool:
    """Whether the text holds what Python makes of bytes that are not UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def translates(run: Run) -> bool:
    """Whether the run is about translation."""
    return run.record["recipe"].get("task", {}).get("is") == "Translation"


def translate(run: Run | Path | str, lines: Iterable[str], beam: int = 1, at_once: int = AT_ONCE) -> Iterator[dict]:
    """For each line, in order, its `source` and either its `translation` or its `error`.

    Args:
        run: what fit made of a translation.
        lines: sentences; an empty one is its own translation.
        beam: translations followed at once; 1: always the likeliest token.
        at_once: lines that are waited for before they are translated together.

    Raises:
        UserError: the run is missing, damaged, of another version or about something else.
    """
    devices.check_backend()
    run = runs.open_for_reading(Path(run.path if isinstance(run, Run) else run))
    if not translates(run):
        raise UserError(f"{run.path} does not translate: wanted a run of a recipe such as transformer")
    data = run.record["recipe"]["data"]
    try:
        source = revive(SOURCES[data["is"]], data).of_run(run.path)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.path} was made by another version of zoo ({error}): train it again") from error
    model = run.model()
    if source.spec["vocabulary"] != model.output_shape[-1]:
        raise UserError(f"{run.path / TOKENIZER} is not that of the run: {run.how_to_go_on('--fresh')}")
    remaining = iter(lines)
    while waiting := [line.strip() for line in islice(remaining, at_once)]:
        read_in = [None if fault(line, source) else source.encode(line) for line in waiting]
        said = iter(translations(model, source, [told for told in read_in if told], beam) if any(read_in) else ())
        for line, told in zip(waiting, read_in, strict=True):
            answer = {"error": fault(line, source)} if told is None else {"translation": next(said) if told else ""}
            yield {"source": line} | answer


def fault(line: str, source) -> str | None:
    """Why the network cannot translate the line; None where it can."""
    if no_text(line):
        return "it came with bytes that are not UTF-8: give it as UTF-8 text"
    unknown = foreign(source.codec, line) if source.tokens == "characters" else []
    if unknown:
        return f"it holds {' '.join(map(repr, unknown[:10]))}, which was not in the text that the run learned from"
    count = len(source.encode(line))
    if count > source.limit:
        return f"it has {count} tokens, but the network learned from sentences of at most {source.limit}: cut it"
    return None


def lines_of(options: Options) -> Iterator[str]:
    """The lines that the command line names.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    if (options.prompt is None) == (options.file is None):
        raise UserError(
            f"{options.run} translates: give either --prompt SENTENCE or --file FILE (- for standard input)"
        )
    if options.prompt is not None:
        if not options.prompt.strip():
            raise UserError(f"the prompt came as {options.prompt!r}, which holds no sentence")
        yield options.prompt
        return
    try:
        if str(options.file) == "-":
            yield from (line.decode(errors="surrogateescape") for line in sys.stdin.buffer)
            return
        with open(options.file, encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from file
    except OSError as error:
        raise UserError(f"--file came as {options.file}, which cannot be read: {error.strerror}") from error


def print_translations(options: Options) -> int:
    """Prints a line for each; 1 if one of a file could not be translated."""
    for field in fields(Sampling):
        if getattr(options, field.name) != field.default:
            flag = field.name.replace("_", "-")
            raise UserError(f"--{flag} is for language models: {options.run} translates; there is --beam")
    failed = False
    at_once = 1 if str(options.file) == "-" else AT_ONCE  # who types wants an answer
    for number, answer in enumerate(translate(options.run, lines_of(options), options.beam, at_once), 1):
        if "error" in answer and options.file is None:
            raise UserError(f"the prompt cannot be translated: {answer['error']}")
        failed |= "error" in answer
        if options.json:
            print(json.dumps(answer), flush=True)
            continue
        print(answer.get("translation", ""), flush=True)  # a line for each, so that they can be laid side by side
        if "error" in answer:
            print(f"zoo: line {number} cannot be translated: {answer['error']}", file=sys.stderr)
    return int(failed)


def run_command(argv: list[str]) -> int:
    """Writes what the command line asks for."""
    options = read(Options, "generate", argv)
    if translates(runs.open_for_reading(options.run)):
        return print_translations(options)
    if options.file is not None or options.beam > 1:
        raise UserError(f"--file and --beam are for translations: {options.run} takes --prompt")
    how = Sampling(options.temperature, options.top_k, options.top_p, options.seed)
    pieces = islice(generate(options.run, options.prompt, how), options.tokens)
    if options.json:
        print(json.dumps({"run": str(options.run), "prompt": options.prompt, "text": "".join(pieces)} | asdict(how)))
        return 0
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
