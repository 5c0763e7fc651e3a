"""Explains an answer, which parts of an input it comes from: `python -m zoo.explain logs/cnn-1f3a9c cat.jpg`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.command import Weights, apart, first_word, joined, main, read
from zoo.errors import UserError, printable
from zoo.opened import Opened, asked, check_is_run, check_one_is_there, check_words, opened
from zoo.recipes.own import Own, split_off

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.explained import Explanation, Settings
    from zoo.tasks import Task
    from zoo.training import Run

USAGE = "RUN INPUT... [OPTIONS]"
ABOUT = """RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c; or with --weights imagenet or hub a
published network.
Inputs are files and folders, or for a run on texts --text TEXT or --file FILE, which has a text on each line.
`python -m zoo.explain RUN --help` shows the options of one."""
Name = Literal[
    "gradient",
    "gradient_x_input",
    "smoothgrad",
    "integrated_gradients",
    "grad_cam",
    "guided_grad_cam",
    "occlusion",
    "lime",
    "shap",
    "gradient_shap",
    "attention",
    "attention_rollout",
]


@dataclass(frozen=True)
class Options:
    """What is done, and where it is written."""

    method: tuple[Name, ...] = ("integrated_gradients",)
    """One or more methods, which are drawn side by side."""
    check: bool = False
    """Also measure the methods: by hiding first what they rank highest (deletion) and showing it first (insertion), and
    by what is left of the map if the network's weights are random."""
    out: Path = Path("explained")
    """Folder for the pictures, or for texts the pages, which is made if it is not there."""
    json: bool = False
    """Print each explanation as one line of JSON with all numbers."""
    tensorboard: bool = False
    """Also write the pictures into the run, where TensorBoard shows them."""

    def __post_init__(self):
        if not self.method:
            raise ValueError("--method came empty: wanted one or more names")


def explain(
    run: Run | Path | str,
    inputs: Iterable[Path | str],
    method: Iterable[str] | str = "integrated_gradients",
    *,
    check: bool = False,
    weights: str | None = None,
    source: Source | None = None,
    task: Task | None = None,
    **options: Any,
) -> Iterator[dict]:
    """Yields for each input, in order, a dict with the input and either its explanation or an `error`.

    An explanation has `explains` (the number that is explained), its `number`, that of the `baseline`, their `unit`,
    and `methods`: for each `values`, one for each of `names` or in rows for each pixel, with their `unit`; for some the
    `sum` of all and the `difference` of the outputs that it should be; with `check` also `deletion`, `insertion` and
    `random_weights`.

    Args:
        run: what `fit` returned, its folder, or with `weights` the name of a published network.
        inputs: files of the same kind as the run's data, and folders of them; or texts.
        method: names of methods.
        check: whether to measure the methods.
        weights: of a published network: imagenet, or a file in that format.
        source: the run's data, if their class is the user's own.
        task: the run's task, if its class is the user's own.
        options: of `zoo.explained.Settings` and of the task's `Explain`, such as steps=64 or label="cat".

    Raises:
        UserError: the run is missing, damaged or of another version, its answers or its network cannot be explained in
            that way, a package is missing, or there is no such option.
    """
    methods = [method] if isinstance(method, str) else list(method)
    found = opened(run, weights=weights, source=source, task=task)
    check_can_be_explained(found)
    from zoo.explained import METHODS, Settings

    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods:
        raise UserError(f"method came as {unknown or methods}: wanted some of {', '.join(METHODS)}")
    own = {one.name for one in fields(Settings)}
    settings = asked(found, {name: value for name, value in options.items() if name in own}, Settings)
    ask = asked(found, {name: value for name, value in options.items() if name not in own}, found.task.Explain)
    for about, explanation in explanations(found, ask, found.source.Inputs.of(inputs), methods, settings, check=check):
        yield about if explanation is None else about | explanation.as_json()


