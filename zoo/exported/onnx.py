"""ONNX, which onnxruntime and many other programs read, also in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.exported.network import Network

FILE = "model.onnx"
RUNTIME = "onnxruntime"
NEEDS = ("onnx", "tf2onnx", "onnxruntime")
REFUSED = {}
ANSWER = """
import onnxruntime

network = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])


def run(inputs):
    return network.run(None, dict(zip([one.name for one in network.get_inputs()], inputs)))[0]
"""
OPSET = 18


def fixed(network: Network) -> bool:
    """Whether texts are all of one length in this format: of any."""
    return False


def write(network: Network, folder: Path) -> None:
    """Writes the network, for a batch of any size and texts of any length."""
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(
        network.function(), network.specs(), opset=OPSET, custom_op_handlers={"Erfc": (erfc, [])}
    )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, str(folder / FILE))


def erfc(context, node, name, arguments):
    """The complement of the error function, of which exact GELU is made and which ONNX has not: 1 - erf(x)."""
    erf = context.make_node("Erf", [node.input[0]])
    one = context.make_const(f"{name}/one", np.ones((), np.float32))
    context.remove_node(node.name)
    context.make_node("Sub", [one.output[0], erf.output[0]], outputs=node.output, name=name)


def load(folder: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The function in the file, as onnxruntime computes it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / FILE), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]
