"""Conversion of networks that zoo 0.4 saved: some of their layers and arguments have other names since 0.5."""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py

PARTS = {"widen": "mlp_in", "narrow": "mlp_out"}  # the dense layers of a Transformer block
ARGUMENTS = {b'"seen"': b'"mask"'}  # an argument of a block's `call`


@contextlib.contextmanager
def renamed(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary copy of a saved network, with the current names.

    Args:
        path: a complete .keras archive.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "config.json":
                    for former, now in ARGUMENTS.items():
                        content = content.replace(former, now)
                elif name == "model.weights.h5":
                    content = with_parts_renamed(content)
                new.writestr(name, content)
        yield copy


def with_parts_renamed(weights: bytes) -> bytes:
    """The HDF5 file with its groups under their current names."""
    content, found = io.BytesIO(weights), []
    with h5py.File(content, "r+") as file:
        file.visit(lambda name: found.append(name) if name.rpartition("/")[2] in PARTS else None)
        for name in found:
            above, _, part = name.rpartition("/")
            file.move(name, f"{above}/{PARTS[part]}")
    return content.getvalue()
