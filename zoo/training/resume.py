"""Exact resume: the complete state of a training, so that a resumed one gives the same bits as an uninterrupted one.

Keras' BackupAndRestore loses the dropout seeds, the position in the data and the state of other callbacks.
Here the state is every variable (weights, seed generators, optimizer, metrics), the attributes of the
stateful callbacks, the history, and the sizes of the event files.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras

from zoo.errors import Stopped, UserError, ended
from zoo.layers.carry import forget
from zoo.training.files import removed, write_json
from zoo.training.runs import Run, is_finite
from zoo.training.state import MEMORY, read_state, write_state

INTERVAL = 60  # seconds between two saves within an epoch
LOGGED = {"epoch", "loss", "val_loss", "learning_rate"}  # of each epoch, besides what the task adds


class Resume(keras.callbacks.Callback):
    """Saves the state and restores it. It has to be the last callback: on_train_begin of the others resets them.

    Args:
        run: the run whose `state.npz` and `history.json` are read and written.
        steps: per epoch.
    """

    def __init__(self, run: Run, steps: int):
        super().__init__()
        self.run, self.steps = run, steps
        self.per_execution = 1  # steps between two calls of this callback
        self.others: list[keras.callbacks.Callback] = []
        self.request = None  # the number of the signal that asked for a stop
        self.arrays, self.state = read_state(run.path / "state.npz")
        self.step, self._history = self.state["step"], list(self.state["history"])
        self._seconds, self._since = self.state["seconds"], time.monotonic()
        self._saved = time.monotonic()

    def after(
        self, callbacks: list[keras.callbacks.Callback], own: Sequence[keras.callbacks.Callback] = ()
    ) -> list[keras.callbacks.Callback]:
        """The callbacks in their order: `callbacks`, whose state is saved; the user's `own`, whose is not; this one."""
        self.others = callbacks
        return [*callbacks, *own, self]

    def check_and_rewind(self, model: keras.Model, callbacks: list[keras.callbacks.Callback], monitor: str) -> None:
        """Checks that the state belongs to this training, and truncates the event files to where the state was saved.

        Args:
            model: compiled, with all its variables.
            callbacks: those whose state is part of it.
            monitor: of the recipe, by which the best epoch will be chosen.

        Raises:
            UserError: the state is of another network, or damaged.
        """
        self.set_model(model)
        if self.arrays or self.step:
            self._places()
            epochs = len(self._history)
            watched = LOGGED | ({monitor} - {"last"})
            stateful = {type(callback).__name__ for callback in callbacks} & MEMORY.keys()
            if (
                self.step // self.steps != epochs
                or [epoch["epoch"] for epoch in self._history] != list(range(1, epochs + 1))
                or not all(epoch.keys() >= watched for epoch in self._history)
                or self.state["callbacks"].keys() != stateful
            ):
                raise UserError(
                    f"{self.run.path / 'state.npz'} is damaged (its epochs or callbacks are not those of this "
                    "training): start a new run with --fresh"
                )
        rewind_events(self.run.path, self.state["events"])

    @property
    def seconds(self) -> float:
        """Wall time of the training so far, over all processes that took part."""
        return self._seconds + time.monotonic() - self._since

    @property
    def unfinished(self) -> int:
        """Steps that are left of an interrupted epoch; 0 if none was interrupted."""
        return -self.step % self.steps

    @property
    def epoch(self) -> int:
        """Number of completed epochs."""
        return len(self._history)

    @property
    def stopped(self) -> bool:
        """Whether training was stopped early at the end of an epoch."""
        return self.state["stopped"]

    def on_train_begin(self, logs=None):
        if self.arrays:
            self._restore(self._variables())
            for callback in self.others:
                for key, value in self.state["callbacks"].get(type(callback).__name__, {}).items():
                    setattr(callback, key, value)

    def on_epoch_begin(self, epoch, logs=None):
        if self.arrays and self.unfinished:  # `fit` has just reset the metrics
            self._restore(self.model.metrics_variables)
        self.arrays = {}

    def on_train_batch_end(self, batch, logs=None):
        self.step += self.per_execution
        if self.step % self.steps == 0:
            return  # on_epoch_end saves
        if self.request is not None or time.monotonic() - self._saved > INTERVAL:
            self._save()
        if self.request is not None:
            raise Stopped(self.request)

    def on_epoch_end(self, epoch, logs=None):
        numbers = {key: float(value) for key, value in logs.items()}
        self._history.append(
            {"epoch": epoch + 1, **numbers, "learning_rate": float(self.model.optimizer.learning_rate)}
        )
        self._save(stopped=bool(self.model.stop_training))
        write_json(self.run.path / "history.json", self._history)
        # The rest of an interrupted epoch is a separate call of `fit` with fewer steps: it ends here.
        self.model.stop_training |= self.params["steps"] != self.steps
        if self.request is not None:
            raise Stopped(self.request)

    def _variables(self) -> list:
        model = self.model
        # This order does not depend on which layers are frozen.
        return model.variables + model.optimizer.variables + model.metrics_variables

    def _places(self) -> dict[int, str]:
        """The name in the state of each variable, by its id; raises UserError if the state is of another network."""
        places = {id(variable): name(at) for at, variable in enumerate(self._variables())}
        forms = {places[id(v)]: (tuple(v.shape), keras.backend.standardize_dtype(v.dtype)) for v in self._variables()}
        if forms != {key: (array.shape, array.dtype.name) for key, array in self.arrays.items()}:
            raise UserError(f"{self.run.path} does not hold the state of this network: start a new run with --fresh")
        return places

    def _restore(self, variables: list) -> None:
        places = self._places()
        for variable in variables:
            variable.assign(self.arrays[places[id(variable)]])

    def _save(self, stopped: bool = False) -> None:
        events = {}
        for callback in self.others:
            if hasattr(callback, "flush"):
                events |= callback.flush()
        memory = {
            type(callback).__name__: {key: as_json(getattr(callback, key)) for key in MEMORY[type(callback).__name__]}
            for callback in self.others
            if type(callback).__name__ in MEMORY
        }
        self.state = {
            "step": self.step,
            "history": self._history,
            "stopped": stopped,
            "callbacks": memory,
            "events": events,
            "seconds": self.seconds,
        }
        self.arrays = {name(at): keras.ops.convert_to_numpy(v) for at, v in enumerate(self._variables())}
        if not (self.run.path / "run.json").exists():  # TensorFlow creates the folder again if it was removed
            raise UserError(removed(self.run.path))
        unsound = [v.path for v, a in zip(self._variables(), self.arrays.values(), strict=True) if not is_finite(a)]
        if unsound:
            raise UserError(diverged(self.run, f"{unsound[0]} is no longer finite", self.step))
        write_state(self.run.path / "state.npz", self.arrays, self.state)
        self._saved = time.monotonic()


