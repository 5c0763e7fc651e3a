"""Runs: the folders that hold everything a fit produced, and the checks made when one is opened."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import shlex
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

import filelock
import keras
import numpy as np
import tensorflow as tf

from zoo.data.source import Source
from zoo.errors import UserError, disk_is_full
from zoo.training import former, shown
from zoo.training.files import kept, opened, read_json, replacing, write_json
from zoo.training.recipe import NAME, Recipe

FORMAT = 1  # of a run's files; other formats are refused
RECORD = {"recipe", "id", "command", "precision", "spec", "labels", "data", "machine", "versions", "commit"}
DATA = {"train", "validation", "test", "digest"}
SUMMARY = {"epochs", "steps", "seconds", "best"}
SCOPE = re.compile(r"[A-Za-z0-9_.\\/>-]+")  # a name under which TensorFlow runs operations


@dataclass(frozen=True)
class Run:
    """A folder `logs/<recipe>-<id>/`: run.json, summary.json, history.json, state.npz, model.keras, event files."""

    path: Path

    @cached_property
    def record(self) -> dict:
        """The record that was written when the run was created (run.json); it never changes, so it is read once."""
        return former.upgraded(read_json(self.path / "run.json"))

    @property
    def summary(self) -> dict | None:
        """How the run ended (summary.json); None if it has not ended yet."""
        path = self.path / "summary.json"
        if not path.exists():
            return None
        summary = read_json(path)
        if not is_summary(summary):
            raise UserError(f"{path} is damaged: start a new run with --fresh")
        return summary

    @property
    def history(self) -> list[dict]:
        """Loss, metrics and learning rate of each completed epoch."""
        path = self.path / "history.json"
        history = read_json(path) if path.exists() else []
        if not isinstance(history, list) or not all(map(is_epoch, history)):
            raise UserError(f"{path} is damaged: start a new run with --fresh")
        return history

    def model(self, check: Callable[[keras.Model], None] | None = None) -> keras.Model:
        """The network of the best epoch so far; code that the file may contain is never executed.

        Args:
            check: raises ValueError if the network does not match the run.

        Raises:
            UserError: the file is missing, is damaged, or would execute code.
        """
        path = self.path / "model.keras"
        if not path.exists():
            if self.summary is not None or self.history:
                raise UserError(f"{self.path} has lost its model.keras; {self.how_to_go_on('--fresh')}")
            raise UserError(f"{self.path} has no model.keras yet: no epoch was finished; {self.how_to_go_on()}")
        try:
            with opened(path) as file:
                if not zipfile.is_zipfile(file):  # Keras would report it as missing
                    raise ValueError("not a whole archive")
                check_stored(file)
            with former.network(path, self.record) as named:
                model = keras.saving.load_model(named, compile=False, safe_mode=True)
            if isinstance(model, keras.Sequential):
                raise ValueError("it is not a functional network")
            strange = [part.name for part in (model, *model.layers) if not SCOPE.fullmatch(part.name)]
            if strange:  # it could not have been trained
                raise ValueError(f"{strange[0]!r} is no name that TensorFlow takes")
            for weight in model.weights:
                if not is_finite(keras.ops.convert_to_numpy(weight)):
                    raise ValueError(f"{weight.path} contains NaN or infinity")
            if check is not None:
                check(model)
            return model
        except Exception as error:
            if disk_is_full(error) or isinstance(error, UserError | MemoryError | tf.errors.ResourceExhaustedError):
                raise
            reason = " ".join(str(error).split())
            if "safe_mode" in reason or "unsafe" in reason.lower():
                raise UserError(f"refused {path}: loading it would execute code from the file") from error
            raise UserError(
                f"{path} is damaged, or does not go with its run.json ({reason[:200]}); {self.how_to_go_on('--fresh')}"
            ) from error

    def _repr_html_(self) -> str | None:
        """How a notebook shows it; None, and so as text, if its files are missing or damaged."""
        try:
            return shown.html(self.path, open_for_reading(self.path).record, self.summary, self.history)
        except UserError:
            return None

    def how_to_go_on(self, *flags: str) -> str:
        """The instruction to go on with the run, wherever it is typed; or that of its script, if it has no command."""
        if not (self.path / "run.json").exists() or self.record.get("command") is None:
            return "train it again" + " with fresh=True" * ("--fresh" in flags)
        return f"type `{' '.join(['python -m zoo.fit', shlex.quote(str(self.path)), *flags])}`"


def open_for_reading(path: Path) -> Run:
    """The run in that folder.

    Raises:
        UserError: the folder is not a run, is damaged, or was made by another version.
    """
    run = Run(Path(path))
    record = run.record
    found = record.get("format") if isinstance(record, dict) else None
    if found == FORMAT and not record.keys() >= RECORD:
        raise UserError(f"{path / 'run.json'} is damaged: it lacks {', '.join(sorted(RECORD - record.keys()))}")
    if found != FORMAT:
        raise UserError(f"{path} was made by another version of zoo (format {found}, this one reads {FORMAT})")
    if not is_record(record):
        raise UserError(f"{path / 'run.json'} is damaged: its recipe, data, files or labels are not what fit writes")
    return run


def check_stored(file: BinaryIO) -> None:
    """Raises ValueError if an archive would fill more memory than its size: those of a run are not compressed."""
    with zipfile.ZipFile(file) as archive:
        if sum(part.file_size for part in archive.infolist()) > file.seek(0, os.SEEK_END):
            raise ValueError("it is compressed, as no archive of a run is")
    file.seek(0)


def is_epoch(epoch) -> bool:
    """Whether `epoch` is what a fit writes for an epoch: numbers, one of which is the number of the epoch."""
    return isinstance(epoch, dict) and all(map(is_number, epoch.values())) and isinstance(epoch.get("epoch"), int)


def is_number(value) -> bool:
    """Whether `value` is a number that is finite."""
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def is_summary(summary) -> bool:
    """Whether `summary` is what a fit writes when it ends."""
    return (
        isinstance(summary, dict)
        and summary.keys() >= SUMMARY
        and all(is_number(summary[part]) for part in SUMMARY - {"best"})
        and is_epoch(summary["best"])
        and isinstance(summary.get("baselines", []), list)  # a run of an earlier version has none
        and all(map(is_baseline, summary.get("baselines", [])))
    )


def is_baseline(given) -> bool:
    """Whether `given` is what a fit writes of a `zoo.tasks.task.Baseline`."""
    kinds = {"name": str, "metric": str, "value": float}
    return isinstance(given, dict) and {name: type(value) for name, value in given.items()} == kinds


def is_record(record: dict) -> bool:
    """Whether the parts of a record that later verbs read are as a fit writes them; the name must not be a path."""
    recipe, data, spec, labels = (record[part] for part in ("recipe", "data", "spec", "labels"))
    return (
        all(isinstance(part, dict) for part in (recipe, data, spec, record["machine"], record["versions"]))
        and isinstance(recipe.get("name"), str)
        and isinstance(recipe.get("seed"), int)
        and NAME.fullmatch(recipe["name"]) is not None
        and data.keys() >= DATA
        and is_names(record.get("files", {}))
        and isinstance(record["command"], str | None)
        and isinstance(record["id"], str)
        and not any(isinstance(side, bool) for side in spec.get("input_shape") or ())  # which passes for a 1
        and isinstance(labels, list)
        and all(isinstance(label, str) for label in labels)
    )


def is_names(files) -> bool:
    """Whether `files` are digests by names of files in the run's folder."""
    return isinstance(files, dict) and all(
        isinstance(digest, str) and name not in ("", "..") and name == PureWindowsPath(name).name
        for name, digest in files.items()
    )


