"""Lists, compares, ranks and deletes runs, and says what takes room: `python -m zoo.runs`.

It reads what fit wrote and computes nothing, so that it answers at once: neither Keras nor TensorFlow is imported.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from zoo.command import main, read
from zoo.errors import UserError, nearest, printable
from zoo.stored import StoredRun, all_stored, flat, in_bytes, is_locked, results, size, stored

ABOUT = """usage: python -m zoo.runs [VERB] [OPTIONS]

without a verb, all runs are listed, the newest first; --logs DIR is their folder
  compare RUN RUN...   the settings in which runs differ, and their results side by side
  best [RECIPE]        the best run on each data, by its validation split
  delete RUN...        deletes runs; it asks first, unless --yes is given
  data                 the prepared data sets by size, and what they are

`python -m zoo.runs VERB --help` shows the options of one."""
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


def listed(options: Options) -> str:
    """The table of all runs."""
    runs, damaged = all_stored(options.logs)
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
    runs = [stored(path) for path in dict.fromkeys(options.runs)]
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


def ranked(options: Best) -> str:
    """The best run for each data that runs were validated on.

    Raises:
        UserError: there is no run of that recipe with a finished epoch.
    """
    runs, damaged = all_stored(options.logs)
    known = sorted({run.record["recipe"]["name"] for run in runs})
    if options.recipe is not None and options.recipe not in known:
        raise UserError(f"no run in {options.logs} is of a recipe {options.recipe!r}{nearest(options.recipe, known)}")
    groups: dict[tuple, list[StoredRun]] = {}
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


def measured_on(run: StoredRun) -> tuple:
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
    stored(path)
    here, inside = Path.cwd(), path.resolve()
    if inside == here or inside in here.parents:
        raise UserError(f"{path} is the folder that you are in, or one above it: it is not deleted")
    more = next((file for file in path.rglob("*") if file.name in ("run.json", ".git") and file.parent != path), None)
    if more is not None or (path / ".git").exists():
        raise UserError(f"{path} holds more than one run ({more or '.git'}): it is not deleted")
    if is_locked(path):
        raise UserError(f"another process is training {path}: stop it first")


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
