"""The folder that `export` writes: a network in another program's format, and all that is needed to use it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from zoo.errors import UserError, disk_is_full
from zoo.exported.compared import TOLERANCE, Difference, difference
from zoo.exported.network import Network, padded

CARD, EXAMPLE, LABELS, PAGE = "model.json", "example.npz", "labels.json", "answer.py"
EXAMPLES = 4  # in the example

BEGIN = '''"""Answers for example.npz, or with `python answer.py INPUTS.npz` for yours: needs numpy and {runtime}.

model.json says what the arrays in such a file are called, what must be in them, and what the output means.
"""

import json
import sys
from pathlib import Path

import numpy as np
'''
END = """

given = np.load(sys.argv[1] if len(sys.argv) > 1 else HERE / "example.npz")
output = run([given[one["name"]].astype(one["dtype"]) for one in CARD["inputs"]])
"""
OF_CLASSES = """labels = json.loads((HERE / "labels.json").read_text(encoding="utf-8"))
print([labels[place] for place in output.argmax(-1)] if output.ndim == 2 else output)
"""
CHECK = """if len(sys.argv) == 1:
    print("largest difference to the network's own output:", np.abs(output - given["output"]).max())
"""


def page(form: ModuleType, labels: bool) -> str:
    """A page of Python that answers with a written network, without zoo.

    Args:
        form: of the formats, one with an ANSWER.
        labels: whether there are classes with names.
    """
    imports, run = form.ANSWER.strip().split("\n\n", 1)
    of_the_card = (
        'HERE = Path(__file__).resolve().parent\nCARD = json.loads((HERE / "model.json").read_text(encoding="utf-8"))'
    )
    tail = OF_CLASSES if labels else "print(output)\n"
    head = BEGIN.format(runtime=form.RUNTIME)
    return f"{head}{imports}\n\n{of_the_card}\n{run}\n{END}{tail}{CHECK}"


def compare(
    network: Network, run: Callable[[list[np.ndarray]], np.ndarray], batches: Iterable[list[np.ndarray]]
) -> Difference:
    """How far what was written is from the network, over batches of inputs."""
    own = network.compiled()
    return Difference.of_all([difference(own(inputs), run(inputs)) for inputs in batches])


def inputs_of(network: Network, batches: Iterable, fixed: bool) -> Iterator[list[np.ndarray]]:
    """Yields the inputs of batches as arrays of the network's types; with `fixed`, padded to its sizes."""
    for batch in batches:
        arrays = network.arrays(batch)
        yield padded(arrays, network.sizes) if fixed else arrays


def write(
    form: ModuleType,
    network: Network,
    out: Path,
    *,
    batches: Callable[[], Iterable],
    about: dict,
    files: dict[str, bytes],
) -> Difference:
    """Writes the folder, reads the network back and compares its outputs; nothing is left where they differ.

    Args:
        form: one of FORMATS.
        network: what to write.
        out: the folder, which is empty or does not exist.
        batches: gives the inputs to compare with, in the network's order.
        about: entries of model.json.
        files: further files by name, such as a tokenizer; labels.json if there are classes.

    Returns:
        How far the outputs of the file are from those of the network.

    Raises:
        UserError: the format cannot hold the network, the outputs differ, or the folder cannot be written.
    """
    check_holds(form, network)
    fixed = form.fixed(network)
    part = out.with_name(f".part-{out.name}")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(part)  # left by a killed process
    try:
        part.mkdir(parents=True)
        with converting(form, network):
            form.write(network, part)
            run = form.load(part)
            found = compare(network, run, inputs_of(network, batches(), fixed))
        if found.share > TOLERANCE:
            raise UserError(
                f"as {form.FILE}, {network.model.name} gives other outputs than in Keras: they differ by up to "
                f"{found.largest:.2g}, {found.share:.1e} of the largest, and {TOLERANCE:g} was wanted; nothing is "
                "written: choose another format with --to"
            )
        first = [x[:EXAMPLES] for x in next(inputs_of(network, batches(), fixed))]
        output = network.compiled()(first)
        np.savez(part / EXAMPLE, **dict(zip(network.names, first, strict=True)), output=output)
        card = about | {
            "file": form.FILE,
            "inputs": [
                {"name": spec.name, "shape": ["batch", *spec.shape[1:]], "dtype": spec.dtype.name}
                for spec in network.specs(fixed=fixed)
            ],
            "output": {"shape": ["batch", *network.model.outputs[0].shape[1:]], "dtype": output.dtype.name},
            "compared": found._asdict() | {"tolerance": TOLERANCE},
        }
        (part / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for name, content in files.items():
            (part / name).write_bytes(content)
        if form.ANSWER is not None:
            (part / PAGE).write_text(page(form, LABELS in files), encoding="utf-8")
        with contextlib.suppress(FileNotFoundError):
            out.rmdir()  # it is empty; Windows renames to no folder that is there
        part.rename(out)
        return found
    except OSError as error:
        if disk_is_full(error):
            raise UserError(f"the disk is full: {out} could not be written, and nothing is left of it") from error
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refused(form: ModuleType, network: Network) -> str | None:
    """Why a format cannot hold a network, as far as it is known beforehand."""
    names = (network.model.name, *(layer.name for layer in network.model.layers))
    return next((why for part, why in form.REFUSED.items() if any(name.startswith(part) for name in names)), None)


def check_holds(form: ModuleType, network: Network) -> None:
    """Raises UserError if it is known that a format cannot hold a network."""
    why = refused(form, network)
    if why:
        name = form.__name__.split(".")[-1]
        raise UserError(f"{name} cannot hold {network.model.name}, {why}: choose another format with --to")


@contextlib.contextmanager
def converting(form: ModuleType, network: Network) -> Iterator[None]:
    """Says in one line what a format's own programs say in many."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError | MemoryError) or disk_is_full(error):
            raise
        reason = " ".join(str(error).split())
        raise UserError(
            f"{network.model.name} could not be written as {form.FILE} ({type(error).__name__}: {reason[:200]}): "
            "choose another format with --to"
        ) from error