def is_finite(array: np.ndarray) -> bool:
    """Whether every number is finite."""
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def newest(recipe: Recipe, logs: Path, fresh: bool) -> Run:
    """The newest run of the recipe, or with `fresh` the next one; nothing is written yet."""
    base = Path(logs) / f"{recipe.name}-{recipe.id(logs)}"
    number = 1
    while numbered(base, number + 1).exists():
        number += 1
    return Run(numbered(base, number + (fresh and numbered(base, number).exists())))


def numbered(base: Path, number: int) -> Path:
    """`base` itself for the first run, `base-2` for the second, and so on."""
    return base if number == 1 else base.with_name(f"{base.name}-{number}")


@contextlib.contextmanager
def locked(run: Run) -> Iterator[None]:
    """Creates the run's folder and locks it against other processes; a crash leaves no lock behind.

    Raises:
        UserError: another process holds the lock, or the folder cannot be created.
    """
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        links = [path for path in run.path.rglob("*") if path.is_symlink()]
        if links:
            raise UserError(f"{links[0]} is a link, and what it leads to would be written: remove it, fit makes none")
        lock = filelock.FileLock(run.path / ".lock")
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"another process is training {run.path}: wait for it, or start a second run with --fresh"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write runs to {run.path.parent}: {error.strerror or error}; give another place with --logs DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_down(run: Run, described: dict, files: dict[str, str]) -> None:
    """Writes the record and the text files of a new run, or checks that a resumed run still has the same data.

    Raises:
        UserError: the data have changed since, or the run is damaged or was made by another version.
    """
    if not (run.path / "run.json").exists():
        write_json(run.path / "run.json", {"format": FORMAT, "files": digests(files)} | described)
    record = open_for_reading(run.path).record
    check_data(run, described["data"])
    for name, text in files.items():
        # An existing file was used for the steps so far, so it must not differ; a lost one is written again.
        if (run.path / name).exists() and kept(run.path / name) != text:
            raise UserError(f"{run.path / name} no longer matches the data: start a new run with --fresh")
        with replacing(run.path / name) as part:
            part.write_text(text, encoding="utf-8", newline="\n")  # the same bytes, and digest, on every system
    for what in ("versions", "precision"):
        if record[what] != described[what]:
            raise UserError(
                f"{run.path} was started with {what} {record[what]}, but here it is {described[what]}: the result "
                "would differ; resume it where it was started, or start a new run with --fresh"
            )
    then, now = record["machine"].get("threads"), described["machine"]["threads"]
    if then not in (None, now) and not record["machine"].get("gpus"):  # earlier versions did not record it
        raise UserError(
            f"{run.path} was started with {then} threads, but here there are {now}: the last bits of its results would "
            f"differ; give it {then} again (cores by `taskset`, or TF_NUM_INTRAOP_THREADS={then}), or start a new run "
            "with --fresh"
        )


