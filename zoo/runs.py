"""Lists, compares, ranks and deletes runs, and says what takes room: `python -m zoo.runs`.

It reads what fit wrote and computes nothing, so that it answers at once: neither Keras nor TensorFlow is imported.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import filelock
import tyro

from zoo.command import main, read
from zoo.errors import UserError, nearest, printable

ABOUT = """usage: python -m zoo.runs [VERB] [OPTIONS]

without a verb, all runs are listed, the newest first; --logs DIR is their folder
  compare RUN RUN...   the settings in which runs differ, and their results side by side
  best [RECIPE]        the best run on each data, by its validation split
  delete RUN...        deletes runs; it asks first, unless --yes is given
  data                 the prepared data sets by size, and what they are

`python -m zoo.runs VERB --help` shows the options of one."""
RECORD = {"recipe", "id", "data", "versions", "labels"}  # what the record of every run has


@dataclass(frozen=True)
class Kept:
    """A run as its files tell of it.

    Args:
        path: its folder.
        record: run.json.
        summary: summary.json; None if it has not ended.
        history: of each epoch the loss, the metrics and the learning rate.
        began: seconds since 1970.
    """

    path: Path
    record: dict
    summary: dict | None
    history: list[dict]
    began: float

    @property
    def measure(self) -> tuple[str, bool]:
        """The value by which runs like this are ranked, and whether more is better: accuracy of classes, or loss."""
        recipe = self.record["recipe"]
        by_accuracy = recipe["task"]["is"] == "Classification" or recipe["monitor"] == "val_accuracy"
        has_it = by_accuracy and all("val_accuracy" in epoch for epoch in self.history)
        return ("val_accuracy", True) if has_it else ("val_loss", False)

    @property
    def best(self) -> dict | None:
        """The epoch whose weights are kept, so far; None if none was finished."""
        if self.summary is not None:
            return self.summary["best"]
        if not self.history:
            return None
        monitor = self.record["recipe"]["monitor"]
        if monitor == "last":
            return self.history[-1]
        choose = max if monitor == "val_accuracy" else min
        return choose(self.history, key=lambda epoch: epoch[monitor])

    @property
    def value(self) -> float | None:
        """The kept epoch's value of `measure`."""
        return None if self.best is None else self.best[self.measure[0]]

    @property
    def wanted(self) -> int | str:
        """The epochs of the whole training; with minutes instead, as they were set when it began."""
        if self.record["recipe"].get("minutes") is None:
            return self.record["recipe"]["epochs"]
        plan = self.path / "plan.json"
        return json.loads(plan.read_text(encoding="utf-8"))["epochs"] if plan.exists() else "?"

    @property
    def state(self) -> str:
        """finished, training (another process has it open) or stopped."""
        return "finished" if self.summary is not None else "training" if is_locked(self.path) else "stopped"

    @cached_property
    def row(self) -> list[str]:
        """A line of the list."""
        data = self.record.get("title") or "?"
        shown = "-" if self.value is None else f"{self.measure[0][4:]} {self.value:.4f}"
        took = "-" if self.summary is None else duration(self.summary["seconds"])
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.began))
        room = in_bytes(size(self.path))
        return [str(self.path), data, f"{len(self.history)} of {self.wanted}", shown, self.state, took, began, room]


HEADS = ["run", "data", "epochs", "validation", "state", "took", "began", "size"]


@dataclass(frozen=True)
class Options:
    """All runs, the newest first."""

    logs: Path = Path("logs")
    """Folder in which runs are stored."""
    json: bool = False
    """Print each run as one line of JSON."""


@dataclass(frozen=True)
class Compare:
    """Settings in which runs differ, and their results."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of two or more runs."""


@dataclass(frozen=True)
class Best:
    """The best run on each data by its validation split, and how many there are."""

    recipe: Annotated[str | None, tyro.conf.Positional] = None
    """Only runs of this recipe."""
    logs: Path = Path("logs")
    """Folder in which runs are stored."""


@dataclass(frozen=True)
class Delete:
    """Deletes runs for ever."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs."""
    yes: bool = False
    """Do not ask."""


@dataclass(frozen=True)
class Data:
    """Prepared data sets, the largest first. What is deleted there is prepared again when it is needed."""

    directory: Path | None = None
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""


def kept(path: Path) -> Kept:
    """The run in that folder.

    Raises:
        UserError: it is not a run, or its files are not what fit writes.
    """
    if not (path / "run.json").is_file():
        raise UserError(f"{path} is not a run: it has no run.json; `python -m zoo.runs` lists the runs in logs")
    try:
        record, *others = (
            json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
            for file in (path / name for name in ("run.json", "summary.json", "history.json"))
        )
        if not record.keys() >= RECORD:
            raise ValueError(f"it lacks {', '.join(sorted(RECORD - record.keys()))}")
        run = Kept(path, record, others[0], others[1] or [], (path / "run.json").stat().st_mtime)
        _ = (run.row, list(results(run)), dict(flat("", record["recipe"])))  # whatever is shown can be shown
        return run
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise UserError(f"{path} is damaged, or was made by another version of zoo ({error!r:.100})") from error


