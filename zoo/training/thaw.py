"""Gradual unfreezing with smaller rates for lower layers (Howard & Ruder 2018, arXiv:1801.06146, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import keras

from zoo.training.auxiliary import trainable
from zoo.training.method import Method, without_heads
from zoo.training.optimizer import UNDECAYED, Optimizer


@dataclass(frozen=True)
class Thaw(Method):
    """For a network that has learned something else: its body begins frozen and thaws from the head down."""

    frozen: int = 3
    """Epochs in which only the new head learns, from what the frozen body computes."""
    groups: int = 4
    """Parts into which the body's layers are cut; each later epoch thaws one more, the uppermost first."""
    decay: float = 0.4
    """The rate of each part, as a fraction of that of the part above it (Howard & Ruder 2018, section 3.2: 1 / 2.6)."""

    def __post_init__(self):
        if self.frozen < 0:
            raise ValueError(f"--method.frozen came as {self.frozen}, but must be 0 or more epochs")
        if self.groups < 1:
            raise ValueError(f"--method.groups came as {self.groups}, but must be at least 1")
        if not 0 < self.decay <= 1:
            raise ValueError(f"--method.decay came as {self.decay}, but must be above 0 and at most 1")

    def wrap(self, model: keras.Model) -> keras.Model:
        """The network itself."""
        return trainable(model)

    def optimizer(self, chosen: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The chosen one with a smaller rate for each lower part of the body, and no weight decay in it.

        Decay would draw towards 0 what was learned.
        """
        parts = self.parts(model)
        optimizer = chosen.build(steps * epochs, lambda kind: slowed(kind, parts, self.decay, self.frozen, steps))
        body = [variable for part in parts for layer in part for variable in layer.weights]
        optimizer.exclude_from_weight_decay(var_list=body, var_names=UNDECAYED)
        return optimizer

    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """What says which layers learn; batch normalisation keeps the statistics of the many examples before."""
        return [Thawing(self)]

    def finish(self, model: keras.Model) -> keras.Model:
        """The network as it is."""
        return without_heads(model)

    def parts(self, model: keras.Model) -> list[list[keras.Layer]]:
        """The body's layers with weights, cut into parts of about the same number, the uppermost part first."""
        body = [layer for layer in model.layers if layer.weights and layer.name != "logits"]
        count = min(self.groups, len(body))
        return [body[len(body) * at // count : len(body) * (at + 1) // count] for at in reversed(range(count))]


def slowed(
    kind: type[keras.Optimizer], parts: list[list[keras.Layer]], decay: float, frozen: int, steps: int
) -> type[keras.Optimizer]:
    """That kind of optimizer, with a rate of its own for each part of a network.

    In the first epoch of a part its rate rises from 0, since the optimizer's moments of it begin at 0 while their
    correction (Kingma & Ba 2014, section 3) counts all steps.

    Args:
        kind: one of Keras' or ours.
        parts: layers; those of the n-th learn from epoch `frozen` + n on.
        decay: the rate of each part, as a fraction of that of the part above it.
        frozen: epochs before the first part learns.
        steps: of an epoch.
    """
    places = {}

    class Slowed(kind):
        """The same steps, at rates that fall from part to part."""

        def build(self, variables):
            """Learns the part of each variable; a key serves Keras' variables and the backend's."""
            super().build(variables)
            weights = ((at, variable) for at, part in enumerate(parts) for layer in part for variable in layer.weights)
            places.update({self._var_key(variable): at for at, variable in weights})

        def update_step(self, gradient, variable, learning_rate):
            """Moves one variable."""
            at = places.get(self._var_key(variable))
            if at is not None:
                since = keras.ops.cast(self.iterations + 1 - steps * (frozen + at), learning_rate.dtype)
                learning_rate = learning_rate * decay ** (at + 1) * keras.ops.clip(since / steps, 0.0, 1.0)
            super().update_step(gradient, variable, learning_rate)

    return Slowed


class Thawing(keras.callbacks.Callback):
    """Says at the beginning of each epoch which layers learn.

    What is frozen keeps its weights, and its batch normalisation the statistics that it came with.
    """

    def __init__(self, method: Thaw):
        super().__init__()
        self.method = method

    def on_epoch_begin(self, epoch, logs=None):
        thawed = max(0, epoch - self.method.frozen + 1)
        learning = [at < thawed for at, part in enumerate(self.parts) for _ in part]
        if learning == self.learning:
            return
        self.learning = learning
        for layer, learns in zip(chain(*self.parts), learning, strict=True):
            layer.trainable = learns
        self.model.make_train_function(force=True)  # the one that there is learns what was to be learned before

    def on_train_begin(self, logs=None):
        self.parts, self.learning = self.method.parts(self.model), None

    def on_train_end(self, logs=None):
        for layer in chain(*self.parts):
            layer.trainable = True
