"""The weights alone, as safetensors, for a program that has the network itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from zoo.exported.network import Network

FILE = "model.safetensors"
NEEDS = ()
REFUSED = {}
ANSWER = None
DRAWN = "network.json"  # the network without its weights, in Keras' form


def fixed(network: Network) -> bool:
    """Whether texts are all of one length in this format: of any."""
    return False


def write(network: Network, folder: Path) -> None:
    """Writes the weights by their paths in the network, in the shapes that Keras has, and the network without them."""
    weights = named(network.model)
    save_file({name: keras.ops.convert_to_numpy(weight) for name, weight in weights.items()}, folder / FILE)
    drawn = {"weights": list(weights), "network": keras.saving.serialize_keras_object(network.model)}
    (folder / DRAWN).write_text(json.dumps(drawn, indent=1) + "\n", encoding="utf-8")


def named(model: keras.Model) -> dict[str, keras.Variable]:
    """The weights by their paths; where several have one path, as within layers that read both ways, by numbers too."""
    found: dict[str, keras.Variable] = {}
    for weight in model.weights:
        path, number = weight.path, 1
        while path in found:
            path, number = f"{weight.path}:{number}", number + 1
        found[path] = weight
    return found


def load(folder: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The network, drawn anew and with the weights of the file."""
    drawn = json.loads((folder / DRAWN).read_text(encoding="utf-8"))
    model = keras.saving.deserialize_keras_object(drawn["network"], safe_mode=True)
    weights = load_file(folder / FILE)
    model.set_weights([weights[name] for name in drawn["weights"]])
    return lambda inputs: model(list(map(tf.constant, inputs)) if len(inputs) > 1 else inputs[0]).numpy()