def data_facts(source: Source) -> dict:
    """What must not change during a run: the number of examples of each split, and digests of those a fit reads."""
    counts = {split: source.count(split) for split in source.splits}
    return counts | {"digest": source.digest("train"), "validation_digest": source.digest("validation")}


def digests(files: dict[str, str]) -> dict[str, str]:
    """What must not change in the text files of a run, such as its tokenizer: twelve hexadecimal digits for each."""
    return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in files.items()}


def check_files(run: Run) -> None:
    """Raises UserError if a text file of the run is missing, or is not the one that the run began with."""
    for name, digest in run.record.get("files", {}).items():  # earlier versions did not record it
        text = kept(run.path / name)
        if text is None or digests({name: text}) != {name: digest}:
            what = "is missing or is no text" if text is None else "is not the one that the run was trained with"
            raise UserError(f"{run.path / name} {what}: restore it, or {run.how_to_go_on('--fresh')}")


def check_data(run: Run, now: dict) -> None:
    """Raises UserError if the data have changed since the run was created."""
    then = run.record["data"]
    if "validation_digest" not in then:  # earlier versions did not record it
        now = {what: value for what, value in now.items() if what != "validation_digest"}
    if then != now:
        changed = ", ".join(what for what in then | now if then.get(what) != now.get(what))
        raise UserError(
            f"the data of {run.path} have changed since it began ({changed}): {run.how_to_go_on('--fresh')}"
        )


def commit() -> str | None:
    """The commit of the code, with a + if the package has uncommitted changes; None outside a git checkout."""

    def git(*words: str) -> str:
        words = ["git", "-C", str(Path(__file__).parents[1]), *words]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        # Only changes of the package matter: results.jsonl, to which results are added, affects no number.
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None
