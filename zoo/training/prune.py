"""Pruning: weights that matter least become 0 while a network is trained (Zhu & Gupta 2017, arXiv:1710.01878).

The share of weights that are 0 rises along a cubic curve, quickly at first, while there are many that can be spared,
then ever more slowly (equation 1), and the rest of the training makes up for the loss. What is 0 stays exactly 0: its
gradient never reaches the optimizer, and each step ends with it set to 0 again, in averaged weights too.
Weights that are 0 make a network smaller where it is compressed, not quicker on its own; two of every four are quicker
on hardware that is made for it; whole channels are removed, which makes it smaller and quicker everywhere.
Checked against: the schedule and the choice in numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import ops

from zoo.training.channels import without_zeros
from zoo.training.masks import Masks, Smallest, TwoOfFour, WholeChannels, kernels_of
from zoo.training.method import Follow, Method
from zoo.training.optimizer import Optimizer

KINDS = {"weights": Smallest, "2:4": TwoOfFour, "channels": WholeChannels}
USUAL = {"weights": 0.8, "2:4": 0.5, "channels": 0.5}
UPDATES = 32  # times that more is pruned; how often hardly matters (Zhu & Gupta 2017, section 3)


@dataclass(frozen=True)
class Prune(Method):
    """Training that prunes: weights, two of every four, or whole channels."""

    kind: Literal["weights", "2:4", "channels"] = "weights"
    """What becomes 0: the smallest weights of all kernels; the two smaller of every four along a kernel's inputs; or
    whole channels, which are then removed from the network."""
    sparsity: float | None = None
    """Share that becomes 0, of the weights in kernels or of each layer's channels, above 0 and below 1; by default 0.8
    of the weights, or half of the channels. Of four it is always two."""
    begin: float = 0.0
    """Fraction of all steps after which pruning begins."""
    end: float = 0.5
    """Fraction of all steps after which nothing more is pruned; what is left then recovers."""

    keeps_last = True

    def __post_init__(self):
        if self.sparsity is not None and not 0 < self.sparsity < 1:
            raise ValueError(f"--method.sparsity came as {self.sparsity}, but must be above 0 and below 1")
        if self.kind == "2:4" and self.sparsity not in (None, USUAL["2:4"]):
            raise ValueError(f"--method.sparsity came as {self.sparsity}, but two of every four are 0.5: leave it out")
        if not 0 <= self.begin < self.end <= 1:
            raise ValueError(
                f"--method.begin came as {self.begin} and --method.end as {self.end}, but must be fractions of the "
                "training, the first below the second"
            )

    @property
    def share(self) -> float:
        """The share that becomes 0."""
        return USUAL[self.kind] if self.sparsity is None else self.sparsity

    def wrap(self, model: keras.Model) -> keras.Model:
        """The network itself.

        Raises:
            ValueError: it has nothing that could be pruned in this way.
        """
        KINDS[self.kind](model)
        return model

    def optimizer(self, settings: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The recipe's optimizer, which sets to 0 what is pruned."""
        total = steps * epochs
        begin, span = round(self.begin * total), max(1, round((self.end - self.begin) * total))
        every = max(1, span // UPDATES)
        schedule = Schedule(self.share, begin, every, span // every)
        return settings.build(total, lambda kind: pruning(kind, KINDS[self.kind](model), schedule))

    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """Like plain fitting, and one that logs the sparsity."""
        return [Follow(steps), Sparsity()]

    def finish(self, model: keras.Model) -> keras.Model:
        """The network itself, or a copy without the channels that are 0."""
        return without_zeros(model) if self.kind == "channels" else model

    def understood(self, model: keras.Model) -> list[str]:
        """What will be 0."""
        when = f"between {self.begin:.0%} and {self.end:.0%} of the training"
        return [f"pruning, {when}: {KINDS[self.kind](model).understood(self.share)}"]

    def reached(self, model: keras.Model, kept: keras.Model) -> dict[str, dict[str, float]]:
        """The share of weights that are 0 or gone, of all kernels and of each; and where there are, of channels."""
        left = {weight.path: ops.convert_to_numpy(weight) for weight in kept.weights}
        # Auxiliary heads are in none that is kept.
        whole = {weight.path: weight.shape for _, weight in kernels_of(model) if weight.path in left}
        nonzero = {path: np.count_nonzero(left[path]) for path in whole}
        sizes = {path: int(np.prod(shape)) for path, shape in whole.items()}
        sparsity = {"all kernels": 1 - sum(nonzero.values()) / sum(sizes.values())}
        sparsity |= {path.removesuffix("/kernel"): 1 - nonzero[path] / sizes[path] for path in whole}
        channels = {
            path.removesuffix("/kernel"): 1 - left[path].shape[-1] / shape[-1]
            for path, shape in whole.items()
            if left[path].shape[-1] < shape[-1]
        }
        return {"sparsity": sparsity} | ({"channels removed": channels} if channels else {})


@dataclass(frozen=True)
class Schedule:
    """How much is pruned at which step (Zhu & Gupta 2017, equation 1).

    Args:
        share: that is 0 in the end.
        begin: step after which pruning begins.
        every: steps between two times that more is pruned.
        times: that more is pruned.
    """

    share: float
    begin: int
    every: int
    times: int

    def due(self, step):
        """Whether more is pruned after that step, counted from 1."""
        since = step - self.begin
        return ops.logical_and(
            ops.equal(since % self.every, 0), ops.logical_and(since > 0, since <= self.every * self.times)
        )

    def at(self, step):
        """The share that is 0 after that step."""
        past = ops.cast(step - self.begin, "float32") / (self.every * self.times)
        return self.share * (1 - (1 - past) ** 3)


def pruning(kind: type[keras.Optimizer], masks: Masks, schedule: Schedule) -> type[keras.Optimizer]:
    """A subclass of an optimizer class that sets to 0 what the masks say, and keeps it there."""

    class Pruning(kind):
        """The same updates of what is left."""

        def build(self, variables):
            """Creates the masks too, as variables of the optimizer."""
            super().build(variables)
            masks.create(self)

        def apply(self, grads, trainable_variables=None):
            """Updates all variables, and at the steps of the schedule chooses anew what is left."""
            given = self._trainable_variables if trainable_variables is None else list(trainable_variables)
            if not self.built:
                self.build(given)
            left = {self._var_key(weight): mask for weight, mask in masks.pairs()}
            keys = [self._var_key(variable) for variable in given]
            # Without it clipping and momentum would heed gradients of weights that stay 0.
            grads = [
                ops.where(left[key], gradient, 0.0) if key in left and gradient is not None else gradient
                for key, gradient in zip(keys, grads, strict=True)
            ]
            super().apply(grads, given)
            step = self.iterations
            ops.cond(schedule.due(step), lambda: masks.update(schedule.at(step)), lambda: None)
            for weight, mask in masks.pairs():
                self.assign(weight, ops.where(mask, weight, 0.0))
                if self.use_ema and weight.trainable:
                    average = self._model_variables_moving_average[self._get_variable_index(weight)]
                    self.assign(average, ops.where(mask, average, 0.0))

    return Pruning


class Sparsity(keras.callbacks.Callback):
    """Logs the share of weights in kernels that are 0, which TensorBoard and the history then have of each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        kernels = [ops.convert_to_numpy(kernel) for _, kernel in kernels_of(self.model)]
        logs["sparsity"] = 1 - sum(map(np.count_nonzero, kernels)) / sum(kernel.size for kernel in kernels)
