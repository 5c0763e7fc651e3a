"""The callbacks of a fit besides Keras' own: a guard against divergence, moving statistics, the best epoch's keeper."""

import math

import keras

from zoo.errors import UserError
from zoo.training.carry import Forget
from zoo.training.files import replacing
from zoo.training.recipe import Recipe
from zoo.training.resume import diverged
from zoo.training.runs import Run
from zoo.training.thaw import FineTuning, Thaw


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


class Follow(keras.callbacks.Callback):
    """Lets batch normalisation's moving statistics forget what is older than about half an epoch.

    Keras' momentum of 0.99 averages over a hundred steps. Where an epoch has only a few, the network would be judged
    by what its layers returned epochs ago, or by the 0 and 1 with which the statistics began.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.longest = max(0.0, 1 - 2 / steps)

    def on_epoch_begin(self, epoch, logs=None):
        norms = (layer for layer in self.model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization))
        self.built = [(layer, layer.momentum) for layer in norms]
        for layer, momentum in self.built:
            layer.momentum = min(momentum, self.longest)

    def on_epoch_end(self, epoch, logs=None):
        for layer, momentum in self.built:  # so that what is saved is as it was built
            layer.momentum = momentum


class KeepBest(keras.callbacks.Callback):
    """Saves the network, without its optimizer, after each epoch that early stopping calls the best so far.

    Without early stopping after every epoch.
    """

    def __init__(self, run: Run, stopping: keras.callbacks.EarlyStopping | None):
        super().__init__()
        self.run, self.stopping = run, stopping

    def on_epoch_end(self, epoch, logs=None):
        if self.stopping is None or self.stopping.best_epoch == epoch:
            # Without auxiliary heads, which are for training only.
            bare = keras.Model(self.model.input, self.model.outputs[0], name=self.model.name)
            with replacing(self.run.path / "model.keras") as part:
                bare.save(part)


def standard(recipe: Recipe, run: Run, steps: int) -> list[keras.callbacks.Callback]:
    """Keras' callbacks that the recipe asks for, the guard and the keeper, in the order in which they must act."""
    # What is tuned keeps the statistics of the many pictures on which it was trained.
    chosen = [Guard(run, steps), Forget(), Thaw(recipe) if isinstance(recipe, FineTuning) else Follow(steps)]
    if recipe.optimizer.ema is not None:
        chosen.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if recipe.monitor == "last":
        return [*chosen, KeepBest(run, None)]
    watched = {"monitor": recipe.monitor, "mode": "min" if recipe.monitor.endswith("loss") else "max"}
    # Without patience it never stops a training, but still knows which epoch was the best.
    stopping = keras.callbacks.EarlyStopping(patience=recipe.patience or recipe.epochs + 1, **watched)
    if recipe.optimizer.schedule == "plateau":
        chosen.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, **watched))
    return [*chosen, stopping, KeepBest(run, stopping)]
