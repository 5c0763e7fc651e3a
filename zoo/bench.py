"""Times a recipe's training step and inference on random inputs: `python -m zoo.bench cnn`."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.command import main, parse

if TYPE_CHECKING:
    from zoo.training import Recipe


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


def run_command(argv: list[str]) -> int:
    """Times what the command line asks for."""
    recipe, options = parse("bench", argv, Options)
    record = bench(recipe, options.seconds)
    if options.json:
        print(json.dumps(record))
        return 0
    for name, value in record.items():
        print(f"{name:30} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
