"""TensorFlow's SavedModel, a folder that TensorFlow itself, TensorFlow Serving and TensorFlow.js read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.exported.network import Network

FILE = "saved_model"
RUNTIME = "tensorflow"
NEEDS = ()
REFUSED = {}
ANSWER = """
import tensorflow as tf

network = tf.saved_model.load(str(HERE / "saved_model"))


def run(inputs):
    return network.serve(*map(tf.constant, inputs)).numpy()
"""


def fixed(network: Network) -> bool:
    """Whether texts are all of one length in this format: of any."""
    return False


def write(network: Network, folder: Path) -> None:
    """Writes the network, for a batch of any size and texts of any length."""
    archive = keras.export.ExportArchive()
    archive.track(network.model)
    archive.add_endpoint("serve", network.function())
    archive.write_out(str(folder / FILE), verbose=False)


def load(folder: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The function in the file."""
    network = tf.saved_model.load(str(folder / FILE))
    return lambda inputs: network.serve(*map(tf.constant, inputs)).numpy()
