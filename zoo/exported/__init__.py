"""Networks as files of other programs: one small file a format, each of which writes a network and reads it back."""

import importlib.util
from collections.abc import Iterable

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.errors import UserError
from zoo.exported import litert, onnx, openvino, safetensors, saved_model
from zoo.exported.compared import TOLERANCE, Difference, difference
from zoo.exported.folder import refused, write
from zoo.exported.network import Network, float32_copy, sizes_of
from zoo.exported.pace import paces

__all__ = [
    "FORMATS",
    "TOLERANCE",
    "Difference",
    "Network",
    "check_installed",
    "difference",
    "float32_copy",
    "paces",
    "refused",
    "sizes_of",
    "write",
]

# Each module has FILE, what it writes, in a folder; NEEDS, what it imports beyond what zoo needs; REFUSED, why it
# cannot hold some networks, by the beginning of their names or of a layer's; ANSWER, the part of a page of Python that
# is this format's, with its RUNTIME, or None; `fixed(network)`; `write(network, folder)`; and `load(folder)`, a
# function from the inputs, a list of arrays, to the output, an array, which the format's own runtime computes.
FORMATS = {
    "saved_model": saved_model,
    "onnx": onnx,
    "litert": litert,
    "openvino": openvino,
    "safetensors": safetensors,
}


def check_installed(formats: Iterable[str]) -> None:
    """Raises UserError, with what to type, if a package that one of these formats needs is not installed."""
    for name in formats:
        lacking = [package for package in FORMATS[name].NEEDS if importlib.util.find_spec(package) is None]
        if lacking:
            raise UserError(f'{name} needs {", ".join(lacking)}: pip install -e ".[export]"')
