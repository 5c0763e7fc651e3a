"""Writes a run's network for other programs: `python -m zoo.export logs/cnn-1f3a9c --to onnx --out FOLDER`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from zoo.command import first_word, main, read
from zoo.errors import UserError, nearest, printable
from zoo.opened import Opened, check_is_run, check_is_there, opened
from zoo.recipes.own import Own, split_off

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.exported import Difference
    from zoo.tasks import Task
    from zoo.training import Run

USAGE = "RUN --to FORMAT --out FOLDER"
Format = Literal["saved_model", "onnx", "litert", "openvino", "safetensors"]
ABOUT = f"""RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c.
FORMAT is one of {", ".join(get_args(Format))}; FOLDER is made.
`python -m zoo.export RUN --help` shows the options."""
SYNTHETIC = 256  # random inputs to compare with where the run's data are gone


@dataclass(frozen=True)
class Options(Own):
    """Writes a run's network, with all that is needed to use it, to a folder for other programs."""

    to: Format | None = None
    """The format. saved_model: TensorFlow; onnx: onnxruntime and many more; litert: telephones; openvino: Intel's
    processors; safetensors: the weights alone."""
    out: Path | None = None
    """The folder to write, which must not exist yet, or be empty."""


def export(
    run: Run | Path | str,
    to: Format,
    out: Path | str,
    *,
    source: Source | None = None,
    task: Task | None = None,
) -> Difference:
    """Writes a run's network for other programs, reads it back with the format's own and compares the outputs.

    They are compared on the validation split, or on random inputs if it is not there. The folder has the network, in
    float32, and beside it model.json, which says what goes in and what comes out, example.npz with some inputs and
    their output, the labels or the tokenizer, and answer.py, a page of Python that answers without zoo.

    Args:
        run: what `fit` returned, or its folder.
        to: the format.
        out: the folder to write, which does not exist or is empty.
        source: the run's data, if their class is the user's own.
        task: the run's task, if its class is the user's own.

    Returns:
        How far the outputs of the file are from the network's: at most 1e-4 of the largest.

    Raises:
        UserError: the run or the folder cannot be used, a package is missing, the format cannot hold the network, or
            outputs differ by more; nothing is written then.
    """
    return exported(run, to, out, {"source": source, "task": task}, lambda line: None)


def exported(run: Any, to: str, out: Path | str, own: dict, say: Callable[[str], None]) -> Difference:
    """See `export`; `say` takes a line about what the outputs are compared on."""
    if to not in get_args(Format):
        raise UserError(f"to came as {to!r}{nearest(str(to), list(get_args(Format)))}")
    out = Path(os.path.abspath(out))
    check_out(out)
    check_is_run(Path(getattr(run, "path", run)))
    from zoo.exported import FORMATS, Network, check_installed, float32_copy, sizes_of, write

    check_installed([to])
    found = opened(run, **own)
    if found.run.summary is None:
        say(f"not finished: this is the best of {len(found.run.history)} epochs so far; {found.run.how_to_go_on()}")

    model = float32_copy(found.model)
    batches, on = compared_on(found)
    say(f"compared on {on}")
    network = Network(model, sizes_of(model, batches()))
    return write(FORMATS[to], network, out, batches=batches, about=card(found, to, on), files=files(found))


def check_out(out: Path) -> None:
    """Raises UserError unless the folder can be made, or is empty."""
    within = [parent for parent in out.parents if parent.exists() and not parent.is_dir()]
    if within:
        raise UserError(f"--out came as {out}, but {within[-1]} is a file: give a folder that does not exist yet")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is a file"
        raise UserError(f"--out came as {out}, which {what}: give a folder that does not exist yet")


def compared_on(found: Opened) -> tuple[Callable[[], Iterator], str]:
    """A function that yields the inputs of batches, and what they are."""
    from zoo.training import runs

    source, run = found.source, found.run
    try:
        check_is_there(source, run, {})
        runs.check_data(run, runs.data_facts(source))
        count = source.count("validation")
        return lambda: (batch[0] for batch in source.load("validation")), f"the validation part, {count:,} examples"
    except UserError as error:
        data = source.synthetic(max(SYNTHETIC, source.batch))
        several = -(-SYNTHETIC // source.batch)
        why = f"random inputs, for the data are not there ({error})"
        return lambda: (batch[0] for batch in islice(data, several)), why


def card(found: Opened, to: str, on: str) -> dict:
    """What model.json says of the network and where it comes from."""
    from zoo.training import devices

    run = found.run
    record = run.record
    return {
        "network": record["recipe"]["model"]["is"],
        "format": to,
        "run": run.path.name,
        "id": record["id"],
        "finished": run.summary is not None,
        "task": type(found.task).__name__,
        "data": found.source.title,
        "input": getattr(found.source, "meaning", "as the run's data had them"),
        "answer": getattr(found.task, "outputs", "the network's own"),
        "labels": list(record["labels"]),
        "precision": {"trained": record["precision"], "here": "float32"},
        "compared_on": on,
        "versions": devices.versions(),
    }


def files(found: Opened) -> dict[str, bytes]:
    """The labels, and the text files that the run keeps, such as a tokenizer."""
    kept = {name: (found.run.path / name).read_bytes() for name in found.run.record.get("files", {})}
    labels = list(found.run.record["labels"])
    text = json.dumps(labels, indent=1, ensure_ascii=False) + "\n"
    return kept | ({"labels.json": text.encode()} if labels else {})


def run_command(argv: list[str]) -> int:
    """Exports what the command line names."""
    name = first_word("export", argv, USAGE, ABOUT)
    own, words = split_off(argv[1:])
    options = read(Options, f"export {name}", words)
    for flag in ("to", "out"):
        if getattr(options, flag) is None:
            raise UserError(f"--{flag} is missing: wanted `python -m zoo.export {USAGE}`")
    found = exported(name, options.to, options.out, own, lambda line: print(printable(line), flush=True))
    print(
        f"largest difference of outputs {found.largest:.1e}, {found.share:.1e} of the largest (at most 1e-4 is right); "
        f"{found.equal:.2%} of {found.count:,} answers are equal"
    )
    for path in sorted(options.out.iterdir()):
        print(f"  {printable(path.name)}")
    print(f"written: {printable(str(options.out))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
