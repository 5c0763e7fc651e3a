"""The machine: seed, precision and compilation, and a description of hardware and versions for each result."""

import os
import platform
from importlib import metadata

import keras
import psutil
import tensorflow as tf

from zoo import __version__
from zoo.backend import check_tensorflow

PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy")


def configure(seed: int, precision: str) -> str:
    """Seeds everything and sets Keras' precision; returns the precision, with "auto" resolved.

    Raises:
        UserError: Keras' backend is not TensorFlow, on which the pipelines and the training loop depend.
    """
    check_tensorflow()
    keras.utils.set_random_seed(seed)
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
    if precision == "auto":
        precision = automatic_precision()
    keras.config.set_dtype_policy(precision)
    return precision


def automatic_precision() -> str:
    """float32 on a CPU; on a GPU mixed_bfloat16 from compute capability 8.0, mixed_float16 from 7.0, else float32."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32"
    capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
    return "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16" if capability >= (7, 0) else "float32"


def compiled(xla: str) -> bool:
    """Whether to compile with XLA: "auto" means yes on a GPU, where it pays off, and no on a CPU."""
    return bool(tf.config.list_physical_devices("GPU")) if xla == "auto" else xla == "on"


def machine() -> dict:
    """The hardware that determines speed and the last bits of a result; no host or user names."""
    gpus = [tf.config.experimental.get_device_details(g) for g in tf.config.list_physical_devices("GPU")]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "gpus": [gpu.get("device_name", "unknown") for gpu in gpus],
    }


def threads() -> int:
    """The number of threads among which TensorFlow divides an operation: the last bits of a sum depend on it.

    Neither OMP_NUM_THREADS nor the number of operations that run side by side change them.
    """
    asked = tf.config.threading.get_intra_op_parallelism_threads() or os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if str(asked).isdecimal() and int(asked):
        return int(asked)
    # Of the cores, a process may have been given some, by `taskset` or a batch system for example.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor() -> str:
    """The processor's name as the system reports it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> dict:
    """Versions of Python, zoo and the packages that affect a result."""
    return {"python": platform.python_version(), "zoo": __version__} | {
        name: metadata.version(name) for name in PACKAGES
    }
