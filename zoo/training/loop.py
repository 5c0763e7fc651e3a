"""The training itself: building a recipe's network, compiling it, training it to the end and summarising the run."""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf

from zoo.data.source import Source
from zoo.errors import UserError
from zoo.tasks.task import Panel
from zoo.training import callbacks, devices, files, pace, runs
from zoo.training.auxiliary import trainable
from zoo.training.board import Board
from zoo.training.given import again
from zoo.training.recipe import Recipe
from zoo.training.resume import Resume, create_variables, signals
from zoo.training.runs import Run

FEW = 100  # steps below which a training prints a warning
ENOUGH = 1000  # steps that it then recommends
EXECUTION = 32  # the most steps that TensorFlow runs before control returns to Python


def build(recipe: Recipe) -> keras.Model:
    """The recipe's network for its data, uncompiled.

    Raises:
        UserError: the hyperparameters do not fit the data.
    """
    spec, labels = recipe.data.spec, recipe.data.labels
    # Seed again: preparing data draws random numbers, so the first fit would get other initial weights than the second.
    keras.utils.set_random_seed(recipe.seed)
    try:
        check_takes(recipe.model, spec, recipe.data)
        model = trainable(recipe.method.wrap(functional(recipe.model(**spec))))
        recipe.task.check(model, spec, labels)
        return model
    except (ValueError, TypeError, ArithmeticError, tf.errors.OpError) as error:
        if isinstance(error, UserError | tf.errors.ResourceExhaustedError):
            raise
        raise UserError(f"{recipe.name} cannot be built: {' '.join(str(error).split())}") from error


def initialize(model: keras.Model, source: Source, step: int) -> None:
    """Puts what the source's `initial` gives, if it has that, into a network of which no step is trained."""
    initial = getattr(source, "initial", None)  # no part of the contract
    given = initial() if initial and not step else {}
    for layer in model.layers:
        if layer.name in given:
            layer.weights[0].assign(given[layer.name])


def check_takes(builder: partial, spec: dict, source: Source) -> None:
    """Raises ValueError if a builder has no argument for something that the data give to it."""
    parameters = inspect.signature(builder).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    strange = sorted(spec.keys() - {parameter.name for parameter in parameters})
    if strange:
        flags = [f"--data.{name}" for name in strange if hasattr(source, name)]
        mend = f"leave out {' '.join(flags)}" if flags else f"the data give {', '.join(spec)} by name"
        raise ValueError(f"it has no argument {', '.join(strange)}: {mend}")


def functional(model: keras.Model) -> keras.Model:
    """The network as a functional one that can be saved and loaded again.

    Raises:
        ValueError: it cannot be.
    """
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    if not isinstance(model, keras.Model) or not isinstance(getattr(model, "outputs", None), list):
        raise ValueError(
            f"its builder returned {type(model).__name__}: wanted a functional keras.Model, or a Sequential one that "
            "begins with keras.Input"
        )
    if isinstance(model.output, dict) or len({tuple(tensor.shape) for tensor in model.outputs}) > 1:
        raise ValueError(f"its outputs are {model.output}: wanted one, or auxiliary heads of the same shape")
    code = [layer.name for layer in model._flatten_layers() if isinstance(layer, keras.layers.Lambda)]
    if code:
        raise ValueError(f"{code[0]} is a Lambda layer, whose code is never loaded from a file: use keras.ops directly")
    return model


def compile_model(model: keras.Model, recipe: Recipe, steps: int, per_execution: int) -> None:
    """Compiles the network with its loss, metrics and optimizer, for epochs of `steps` steps."""
    if isinstance(recipe.optimizer, keras.Optimizer):
        optimizer = again(recipe.optimizer)
    else:
        optimizer = recipe.method.optimizer(recipe.optimizer, model, steps=steps, epochs=recipe.epochs)
    model.compile(
        optimizer=optimizer,
        loss=recipe.task.loss() if recipe.loss is None else again(recipe.loss),
        metrics=[*recipe.task.metrics(), *map(again, recipe.metrics)],
        jit_compile=devices.compiled(recipe.xla),
        steps_per_execution=per_execution,
    )


