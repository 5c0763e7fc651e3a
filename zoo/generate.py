"""Generates text with a trained network: `python -m zoo.generate logs/gpt-1f3a9c --prompt "The"`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.command import Weights, apart, first_word, joined, main, read
from zoo.errors import printable
from zoo.opened import asked, check_answers_to, opened
from zoo.recipes.own import Own, split_off

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.tasks import Task
    from zoo.training import Run

USAGE = "RUN [OPTIONS]"
ABOUT = """RUN is a folder that fit printed at its end, such as logs/gpt-1f3a9c; or with --weights hub a published
network.
`python -m zoo.generate RUN --help` shows the options of one."""


@dataclass(frozen=True)
class Options:
    """How the result is printed."""

    json: bool = False
    """Print one line of JSON instead of the text."""


def generate(
    run: Run | Path | str,
    *,
    weights: str | None = None,
    source: Source | None = None,
    task: Task | None = None,
    **fields: Any,
) -> Iterator[dict]:
    """Yields what the network generates, piece by piece, each as `text` in a dict.

    Args:
        run: what `fit` returned, its folder, or with `weights` the name of a published network.
        weights: of a published network: hub, or a folder.
        source: the run's data, if their class is the user's own.
        task: the run's task, if its class is the user's own.
        fields: of the task's `Ask`, such as prompt="The " or tokens=100.

    Raises:
        UserError: the run is missing, damaged, of another version or not for generate, the weights cannot be
            downloaded, or the request cannot be answered.
    """
    found = opened(run, weights=weights, source=source, task=task)
    check_answers_to(found, "generate")
    return found.task.answers(found.model, found.source, asked(found, fields), [])


def run_command(argv: list[str]) -> int:
    """Prints what the network generates."""
    name = first_word("generate", argv, USAGE, ABOUT)
    given, words = split_off(argv[1:])
    weights, words = apart(words)
    found = opened(name, weights=weights, **given)
    check_answers_to(found, "generate")
    command = joined(ask=found.task.Ask(), options=Options(), weights=Weights(weights), own=Own())
    parsed = read(command, f"generate {name}", words, description=__doc__.split(":")[0])
    pieces = found.task.answers(found.model, found.source, parsed.ask, [])
    if parsed.options.json:
        made = list(pieces)
        text = "".join(piece["text"] for piece in made)
        print(json.dumps({"run": name} | asdict(parsed.ask) | made[-1] | {"text": text}))
        return 0
    for piece in pieces:
        print(printable(found.task.line(piece), "\t\n"), end="", flush=True)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
