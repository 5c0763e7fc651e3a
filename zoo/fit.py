"""Trains a recipe: `python -m zoo.fit cnn`. The same command again resumes the run, or says that it is finished."""

from __future__ import annotations

import inspect
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from zoo.command import main, parse
from zoo.data import SOURCES
from zoo.errors import UserError
from zoo.recipes import RECIPES
from zoo.training import TASKS, callbacks, devices, files, runs
from zoo.training.auxiliary import trainable
from zoo.training.board import Board
from zoo.training.recipe import Recipe, revive
from zoo.training.resume import Resume, create_variables, signals
from zoo.training.runs import Run
from zoo.training.thaw import FineTuning

FEW = 100  # a training of fewer steps deserves a word
EXECUTION = 32  # steps, at most, that TensorFlow runs before Python looks in again


@dataclass(frozen=True)
class Options:
    """Where the run goes and what is measured; none of it changes the result."""

    logs: Path = Path("logs")
    """Folder of the runs."""
    fresh: bool = False
    """Start anew beside an earlier run of this recipe."""
    profile: tuple[int, int] | None = None
    """First and last step to profile for TensorBoard, counted from where this command starts."""

    def __post_init__(self):
        if self.profile is not None and not 1 <= self.profile[0] <= self.profile[1]:
            raise ValueError(f"--profile came as {self.profile}, but must be a step from 1 on and a later one")


def build(recipe: Recipe) -> keras.Model:
    """The recipe's network for its data, uncompiled.

    Raises:
        UserError: the hyperparameters do not fit the data.
    """
    spec = recipe.data.spec
    # Once more: to prepare data draws numbers, so that a first fit would begin with other weights than the second.
    keras.utils.set_random_seed(recipe.seed)
    try:
        if "batch" in spec and "batch" not in inspect.signature(recipe.model).parameters:
            raise ValueError("it carries nothing from window to window: leave out --data.carried")
        model = trainable(recipe.model(**spec))
        if "classes" in spec and model.outputs[0].shape[1:] != (spec["classes"],):
            raise ValueError(f"its outputs are {model.outputs[0].shape[1:]}, but the data need ({spec['classes']},)")
        return model
    except (ValueError, TypeError, ArithmeticError, tf.errors.OpError) as error:
        if isinstance(error, UserError | tf.errors.ResourceExhaustedError):
            raise
        raise UserError(f"{recipe.name} cannot be built: {' '.join(str(error).split())}") from error


def compile_model(model: keras.Model, recipe: Recipe, steps: int, per_execution: int) -> None:
    """Joins the network with its loss, metrics and optimizer for trainings of `steps` an epoch."""
    optimizer = recipe.optimizer.build(recipe.epochs * steps)
    if isinstance(recipe, FineTuning):
        recipe.slow_down(model, optimizer, steps)
    model.compile(
        optimizer=optimizer,
        loss=recipe.task.loss(),
        metrics=recipe.task.metrics(),
        jit_compile=devices.compiled(recipe.xla),
        steps_per_execution=per_execution,
    )


