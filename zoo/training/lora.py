"""Low-rank adaptation (LoRA; Hu 2021, arXiv:2106.09685): small matrices learn beside frozen weights.

A layer's kernel W stays as it was, and what is added to it is learned as a product of two thin matrices: the layer
computes with W + alpha / rank * A B, where A is (inputs, rank) and B is (rank, outputs) (section 4.1). B begins as 0,
so training begins with what the network knows. Afterwards the product is added to W once and for all, and the network
has its old form and speed.
The layers are Keras' own (`enable_lora`). Keras would save a layer with A and B already added to W, and load it with
both at 0, so that nothing here relies on it: state.npz holds A and B as they are, and `finish` merges them.
Checked against: the formula in numpy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import safetensors.numpy
from keras import ops
from safetensors import SafetensorError, safe_open

from zoo.errors import UserError
from zoo.training.body import ADAPTERS, HEAD, digest_of
from zoo.training.method import Method
from zoo.training.optimizer import Optimizer

ADAPTED = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
FILE, ABOUT = "adapter.safetensors", "zoo"  # what its metadata are called
SHOWN = 12  # names of layers in a message, at most


@dataclass(frozen=True)
class Lora(Method):
    """Fine-tuning of a trained network with few weights: low-rank matrices beside its frozen layers, and a new head."""

    rank: int = 8
    """Rank of what each layer learns: the width of A and the height of B. The paper finds 4 to 8 enough
    (section 7.2)."""
    alpha: float = 16.0
    """What is learned counts alpha / rank times, so that the rate need not be tuned again for another rank."""
    layers: tuple[str, ...] = ()
    """Names of the layers that learn, or parts of names, such as qkv (attention alone, as in the paper) or block3; by
    default every dense layer and every convolution below the head."""

    def __post_init__(self):
        if self.rank < 1:
            raise ValueError(f"--method.rank came as {self.rank}, but must be at least 1")
        if not 0 < self.alpha < float("inf"):
            raise ValueError(f"--method.alpha came as {self.alpha}, but must be above 0")

    def wrap(self, model: keras.Model) -> keras.Model:
        """The network with A and B in the chosen layers; all else but the head is frozen, moving statistics too.

        Raises:
            ValueError: it has no such layer.
        """
        for layer in self.chosen(model):
            layer.enable_lora(self.rank, lora_alpha=self.alpha)
        head = [id(weight) for layer in model.layers if layer.name == HEAD for weight in layer.weights]
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        for weight in model.weights:
            weight.trainable = weight.trainable and (weight.name in ADAPTERS or id(weight) in head)
        return model

    def optimizer(self, settings: Optimizer, model: keras.Model, *, steps: int, epochs: int) -> keras.Optimizer:
        """The recipe's optimizer, which knows only A, B and the head: nothing pulls frozen weights towards 0."""
        return settings.build(steps * epochs)

    def callbacks(self, steps: int) -> list[keras.callbacks.Callback]:
        """None: `Follow` is left out, to keep the pretrained batch statistics."""
        return []

    def finish(self, model: keras.Model) -> keras.Model:
        """A copy in the form that it had before, with A B added to the kernels in float32."""
        merged = {id(kernel): kernel + scale * ops.matmul(a, b) for kernel, a, b, scale in adapters(model)}
        copy = keras.models.clone_model(model, clone_function=plain)
        copy.set_weights([merged.get(id(w), w) for w in model.weights if w.name not in ADAPTERS])
        return copy

    def files(self, model: keras.Model) -> dict[str, bytes]:
        """A, B and the head alone, as safetensors, with the digest of the weights that they belong to."""
        arrays = {weight.path: ops.convert_to_numpy(weight) for weight in model.trainable_weights}
        about = {"rank": self.rank, "alpha": self.alpha, "base": digest_of(model)}
        # One entry, since safetensors writes several in an order that changes from time to time.
        return {FILE: safetensors.numpy.save(arrays, {ABOUT: json.dumps(about)})}

    def understood(self, model: keras.Model) -> list[str]:
        """How much of the wrapped network is trained."""
        names = list(dict.fromkeys(layer.name for layer in model._flatten_layers() if is_adapted(layer)))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        count, trained = len(list(adapters(model))), size(model.trainable_weights)
        whole = size(weight for weight in model.weights if weight.name not in ADAPTERS)
        return [
            f"LoRA of rank {self.rank} in {count} layers ({', '.join(names[:SHOWN])}{more}): {trained:,} weights are "
            f"trained, the head's among them, {100 * trained / whole:.2g} % of the network's {whole:,}"
        ]

    def chosen(self, model: keras.Model) -> list[keras.Layer]:
        """The layers that learn.

        Raises:
            ValueError: there are none, or none of one of the given names.
        """
        fitting = [layer for layer in model._flatten_layers() if isinstance(layer, ADAPTED) and layer.name != HEAD]
        names = [layer.path for layer in fitting]
        if not fitting:
            others = [layer for layer in model.layers if layer.weights and layer.name != HEAD]
            have = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in others[:SHOWN]) or "no layers"
            raise ValueError(
                f"LoRA adapts dense layers and convolutions, but below its head the network has {have}: give "
                "--method whole or thaw"
            )
        for part in self.layers:
            if not any(part in name for name in names):
                more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                raise ValueError(
                    f"--method.layers came as {part}, which is in the name of no layer that LoRA adapts: these are "
                    f"{', '.join(names[:SHOWN])}{more}"
                )
        chosen = [layer for layer in fitting if not self.layers or any(part in layer.path for part in self.layers)]
        widest = max(min(math.prod(layer.kernel.shape[:-1]), layer.kernel.shape[-1]) for layer in chosen)
        if self.rank > widest:
            raise ValueError(
                f"--method.rank came as {self.rank}, but no kernel of the layers that learn has a rank above {widest}"
            )
        return chosen


