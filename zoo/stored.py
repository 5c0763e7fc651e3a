"""What the files of a run say of it, and its line in the list of runs; read without Keras or TensorFlow."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import filelock

from zoo.errors import UserError, spoken

RECORD = {"recipe", "id", "data", "versions", "labels"}  # what the record of every run has


@dataclass(frozen=True)
class StoredRun:
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
        by_accuracy = self.record["labels"] or self.record["recipe"]["monitor"] == "val_accuracy"
        has_it = by_accuracy and all("val_accuracy" in epoch for epoch in self.history)
        return ("val_accuracy", True) if has_it else ("val_loss", False)

    @property
    def best(self) -> dict | None:
        """The epoch whose weights are kept, so far; None if none was finished, or it is not known which."""
        if self.summary is not None:
            return self.summary["best"]
        if not self.history:
            return None
        monitor = self.record["recipe"]["monitor"]
        if monitor == "last":
            return self.history[-1]
        choose = {"val_loss": min, "val_accuracy": max}.get(monitor)  # of others the files do not say which way
        return None if choose is None else choose(self.history, key=lambda epoch: epoch[monitor])

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
        data = str(self.record.get("title") or "?")
        shown = "-" if self.value is None else f"{self.measure[0][4:]} {self.value:.4f}"
        took = "-" if self.summary is None else spoken(self.summary["seconds"])
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.began))
        room = in_bytes(size(self.path))
        return [str(self.path), data, f"{len(self.history)} of {self.wanted}", shown, self.state, took, began, room]


def stored(path: Path) -> StoredRun:
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
        run = StoredRun(path, record, others[0], others[1] or [], (path / "run.json").stat().st_mtime)
        _ = (run.row, list(results(run)), dict(flat("", record["recipe"])))  # whatever is shown can be shown
        return run
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise UserError(f"{path} is damaged, or was made by another version of zoo ({error!r:.100})") from error


def all_stored(logs: Path) -> tuple[list[StoredRun], list[str]]:
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
            found.append(stored(file.parent))
        except UserError as error:
            damaged.append(str(error))
    return sorted(found, key=lambda run: run.began, reverse=True), damaged


def results(run: StoredRun) -> Iterator[tuple[str, str]]:
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
        yield "took", spoken(run.summary["seconds"])
    if (run.path / "test.json").exists():
        for name, value in json.loads((run.path / "test.json").read_text(encoding="utf-8")).items():
            if isinstance(value, float):
                yield f"test {name}", f"{value:.4f}"
    yield "size", in_bytes(size(run.path))


def is_locked(path: Path) -> bool:
    """Whether a process is training the run."""
    if not (path / ".lock").exists():
        return False
    try:
        with filelock.FileLock(path / ".lock", timeout=0):
            return False
    except (filelock.Timeout, OSError):
        return True


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
