"""Networks as files of other programs: one small file a format, each of which writes a network and reads it back."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.exported import litert, onnx, openvino, safetensors, saved_model
from zoo.exported.compared import TOLERANCE, Difference, difference
from zoo.exported.network import Network, float32_copy

__all__ = ["FORMATS", "TOLERANCE", "Difference", "Network", "difference", "float32_copy"]

# Each module has FILE, what it writes, in a folder; ANSWER, the lines of a page of Python that answers with that file
# and without zoo, and its RUNTIME, which the page imports; `write(network, folder)`; and `load(folder)`, a function
# from the inputs, a list of arrays, to the output, an array, which the format's own runtime computes.
FORMATS = {
    "saved_model": saved_model,
    "onnx": onnx,
    "litert": litert,
    "openvino": openvino,
    "safetensors": safetensors,
}
