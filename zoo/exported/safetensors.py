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
ANSWER = None
DRAWN = "network.json"  # the network without its weights, in Keras' form


def fixed(network: Network) -> bool:
    """Whether texts are all of one length in this format: of any."""
    return False


def write(network: Network, folder: Path) -> None:
    """Writes the weights by their paths in the network, in the order and shape that Keras has."""
    save_file({weight.path: keras.ops.convert_to_numpy(weight) for weight in network.model.weights}, folder / FILE)
    drawn = json.dumps(keras.saving.serialize_keras_object(network.model), indent=1)
    (folder / DRAWN).write_text(drawn + "\n", encoding="utf-8")


def load(folder: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The network, drawn anew and with the weights of the file."""
    drawn = json.loads((folder / DRAWN).read_text(encoding="utf-8"))
    model = keras.saving.deserialize_keras_object(drawn, safe_mode=True)
    weights = load_file(folder / FILE)
    for weight in model.weights:
        weight.assign(weights[weight.path])
    return lambda inputs: model(list(map(tf.constant, inputs)) if len(inputs) > 1 else inputs[0]).numpy()