def epoch_steps(examples: int, batch: int) -> tuple[int, int]:
    """Steps of an epoch, and how many of them TensorFlow runs at once.

    Keras wants the first to be a multiple of the second; the epoch is rounded to that by 2.5 % at most.
    """
    steps = max(1, round(examples / batch))
    per_execution = max(1, min(EXECUTION, steps // 20))
    return round(steps / per_execution) * per_execution, per_execution


def fit(
    recipe: Recipe,
    *,
    logs: Path | str = "logs",
    fresh: bool = False,
    profile: tuple[int, int] | None = None,
    command: str | None = None,
) -> Run:
    """Trains the recipe to its end, going on where an earlier fit of it stopped.

    Args:
        recipe: what to train.
        logs: folder of the runs.
        fresh: start anew beside an earlier run of this recipe.
        profile: first and last step to profile.
        command: how to start this again; written down in the run.

    Returns:
        The finished run.

    Raises:
        UserError: the input or the machine does not allow it; what was saved before is whole.
        Stopped: Ctrl-C or SIGTERM; the state is saved.
    """
    run = runs.choose(recipe, Path(logs), fresh)
    if run.summary is not None:
        if not (run.path / "run.json").exists():
            raise UserError(f"{run.path} has lost its run.json: --fresh starts anew beside it")
        runs.open_for_reading(run.path)
        later = "changes of data or code since then are not looked at"
        print(f"finished already ({later}); --fresh starts anew beside {run.path}")
        return run
    precision = devices.configure(recipe.seed, recipe.precision)
    model = build(recipe)
    described = describe(recipe, precision, command)
    with runs.locked(run):
        runs.begin(run, described, recipe.data.files())
        train(model, recipe, run, profile)
    return run


def train(model: keras.Model, recipe: Recipe, run: Run, profile: tuple[int, int] | None) -> None:
    """The training itself, from where the run stands to its end."""
    source = recipe.data
    batch = min(source.batch, source.count("train"))
    steps, per_execution = epoch_steps(source.epoch_size, batch)
    resume = Resume(run, steps)
    # Both an epoch and the rest of a cut one must be a whole number of executions.
    resume.per_execution = 1 if profile else math.gcd(per_execution, resume.unfinished)
    compile_model(model, recipe, steps, resume.per_execution)
    stopwatch = tf.Variable(0.0, dtype=tf.float64)
    validation = source.load("validation")
    sample = next(iter(source.load("train", seed=recipe.seed)))
    create_variables(model, sample)
    resume.begin(model)
    panel = recipe.task.panel(source, validation)
    board = Board(
        run.path,
        recipe=recipe.leaves(),
        panel=panel,
        sample=sample,
        batch=batch,
        waited=lambda: float(stopwatch),
        fresh=resume.step == 0,
        profile=profile,
    )
    chosen = resume.after([*callbacks.standard(recipe, run, steps), board])
    if resume.step:
        print(f"resuming {run.path} after {resume.epoch} epoch{'s' * (resume.epoch != 1)}, at step {resume.step}")
    else:
        print(f"training {run.path}: --epochs {recipe.epochs}, steps an epoch {steps}; the first step takes longest")
        if recipe.epochs * steps < FEW:
            smaller = f", or a --data.batch below {batch}" if batch > 1 else ""
            print(f"so few steps may teach it little: give it more --epochs{smaller}")
    weights = recipe.task.weights(source)
    with signals(resume):
        # Where a stop cut an epoch short, one `fit` ends that epoch and the next goes on from there.
        while resume.epoch < recipe.epochs and not resume.stopped:
            model.fit(
                source.load("train", seed=recipe.seed, step=resume.step, stopwatch=stopwatch),
                steps_per_epoch=resume.unfinished or steps,
                initial_epoch=resume.epoch,
                epochs=recipe.epochs,
                validation_data=validation,
                callbacks=chosen,
                class_weight=weights,
                shuffle=False,  # the source has done that
                verbose=1 if sys.stdout.isatty() else 2,
            )
    files.write_json(run.path / "history.json", resume.state["history"])
    panel.finish(run.model(), run.path)
    files.write_json(run.path / "summary.json", summarize(recipe, resume, steps))


def recalled(run: Run) -> tuple:
    """The data and the task that the run wrote down.

    Raises:
        UserError: it is of another version.
    """
    recipe = run.record["recipe"]
    try:
        kinds = recipe["data"]["is"], recipe["task"]["is"]
        if kinds not in {(type(known.data).__name__, type(known.task).__name__) for known in RECIPES.values()}:
            raise ValueError(f"no recipe joins the data {kinds[0]} and the task {kinds[1]}")
        source = revive(SOURCES[recipe["data"]["is"]], recipe["data"])
        task = revive(TASKS[recipe["task"]["is"]], recipe["task"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.path} was made by another version of zoo ({error}): train it again") from error
    return source.of_run(run.path), task


def data_facts(source) -> dict:
    """What must not change while a run is about these data: examples of each split, digests of what a fit reads."""
    counts = {split: source.count(split) for split in source.splits}
    return counts | {"digest": source.digest("train"), "validation_digest": source.digest("validation")}


def describe(recipe: Recipe, precision: str, command: str | None) -> dict:
    """What a run writes down when it begins."""
    source = recipe.data
    return {
        "recipe": recipe.record(),
        "id": recipe.id(),
        "command": command,
        "precision": precision,
        "spec": source.spec,
        "labels": list(source.labels),
        "data": data_facts(source),
        "machine": devices.machine(),
        "versions": devices.versions(),
        "commit": runs.commit(),
    }


def summarize(recipe: Recipe, resume: Resume, steps: int) -> dict:
    """How the run ended."""
    history = resume.state["history"]
    if recipe.monitor == "last":
        best = history[-1]
    else:
        best = (min if recipe.monitor.endswith("loss") else max)(history, key=lambda epoch: epoch[recipe.monitor])
    return {"epochs": len(history), "steps": steps * len(history), "seconds": resume.seconds, "best": best}


def run_command(argv: list[str]) -> int:
    """Trains what the command line asks for and says what came out."""
    recipe, options = parse("fit", argv, Options)
    run = fit(recipe, logs=options.logs, fresh=options.fresh, profile=options.profile, command=typed("fit", argv))
    print(summary(recipe, run))
    return 0


def typed(verb: str, argv: list[str]) -> str:
    """The command that goes on with what these words began."""
    return shlex.join(["python", "-m", f"zoo.{verb}", *(word for word in argv if word != "--fresh")])


def summary(recipe: Recipe, run: Run) -> str:
    """How a finished run went, and what to do with it, for a person to read."""
    end, best = run.summary, run.summary["best"]
    values = ", ".join(f"{name[4:]} {value:.4f}" for name, value in best.items() if name.startswith("val_"))
    data = ", ".join(f"{run.record['data'][split]} {split}" for split in ("train", "validation", "test"))
    path = shlex.quote(str(run.path))
    return f"""
{recipe.data.title}: {data}, {recipe.data.summary}
{end["epochs"]} epoch{"s" * (end["epochs"] > 1)} in {end["seconds"]:.0f} s
{"last" if recipe.monitor == "last" else "best"}: epoch {best["epoch"]}, validation {values}
next:
  python -m zoo.evaluate {path}
  python -m zoo.{recipe.task.USE.format(run=path, kind=getattr(recipe.data, "kind", "file").upper())}
  tensorboard --logdir {shlex.quote(str(run.path.parent))}
run: {run.path}"""


if __name__ == "__main__":
    sys.exit(main(run_command))
