"""Measures a run on the test split, which fit never uses: `python -m zoo.evaluate logs/cnn-1f3a9c`."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.command import first_word, in_a_line, main, read
from zoo.errors import UserError, all_printable, printable
from zoo.opened import Opened, check_is_run, opened
from zoo.recipes.own import Own, split_off

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.tasks import Task
    from zoo.training import Run

ABOUT = """RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c.
`python -m zoo.evaluate RUN --help` shows the options."""


@dataclass(frozen=True)
class Options(Own):
    """Measures a run on the test split of its data."""

    split: str = "test"
    """Split to measure: test, or validation, the split that fit uses to select an epoch."""
    json: bool = False
    """Print one line of JSON instead of the table."""
    record: bool = False
    """Append the result to results.jsonl, beside the run's folder."""


def evaluate(
    run: Run | Path | str, split: str = "test", *, source: Source | None = None, task: Task | None = None
) -> dict:
    """The task's report on the run's best network, for a split of its data, and the `digest` of that split.

    Args:
        run: what `fit` returned, or its folder.
        split: test or validation.
        source: the run's data, if their class is the user's own.
        task: the run's task, if its class is the user's own.

    Raises:
        UserError: the run or its data are missing, damaged or of another version, or there is no such split.
    """
    return measured(opened(run, source=source, task=task), split)


def measured(found: Opened, split: str) -> dict:
    """See `evaluate`."""
    from zoo.training import runs

    if split not in ("validation", "test"):
        raise UserError(f"--split came as {split}, but must be test or validation")
    runs.check_data(found.run, runs.data_facts(found.source))
    return found.task.report(found.model, found.source, split) | {"digest": found.source.digest(split)}


def result(found: Opened, split: str, report: dict) -> dict:
    """A line of results.jsonl: the figures, with everything that is needed to reproduce them."""
    record, summary, source = found.run.record, found.run.summary or {}, found.source
    # Of texts, only the signatures, without which scores cannot be compared.
    scalars = {k: v for k, v in report.items() if isinstance(v, int | float) or k.endswith("_signature")}
    return {
        "kind": "evaluation",
        "recipe": record["recipe"]["name"],
        "id": record["id"],
        # Paths on this machine do not help to reproduce the result.
        "command": re.sub(r" --(logs|data\.directory) ('[^']*'|\S+)", "", record["command"] or ""),
        "data": {
            "name": source.title,
            "split": split,
            "train_examples": record["data"]["train"],
            "train_digest": record["data"]["digest"],
            "digest": report["digest"],
        }
        | source.selection,
        "seed": record["recipe"]["seed"],
        "metrics": scalars,
        "epochs": summary.get("epochs"),
        "steps": summary.get("steps"),
        "seconds": round(summary["seconds"], 1) if summary else None,
        "machine": record["machine"],
        "versions": record["versions"],
        "commit": record["commit"],
    }


def run_command(argv: list[str]) -> int:
    """Evaluates what the command line names."""
    name = first_word("evaluate", argv, "RUN [OPTIONS]", ABOUT)
    given, words = split_off(argv[1:])
    options = read(Options, f"evaluate {name}", words)
    check_is_run(Path(name))
    from zoo.training import files

    found = opened(name, **given)
    run, report = found.run, measured(found, options.split)
    line = json.dumps(result(found, options.split, report))  # before anything is written: it reads the summary
    picture, lost = run.path / f"{options.split}.png", None
    try:
        files.write_json(run.path / f"{options.split}.json", report)
        with files.replacing(picture) as part:
            found.task.draw(all_printable(report), part)
        if options.record:
            files.append_line(run.path.parent / "results.jsonl", line)
    except (OSError, UserError) as error:  # what was measured is printed all the same
        lost = UserError(f"what was measured is printed, but could not be kept: {in_a_line(error) or error}")
    if options.json:
        print(json.dumps({"run": str(run.path)} | report))
    else:
        show(found, report, picture if lost is None else None)
    if lost is not None:
        raise lost
    return 0


def show(found: Opened, report: dict, picture: Path | None) -> None:
    """Prints a report as a table, and where its picture was written."""
    run = found.run
    if run.summary is None:
        print(f"not finished: this is the best of {len(run.history)} epochs so far; {run.how_to_go_on()} to go on\n")
    print(printable(found.task.table(all_printable(report)), "\t\n"))
    if picture is not None:
        print(printable(f"\npicture: {picture}", "\n"))


if __name__ == "__main__":
    sys.exit(main(run_command))
