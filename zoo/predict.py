"""Predicts for given inputs: `python -m zoo.predict logs/cnn-1f3a9c cat.jpg pictures/`, or --text, or --file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.command import Weights, apart, first_word, joined, main, read
from zoo.errors import printable
from zoo.opened import asked, check_answers_to, check_is_run, check_one_is_there, check_words, opened
from zoo.recipes.own import Own, split_off

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.tasks import Task
    from zoo.training import Run

USAGE = "RUN INPUT... [OPTIONS]"
ABOUT = """RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c; or with --weights imagenet or hub a
published network.
Inputs are files and folders, or for a run on texts --text TEXT or --file FILE, which has a text on each line.
`python -m zoo.predict RUN --help` shows the options of one."""


@dataclass(frozen=True)
class Options:
    """How the answers are printed."""

    json: bool = False
    """Print each answer as one line of JSON."""


def predict(
    run: Run | Path | str,
    inputs: Iterable[Path | str],
    *,
    weights: str | None = None,
    source: Source | None = None,
    task: Task | None = None,
    **fields: Any,
) -> Iterator[dict]:
    """Yields for each input, in order, a dict with the input and either the task's answer or an `error`.

    Args:
        run: what `fit` returned, its folder, or with `weights` the name of a published network.
        inputs: files of the same kind as the run's data, and folders of them; or texts.
        weights: of a published network: imagenet, or a file in that format; of one of texts hub, or a folder.
        source: the run's data, if their class is the user's own.
        task: the run's task, if its class is the user's own.
        fields: of the task's `Ask`, such as top=3 or beam=4.

    Raises:
        UserError: the run is missing, damaged, of another version or not for predict, the weights cannot be
            downloaded, or the task has no such field.
    """
    found = opened(run, weights=weights, source=source, task=task)
    check_answers_to(found, "predict")
    return found.answers(asked(found, fields), found.source.Inputs.of(inputs))


def run_command(argv: list[str]) -> int:
    """Prints one line per input; returns 1 if one of them could not be answered."""
    name = first_word("predict", argv, USAGE, ABOUT)
    given, words = split_off(argv[1:])
    weights, words = apart(words)
    check_words(words)
    if weights is None:
        check_is_run(Path(name))
    check_one_is_there(words)
    found = opened(name, weights=weights, **given)
    check_answers_to(found, "predict")
    command = joined(
        given=found.source.Inputs(), ask=found.task.Ask(), options=Options(), weights=Weights(weights), own=Own()
    )
    parsed = read(command, f"predict {name}", words, description=__doc__.split(":")[0])
    failed = False
    for number, answer in enumerate(found.answers(parsed.ask, parsed.given), 1):
        failed |= "error" in answer
        if parsed.options.json:
            print(json.dumps(answer), flush=True)
            continue
        line = parsed.given.line(answer, "" if "error" in answer else found.task.line(answer))
        print(printable(line), flush=True)
        for remark in parsed.given.remarks(number, answer):
            print(f"zoo: {printable(remark)}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(run_command))
