"""Trains a recipe: `python -m zoo.fit cnn`. The same command again resumes the run, or says that it is finished.

`python -m zoo.fit logs/cnn-1f3a9c` goes on with that run, wherever it is typed.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.command import main, parse, read_with_places, typed
from zoo.errors import UserError, printable
from zoo.opened import is_run, places_of, recalled, recipe_of
from zoo.teacher import with_teacher
from zoo.transfer import BUILDERS

if TYPE_CHECKING:
    import keras

    from zoo.training import Recipe, Run


@dataclass(frozen=True)
class Options:
    """Where the run is stored, and profiling; none of it changes the result."""

    logs: Path = Path("logs")
    """Folder in which runs are stored."""
    fresh: bool = False
    """Start a new run beside earlier ones of this recipe."""
    quiet: bool = False
    """Do not print what was understood of the data."""
    profile: tuple[int, int] | None = None
    """First and last step to profile for TensorBoard, counted from the start of this command."""

    def __post_init__(self):
        if self.profile is not None and not 1 <= self.profile[0] <= self.profile[1]:
            raise ValueError(f"--profile came as {self.profile}, but must be a step from 1 on and a later one")


def fit(
    recipe: Recipe | Run | Path | str,
    *,
    logs: Path | str = "logs",
    fresh: bool = False,
    quiet: bool = False,
    profile: tuple[int, int] | None = None,
    command: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    places: Mapping[str, Path | str] | None = None,
) -> Run:
    """Trains a recipe to the end, resuming an earlier run of it that was stopped.

    Args:
        recipe: what to train; or a run, or its folder, to go on with.
        logs: folder in which runs are stored; a run stays in its own.
        fresh: start a new run beside earlier ones of this recipe.
        quiet: do not print what was understood of the data.
        profile: first and last step to profile.
        command: the command line that starts this again; it is stored in the run.
        callbacks: further Keras callbacks. They are not part of the run's id, and their state is not saved.
        places: where the data of a run are now, such as {"folder": "pictures/"}, if not where they were.

    Returns:
        The finished run.

    Raises:
        UserError: the input or the machine is at fault; what was saved before is intact.
        Stopped: Ctrl-C or SIGTERM; the state has been saved.
    """
    import keras

    from zoo.training import devices, loop, runs

    callbacks = list(callbacks)
    wrong = [callback for callback in callbacks if not isinstance(callback, keras.callbacks.Callback)]
    if wrong:
        raise UserError(f"callbacks came with {wrong[0]!r}, which is not a keras.callbacks.Callback")
    run = None
    if isinstance(recipe, runs.Run | Path | str):
        run, recipe = recipe_of(Path(getattr(recipe, "path", recipe)), BUILDERS, places or {})
        logs = run.path.parent
    if run is None or fresh:
        run = runs.newest(recipe, Path(logs), fresh)
    if run.summary is not None:
        if not (run.path / "run.json").exists():
            raise UserError(f"{run.path} has lost its run.json: --fresh starts anew beside it")
        later = "changes of data or code since then are not looked at"
        print(printable(f"finished already ({later}); --fresh starts anew beside {run.path}"))
        return runs.open_for_reading(run.path)
    precision = devices.configure(recipe.seed, recipe.precision)
    recipe = with_teacher(recipe)
    model = loop.build(recipe)
    described = loop.describe(recipe, model, precision, command, run.path.parent)
    if not quiet:
        print("\n".join(map(printable, described["understood"])))
    with runs.locked(run):
        runs.write_down(run, described, recipe.data.files())
        loop.train(model, recipe, run, profile=profile, own=callbacks)
    return run


def run_command(argv: list[str]) -> int:
    """Trains what the command line asks for and prints a summary."""
    if argv and is_run(Path(argv[0])):
        return go_on(argv)
    recipe, options = parse("fit", argv, Options)
    return fitted(recipe, options, typed("fit", argv))


def fitted(recipe: Recipe, options: Options, command: str) -> int:
    """Trains a recipe as the options say and prints a summary; returns the exit code."""
    how = {"fresh": options.fresh, "quiet": options.quiet, "profile": options.profile}
    run = fit(recipe, logs=options.logs, command=command, **how)
    print(printable(summary(recipe, run), "\n"))
    return 0


def go_on(argv: list[str]) -> int:
    """Goes on with the run that the command line names and prints a summary."""
    from zoo.training import runs

    path = Path(argv[0])
    found = runs.open_for_reading(path)
    source = recalled(None, found.record["recipe"].get("data"), "source", found)
    options, places, _ = read_with_places(f"fit {path}", argv[1:], Options(), places_of(source))
    if options.logs != Options.logs:
        raise UserError(f"--logs came as {options.logs}, but a run goes on where it is: leave it out")
    recipe = recipe_of(path, BUILDERS, places)[1]
    how = {"fresh": options.fresh, "quiet": options.quiet, "profile": options.profile}
    run = fit(path, places=places, command=typed("fit", argv), **how)
    print(printable(summary(recipe, run), "\n"))
    return 0


def summary(recipe: Recipe, run: Run) -> str:
    """A finished run's results and the next commands, as readable text."""
    from zoo.tasks.task import compared

    end = run.summary
    best = end["best"]
    validation = {name[4:]: value for name, value in best.items() if name in recipe.task.monitors}
    baselines = [baseline for baseline in end.get("baselines", ()) if baseline["metric"] in validation]
    lines = "".join(f"\n{line}" for line in compared(baselines, validation, recipe.task.monitors))
    values = ", ".join(f"{name[4:]} {value:.4f}" for name, value in best.items() if name.startswith("val_"))
    data = ", ".join(f"{run.record['data'][split]} {split}" for split in ("train", "validation", "test"))
    path = shlex.quote(str(run.path))
    inputs = recipe.data.of_run(run.path, run.record["labels"]).usage  # which may name words of the run
    return f"""
{run.record.get("title")}: {data}, {run.record.get("summary")}
{end["epochs"]} epoch{"s" * (end["epochs"] > 1)} in {end["seconds"]:.0f} s
{"last" if recipe.monitor == "last" else "best"}: epoch {best["epoch"]}, validation {values}{lines}
next:
  python -m zoo.evaluate {path}
  python -m zoo.{recipe.task.verb} {recipe.task.usage.format(run=path, inputs=inputs)}
  tensorboard --logdir {shlex.quote(str(run.path.parent))}
run: {run.path}"""


if __name__ == "__main__":
    sys.exit(main(run_command))
