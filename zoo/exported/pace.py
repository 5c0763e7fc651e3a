"""How long a network takes in several programs, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np

from zoo.errors import UserError
from zoo.exported.compared import TOLERANCE
from zoo.exported.folder import check_holds, compare, converting
from zoo.exported.network import Network, padded

MANY = 250  # examples at once, to measure how many are answered in a second
AT_LEAST = 5  # rounds
Run = Callable[[list[np.ndarray]], np.ndarray]


def paces(network: Network, forms: Mapping[str, ModuleType], inputs: list[np.ndarray], folder: Path, seconds: float):
    """Times a network in Keras and in other formats' own programs.

    Args:
        network: what to time.
        forms: of FORMATS, by name.
        inputs: a batch, whose examples are repeated where there are fewer than MANY.
        folder: an empty one, for the files.
        seconds: for which each kind of call is timed, all programs together.

    Returns:
        For each, and for keras, batch_1_ms_median and batch_250_per_second, of the median time.

    Raises:
        UserError: a format cannot hold the network, or gives other outputs.
    """
    inputs = padded(inputs, network.sizes)
    many = [x[np.arange(MANY) % len(x)] for x in inputs]
    runs: dict[str, Run] = {"keras": network.compiled()}
    for name, form in forms.items():
        check_holds(form, network)
        (folder / name).mkdir()
        with converting(form, network):
            form.write(network, folder / name)
            runs[name] = form.load(folder / name)
            found = compare(network, runs[name], [many])
        if found.share > TOLERANCE:
            raise UserError(f"{name} gives other outputs than Keras, by {found.share:.1e} of the largest: not timed")
    alone, at_once = in_turn(runs, [x[:1] for x in many], seconds), in_turn(runs, many, seconds)
    return {
        name: {
            "batch_1_ms_median": round(1e3 * median(alone[name]), 3),
            f"batch_{MANY}_per_second": round(MANY / median(at_once[name]), 1),
        }
        for name in runs
    }


def in_turn(runs: Mapping[str, Run], inputs: list[np.ndarray], seconds: float) -> dict[str, list[float]]:
    """Times a call of each in turn, so that whatever else slows the machine slows all of them, after one unmeasured."""
    for run in runs.values():
        run(inputs)
    times: dict[str, list[float]] = {name: [] for name in runs}
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds or min(map(len, times.values())) < AT_LEAST:
        for name, run in runs.items():
            start = time.perf_counter()
            run(inputs)
            times[name].append(time.perf_counter() - start)
    return times
