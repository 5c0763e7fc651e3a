"""Says what a run's network makes of files: `python -m zoo.predict logs/cnn-1f3a9c cat.jpg pictures/`."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tyro

from zoo.command import main, read
from zoo.data import Images
from zoo.errors import UserError
from zoo.fit import recalled
from zoo.training import Classification, runs
from zoo.training.runs import Run
from zoo.weights import check_is_no_network, labels_of_imagenet, pretrained

BATCH = 64  # files that go through the network at once


@dataclass(frozen=True)
class Options:
    """Says what a run's network makes of files."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder that fit named last, such as logs/cnn-1f3a9c; or with --weights a network, such as resnet50."""
    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Pictures of any size and format that Pillow reads, for a run on sounds WAV files, on a series CSV files; and
    folders of them."""
    json: bool = False
    """Print a line of JSON a file."""
    top: int = 1
    """How many of the likeliest classes to name."""
    weights: str | None = None
    """Of a network instead of a run: imagenet, or a file in the format of published weights."""

    def __post_init__(self):
        if self.top < 1:
            raise ValueError(f"--top came as {self.top}, but must be at least 1")


def predict(
    run: Run | Path | str, files: Iterable[Path | str], top: int = 1, weights: str | None = None
) -> Iterator[dict]:
    """For each file, in order, its `file` and either what the task answers, such as its `top` classes, or its `error`.

    Args:
        run: what fit made, or with `weights` the name of a network of zoo.weights.PUBLISHED.
        files: of the kind that the run's data are, and folders whose files are taken in the order of their names.
        top: how many of the likeliest classes to name, each a dict of `label` and `probability`.
        weights: "imagenet" or a file in that format.

    Raises:
        UserError: the run is missing, damaged, of another version or answers about no files, the weights cannot be
            had, or there are no classes to name `top` of.
    """
    source, task, load = asked(run, weights)
    model, labels = load()
    shape = tuple(model.input_shape[1:])
    waiting: list[tuple[Path, np.ndarray | str]] = []

    def answers() -> Iterator[dict]:
        inputs = [seen for _, seen in waiting if not isinstance(seen, str)]
        found: list[dict] = []
        if inputs:
            # The last batch is padded, so that one shape, and so one compiled function, serves all.
            full = np.zeros((BATCH, *shape), inputs[0].dtype)
            full[: len(inputs)] = inputs
            found = task.answers(model.predict_on_batch(full)[: len(inputs)], source, labels, top)
        rest = iter(found)
        for path, seen in waiting:
            yield {"file": str(path)} | ({"error": seen} if isinstance(seen, str) else next(rest))
        waiting.clear()

    for path, problem in expand((Path(file) for file in files), source):
        seen: np.ndarray | str | None = problem
        if seen is None:
            try:
                seen = source.read(path, shape)
            except OSError as error:
                seen = f"cannot be read: {error.strerror or error}"
        waiting.append((path, seen))
        if len(waiting) == BATCH:
            yield from answers()
    yield from answers()


def asked(
    run: Run | Path | str, weights: str | None = None
) -> tuple[Any, Any, Callable[[], tuple[keras.Model, list[str]]]]:
    """The source that reads files, the task that words answers, and what loads the network and its labels.

    Args:
        run: see `predict`.
        weights: see `predict`.

    Raises:
        UserError: the run is missing, damaged, of another version, or does not answer about files.
    """
    if weights:
        name = str(run)
        return Images(), Classification(), lambda: (pretrained(name, weights=weights), labels_of_imagenet())
    check_is_no_network(str(run))
    run = runs.open_for_reading(Path(run.path if isinstance(run, Run) else run))
    source, task = recalled(run)
    if not hasattr(task, "answers"):
        raise UserError(f"{run.path} answers about no files: try `python -m zoo.generate {run.path}`")
    return source, task, lambda: (run.model(), run.record["labels"])


def expand(paths: Iterable[Path], source) -> Iterator[tuple[Path, str | None]]:
    """Each file that the source can read, and what is wrong with a path that cannot lead to one."""
    for path in paths:
        if not os.path.isdir(path):  # which, unlike Path's, never raises
            yield path, None
            continue
        found = source.find(path)
        yield from ((file, None) for file in found)
        if not found:
            yield path, f"no {source.kind}s in this folder"


def run_command(argv: list[str]) -> int:
    """Prints a line a file; 1 if one of them could not be read."""
    options = read(Options, "predict", argv)
    source, task, _ = asked(options.run, options.weights)
    if not options.files:
        given = shlex.join([str(options.run), *(["--weights", options.weights] if options.weights else [])])
        raise UserError(f"no {source.kind}s were named: wanted `python -m zoo.predict {given} FILE...`")
    failed = False
    for answer in predict(options.run, options.files, options.top, options.weights):
        failed |= "error" in answer
        if options.json:
            print(json.dumps(answer), flush=True)
        else:
            said = answer["error"] if "error" in answer else task.line(answer)
            print(f"{answer['file']}\t{said}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(run_command))
