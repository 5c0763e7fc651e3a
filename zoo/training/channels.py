"""Which channels of a functional network can be left out, and the network without those that are always 0.

Each element of a tensor's last axis is followed through the graph, from the layer that computes it to those that take
it in. A dense layer or a convolution can lose an output if all that follows passes it on unmixed up to the next such
layer, which then loses the input: batch normalisation, activations that leave 0 at 0, pooling, dropout, flattening,
concatenation. What reaches anything else, such as a sum (of a residual block, as in Li 2016, arXiv:1608.08710, section
3.3), an output or a layer that is used twice, is left whole.
"""

from __future__ import annotations

import itertools
import math

import keras
import numpy as np
from keras import layers, ops

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
ACTIVATIONS = (layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Activation)
POOLING = tuple(
    getattr(layers, f"{kind}Pooling{axes}D")
    for kind, axes in itertools.product(("Max", "Average", "GlobalMax", "GlobalAverage"), (1, 2, 3))
)
PADDING = tuple(getattr(layers, f"{kind}{axes}D") for kind in ("ZeroPadding", "Cropping") for axes in (1, 2, 3))
DROPOUT = (layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D)
FIXED = -1  # an element that cannot be left out


class Channels:
    """The channels of a functional network that can be left out, by number.

    Args:
        model: functional; channels are the last axis.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.count = 0
        self.layers: dict[keras.Layer, np.ndarray] = {}  # that compute channels: the number of each output
        self.kernels: dict[keras.Layer, keras.Variable] = {}  # of these layers
        self.places: dict[int, dict[int, np.ndarray]] = {}  # of each weight by its id: the numbers along its axes
        self.zeroed: list[tuple] = []  # weights that are 0 where a channel is 0, with the numbers of their last axis
        self._held: list[np.ndarray] = []
        self._follow()
        held = set(np.concatenate([np.empty(0, int), *self._held]).tolist())
        for numbers in (*self.layers.values(), *(n for _, n in self.zeroed), *self._along()):
            numbers[np.isin(numbers, list(held))] = FIXED
        self.layers = {layer: numbers for layer, numbers in self.layers.items() if (numbers != FIXED).any()}
        self.zeroed = [(weight, numbers) for weight, numbers in self.zeroed if (numbers != FIXED).any()]

    def _along(self):
        return (numbers for axes in self.places.values() for numbers in axes.values())

    def _follow(self) -> None:
        nodes = [node for depth in sorted(self.model._nodes_by_depth, reverse=True)
                 for node in self.model._nodes_by_depth[depth]]  # fmt: skip
        used = [id(node.operation) for node in nodes]
        numbers: dict[int, np.ndarray | None] = {id(tensor): fixed(tensor) for tensor in self.model.inputs}
        for node in nodes:
            if node.is_input:
                continue
            given = [numbers[id(tensor)] for tensor in node.input_tensors]
            known = all(n is not None for n in given) and used.count(id(node.operation)) == 1
            passed = self._through(node, given) if known else None
            if passed is None:
                self._held += [n for n in given if n is not None]
            for tensor in node.outputs:
                numbers[id(tensor)] = fixed(tensor) if passed is None else passed
        self._held += [numbers[id(tensor)] for tensor in self.model.outputs if numbers[id(tensor)] is not None]

    def _through(self, node, given: list[np.ndarray]) -> np.ndarray | None:
        """The numbers of the output's last axis; None if the operation is not one through which they can be followed.

        It writes down what the weights of a layer have to do with them.
        """
        layer, kind = node.operation, type(node.operation)
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            return None
        if kind is layers.Dense or (kind in CONVOLUTIONS + SEPARABLE and getattr(layer, "groups", 1) == 1):
            return self._computed(layer, given[0])
        if kind in DEPTHWISE:
            return self._each(layer, given[0])
        if isinstance(layer, layers.BatchNormalization) and layer.axis in last_of(node.outputs[0]):
            for weight in layer.weights:
                # The mean is 0 of what is always 0; the variance divides 0, so whatever it is changes nothing.
                self._put(weight, {-1: given[0]}, zero=weight is not layer.moving_variance)
            return given[0]
        return passed_on(node, given)

    def _computed(self, layer, inputs: np.ndarray) -> np.ndarray:
        """New numbers, for what a dense layer or a convolution computes of its inputs."""
        kernel = layer.pointwise_kernel if type(layer) in SEPARABLE else layer.kernel
        if type(layer) in SEPARABLE:
            self._put(layer.depthwise_kernel, {-2: inputs})
            inputs = np.repeat(inputs, layer.depth_multiplier)
        outputs = np.arange(self.count, self.count + kernel.shape[-1])
        self.count += len(outputs)
        self.layers[layer], self.kernels[layer] = outputs, kernel
        self._put(kernel, {-2: inputs, -1: outputs}, zero=True)
        if layer.use_bias:
            self._put(layer.bias, {-1: outputs}, zero=True)
        if not keeps_zero(layer.activation):
            self._held.append(outputs)
        return outputs.copy()

    def _each(self, layer, inputs: np.ndarray) -> np.ndarray | None:
        """The numbers after a convolution of each channel by itself."""
        outputs = np.repeat(inputs, layer.depth_multiplier)
        self._put(layer.kernel, {-2: inputs})
        if layer.use_bias:
            self._put(layer.bias, {-1: outputs}, zero=True)
        return outputs if keeps_zero(layer.activation) else None

    def _put(self, weight, along: dict[int, np.ndarray], zero: bool = False) -> None:
        self.places[id(weight)] = {axis: numbers.copy() for axis, numbers in along.items()}
        if zero:
            self.zeroed.append((weight, along[-1].copy()))

    def alive(self) -> np.ndarray:
        """Of each number whether its channel is anything but 0; one more at the end, for FIXED, which always is."""
        alive = np.zeros(self.count + 1, bool)
        for weight, numbers in self.zeroed:
            values = ops.convert_to_numpy(weight)
            alive[numbers[(values != 0).any(tuple(range(values.ndim - 1)))]] = True
        alive[FIXED] = True
        for numbers in self.layers.values():
            if not alive[numbers].any():
                alive[numbers[0]] = True  # a layer keeps at least one
        return alive

    def without(self, alive: np.ndarray) -> keras.Model:
        """A copy of the network without the channels that are not alive."""
        sizes = {layer.name: int(alive[numbers].sum()) for layer, numbers in self.layers.items()}

        def smaller(layer):
            if not isinstance(layer, keras.Layer):
                return layer
            config = layer.get_config()
            if layer.name in sizes:
                config["units" if "units" in config else "filters"] = sizes[layer.name]
            return type(layer).from_config(config)

        def cut(weight) -> np.ndarray:
            values = ops.convert_to_numpy(weight)
            for axis, numbers in self.places.get(id(weight), {}).items():
                values = np.take(values, np.flatnonzero(alive[numbers]), axis)
            return values

        copy = keras.models.clone_model(self.model, clone_function=smaller)
        copy.set_weights([cut(weight) for weight in self.model.weights])
        return copy


def passed_on(node, given: list[np.ndarray]) -> np.ndarray | None:
    """The numbers after an operation without weights; None if it does more than to pass them on."""
    kind, result = type(node.operation), None
    if kind in POOLING + PADDING + DROPOUT or (kind in ACTIVATIONS and keeps_zero(node.operation)):
        result = given[0]
    elif kind is layers.Flatten and None not in node.input_tensors[0].shape[1:]:
        result = np.tile(given[0], math.prod(node.input_tensors[0].shape[1:-1]))
    elif kind is layers.Concatenate and node.operation.axis in last_of(node.outputs[0]):
        result = np.concatenate(given)
    elif kind.__name__ == "Multiply" and len(given) == 2 and given[1].tolist() == [FIXED]:
        result = given[0]  # by a number for each place, such as 0 where a text is padded
    return result


def last_of(tensor) -> tuple[int, int]:
    """The two ways to write its last axis."""
    return -1, len(tensor.shape) - 1


def fixed(tensor) -> np.ndarray | None:
    """Numbers for a tensor all of whose last axis stays; None where it has no length."""
    length = tensor.shape[-1] if tensor.shape else None
    return None if length is None else np.full(length, FIXED)


def keeps_zero(activation) -> bool:
    """Whether an activation, a function or a layer, leaves 0 at 0 and takes each element by itself."""
    there = ops.convert_to_numpy(activation(ops.convert_to_tensor([[0.0, 1.0], [0.0, 2.0]])))
    return there.shape == (2, 2) and not there[:, 0].any()


def without_zeros(model: keras.Model) -> keras.Model:
    """The network without the channels that are always 0, whose outputs are the same; itself if there are none."""
    channels = Channels(model)
    alive = channels.alive()
    whole = all(alive[numbers].all() for numbers in channels.layers.values())
    return model if whole else channels.without(alive)
