"""Sentences of a person's, translated by a run's network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from zoo.data import TOKENIZER, foreign
from zoo.errors import UserError
from zoo.fit import recalled
from zoo.training import devices, runs
from zoo.training.runs import Run
from zoo.training.translation import translations

AT_ONCE = 64  # lines of a file that are translated together


def no_text(text: str) -> bool:
    """Whether the text holds what Python makes of bytes that are not UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def translates(run: Run) -> bool:
    """Whether the run is about translation."""
    task = run.record["recipe"].get("task")
    return isinstance(task, dict) and task.get("is") == "Translation"


def translate(run: Run | Path | str, lines: Iterable[str], beam: int = 1, at_once: int = AT_ONCE) -> Iterator[dict]:
    """For each line, in order, its `source` and either its `translation` or its `error`.

    Where words are tokens, `unknown` has those that have none, if there are any.

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
    source, model = recalled(run)[0], run.model()
    if source.spec["vocabulary"] != model.output_shape[-1]:
        raise UserError(f"{run.path / TOKENIZER} is not that of the run: {run.how_to_go_on('--fresh')}")
    remaining = iter(lines)
    while waiting := [line.strip() for line in islice(remaining, at_once)]:
        read_in = [tokens_of(line, source) for line in waiting]
        numbers = [tokens for _, tokens in read_in if tokens]
        said = iter(translations(model, source, numbers, beam) if numbers else ())
        for line, (fault, tokens) in zip(waiting, read_in, strict=True):
            if fault:
                yield {"source": line, "error": fault}
                continue
            answer = {"source": line, "translation": next(said) if tokens else ""}
            unknown = foreign(source.codec, line)
            yield answer | ({"unknown": unknown} if unknown else {})


def tokens_of(line: str, source) -> tuple[str | None, list[int]]:
    """Why the network cannot translate the line, None where it can; and its tokens, none where it cannot."""
    if no_text(line):
        return "it came with bytes that are not UTF-8: give it as UTF-8 text", []
    unknown = foreign(source.codec, line) if source.tokens == "characters" else []
    if unknown:
        return f"it holds {' '.join(map(repr, unknown[:10]))}, for which the run has no token", []
    tokens = source.encode(line)
    if len(tokens) > source.limit:
        long = f"it has {len(tokens)} tokens, but the network learned from sentences of at most {source.limit}: cut it"
        return long, []
    return None, tokens


def lines_of(run: Path, prompt: str | None, file: Path | None) -> Iterator[str]:
    """The prompt alone, or the lines of the file.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    if (prompt is None) == (file is None):
        raise UserError(f"{run} translates: give either --prompt SENTENCE or --file FILE (- for standard input)")
    if prompt is not None:
        if not prompt.strip():
            raise UserError(f"the prompt came as {prompt!r}, which holds no sentence")
        yield prompt
        return
    try:
        if str(file) == "-" and sys.stdin is None:
            raise UserError("--file came as -, but standard input is closed: give a file")
        if str(file) == "-":
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape", newline="\n")
            yield from sys.stdin
            return
        # Other ends of lines would put other lines beside each other than an editor or `paste` does.
        with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as opened:
            yield from opened
    except OSError as error:
        raise UserError(f"--file came as {file}, which cannot be read: {error.strerror}") from error


def print_translations(run: Path, prompt: str | None, file: Path | None, beam: int, as_json: bool) -> int:
    """Prints a line for each; 1 if one of a file could not be translated."""
    failed = False
    at_once = 1 if str(file) == "-" else AT_ONCE  # who types wants an answer
    for number, answer in enumerate(translate(run, lines_of(run, prompt, file), beam, at_once), 1):
        if "error" in answer and file is None:
            raise UserError(f"the prompt cannot be translated: {answer['error']}")
        failed |= "error" in answer
        if as_json:
            print(json.dumps(answer), flush=True)
            continue
        print(answer.get("translation", ""), flush=True)  # a line for each, so that they can be laid side by side
        if "error" in answer:
            print(f"zoo: line {number} cannot be translated: {answer['error']}", file=sys.stderr)
        if "unknown" in answer:
            words = " ".join(map(repr, answer["unknown"][:10]))
            what = "the prompt" if file is None else f"line {number}"
            said = f"{what} is translated, but words for which the run has no token are read as unknown: {words}"
            print(f"zoo: {said}", file=sys.stderr)
    return int(failed)
