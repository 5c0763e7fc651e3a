"""LiteRT, formerly TensorFlow Lite, for telephones and small devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.exported.network import Network

FILE = "model.tflite"
RUNTIME = ("ai_edge_litert",)
ANSWER = """
from ai_edge_litert.interpreter import Interpreter

network = Interpreter(str(HERE / "model.tflite"))
run_of = network.get_signature_runner()


def run(inputs):
    (output,) = run_of(**dict(zip(NAMES, inputs))).values()
    return output
"""


def write(network: Network, folder: Path) -> None:
    """Writes the network, for a batch of any size and texts of one length, with recurrent layers unrolled."""
    forward = network.function(fixed=True)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([forward.get_concrete_function()], network.model)
    (folder / FILE).write_bytes(converter.convert())


def load(folder: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The function in the file, as ai-edge-litert computes it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / FILE))
    taken, (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(inputs):
        for one, x in zip(taken, inputs, strict=True):
            interpreter.resize_tensor_input(one["index"], x.shape)
        interpreter.allocate_tensors()
        for one, x in zip(taken, inputs, strict=True):
            interpreter.set_tensor(one["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return run
