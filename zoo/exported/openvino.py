"""OpenVINO's own format, for processors of Intel and others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.exported.network import Network

FILE = "model.xml"
RUNTIME = "openvino"
NEEDS = ("openvino",)
REFUSED = {}
ANSWER = """
import openvino

network = openvino.compile_model(str(HERE / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def run(inputs):
    return network(inputs)[0]
"""
# Some processors would compute in bfloat16 else.
PRECISE = {"INFERENCE_PRECISION_HINT": "f32"}


def fixed(network: Network) -> bool:
    """Whether texts are all of one length in this format: where recurrent layers read them, for it has no loop."""
    return network.recurrent


def write(network: Network, folder: Path) -> None:
    """Writes the network and its weights, for a batch of any size, with recurrent layers unrolled."""
    import openvino

    model = openvino.convert_model(network.function(fixed=fixed(network)).get_concrete_function())
    for one, name in zip(model.inputs, network.names, strict=True):
        one.get_node().set_friendly_name(name)
        one.tensor.set_names({name})
    openvino.save_model(model, folder / FILE, compress_to_fp16=False)


def load(folder: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The function in the file, as OpenVINO computes it."""
    import openvino

    network = openvino.compile_model(folder / FILE, "CPU", PRECISE)
    return lambda inputs: network(inputs)[0]