def epoch_steps(examples: int, batch: int) -> tuple[int, int]:
    """Steps per epoch, and how many of them TensorFlow runs in one execution.

    Keras requires the first to be a multiple of the second, so the epoch is rounded to one, by at most 2.5 %.
    """
    steps = max(1, round(examples / batch))
    per_execution = max(1, min(EXECUTION, steps // 20))
    return round(steps / per_execution) * per_execution, per_execution


def train(
    model: keras.Model,
    recipe: Recipe,
    run: Run,
    *,
    profile: tuple[int, int] | None = None,
    own: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains from where the run stopped to its end.

    Args:
        model: as returned by `build`.
        recipe: the one that the model was built from.
        run: its run.json has been written.
        profile: first and last step to profile for TensorBoard.
        own: the user's callbacks; they are called before the state is saved, but their own state is not part of it.
    """
    source = recipe.data
    batch = min(source.batch, source.count("train"))
    steps, per_execution = epoch_steps(source.epoch_size, batch)
    resume = Resume(run, steps)
    # An epoch, and what is left of an interrupted one, must each be a whole number of executions.
    resume.per_execution = 1 if profile else math.gcd(per_execution, resume.unfinished)
    initialize(model, source, resume.step)
    compile_model(model, recipe, steps, resume.per_execution)
    stopwatch = tf.Variable(0.0, dtype=tf.float64)
    validation = source.load("validation")
    sample = next(iter(source.load("train", seed=recipe.seed)))
    try:
        create_variables(model, sample)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        if recipe.loss is None and not recipe.metrics:
            raise
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"the loss or a metric of the recipe does not take targets like the task's: {reason}"
        ) from error
    if recipe.minutes is not None:
        stream = source.load("train", seed=recipe.seed)
        how = {"train": stream, "validation": validation, "steps": steps}
        recipe = replace(recipe, epochs=pace.epochs_of(model, run, recipe.minutes, **how))
        compile_model(model, recipe, steps, resume.per_execution)  # the schedule follows from the number of steps
        create_variables(model, sample)
    standard = callbacks.standard(recipe, run, steps)
    resume.check_and_rewind(model, standard, recipe.monitor)
    panel = recipe.task.panel(source, validation)
    board = Board(
        run.path,
        recipe=named_by(source, recipe.leaves()),
        panel=panel,
        views=recipe.task.look(source, sample) if resume.step == 0 else {},
        sample=sample,
        batch=batch,
        waited=lambda: float(stopwatch),
        fresh=resume.step == 0,
        profile=profile,
    )
    all_callbacks = resume.after([*standard, board], [pace.Left(steps, recipe, fresh=resume.step == 0), *own])
    if resume.step:
        print(f"resuming {run.path} after {resume.epoch} epoch{'s' * (resume.epoch != 1)}, at step {resume.step}")
    else:
        print(f"training {run.path}: --epochs {recipe.epochs}, steps an epoch {steps}; the first step takes longest")
        if recipe.epochs * steps < FEW:
            smaller = f", or a --data.batch below {batch}" if batch > 1 else ""
            enough = -(-ENOUGH // steps)
            print(f"this is very few steps, so it may learn little: use more --epochs, such as {enough}{smaller}")
    weights = recipe.task.weights(source)
    with signals(resume):
        # If an epoch was interrupted, one call of `fit` completes it and the next continues from there.
        while resume.epoch < recipe.epochs and not resume.stopped:
            model.fit(
                source.load("train", seed=recipe.seed, step=resume.step, stopwatch=stopwatch),
                steps_per_epoch=resume.unfinished or steps,
                initial_epoch=resume.epoch,
                epochs=recipe.epochs,
                validation_data=validation,
                callbacks=all_callbacks,
                class_weight=weights,
                shuffle=False,  # the source shuffles
                verbose=1 if sys.stdout.isatty() else 2,
            )
    close(recipe, resume, panel)


def close(recipe: Recipe, resume: Resume, panel: Panel) -> None:
    """Writes what a finished run keeps besides its network, and prints what came of it."""
    run, history = resume.run, resume.state["history"]
    files.write_json(run.path / "history.json", history)
    panel.finish(best := run.model(), run.path)
    baselines = [vars(baseline) for baseline in recipe.task.baselines(recipe.data, "validation")]
    if recipe.loss is not None:  # the values of another loss do not compare
        baselines = [baseline for baseline in baselines if baseline["metric"] != "loss"]
    reached = recipe.method.reached(resume.model, best)
    summary = summarize(recipe, resume, best.count_params()) | {"baselines": baselines}
    files.write_json(run.path / "summary.json", summary | ({"reached": reached} if reached else {}))
    for what, shares in reached.items():
        print(f"{what}: {', '.join(f'{name} {share:.1%}' for name, share in shares.items())}")
    if said := pace.spared(recipe, history):
        print(said)


def named_by(source: Source, leaves: dict) -> dict:
    """The settings of a recipe, in which a user's own data have their name instead of that of a default set."""
    return leaves | {"data.name": source.title} if "data.name" in leaves else leaves


def describe(recipe: Recipe, model: keras.Model, precision: str, command: str | None, logs: Path) -> dict:
    """What a new run in the folder `logs` stores in run.json."""
    source = recipe.data
    return {
        "recipe": recipe.record(),
        "id": recipe.id(logs),
        "command": command,
        "logs": os.path.abspath(logs),
        "title": source.title,
        "summary": source.summary,
        "understood": [*source.understood, *recipe.method.understood(model)],
        "precision": precision,
        "spec": source.spec,
        "labels": list(source.labels),
        "data": runs.data_facts(source),
        "machine": devices.machine(),
        "versions": devices.versions(),
        "commit": runs.commit(),
    }


def summarize(recipe: Recipe, resume: Resume, weights: int) -> dict:
    """What a finished run stores in summary.json; `weights` is the number of those of the network that is kept."""
    history = resume.state["history"]
    trained = sum(math.prod(weight.shape) for weight in resume.model.trainable_weights)
    if recipe.monitor == "last":
        best = history[-1]
    else:
        direction = {"min": min, "max": max}[recipe.task.monitors[recipe.monitor]]
        best = direction(history, key=lambda epoch: epoch[recipe.monitor])
    counts = {"epochs": len(history), "steps": resume.steps * len(history), "weights": weights, "trained": trained}
    return counts | {"seconds": resume.seconds, "best": best}
