"""What zoo 0.4 left, read as if this version had written it: its networks and its run.json."""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py

PARTS = {"widen": "mlp_in", "narrow": "mlp_out"}  # the dense layers in a Transformer's block
ARGUMENTS = {b'"seen"': b'"mask"'}  # of a block's call


def upgraded(record):
    """The content of a run.json under today's names: the size of the outputs was called so until 0.4."""
    spec = record.get("spec") if isinstance(record, dict) else None
    if isinstance(spec, dict) and "outputs" in spec:
        record["spec"] = {"classes" if name == "outputs" else name: value for name, value in spec.items()}
    return record


@contextlib.contextmanager
def network(path: Path, record: dict) -> Iterator[Path]:
    """The saved network of a run; of a run of 0.4 a copy whose parts have today's names, as long as it is needed.

    Args:
        path: a whole .keras archive.
        record: of the run.
    """
    if record["versions"].get("zoo") != "0.4.0":
        yield path
        return
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
    """The HDF5 file with its groups under today's names."""
    content, found = io.BytesIO(weights), []
    with h5py.File(content, "r+") as file:
        file.visit(lambda name: found.append(name) if name.rpartition("/")[2] in PARTS else None)
        for name in found:
            above, _, part = name.rpartition("/")
            file.move(name, f"{above}/{PARTS[part]}")
    return content.getvalue()
