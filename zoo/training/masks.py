"""Which weights pruning sets to 0: the smallest of all kernels, two of every four, or those of whole channels.

Each class keeps what is left as boolean variables of an optimizer, so that they are part of a training's saved state,
and chooses anew in the graph of the training step. What is once gone stays gone.
Checked against: plain numpy.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import keras
import numpy as np
from keras import layers, ops

from zoo.training.channels import FIXED, Channels

KERNELS = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
GROUP = 4  # weights in a row, of which two are left
TINY = 1e-30  # so that 0 is divided by something


class Masks(ABC):
    """What is left of a network, as variables of its optimizer.

    Args:
        model: the network.

    Raises:
        ValueError: it has nothing that could be pruned so.
    """

    @abstractmethod
    def __init__(self, model: keras.Model): ...

    @abstractmethod
    def create(self, optimizer: keras.Optimizer) -> None:
        """Creates the variables, by which everything is left."""

    @abstractmethod
    def update(self, share) -> None:
        """Chooses what is left if that share, a scalar from 0 to 1, is to be 0."""

    @abstractmethod
    def pairs(self) -> Iterator[tuple]:
        """Weights of the network, each with what is left of it: bool, of its shape or one that broadcasts to it."""

    @abstractmethod
    def understood(self, share: float) -> str:
        """What will be 0, in words."""


class Smallest(Masks):
    """The smallest weights of all kernels together, as layer-adaptive magnitudes measure them."""

    def __init__(self, model: keras.Model):
        self.kernels = [kernel for _, kernel in kernels_of(model)]
        self.count = sum(math.prod(kernel.shape) for kernel in self.kernels)

    def create(self, optimizer: keras.Optimizer) -> None:
        self.masks = [created(optimizer, kernel.shape, kernel.path) for kernel in self.kernels]

    def update(self, share) -> None:
        flat = [ops.reshape(mask, (-1,)) for mask in self.masks]
        scores = [adaptive(ops.reshape(k, (-1,)), mask) for k, mask in zip(self.kernels, flat, strict=True)]
        left = ranks(ops.concatenate(scores)) >= ops.cast(ops.round(share * self.count), "int32")
        start = 0
        for mask in self.masks:
            size = math.prod(mask.shape)
            mask.assign(ops.reshape(left[start : start + size], mask.shape))
            start += size

    def pairs(self) -> Iterator[tuple]:
        return zip(self.kernels, self.masks, strict=True)

    def understood(self, share: float) -> str:
        return f"{100 * share:.4g} % of the {self.count:,} weights in {len(self.kernels)} kernels, the smallest of all"


class TwoOfFour(Masks):
    """The two smaller of every four weights in a row along a kernel's inputs (Mishra 2021, arXiv:2104.08378)."""

    def __init__(self, model: keras.Model):
        kernels = [(layer, kernel, axis_of_inputs(layer, kernel)) for layer, kernel in kernels_of(model)]
        self.kernels = [
            (kernel, axis) for _, kernel, axis in kernels if axis is not None and not kernel.shape[axis] % 4
        ]
        held = {id(kernel) for kernel, _ in self.kernels}
        self.whole = [layer.name for layer, kernel, _ in kernels if id(kernel) not in held]
        if not self.kernels:
            raise ValueError(
                f"no kernel has inputs in groups of four ({', '.join(self.whole)} have not): give --method.kind weights"
            )

    def create(self, optimizer: keras.Optimizer) -> None:
        self.masks = [created(optimizer, kernel.shape, kernel.path) for kernel, _ in self.kernels]

    def update(self, share) -> None:
        gone = ops.cast(ops.floor(GROUP * share + 1e-3), "int32")  # 0, 1 or 2 of each four
        for (kernel, axis), mask in zip(self.kernels, self.masks, strict=True):
            moved = ops.moveaxis(ops.where(mask, ops.abs(kernel), -1.0), axis, -1)
            fours = ops.reshape(moved, (-1, GROUP))
            mask.assign(ops.moveaxis(ops.reshape(ranks(fours), moved.shape), -1, axis) >= gone)

    def pairs(self) -> Iterator[tuple]:
        return zip((kernel for kernel, _ in self.kernels), self.masks, strict=True)

    def understood(self, share: float) -> str:
        whole = f"; left whole: {', '.join(self.whole)}" if self.whole else ""
        return f"two of every four weights along the inputs of {len(self.kernels)} kernels{whole}"


