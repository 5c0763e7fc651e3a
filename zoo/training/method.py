"""Methods: the ways of training a network. Here are the contract and plain fitting; thaw.py and lora.py have others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import keras

from zoo.training.optimizer import Optimizer


class Method(ABC):
    """A frozen record that adapts the network, the optimizer and the callbacks, and finalises the trained network.

    It is a field of the recipe, and its own fields are flags, `--method.NAME`.
    """

    keeps_last: ClassVar[bool] = False
    """Whether only the last epoch's network is what the method is for, so that none before it may be kept."""

    @abstractmethod
    def wrap(self, model: keras.Model) -> keras.Model:
        """The network in the form in which it is trained.

        Raises:
            ValueError: it cannot be trained with this method; the message says why.
        """

    @abstractmethod
    def optimizer(self, settings: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The optimizer for a wrapped network that is trained for `epochs` epochs of `steps` steps each.

        Args:
            settings: the recipe's optimizer.
            model: the wrapped network.
            steps: per epoch.
            epochs: in all.
        """

    @abstractmethod
    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """The callbacks that the method needs, for epochs of `steps` steps."""

    @abstractmethod
    def finish(self, model: keras.Model) -> keras.Model:
        """The network to save, without the parts that only training needs."""

    def understood(self, model: keras.Model) -> list[str]:
        """What is trained of a wrapped network, a sentence each, which `fit` prints before it trains."""
        return []

    def files(self, model: keras.Model) -> dict[str, bytes]:
        """Files that a run keeps beside its network, by name; they are written whenever the wrapped network is."""
        return {}

    def reached(self, model: keras.Model, kept: keras.Model) -> dict[str, dict[str, float]]:
        """What came of it: by what is told, fractions by name, which summary.json keeps and `fit` prints at the end.

        Args:
            model: the wrapped network.
            kept: the one that was saved.
        """
        return {}


@dataclass(frozen=True)
class Whole(Method):
    """Plain fitting: all weights are trained from the first step to the last."""

    def wrap(self, model: keras.Model) -> keras.Model:
        """The network itself."""
        return model

    def optimizer(self, settings: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The recipe's optimizer, unchanged."""
        return settings.build(steps * epochs)

    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """Only `Follow`."""
        return [Follow(steps)]

    def finish(self, model: keras.Model) -> keras.Model:
        """The network itself."""
        return model


class Follow(keras.callbacks.Callback):
    """Lowers the momentum of batch normalisation so that its moving statistics average over about half an epoch.

    Keras' momentum of 0.99 averages over about a hundred steps. If an epoch has fewer, validation would use statistics
    from several epochs ago, or even the initial 0 and 1.
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
        for layer, momentum in self.built:  # restored, so that the saved network is as it was built
            layer.momentum = momentum
