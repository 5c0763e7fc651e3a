"""Measures a run on the test split, which fit never uses: `python -m zoo.evaluate logs/cnn-1f3a9c`."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.command import first_word, in_a_line, main, read, read_with_places
from zoo.errors import UserError, all_printable, printable
from zoo.opened import Opened, check_is_run, check_is_there, opened, places_of
from zoo.recipes.own import Own, split_off

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    run: Run | Path | str,
    split: str = "test",
    *,
    source: Source | None = None,
    task: Task | None = None,
    **places: Path | str,
) -> dict:
    """The task's report on the run's best network, for a split of its data, and the `digest` of that split.

    Args:
        run: what `fit` returned, or its folder.
        split: test or validation.
        source: the run's data, if their class is the user's own.
        task: the run's task, if its class is the user's own.
        places: where the data are now, such as folder="pictures/". If they are not those that the run was trained on,
            all of them are measured.

    Raises:
        UserError: the run or its data are missing, damaged or of another version, or there is no such split.
    """
    return measured(opened(run, source=source, task=task, places=places), split, places).report


@dataclass(frozen=True)
class Measured:
    """What was measured, and what came out.

    Args:
        source: the data.
        split: test or validation; all for data that the run was not trained on.
        report: of the task, with the digest of that split.
        tables: rows of cells, of which the first names the columns, by the name of the table.
        said: what to say of the data, if they are not where they were.
    """

    source: Source
    split: str
    report: dict
    tables: dict[str, list[tuple]]
    said: str | None

    @property
    def part(self) -> str:
        """What files about it are called, so that none about other data takes the place of one about the run's own."""
        return f"other-{self.report['digest']}" if self.split == "all" else self.split


def measured(found: Opened, split: str, places: Mapping[str, Path | str]) -> Measured:
    """See `evaluate`."""
    if split not in ("validation", "test"):
        raise UserError(f"--split came as {split}, but must be test or validation")
    source, split, said = data_of(found, split, places)
    report = found.task.report(found.model, source, split)
    tables = report.pop("tables", {})
    return Measured(source, split, report | {"digest": source.digest(split)}, tables, said)


def data_of(found: Opened, split: str, places: Mapping[str, Path | str]) -> tuple[Source, str, str | None]:
    """The data to measure, their split, and what to say of them if their place was given.

    Raises:
        UserError: they are not there, or not those that the run was trained on and cannot be measured as others.
    """
    from zoo.training import runs

    source, run = found.source, found.run
    check_is_there(source, run, places)
    if not places:
        runs.check_data(run, runs.data_facts(source))
        return source, split, None
    other = getattr(source, "other", None)  # no part of the contract: a person's own source may lack it
    other = other and other(found.spec, run.record["data"])
    if other is None:
        try:
            runs.check_data(run, runs.data_facts(source))
        except UserError as error:
            raise UserError(
                f"the data in {', '.join(map(str, places.values()))} are not those of {run.path}; other data are "
                "measured if they are a folder with a class in each sub-folder, labelled or tagged texts, a text, "
                "pairs of sentences or a single series, and `predict` answers about any"
            ) from error
        return source, split, f"the data of {run.path} have moved, and are the same"
    if split != "test":
        raise UserError(f"--split came as {split}, but data that the run was not trained on are measured as a whole")
    return other[0], "all", other[1]


def result(found: Opened, split: str, report: dict, source: Source | None = None) -> dict:
    """A line of results.jsonl: the figures, with everything that is needed to reproduce them.

    Args:
        found: the run.
        split: what was measured.
        report: what came out.
        source: the data, if they are not those of the run.
    """
    record, summary, source = found.run.record, found.run.summary or {}, source or found.source
    # Of texts, only the signatures, without which scores cannot be compared.
    scalars = {k: v for k, v in report.items() if isinstance(v, int | float) or k.endswith("_signature")}
    return {
        "kind": "evaluation",
        "recipe": record["recipe"]["name"],
        "id": record["id"],
        # Paths on this machine, and what is not printed, do not help to reproduce the result.
        "command": re.sub(r" --((logs|data\.directory) ('[^']*'|\S+)|quiet(?!\S))", "", record["command"] or ""),
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
        "baselines": report.get("baselines", []),
        "epochs": summary.get("epochs"),
        "steps": summary.get("steps"),
        "weights": summary.get("weights"),
        "trained": summary.get("trained"),
        **({"reached": summary["reached"]} if "reached" in summary else {}),
        "seconds": round(summary["seconds"], 1) if summary else None,
        "machine": record["machine"],
        "versions": record["versions"],
        "commit": record["commit"],
    }


def write_table(rows: list[tuple], path: Path) -> None:
    """Writes rows to a CSV file; text that a spreadsheet would take for a formula gets an apostrophe before it."""

    def cell(value):
        return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value

    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(map(cell, row) for row in rows)


def asked_for(name: str, argv: list[str], own: dict) -> tuple[Opened, Options, dict]:
    """The run, the options, and where its data are now, as the command line says.

    Args:
        name: of the run.
        argv: the arguments after it.
        own: the source and the task of `--recipe`, if it is given.

    Raises:
        UserError: the run cannot be used.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    verb = f"evaluate {name}"
    places = any(word.startswith(("--data", "--task")) or word in ("-h", "--help") for word in argv)
    if not places:  # what is wrong is said before anything large is loaded
        options = read(Options, verb, argv)
    check_is_run(Path(name))
    found = opened(name, **own)
    if not places:
        return found, options, {}
    options, given, files = read_with_places(verb, argv, Options(), places_of(found.source), found.task)
    found = opened(name, places=given, **own) if given else found
    return (replace(found, task=replace(found.task, **files)) if files else found), options, given


def run_command(argv: list[str]) -> int:
    """Evaluates what the command line names."""
    name = first_word("evaluate", argv, "RUN [OPTIONS]", ABOUT)
    given, words = split_off(argv[1:])
    found, options, places = asked_for(name, words, given)
    from zoo.training import files

    done = measured(found, options.split, places)
    run, report = found.run, done.report
    # Before anything is written: it reads the summary.
    line = json.dumps(result(found, done.split, report, done.source))
    picture, lost = run.path / f"{done.part}.png", None
    prefix = "" if done.part == "test" else f"{done.part}-"
    tables = {run.path / f"{prefix}{table}.csv": rows for table, rows in done.tables.items()}
    try:
        files.write_json(run.path / f"{done.part}.json", report)
        with files.replacing(picture) as part:
            found.task.draw(all_printable(report), part)
        for path, rows in tables.items():
            with files.replacing(path) as part:
                write_table(rows, part)
        if options.record:
            files.append_line(run.path.parent / "results.jsonl", line)
    except (OSError, UserError) as error:  # what was measured is printed all the same
        lost = UserError(f"what was measured is printed, but could not be kept: {in_a_line(error) or error}")
    if done.said:
        print(printable(done.said), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps({"run": str(run.path)} | report))
    else:
        written = [f"\npicture: {picture}", *(f"{path} ({len(rows) - 1:,})" for path, rows in tables.items())]
        show(found, report, written if lost is None else [])
    if lost is not None:
        raise lost
    return 0


def show(found: Opened, report: dict, written: list[str]) -> None:
    """Prints a report as a table, and the lines that say what was written."""
    run = found.run
    if run.summary is None:
        print(f"not finished: this is the best of {len(run.history)} epochs so far; {run.how_to_go_on()} to go on\n")
    print(printable(found.task.table(all_printable(report)), "\t\n"))
    for kept in written:
        print(printable(kept, "\n"))


if __name__ == "__main__":
    sys.exit(main(run_command))
