"""How long a training takes: what is said of it while it runs, and the epochs that fit into a number of minutes."""

from __future__ import annotations

import time

import keras
import tensorflow as tf

from zoo.errors import UserError, spoken
from zoo.layers.carry import forget
from zoo.training import files
from zoo.training.recipe import Recipe, hyperparameters
from zoo.training.runs import Run

WORTH = 60  # seconds: of shorter trainings nothing is said, and nothing more often
LONG = 300  # seconds: of trainings that take longer it is said what would be shorter
MOST = 10  # minutes that are suggested at most
PATIENCE = (3, 5, 10, 20)  # epochs that are suggested
TIMED = 3.0  # seconds for which steps are timed
AROUND = 0.5  # seconds of an epoch, about, for what TensorBoard gets and for saving


def shorter(recipe: Recipe, seconds: float) -> str:
    """What would make a training of that many seconds shorter, to be added to a line; empty where it is short."""
    if seconds <= LONG or recipe.minutes is not None:
        return ""
    minutes = min(MOST, int(seconds / 120))
    variant = ", and a smaller `--model.variant` is quicker" * ("variant" in hyperparameters(recipe.model))
    return f"; `--minutes {minutes}` trains for about {minutes} minutes{variant}"


class Left(keras.callbacks.Callback):
    """Says how much longer a training takes, where that is worth a line; early stopping may end it sooner.

    Args:
        steps: per epoch.
        recipe: whose `epochs` are those in all.
        fresh: whether the training begins, so that it is not too late for what would be shorter.
    """

    def __init__(self, steps: int, recipe: Recipe, fresh: bool = True):
        super().__init__()
        self.steps, self.recipe, self.epochs = steps, recipe, recipe.epochs
        self._advises = fresh
        self._first = self._begun = None  # when the first steps ended, which compile; when the epoch began
        self._said = time.monotonic() - WORTH
        self._estimated = False

    def _say(self, what: str, left: float) -> None:
        print(f"{what}{shorter(self.recipe, left) if self._advises else ''}", flush=True)
        self._advises = False  # once is enough

    def on_epoch_begin(self, epoch, logs=None):
        now = time.monotonic()
        left = 0.0 if self._begun is None else (now - self._begun) * (self.epochs - epoch)
        self._epoch, self._begun = epoch, now
        self._estimated = self._first is not None  # after an epoch its own time says more than that of some steps
        if left > WORTH and now - self._said >= WORTH:
            self._said = now
            self._say(f"epoch {epoch + 1} of {self.epochs}: about {spoken(left)} left", left)

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self._first is None:
            self._first, self._begun = (now, batch), now  # what came before happens once
        elif not self._estimated and now - self._first[0] > TIMED:
            self._estimated = True
            in_epoch = self.params["steps"] - batch - 1
            later = self.steps * (self.epochs - self._epoch - 1)
            left = (now - self._first[0]) / (batch - self._first[1]) * (in_epoch + later)
            if left > WORTH:
                self._say(f"\nabout {spoken(left)} left, and a little more for validation", left)


def epochs_of(model: keras.Model, run: Run, minutes: float, *, train: tf.data.Dataset, validation, steps: int) -> int:
    """The number of epochs that take about that many minutes, at least 1.

    It is measured once, when the run begins, and kept in its plan.json, so that a resumed run has as many; from then on
    the training is that of `--epochs`, bit for bit. The network is left as it was.

    Args:
        model: compiled, with all its variables.
        run: its folder exists.
        minutes: for the whole training.
        train: the training stream.
        validation: one pass.
        steps: per epoch.

    Raises:
        UserError: the plan is damaged.
    """
    path = run.path / "plan.json"
    if path.exists():
        plan = files.read_json(path)
        if not isinstance(plan, dict) or type(plan.get("epochs")) is not int or plan["epochs"] < 1:
            raise UserError(f"{path} is damaged: start a new run with --fresh")
        return plan["epochs"]
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    count = model.steps_per_execution
    model.fit(train, steps_per_epoch=count, verbose=0, shuffle=False)  # compiles
    took = 0.0
    while took < TIMED:
        begun = time.monotonic()
        model.fit(train, steps_per_epoch=count, verbose=0, shuffle=False)
        took = time.monotonic() - begun
        step, count = took / count, count * max(2, min(10, round(TIMED / took)))
    model.evaluate(validation, verbose=0)
    begun = time.monotonic()
    model.evaluate(validation, verbose=0)
    # Twice, because TensorBoard's pictures are of the validation split too.
    epoch = steps * step + 2 * (time.monotonic() - begun) + AROUND
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)
    forget(model)
    epochs = max(1, int(60 * minutes / epoch))
    files.write_json(path, {"epochs": epochs, "seconds_per_step": step, "seconds_per_epoch": epoch})
    more = "" if epoch <= 60 * minutes else f"; one takes about {spoken(epoch)}: for less, take less data"
    print(f"{minutes:g} minutes are about {epochs * steps:,} steps: {epochs} epoch{'s' * (epochs > 1)}{more}")
    return epochs


def spared(recipe: Recipe, history: list[dict]) -> str | None:
    """A sentence on early stopping, if it would have kept the same epoch's weights and spared a third of the epochs.

    Args:
        recipe: finished without early stopping.
        history: the monitored value of each epoch.
    """
    if recipe.patience or recipe.monitor == "last":
        return None
    sign = {"min": 1, "max": -1}[recipe.task.monitors[recipe.monitor]]
    best, gap, value = 0, 0, float("inf")  # gap: the longest time without an improvement, up to the best epoch
    for epoch, logs in enumerate(history, 1):
        if sign * logs[recipe.monitor] < value:
            best, gap, value = epoch, max(gap, epoch - best), sign * logs[recipe.monitor]
    for patience in PATIENCE:
        if patience >= gap and best + patience <= len(history) * 2 / 3:
            return (
                f"{recipe.monitor} was best at epoch {best} of {len(history)}: `--patience {patience}` would have "
                f"stopped after epoch {best + patience} with the same weights"
            )
    return None
