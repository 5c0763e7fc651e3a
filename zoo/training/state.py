"""The file that holds the state of a training: written as a whole, and checked before anything relies on it."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np

from zoo.errors import UserError
from zoo.training.files import opened, replacing
from zoo.training.runs import check_stored, is_epoch, is_finite

MANY = 2**31  # no training has as many epochs
BEST = (float, int, type(None))  # a value that is watched; None before the first epoch has ended
MEMORY = {  # the state of Keras' callbacks, which they reset in on_train_begin, and its types
    "EarlyStopping": {"best": BEST, "wait": (int,), "best_epoch": (int,), "stopped_epoch": (int,)},
    "ReduceLROnPlateau": {"best": BEST, "wait": (int,), "cooldown_counter": (int,)},
    "SwapEMAWeights": {"_ema_weights_in_model": (bool,)},
}


def write_state(path: Path, arrays: dict[str, np.ndarray], state: dict) -> None:
    """Writes one file of plain arrays, one of which is the rest of the state as JSON text."""
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with replacing(path) as part:
        np.savez(part, state=text, **arrays)


def read_state(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the rest of the state, or those of a new training if the file does not exist.

    Raises:
        UserError: the file is damaged, or the system does not let it be read.
    """
    initial = {"step": 0, "history": [], "stopped": False, "callbacks": {}, "events": {}, "seconds": 0.0}
    if not path.exists():
        return {}, initial
    try:
        with opened(path) as written:
            check_stored(written)
            with np.load(written, allow_pickle=False) as file:
                arrays = dict(file)
        state = json.loads(arrays.pop("state").tobytes())
        state = {key: state[key] for key in initial}
        wrong = next((key for key, value in state.items() if not is_part_of_state(key, value)), None)
        if wrong:
            raise ValueError(f"its {wrong} is not what a training saves")
        for key, array in arrays.items():
            if array.dtype.kind not in "biuf" or not is_finite(array):
                raise ValueError(f"its {key} is not what a training saves")
        return arrays, state
    except UserError:
        raise
    except Exception as error:  # zipfile, NumPy and JSON raise many different errors for a damaged file
        raise UserError(f"{path} is damaged ({error}): start a new run with --fresh") from error


def is_part_of_state(key: str, value) -> bool:
    """Whether `value` is what a training saves under that key."""
    match key:
        case "step":
            return type(value) is int and 0 <= value < sys.maxsize
        case "history":
            return isinstance(value, list) and all(map(is_epoch, value))
        case "callbacks":
            return isinstance(value, dict) and all(
                isinstance(kept, dict)
                and kept.keys() == MEMORY.get(name, {}).keys()
                and all(type(kept[part]) in types for part, types in MEMORY.get(name, {}).items())
                and all(0 <= kept[part] <= MANY for part in kept if part != "best")
                and (kept.get("best") is None or not math.isnan(kept["best"]))
                for name, kept in value.items()
            )
        case "events":
            return isinstance(value, dict) and all(type(size) is int and size >= 0 for size in value.values())
        case "stopped":
            return isinstance(value, bool)
    return isinstance(value, float) and 0 <= value < math.inf
