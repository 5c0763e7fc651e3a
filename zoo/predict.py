"""Says what a run's network sees in pictures: `python -m zoo.predict logs/cnn-1f3a9c cat.jpg pictures/`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from zoo.command import main, read
from zoo.data import find_pictures, read_picture
from zoo.errors import UserError
from zoo.metrics import softmax
from zoo.training import runs
from zoo.training.runs import Run
from zoo.weights import check_is_no_network, labels_of_imagenet, pretrained

BATCH = 64  # pictures that go through the network at once


@dataclass(frozen=True)
class Options:
    """Says what a run's network sees in pictures."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder that fit named last, such as logs/cnn-1f3a9c; or with --weights a network, such as resnet50."""
    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Pictures of any size and format that Pillow reads, and folders of them."""
    json: bool = False
    """Print a line of JSON a picture."""
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
    """For each picture, in order, its `file` and either its `top` classes or its `error`.

    Args:
        run: what fit made, or with `weights` the name of a network of zoo.weights.PUBLISHED.
        files: pictures, and folders whose pictures are taken in the order of their names.
        top: how many of the likeliest classes to name, each a dict of `label` and `probability`.
        weights: "imagenet" or a file in that format.

    Raises:
        UserError: the run is missing, damaged or of another version, or the weights cannot be had.
    """
    if weights:
        model, labels = pretrained(str(run), weights=weights), labels_of_imagenet()
    else:
        check_is_no_network(str(run))
        run = runs.open_for_reading(Path(run.path if isinstance(run, Run) else run))
        if "classes" not in run.record["spec"]:
            raise UserError(f"{run.path} tells no classes of pictures: try `python -m zoo.generate {run.path}`")
        model, labels = run.model(), run.record["labels"]
    shape = tuple(model.input_shape[1:])
    waiting: list[tuple[Path, np.ndarray | str]] = []

    def answers() -> Iterator[dict]:
        pictures = [seen for _, seen in waiting if not isinstance(seen, str)]
        # The last batch is filled up, so that one shape, and so one compiled function, serves all.
        full = np.zeros((BATCH, *shape), np.uint8)
        full[: len(pictures)] = pictures or full[:0]
        rows = iter(softmax(model.predict_on_batch(full)) if pictures else ())
        for path, seen in waiting:
            if isinstance(seen, str):
                yield {"file": str(path), "error": seen}
                continue
            row = next(rows)
            best = np.argsort(-row, kind="stable")[:top]
            yield {"file": str(path), "top": [{"label": labels[i], "probability": float(row[i])} for i in best]}
        waiting.clear()

    for path, problem in expand(Path(file) for file in files):
        seen: np.ndarray | str | None = problem
        if seen is None:
            try:
                seen = read_picture(path, shape)
            except OSError as error:
                seen = f"cannot be read: {error.strerror or error}"
        waiting.append((path, seen))
        if len(waiting) == BATCH:
            yield from answers()
    yield from answers()


def expand(paths: Iterable[Path]) -> Iterator[tuple[Path, str | None]]:
    """Each picture, and what is wrong with a path that cannot lead to one."""
    for path in paths:
        if not os.path.isdir(path):  # which, unlike Path's, never raises
            yield path, None
            continue
        found = find_pictures(path)
        yield from ((picture, None) for picture in found)
        if not found:
            yield path, "no pictures in this folder"


def run_command(argv: list[str]) -> int:
    """Prints a line a picture; 1 if one of them could not be read."""
    options = read(Options, "predict", argv)
    if not options.files:
        raise UserError(f"no pictures were named: wanted `python -m zoo.predict {options.run} FILE...`")
    failed = False
    for answer in predict(options.run, options.files, options.top, options.weights):
        failed |= "error" in answer
        if options.json:
            print(json.dumps(answer), flush=True)
        elif "error" in answer:
            print(f"{answer['file']}\t{answer['error']}", flush=True)
        else:
            said = "\t".join(f"{seen['label']} {seen['probability']:.4f}" for seen in answer["top"])
            print(f"{answer['file']}\t{said}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(run_command))