def is_adapted(layer: keras.Layer) -> bool:
    """Whether a layer has A and B."""
    return isinstance(layer, ADAPTED) and layer.lora_enabled


def adapters(model: keras.Model) -> Iterator[tuple]:
    """Of each layer that has them its kernel, A and B, and by what their product counts."""
    for layer in model._flatten_layers():
        if is_adapted(layer):
            kernel = next(weight for weight in layer.weights if weight.name == "kernel")
            yield kernel, layer.lora_kernel_a, layer.lora_kernel_b, layer.lora_alpha / layer.lora_rank


def plain(layer):
    """A layer as it was before it got A and B."""
    if not isinstance(layer, keras.Layer):
        return layer
    config = {name: value for name, value in layer.get_config().items() if not name.startswith("lora_")}
    return type(layer).from_config(config | {"trainable": True})


def size(weights) -> int:
    """How many numbers they hold."""
    return sum(math.prod(weight.shape) for weight in weights)


def load_adapter(model: keras.Model, path: Path | str) -> keras.Model:
    """The network with what an adapter learned: A B added to its kernels, and the head's weights.

    Args:
        model: of the weights that the adapter was trained on, with a head of the adapter's form; it is changed.
        path: an adapter.safetensors of a run.

    Raises:
        UserError: the file is none, or belongs to other weights or to a head of another form.
    """
    weights = {weight.path: weight for weight in model.weights}
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        scale, base = about["alpha"] / about["rank"], about["base"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no adapter that fit wrote ({error})") from error
    if base != digest_of(model):
        raise UserError(f"{path} was trained on other weights: give the network on which it was fine-tuned")
    heads = {name: array.shape for name, array in arrays.items() if name.rpartition("/")[2] not in ADAPTERS}
    ours = {name: tuple(weights[name].shape) for name in heads if name in weights}
    if ours != heads:
        raise UserError(
            f"{path} has a head of the shapes {heads}, but the network one of {ours}: give it as many classes"
        )
    for name, array in arrays.items():
        above, _, part = name.rpartition("/")
        if part == ADAPTERS[0]:
            kernel = weights[f"{above}/kernel"]
            kernel.assign_add(scale * ops.matmul(array, arrays[f"{above}/{ADAPTERS[1]}"]))
    for name in heads:
        weights[name].assign(arrays[name])
    return model