def create_variables(model: keras.Model, sample: tuple) -> None:
    """Creates the variables that Keras would create in the first step, so that a saved state can be restored to them.

    Args:
        model: compiled.
        sample: a batch (inputs, targets and possibly weights).
    """
    model.optimizer.build(model.trainable_variables)
    model.test_on_batch(*sample)  # creates the metrics; changes no weight and no dropout seed
    forget(model)
    model.reset_metrics()


def name(at: int) -> str:
    """The name in the state of the variable at that index; Keras' paths need not be unique."""
    return f"v{at:05}"


def diverged(run: Run, what: str, step: int) -> str:
    """The error message for a diverged training."""
    kept = f"the last good state is in {run.path}" if (run.path / "state.npz").exists() else "no epoch was finished"
    return (
        f"training diverged: {what} by step {step}; {kept}; "
        "try a tenth of --optimizer.rate, --optimizer.clip 1, or --precision float32"
    )


def as_json(value):
    """A callback's attribute as JSON can store it."""
    return value if value is None or isinstance(value, bool | int) else float(value)


def rewind_events(folder: Path, sizes: dict[str, int]) -> None:
    """Truncates the event files to their sizes when the state was saved; what followed will be written again."""
    for path in folder.rglob("*tfevents*"):
        size = sizes.get(path.relative_to(folder).as_posix(), 0)
        if size == 0:
            path.unlink()
        elif path.stat().st_size > size:
            os.truncate(path, size)


@contextlib.contextmanager
def signals(resume: Resume) -> Iterator[None]:
    """Makes Ctrl-C and SIGTERM save the state before stopping; a second signal stops at once."""

    def ask(number, frame):
        if resume.request is not None:
            ended(number, frame)
        resume.request = number

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
