"""The callbacks of every fit: Keras' early stopping, falling rate and averaged weights, and two of ours: one stops a
diverging training, one saves the best epoch.
"""

import math

import keras

from zoo.errors import UserError
from zoo.layers.carry import Forget
from zoo.training.auxiliary import without_heads
from zoo.training.files import replacing
from zoo.training.method import Method
from zoo.training.recipe import Recipe
from zoo.training.resume import diverged
from zoo.training.runs import Run


class Guard(keras.callbacks.Callback):
    """Stops a training as soon as its loss is not finite, before that state is saved."""

    def __init__(self, run: Run, steps: int):
        super().__init__()
        self.run, self.steps = run, steps

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            # In a resumed epoch `batch` counts from where it was resumed, so count back from the end of the epoch.
            step = (self.epoch + 1) * self.steps - (self.params["steps"] - batch - 1)
            raise UserError(diverged(self.run, f"the loss is {loss}", step))

    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            if not math.isfinite(value):
                raise UserError(diverged(self.run, f"{name} is {value}", (epoch + 1) * self.steps))


class KeepBest(keras.callbacks.Callback):
    """Saves the network, without its optimizer, after each epoch that is the best so far according to early stopping,
    and the files that the method has of it.

    Without early stopping, it saves after every epoch.
    """

    def __init__(self, run: Run, method: Method, stopping: keras.callbacks.EarlyStopping | None):
        super().__init__()
        self.run, self.method, self.stopping = run, method, stopping

    def on_epoch_end(self, epoch, logs=None):
        if self.stopping is None or self.stopping.best_epoch == epoch:
            model = without_heads(self.model)
            for name, content in self.method.files(model).items():
                with replacing(self.run.path / name) as part:
                    part.write_bytes(content)
            with replacing(self.run.path / "model.keras") as part:
                self.method.finish(model).save(part)


def standard(recipe: Recipe, run: Run, steps: int) -> list[keras.callbacks.Callback]:
    """The callbacks for a recipe, both Keras' and those of this file, in the order in which they have to be called."""
    needed = [Guard(run, steps), Forget(), *recipe.method.callbacks(steps)]
    if recipe.averaged:
        needed.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if recipe.monitor == "last":
        return [*needed, KeepBest(run, recipe.method, None)]
    watched = {"monitor": recipe.monitor, "mode": recipe.task.monitors[recipe.monitor]}
    # Without patience it never stops a training, but still tracks which epoch is the best.
    stopping = keras.callbacks.EarlyStopping(patience=recipe.patience or recipe.epochs + 1, **watched)
    if recipe.plateau:
        needed.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, **watched))
    return [*needed, stopping, KeepBest(run, recipe.method, stopping)]
