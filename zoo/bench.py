"""Times a recipe's training step and inference, or a run's network in other programs: `python -m zoo.bench cnn`."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zoo.command import main, parse, read
from zoo.opened import check_is_run, opened

if TYPE_CHECKING:
    from zoo.training import Recipe, Run

Engine = Literal["keras", "onnx", "litert", "openvino"]


@dataclass(frozen=True)
class Options:
    """How long to measure, and how to print the result."""

    seconds: float = 10.0
    """Seconds for which training steps are timed; inference takes a quarter of that, twice."""
    json: bool = False
    """Print the result as one line of JSON."""

    def __post_init__(self):
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"--seconds came as {self.seconds}, but must be above 0")


@dataclass(frozen=True)
class Engines(Options):
    """Times a run's network in Keras and, in turn with it, as other programs run it."""

    seconds: float = 10.0
    """Seconds for which one example at a time is timed, and 250 at once, in all programs together."""
    engine: tuple[Engine, ...] = ("keras",)
    """What runs the network: keras, which is always timed, onnx (onnxruntime), litert or openvino; one or several."""


def bench(recipe: Recipe, seconds: float = 10.0) -> dict:
    """Times a recipe on random inputs of its shape, which go through its own pipeline.

    Args:
        recipe: what to time.
        seconds: for which training steps are timed.

    Returns:
        name, batch, precision, parameters; for training: step_ms_median and step_ms_min (of means over the
        steps that TensorFlow runs at once), examples_per_second (from the median),
        first_step_seconds (since the start of the process), share_waiting_for_data, flop_per_step and gflops
        (of matrix products and convolutions; a multiplication and an addition count as two; None if recurrent
        layers run in a loop), matmul_gflops of the machine and share_of_matmul_speed; for inference:
        inference_examples_per_second and batch_1_ms_median; peak_rss_mb and threads.

    Raises:
        UserError: the batch is too large, or the network cannot be built.
    """
    from zoo.training import speed

    return speed.measure(recipe, seconds)


def bench_run(run: Run | Path | str, engine: tuple[Engine, ...] = ("keras",), seconds: float = 10.0) -> dict:
    """Times a run's network, in float32 and on random inputs, in several programs in turn.

    Args:
        run: what `fit` returned, or its folder.
        engine: what runs the network, besides a compiled `tf.function` of Keras.
        seconds: for which one example at a time is timed, and 250 at once.

    Returns:
        name, parameters, processor and threads; and under engines, for each of them, batch_1_ms_median and
        batch_250_per_second.

    Raises:
        UserError: the run cannot be used, a package is missing, or a format cannot hold the network.
    """
    from zoo.exported import FORMATS, Network, check_installed, float32_copy, paces, sizes_of
    from zoo.training import devices

    others = [name for name in dict.fromkeys(engine) if name != "keras"]
    check_installed(others)
    found = opened(run)
    model = float32_copy(found.model)
    first = next(iter(found.source.synthetic(max(250, found.source.batch))))[0]
    network = Network(model, sizes_of(model, [first]))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        engines = paces(network, {name: FORMATS[name] for name in others}, network.arrays(first), Path(folder), seconds)
    return {
        "name": found.run.path.name,
        "parameters": model.count_params(),
        "processor": devices.processor(),
        "threads": devices.threads(),
        "engines": engines,
    }


def run_command(argv: list[str]) -> int:
    """Times what the command line asks for."""
    if argv and (Path(argv[0]).is_dir() or "/" in argv[0]) and ".py:" not in argv[0]:
        return run_engines(argv)
    recipe, options = parse("bench", argv, Options)
    record = bench(recipe, options.seconds)
    if options.json:
        print(json.dumps(record))
        return 0
    for name, value in record.items():
        print(f"{name:30} {value}")
    return 0


def run_engines(argv: list[str]) -> int:
    """Times the run that the command line names."""
    check_is_run(Path(argv[0]))
    options = read(Engines, f"bench {argv[0]}", argv[1:])
    record = bench_run(argv[0], options.engine, options.seconds)
    if options.json:
        print(json.dumps(record))
        return 0
    engines = record.pop("engines")
    for name, value in record.items():
        print(f"{name:30} {value}")
    columns = list(engines["keras"])
    print(f"\n{'engine':12}" + "".join(f"{column:>22}" for column in columns))
    for name, measured in engines.items():
        print(f"{name:12}" + "".join(f"{measured[column]:>22,}" for column in columns))
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
