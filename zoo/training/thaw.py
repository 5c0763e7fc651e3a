"""Gradual unfreezing with smaller rates for lower layers (Howard & Ruder 2018, arXiv:1801.06146, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Annotated

import keras
import tyro

from zoo.training.optimizer import UNDECAYED
from zoo.training.recipe import Recipe


@dataclass(frozen=True)
class FineTuning(Recipe):
    """A recipe for a network that has learned something else: its body begins frozen and thaws from the head down."""

    model: Annotated[partial, tyro.conf.Suppress]
    """The builder, which knows what was trained."""
    frozen: int = 3
    """Epochs in which only the new head learns, from what the frozen body sees."""
    groups: int = 4
    """Parts into which the body's layers are cut; each later epoch thaws one more, the uppermost first."""
    decay: float = 0.4
    """The rate of each part, as a fraction of that of the part above it (Howard & Ruder 2018, section 3.2: 1 / 2.6)."""

    def __post_init__(self):
        super().__post_init__()
        if self.frozen < 0:
            raise ValueError(f"--frozen came as {self.frozen}, but must be 0 or more epochs")
        if self.groups < 1:
            raise ValueError(f"--groups came as {self.groups}, but must be at least 1")
        if not 0 < self.decay <= 1:
            raise ValueError(f"--decay came as {self.decay}, but must be above 0 and at most 1")

    def groups_of(self, model: keras.Model) -> list[list[keras.Layer]]:
        """The body's layers with weights, cut into parts of about the same number, the uppermost part first."""
        body = [layer for layer in model.layers if layer.weights and layer.name != "logits"]
        count = min(self.groups, len(body))
        return [body[len(body) * at // count : len(body) * (at + 1) // count] for at in reversed(range(count))]

    def slow_down(self, model: keras.Model, optimizer: keras.Optimizer, steps: int) -> None:
        """Gives the optimizer a smaller rate for each lower part of the body, and no weight decay in it.

        In the first epoch of a part its rate rises from 0, since the optimizer's moments of it begin at 0 while
        their correction (Kingma & Ba 2014, section 3) counts all steps. Decay would draw towards 0 what was learned.

        Args:
            model: whose layers learn.
            optimizer: not built yet.
            steps: of an epoch.
        """
        parts = {
            optimizer._var_key(variable): at
            for at, group in enumerate(self.groups_of(model))
            for layer in group
            for variable in layer.weights
        }
        update = optimizer.update_step

        def slower(gradient, variable, rate):
            at = parts.get(optimizer._var_key(variable))
            if at is not None:
                since = keras.ops.cast(optimizer.iterations + 1 - steps * (self.frozen + at), rate.dtype)
                rate = rate * self.decay ** (at + 1) * keras.ops.clip(since / steps, 0.0, 1.0)
            update(gradient, variable, rate)

        optimizer.update_step = slower
        body = [variable for group in self.groups_of(model) for layer in group for variable in layer.weights]
        optimizer.exclude_from_weight_decay(var_list=body, var_names=UNDECAYED)


class Thaw(keras.callbacks.Callback):
    """Says at the beginning of each epoch which layers learn.

    What is frozen keeps its weights, and its batch normalisation the statistics that it came with.
    """

    def __init__(self, recipe: FineTuning):
        super().__init__()
        self.recipe = recipe

    def on_epoch_begin(self, epoch, logs=None):
        thawed = max(0, epoch - self.recipe.frozen + 1)
        learning = [at < thawed for at, group in enumerate(self.groups) for _ in group]
        if learning == self.learning:
            return
        self.learning = learning
        for layer, learns in zip(chain(*self.groups), learning, strict=True):
            layer.trainable = learns
        self.model.make_train_function(force=True)  # the one that there is learns what was to be learned before

    def on_train_begin(self, logs=None):
        self.groups, self.learning = self.recipe.groups_of(self.model), None

    def on_train_end(self, logs=None):
        for layer in chain(*self.groups):
            layer.trainable = True