def all_kept(logs: Path) -> tuple[list[Kept], list[str]]:
    """The runs in a folder, the newest first, and a line about each folder that is damaged.

    Raises:
        UserError: there is no such folder.
    """
    if not logs.is_dir():
        raise UserError(
            f"there is no folder {logs}: give the folder of the runs with --logs DIR, or train with zoo.fit"
        )
    found, damaged = [], []
    for file in sorted(logs.glob("*/run.json")):
        try:
            found.append(kept(file.parent))
        except UserError as error:
            damaged.append(str(error))
    return sorted(found, key=lambda run: run.began, reverse=True), damaged


def listed(options: Options) -> str:
    """The table of all runs."""
    runs, damaged = all_kept(options.logs)
    if options.json:
        return "\n".join(json.dumps(dict(zip(HEADS, run.row, strict=True))) for run in runs)
    if not runs:
        return "\n".join([f"no runs in {options.logs}", *damaged])
    total = f"{len(runs)} run{'s' * (len(runs) > 1)}, {in_bytes(size(options.logs))}"
    prepared = size(data_directory(None))
    also = f"; prepared data: {in_bytes(prepared)}, see `python -m zoo.runs data`" if prepared else ""
    return "\n".join([aligned([HEADS, *(run.row for run in runs)]), *damaged, "", f"{total} in {options.logs}{also}"])


def compared(options: Compare) -> str:
    """The settings in which runs differ and what they reached, a column for each run.

    Raises:
        UserError: there are less than two, or one is not a run.
    """
    if len(set(options.runs)) < 2:
        raise UserError("wanted two or more runs after compare, such as logs/cnn-1f3a9c logs/cnn-2b4d60")
    runs = [kept(path) for path in dict.fromkeys(options.runs)]
    settings = [
        dict(flat("", run.record["recipe"])) | {f"version of {k}": v for k, v in run.record["versions"].items()}
        for run in runs
    ]
    names = list(dict.fromkeys(name for one in settings for name in one))
    rows = [[name, *(str(one.get(name, "-")) for one in settings)] for name in names]
    differing = [row for row in rows if len(set(row[1:])) > 1]
    reached = [dict(results(run)) for run in runs]
    shown = list(dict.fromkeys(name for one in reached for name in one))
    rows = [[name, *(one.get(name, "-") for one in reached)] for name in shown]
    heads = ["", *(run.path.name for run in runs)]
    text = aligned([heads, ["settings that differ:"], *(differing or [["none"]]), ["results:"], *rows])
    if len({measured_on(run) for run in runs}) > 1:
        text += "\n\nthese runs were validated on different data: their values cannot be compared"
    return text


def results(run: Kept) -> Iterator[tuple[str, str]]:
    """What a run reached, by name: of the epoch that is kept, of the whole training, of the test split if measured."""
    yield "state", run.state
    yield "epochs", str(len(run.history))
    if run.best is not None:
        yield "best epoch", str(run.best["epoch"])
        for name, value in run.best.items():
            if name.startswith("val_"):
                yield f"validation {name[4:]}", f"{value:.4f}"
    if run.summary is not None:
        yield "steps", f"{run.summary['steps']:,}"
        yield "took", duration(run.summary["seconds"])
    if (run.path / "test.json").exists():
        for name, value in json.loads((run.path / "test.json").read_text(encoding="utf-8")).items():
            if isinstance(value, float):
                yield f"test {name}", f"{value:.4f}"
    yield "size", in_bytes(size(run.path))


def ranked(options: Best) -> str:
    """The best run for each data that runs were validated on.

    Raises:
        UserError: there is no run of that recipe with a finished epoch.
    """
    runs, damaged = all_kept(options.logs)
    known = sorted({run.record["recipe"]["name"] for run in runs})
    if options.recipe is not None and options.recipe not in known:
        raise UserError(f"no run in {options.logs} is of a recipe {options.recipe!r}{nearest(options.recipe, known)}")
    groups: dict[tuple, list[Kept]] = {}
    for run in runs:
        if run.value is not None and options.recipe in (None, run.record["recipe"]["name"]):
            groups.setdefault((measured_on(run), run.measure), []).append(run)
    if not groups:
        raise UserError(f"no run in {options.logs} has finished an epoch: train one with zoo.fit")
    rows = []
    for (_, (_, more)), members in groups.items():
        best = (max if more else min)(members, key=lambda run: run.value)
        rows.append([*best.row[:5], f"of {len(members)}"])
    return "\n".join([aligned([[*HEADS[:5], "runs"], *rows]), *damaged])


def measured_on(run: Kept) -> tuple:
    """What must be equal for two runs' validation values to be compared."""
    data = run.record["data"]
    return run.record.get("title"), data.get("validation_digest"), data.get("validation")


