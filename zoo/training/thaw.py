"""Gradual unfreezing, with lower rates for lower layers (Howard & Ruder 2018, arXiv:1801.06146, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import keras

from zoo.training.body import HEAD
from zoo.training.method import Method
from zoo.training.optimizer import UNDECAYED, Optimizer


@dataclass(frozen=True)
class Thaw(Method):
    """Fine-tuning of a trained network: its body is frozen at first and is then unfrozen from the top down."""

    frozen: int = 3
    """Epochs at the start in which only the new head is trained, on the features of the frozen body."""
    groups: int = 4
    """Groups into which the body's layers are divided; each later epoch unfreezes one more, the topmost first."""
    decay: float = 0.4
    """Learning rate of each group, as a fraction of that of the group above it (Howard & Ruder 2018, section 3.2:
    1 / 2.6)."""

    def __post_init__(self):
        if self.frozen < 0:
            raise ValueError(f"--method.frozen came as {self.frozen}, but must be 0 or more epochs")
        if self.groups < 1:
            raise ValueError(f"--method.groups came as {self.groups}, but must be at least 1")
        if not 0 < self.decay <= 1:
            raise ValueError(f"--method.decay came as {self.decay}, but must be above 0 and at most 1")

    def wrap(self, model: keras.Model) -> keras.Model:
        """The network itself.

        Raises:
            ValueError: it has no new head that could learn while the body is frozen.
        """
        if self.frozen and HEAD not in [layer.name for layer in model.layers]:
            raise ValueError(
                f"its head is none of its own, so nothing would learn in the first {self.frozen} epochs: give "
                "--method.frozen 0, or another --method"
            )
        return model

    def optimizer(self, settings: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The recipe's optimizer, with a lower rate for each lower group of the body, and no weight decay there.

        Decay would pull the pretrained weights towards 0.
        """
        parts = self.parts(model)
        optimizer = settings.build(steps * epochs, lambda kind: slowed(kind, parts, self.decay, self.frozen, steps))
        body = [variable for part in parts for layer in part for variable in layer.weights]
        optimizer.exclude_from_weight_decay(var_list=body, var_names=UNDECAYED)
        return optimizer

    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """The callback that unfreezes layers; `Follow` is left out, to keep the pretrained batch statistics."""
        return [Thawing(self)]

    def finish(self, model: keras.Model) -> keras.Model:
        """The network itself."""
        return model

    def parts(self, model: keras.Model) -> list[list[keras.Layer]]:
        """The body's layers that have weights, in groups of about equal size, the topmost group first."""
        body = [layer for layer in model.layers if layer.weights and layer.name != HEAD]
        count = min(self.groups, len(body))
        return [body[len(body) * at // count : len(body) * (at + 1) // count] for at in reversed(range(count))]


def slowed(
    kind: type[keras.Optimizer], parts: list[list[keras.Layer]], decay: float, frozen: int, steps: int
) -> type[keras.Optimizer]:
    """A subclass of an optimizer class with a separate learning rate for each group of layers.

    During the first epoch in which a group is trained, its rate rises from 0: the optimizer's moments for it are still
    0 then, while their bias correction (Kingma & Ba 2014, section 3) counts all steps.

    Args:
        kind: an optimizer class of Keras or of this package.
        parts: groups of layers; the n-th is trained from epoch `frozen` + n on, counted from 0.
        decay: learning rate of each group, as a fraction of that of the group above it.
        frozen: epochs before the first group is trained.
        steps: per epoch.
    """
    places = {}

    class Slowed(kind):
        """The same updates, at rates that fall from group to group."""

        def build(self, variables):
            """Records the group of each variable, under a key that Keras' variables share with the backend's."""
            super().build(variables)
            weights = ((at, variable) for at, part in enumerate(parts) for layer in part for variable in layer.weights)
            places.update({self._var_key(variable): at for at, variable in weights})

        def update_step(self, gradient, variable, learning_rate):
            """Updates one variable."""
            at = places.get(self._var_key(variable))
            if at is not None:
                since = keras.ops.cast(self.iterations + 1 - steps * (frozen + at), learning_rate.dtype)
                learning_rate = learning_rate * decay ** (at + 1) * keras.ops.clip(since / steps, 0.0, 1.0)
            super().update_step(gradient, variable, learning_rate)

    return Slowed


class Thawing(keras.callbacks.Callback):
    """Freezes and unfreezes the layers when an epoch begins.

    Frozen layers keep their weights, and frozen batch normalisation keeps its moving statistics.
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
        self.model.make_train_function(force=True)  # the existing one still trains the layers of the epoch before

    def on_train_begin(self, logs=None):
        self.parts, self.learning = self.method.parts(self.model), None

    def on_train_end(self, logs=None):
        for layer in chain(*self.parts):
            layer.trainable = True
