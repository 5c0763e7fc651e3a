"""What is exported: a copy of a network in float32, drawn as one function of named inputs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import UserError

HALF = ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16")


@dataclass(frozen=True)
class Network:
    """A network in float32 with one output.

    Args:
        model: see `float32_copy`.
        sizes: of each input, what its axes measure in formats in which none but the batch may be free.
    """

    model: keras.Model
    sizes: tuple[tuple[int, ...], ...]

    @property
    def names(self) -> list[str]:
        """What its inputs are called."""
        return [tensor.name for tensor in self.model.inputs]

    @property
    def recurrent(self) -> bool:
        """Whether it has layers that read step by step."""
        return any(isinstance(layer, keras.layers.RNN) for layer in self.model._flatten_layers())

    def arrays(self, batch) -> list[np.ndarray]:
        """The inputs of a batch, one or several, in the types of the network's."""
        return [np.asarray(x, tensor.dtype) for x, tensor in zip(parts(batch), self.model.inputs, strict=True)]

    def specs(self, *, fixed: bool = False) -> list[tf.TensorSpec]:
        """Shapes and types of the inputs; with `fixed` only the batch is of any size."""
        shapes = [
            size if fixed else tensor.shape[1:] for tensor, size in zip(self.model.inputs, self.sizes, strict=True)
        ]
        return [
            tf.TensorSpec((None, *shape), tensor.dtype, name=tensor.name)
            for tensor, shape in zip(self.model.inputs, shapes, strict=True)
        ]

    def function(self, *, fixed: bool = False) -> tf.types.experimental.PolymorphicFunction:
        """The network as a function of its inputs, of which each is an argument; with `fixed` without loops."""
        with unrolled(self.model) if fixed else contextlib.nullcontext(), inlined():
            forward = tf.function(self._call, input_signature=self.specs(fixed=fixed))
            forward.get_concrete_function()
        return forward

    def compiled(self) -> Callable[[list[np.ndarray]], np.ndarray]:
        """The network as it runs in Keras, compiled by TensorFlow as in `predict`."""
        forward = tf.function(self._call, input_signature=self.specs())
        return lambda inputs: forward(*map(tf.constant, inputs)).numpy()

    def _call(self, *inputs):
        return self.model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)


def float32_copy(model: keras.Model) -> keras.Model:
    """A network with the same weights that computes in float32, and carries nothing from one batch to the next.

    Args:
        model: of any precision, for a batch of any size or of one.

    Raises:
        UserError: it has several outputs.
    """
    if len(model.outputs) != 1:
        raise UserError(f"{model.name} has {len(model.outputs)} outputs: a network with one is exported")
    text = json.dumps(keras.saving.serialize_keras_object(model))
    for name in HALF:  # policies, and types that the graph casts to
        text = text.replace(f'"{name}"', '"float32"')
    config = json.loads(text)
    for layer in config["config"]["layers"]:  # what is built for a batch of one size carries its states
        for shape in (layer["config"].get("batch_shape"), (layer.get("build_config") or {}).get("input_shape")):
            if shape and isinstance(shape[0], int):
                shape[0] = None
    copy = keras.saving.deserialize_keras_object(config, safe_mode=True)
    carried = {id(state) for layer in model._flatten_layers() for state in getattr(layer, "states", None) or ()}
    copy.set_weights([weight for weight in model.weights if id(weight) not in carried])
    return copy


@contextlib.contextmanager
def unrolled(model: keras.Model) -> Iterator[None]:
    """Recurrent layers as a step after another, for runtimes that have no loop.

    Keras 3.15 then blanks the outputs of layers that read backwards at the places of the mask in reading order, and so
    the wrong ones. Where padding comes last, which they read first, their outputs there are blank by themselves.
    """
    loops = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    before = [(layer, layer.unroll, layer.zero_output_for_mask) for layer in loops]
    for layer, _, blank in before:
        layer.unroll, layer.zero_output_for_mask = True, blank and not layer.go_backwards
    try:
        yield
    finally:
        for layer, unroll, blank in before:
            layer.unroll, layer.zero_output_for_mask = unroll, blank


@contextlib.contextmanager
def inlined() -> Iterator[None]:
    """Draws into the graph what Keras compiles by itself, such as grouped convolutions, which nobody else can call."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def padded(inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Inputs with zeros after their ends, up to these sizes of their axes without that of the batch."""
    return [
        np.pad(x, [(0, 0), *((0, size - have) for size, have in zip(shape, x.shape[1:], strict=True))])
        for x, shape in zip(inputs, sizes, strict=True)
    ]


def parts(batch) -> list:
    """The inputs of a batch, of which there may be one or several."""
    return list(batch) if isinstance(batch, list | tuple) else [batch]


def sizes_of(model: keras.Model, batches: Iterable) -> tuple[tuple[int, ...], ...]:
    """What the axes of each input measure, without that of the batch: of a free one, the most in any of the batches."""
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if not any(size is None for shape in shapes for size in shape):
        return tuple(shapes)
    for batch in batches:
        shapes = [
            tuple(
                fixed or max(have or 0, size)
                for have, size, fixed in zip(shape, x.shape[1:], tensor.shape[1:], strict=True)
            )
            for shape, x, tensor in zip(shapes, parts(batch), model.inputs, strict=True)
        ]
    return tuple(shapes)