def explanations(
    found: Opened, ask: Any, given: Any, methods: Iterable[str], settings: Settings, *, check: bool
) -> Iterator[tuple[dict, Explanation | None]]:
    """Yields for each input what it is called and its explanation, or None with the reason under `error`."""
    from zoo import explained

    explained.check(methods, found.model)
    for batch in given.read(found.source, found.spec):
        for about, value in batch:
            if "error" in about:
                yield about, None
                continue
            aim = found.task.aim(found.model, found.source, ask, value)
            yield about, explained.explained(found.model, found.source, aim, methods, settings, check=check)


def check_can_be_explained(found: Opened) -> None:
    """Raises UserError, which says what can be, if the answers of a network cannot be explained."""
    from zoo.tasks.task import NotExplained

    if found.task.Explain is NotExplained:
        found.task.aim(None, found.source, NotExplained(), None)


def run_command(argv: list[str]) -> int:
    """Explains the inputs; returns 1 if one of them could not be read."""
    name = first_word("explain", argv, USAGE, ABOUT)
    given, words = split_off(argv[1:])
    weights, words = apart(words)
    check_words(words)
    if weights is None:
        check_is_run(Path(name))
    check_one_is_there(words)
    found = opened(name, weights=weights, **given)
    check_can_be_explained(found)
    from zoo.explained import Settings

    command = joined(
        given=found.source.Inputs(),
        aim=found.task.Explain(),
        options=Options(),
        settings=Settings(),
        weights=Weights(weights),
        own=Own(),
    )
    parsed = read(command, f"explain {name}", words, description=__doc__.split(":")[0])
    options, failed, taken = parsed.options, False, set()
    if options.tensorboard and found.run is None:
        raise UserError(f"--tensorboard came for {name}, which is no run: leave it out; pictures are in --out")
    every = explanations(found, parsed.aim, parsed.given, options.method, parsed.settings, check=options.check)
    for number, (about, explanation) in enumerate(every, 1):
        if explanation is None:
            failed = True
            print(json.dumps(about) if options.json else printable(parsed.given.line(about, "")), flush=True)
        else:
            path = options.out / unused(called(about, number), taken)
            path = written(explanation, path, found.run if options.tensorboard else None)
            if options.json:
                print(json.dumps(about | explanation.as_json() | {"picture": str(path)}), flush=True)
            else:
                first, *rest = explanation.lines()
                print(printable(parsed.given.line(about, first)))
                print(*(printable(f"  {line}") for line in [*rest, f"picture: {path}"]), sep="\n", flush=True)
        for remark in parsed.given.remarks(number, about):
            print(f"zoo: {printable(remark)}", file=sys.stderr)
    return int(failed)


def called(about: dict, number: int) -> str:
    """What the picture of an input is called, without its ending."""
    words = [Path(about["file"]).stem if "file" in about else f"input-{number}"]
    words += [str(about[name]) for name in ("series", "row") if name in about]
    return re.sub(r"[^\w.-]+", "_", "-".join(words))[:80] + "-explained"


def unused(name: str, taken: set[str]) -> str:
    """The name, or with a number behind it if another input has it."""
    numbered = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    new = next(one for one in numbered if one not in taken)
    taken.add(new)
    return new


def written(explanation: Explanation, path: Path, run: Run | None) -> Path:
    """Writes a picture, or of a text a page, and returns its path with its ending.

    Args:
        explanation: what is shown.
        path: of the file, without its ending, in a folder that is made if it is not there.
        run: into which it is written for TensorBoard too; None: it is not.

    Raises:
        UserError: the folder cannot be made.
    """
    from zoo.explained import drawn
    from zoo.training import files

    files.made(path.parent, "--out")
    ending, content, view = drawn(explanation)
    path = path.with_name(f"{path.name}.{ending}")
    with files.replacing(path) as part:
        part.write_bytes(content)
    if run is not None:
        from zoo.training.board import show_later

        show_later(run.path, f"explained/{path.stem}", view)
    return path


if __name__ == "__main__":
    sys.exit(main(run_command))
