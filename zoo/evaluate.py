"""Measures a run on the test split, which fit only counts: `python -m zoo.evaluate logs/cnn-1f3a9c`."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from zoo.command import main, read
from zoo.errors import UserError
from zoo.fit import data_facts, recalled
from zoo.training import files, runs
from zoo.training.runs import Run


@dataclass(frozen=True)
class Options:
    """Measures a run on the test split of its data."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder that fit named last, such as logs/cnn-1f3a9c."""
    split: str = "test"
    """Part of the data: test, or validation to look again at what fit chose by."""
    json: bool = False
    """Print one line of JSON instead of the table."""
    record: bool = False
    """Append the result to results.jsonl beside the run."""


def evaluate(run: Run | Path | str, split: str = "test") -> dict:
    """What the task reports of the run's best network on a split of its data, and `digest`, of that split.

    Raises:
        UserError: the run or its data are missing, damaged or of another version, or the split is another one.
    """
    run = runs.open_for_reading(Path(run.path if isinstance(run, Run) else run))
    source, task = recalled(run)
    if split not in ("validation", "test"):
        raise UserError(f"--split came as {split}, but must be test or validation")
    runs.check_data(run, data_facts(source))
    return task.report(run.model(), source, split) | {"digest": source.digest(split)}


def result(run: Run, split: str, report: dict) -> dict:
    """A line of results.jsonl: the figures with all that is needed to get them again."""
    record, summary = run.record, run.summary or {}
    data = record["recipe"]["data"]
    # Of words only those without which a score cannot be compared.
    scalars = {k: v for k, v in report.items() if isinstance(v, int | float) or k.endswith("_signature")}
    return {
        "kind": "evaluation",
        "recipe": record["recipe"]["name"],
        "id": record["id"],
        # Where things lay on this machine helps nobody to get the result again.
        "command": re.sub(r" --(logs|data\.directory) ('[^']*'|\S+)", "", record["command"] or ""),
        "data": {
            "name": Path(data.get("folder") or data.get("file") or data.get("csv") or data["name"]).name,
            "split": split,
            "train_examples": record["data"]["train"],
            "train_digest": record["data"]["digest"],
            "digest": report["digest"],
        }
        | {key: data[key] for key in ("only", "limit", "speakers", "fold") if data.get(key)},
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
    options = read(Options, "evaluate", argv)
    run = runs.open_for_reading(options.run)
    report, task = evaluate(run, options.split), recalled(run)[1]
    files.write_json(run.path / f"{options.split}.json", report)
    picture = run.path / f"{options.split}.png"
    with files.replacing(picture) as part:
        task.draw(report, part)
    if options.record:
        files.append_line(run.path.parent / "results.jsonl", json.dumps(result(run, options.split, report)))
    if options.json:
        print(json.dumps({"run": str(run.path)} | report))
        return 0
    if run.summary is None:
        print(f"not finished: this is the best of {len(run.history)} epochs so far; {run.how_to_go_on()} to go on\n")
    print(task.table(report))
    print(f"\npicture: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
