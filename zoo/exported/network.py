"""What is exported: a copy of a network in float32, drawn as one function of named inputs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
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
    def free(self) -> bool:
        """Whether inputs have other free axes than that of the batch, such as the length of a text."""
        return any(size is None for tensor in self.model.inputs for size in tensor.shape[1:])

    def specs(self, *, fixed: bool = False) -> list[tf.TensorSpec]:
        """Shapes and types of the inputs; with `fixed` only the batch is of any size."""
        shapes = [size if fixed else tensor.shape[1:] for tensor, size in zip(self.model.inputs, self.sizes, strict=True)]
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
    """Recurrent layers as a step after another, for runtimes that have no loop."""
    loops = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN) and not layer.unroll]
    for layer in loops:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in loops:
            layer.unroll = False


@contextlib.contextmanager
def inlined() -> Iterator[None]:
    """Draws what Keras compiles by itself, such as grouped convolutions, into the graph: elsewhere nobody can call it."""
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