class WholeChannels(Masks):
    """In each layer that allows it, the channels with the smallest kernels (Li 2016, arXiv:1608.08710, section 3.1)."""

    def __init__(self, model: keras.Model):
        self.channels = Channels(model)
        self.layers = [
            (self.channels.kernels[layer], numbers)
            for layer, numbers in self.channels.layers.items()
            if self.channels.kernels[layer].trainable
        ]
        self.names = [layer.name for layer in self.channels.layers]
        self.whole = list(dict.fromkeys(layer.name for layer, _ in kernels_of(model) if layer.name not in self.names))
        if not self.layers:
            raise ValueError(
                f"no channel can be left out of it: what {', '.join(self.whole)} compute reaches a sum, an output or "
                "a layer that mixes channels: give --method.kind weights"
            )

    def create(self, optimizer: keras.Optimizer) -> None:
        """One variable for all channels; its last element stands for FIXED."""
        self.left = created(optimizer, (self.channels.count + 1,), "channels")

    def update(self, share) -> None:
        """The share is that of a layer's channels, those included that have to stay; at least one is left."""
        for kernel, numbers in self.layers:
            free = np.flatnonzero(numbers != FIXED)
            sizes = ops.take(ops.sum(ops.abs(kernel), tuple(range(len(kernel.shape) - 1))), free)
            scores = ops.where(ops.take(self.left, numbers[free]), sizes, -1.0)
            most = min(len(free), len(numbers) - 1)
            gone = ops.minimum(ops.cast(ops.floor(share * len(numbers) + 1e-3), "int32"), most)
            self.left.assign(ops.scatter_update(self.left, numbers[free][:, None], ranks(scores) >= gone))

    def pairs(self) -> Iterator[tuple]:
        """All weights that have to be 0 for a channel to be 0: kernels, biases, and those of normalisation."""
        for weight, numbers in self.channels.zeroed:
            yield weight, ops.take(self.left, numbers % (self.channels.count + 1))

    def understood(self, share: float) -> str:
        whole = f"; left whole: {', '.join(self.whole)}" if self.whole else ""
        return f"{100 * share:.4g} % of the channels of {', '.join(self.names)}{whole}"


def kernels_of(model: keras.Model) -> list[tuple[keras.Layer, keras.Variable]]:
    """The kernels that are trained, each with the layer that it belongs to.

    Raises:
        ValueError: there are none.
    """
    found = [
        (layer, weight)
        for layer in model._flatten_layers(include_self=False)
        for weight in layer._trainable_variables  # those of the layer itself, not of layers within it
        if weight.trainable and weight.name in KERNELS
    ]
    if not found:
        raise ValueError("it has no dense layer, convolution or recurrent layer that is trained, so nothing to prune")
    return found


def created(optimizer: keras.Optimizer, shape: tuple[int, ...], name: str) -> keras.Variable:
    """A boolean variable of an optimizer, all True."""
    return optimizer.add_variable(shape, initializer="ones", dtype="bool", name=f"{name.replace('/', '_')}_left")


def ranks(x):
    """The place of each element when those of the last axis are sorted from small to large."""
    return ops.argsort(ops.argsort(x))


def adaptive(weights, left):
    """Layer-adaptive magnitudes (Lee 2021, arXiv:2010.07611, equation 1), by which weights of all layers compare.

    Each is the square of a weight as a fraction of the squares of all in its layer that are as large or larger. So
    layers on different scales compare, and each keeps at least its largest.

    Args:
        weights: (N,), of one kernel.
        left: (N,) bool; what is not left gets -1.
    """
    sizes = ops.where(left, ops.abs(weights), 0.0)
    order = ops.argsort(sizes)
    squares = ops.square(ops.take(sizes, order))
    rest = ops.flip(ops.cumsum(ops.flip(squares)))
    scores = ops.take(squares / ops.maximum(rest, TINY), ops.argsort(order))
    return ops.where(left, scores, -1.0)


def axis_of_inputs(layer: keras.Layer, kernel: keras.Variable) -> int | None:
    """The axis of a kernel over which products are summed, the last if there are several; None where it is unknown."""
    if isinstance(layer, layers.Dense) or kernel.name == "recurrent_kernel" or hasattr(layer, "recurrent_kernel"):
        return 0
    if isinstance(layer, layers.EinsumDense):
        given, result = layer.equation.split("->")
        letters = given.split(",")[1]
        summed = [axis for axis, letter in enumerate(letters) if letter not in result]
        return summed[-1] if summed else None
    if kernel.name == "pointwise_kernel" or isinstance(layer, layers.Conv1D | layers.Conv2D | layers.Conv3D):
        return len(kernel.shape) - 2
    return None
