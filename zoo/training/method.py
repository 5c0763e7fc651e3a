"""What a method is: how the weights are trained beyond the plain way. A field of the recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import keras

from zoo.training.auxiliary import trainable
from zoo.training.optimizer import Optimizer


class Method(ABC):
    """A frozen record that wraps the network, the optimizer and the callbacks, and finishes the network.

    Its fields are flags, `--method.NAME`.
    """

    @abstractmethod
    def wrap(self, model: keras.Model) -> keras.Model:
        """The network as it is to be trained.

        Raises:
            ValueError: it cannot be trained in this way; the text says why.
        """

    @abstractmethod
    def optimizer(self, chosen: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The optimizer for a wrapped network that is trained for so many epochs of so many steps."""

    @abstractmethod
    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """What acts while an epoch of so many steps goes on."""

    @abstractmethod
    def finish(self, model: keras.Model) -> keras.Model:
        """The network to be kept, such as one without what is for training only."""


@dataclass(frozen=True)
class Whole(Method):
    """The plain way: all weights learn from the first step to the last."""

    def wrap(self, model: keras.Model) -> keras.Model:
        """The network itself; with auxiliary heads one that learns from them too."""
        return trainable(model)

    def optimizer(self, chosen: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The one that the recipe chose."""
        return chosen.build(steps * epochs)

    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """`Follow` alone."""
        return [Follow(steps)]

    def finish(self, model: keras.Model) -> keras.Model:
        """The network without auxiliary heads."""
        return without_heads(model)


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


def without_heads(model: keras.Model) -> keras.Model:
    """The network with its first output alone: auxiliary heads are for training only."""
    return keras.Model(model.input, model.outputs[0], name=model.name)