def deleted(options: Delete) -> str:
    """Deletes runs, after a question unless `yes`; says what was deleted.

    Raises:
        UserError: one of them must not be deleted: then none is.
    """
    if not options.runs:
        raise UserError("no run was named: wanted `python -m zoo.runs delete RUN...`")
    paths = list(dict.fromkeys(options.runs))
    for path in paths:
        check_may_go(path)
    room = in_bytes(sum(map(size, paths)))
    if not options.yes:
        if not sys.stdin or not sys.stdin.isatty():
            raise UserError(f"{len(paths)} of {room} would be deleted for ever: add --yes")
        print(printable("\n".join(map(str, paths)), "\n"))
        if input(f"delete {room} for ever? [y/N] ").strip().lower() not in ("y", "yes"):
            return "nothing was deleted"
    for path in paths:
        shutil.rmtree(path)  # of links inside, only the links themselves
    return "\n".join(f"deleted {path}" for path in paths) + f"\n{room} are free again"


def check_may_go(path: Path) -> None:
    """Raises UserError unless a folder is a run, and nothing else, that nobody is using."""
    if path.is_symlink():
        raise UserError(f"{path} is a link: nothing behind a link is deleted; name the run's own folder")
    kept(path)
    here, inside = Path.cwd(), path.resolve()
    if inside == here or inside in here.parents:
        raise UserError(f"{path} is the folder that you are in, or one above it: it is not deleted")
    more = next((file for file in path.rglob("*") if file.name in ("run.json", ".git") and file.parent != path), None)
    if more is not None or (path / ".git").exists():
        raise UserError(f"{path} holds more than one run ({more or '.git'}): it is not deleted")
    if is_locked(path):
        raise UserError(f"another process is training {path}: stop it first")


def is_locked(path: Path) -> bool:
    """Whether a process is training the run."""
    if not (path / ".lock").exists():
        return False
    try:
        with filelock.FileLock(path / ".lock", timeout=0):
            return False
    except (filelock.Timeout, OSError):
        return True


def prepared(options: Data) -> str:
    """The prepared data sets by size, with what they are.

    Raises:
        UserError: there is no such folder.
    """
    directory = data_directory(options.directory)
    if not directory.is_dir():
        raise UserError(f"there are no prepared data: {directory} is no folder; --directory DIR names another")
    rows = []
    for file in directory.glob("**/dataset_info.json"):
        try:
            about = json.loads(file.read_text(encoding="utf-8"))
            said = about.get("configDescription") or about.get("description") or ""
            counts = [f"{sum(map(int, part['shardLengths']))} {part['name']}" for part in about["splits"]]
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            said, counts = "damaged: delete this folder", []
        said = " ".join(str(said).split())
        said = said if len(said) <= 60 else f"{said[:57]}..."
        rows.append((size(file.parent), str(file.parent.relative_to(directory)), ", ".join(counts), said))
    rows.append((size(directory / "downloads"), "downloads", "", "files as they came, needed only to prepare again"))
    table = [[in_bytes(room), *others] for room, *others in sorted(rows, reverse=True) if room]
    text = aligned([["size", "folder", "examples", "what"], *table])
    return f"{text}\n\n{in_bytes(size(directory))} in {directory}; what is deleted is prepared again when it is needed"


def data_directory(given: Path | None) -> Path:
    """Where TFDS stores data."""
    return (given or Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")).expanduser()


def flat(prefix: str, value) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted name and text, for every leaf of a record."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(f"{prefix}.{name}" if prefix else name, inner)
    else:
        yield prefix, " ".join(map(str, value)) if isinstance(value, list) else str(value)


def size(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:  # deleted meanwhile
                continue
    return total


def in_bytes(count: int) -> str:
    """A number of bytes for people to read."""
    return (
        f"{count / 1e9:.2f} GB"
        if count >= 1e9
        else f"{count / 1e6:.1f} MB"
        if count >= 1e5
        else f"{count / 1e3:.1f} kB"
    )


def duration(seconds: float) -> str:
    """A time for people to read."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def aligned(rows: list[list[str]]) -> str:
    """A table whose columns are separated by two blanks; a row of a single cell is a heading."""
    rows = [[printable(cell) for cell in row] for row in rows]
    wide = [row for row in rows if len(row) > 1]
    widths = [max(map(len, column)) for column in zip(*wide, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows
    )


VERBS = {"compare": (Compare, compared), "best": (Best, ranked), "delete": (Delete, deleted), "data": (Data, prepared)}


def run_command(argv: list[str]) -> int:
    """Does what the command line asks for."""
    if argv and argv[0] in ("-h", "--help"):
        print(ABOUT)
        return 0
    if not argv or argv[0].startswith("-"):
        print(listed(read(Options, "runs", argv)))
        return 0
    if argv[0] not in VERBS:
        raise UserError(f"{argv[0]} came after runs: wanted {', '.join(VERBS)}, or nothing to list all runs")
    kind, answer = VERBS[argv[0]]
    print(answer(read(kind, f"runs {argv[0]}", argv[1:])))
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
