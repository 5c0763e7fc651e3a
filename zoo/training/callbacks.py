"""The callbacks of a fit besides Keras' own: a guard against divergence, and the keeper of the best epoch."""

import math

import keras

from zoo.errors import UserError
from zoo.layers.carry import Forget
from zoo.training.files import replacing
from zoo.training.method import Method
from zoo.training.recipe import Recipe
from zoo.training.resume import diverged
from zoo.training.runs import Run


class Guard(keras.callbacks.Callback):
    """Ends a training whose loss is no longer finite, before anything of it is saved."""

    def __init__(self, run: Run, steps: int):
        super().__init__()
        self.run, self.steps = run, steps

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            # In a resumed epoch `batch` counts from where it goes on, so count back from the epoch's end.
            step = (self.epoch + 1) * self.steps - (self.params["steps"] - batch - 1)
            raise UserError(diverged(self.run, f"the loss is {loss}", step))

    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            if not math.isfinite(value):
                raise UserError(diverged(self.run, f"{name} is {value}", (epoch + 1) * self.steps))


class KeepBest(keras.callbacks.Callback):
    """Saves the network, without its optimizer, after each epoch that early stopping calls the best so far.

    Without early stopping after every epoch.
    """

    def __init__(self, run: Run, method: Method, stopping: keras.callbacks.EarlyStopping | None):
        super().__init__()
        self.run, self.method, self.stopping = run, method, stopping

    def on_epoch_end(self, epoch, logs=None):
        if self.stopping is None or self.stopping.best_epoch == epoch:
            finished = self.method.finish(self.model)
            with replacing(self.run.path / "model.keras") as part:
                finished.save(part)


def standard(recipe: Recipe, run: Run, steps: int) -> list[keras.callbacks.Callback]:
    """Keras' callbacks that the recipe asks for, the guard and the keeper, in the order in which they must act."""
    chosen = [Guard(run, steps), Forget(), *recipe.method.callbacks(steps)]
    if recipe.optimizer.ema is not None:
        chosen.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if recipe.monitor == "last":
        return [*chosen, KeepBest(run, recipe.method, None)]
    watched = {"monitor": recipe.monitor, "mode": "min" if recipe.monitor.endswith("loss") else "max"}
    # Without patience it never stops a training, but still knows which epoch was the best.
    stopping = keras.callbacks.EarlyStopping(patience=recipe.patience or recipe.epochs + 1, **watched)
    if recipe.optimizer.schedule == "plateau":
        chosen.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, **watched))
    return [*chosen, stopping, KeepBest(run, recipe.method, stopping)]
