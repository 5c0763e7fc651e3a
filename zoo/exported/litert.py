"""LiteRT, formerly TensorFlow Lite, for telephones and small devices."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.exported.network import Network

FILE = "model.tflite"
RUNTIME = "ai-edge-litert"
NEEDS = ("ai_edge_litert",)
# Tried with ai-edge-litert 2.3: written without an error, and then it fails or answers wrongly for another batch.
# The last is what reads words by their letters.
REFUSED = dict.fromkeys(("bert_masked", "word2vec", "spelling"), "its program does not run it for batches of any size")
ANSWER = """
from ai_edge_litert.interpreter import Interpreter

network = Interpreter(str(HERE / "model.tflite"))


def run(inputs):
    taken, (given,) = network.get_input_details(), network.get_output_details()
    for one, x in zip(taken, inputs):
        network.resize_tensor_input(one["index"], x.shape)
    network.allocate_tensors()
    for one, x in zip(taken, inputs):
        network.set_tensor(one["index"], x)
    network.invoke()
    return network.get_tensor(given["index"])
"""


def fixed(network: Network) -> bool:
    """Whether texts are all of one length in this format: always, for attention as much as for a loop."""
    return True


def write(network: Network, folder: Path) -> None:
    """Writes the network, for a batch of any size and texts of one length, with recurrent layers unrolled."""
    archive = keras.export.ExportArchive()
    archive.track(network.model)
    archive.add_endpoint("serve", network.function(fixed=fixed(network)))
    with tempfile.TemporaryDirectory() as between:
        archive.write_out(between, verbose=False)
        converted = tf.lite.TFLiteConverter.from_saved_model(between).convert()
    (folder / FILE).write_bytes(converted)


def load(folder: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The function in the file, as ai-edge-litert computes it."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(folder / FILE)).get_signature_runner()
    names = list(runner.get_input_details())

    return lambda inputs: next(iter(runner(**dict(zip(names, inputs, strict=True))).values()))
