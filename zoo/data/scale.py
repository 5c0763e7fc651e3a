"""What a run on series keeps for later: means and deviations of its training part, and how far off forecasts are."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import UserError

SCALE = "scale.json"  # file in a run's folder that holds the means and the deviations
INTERVALS = "intervals.json"  # the same of how far off forecasts are


@dataclass(frozen=True)
class Scale:
    """Means and deviations.

    Args:
        column: the name of the column to forecast.
        inputs: the names of the further columns.
        moments: by the name of the series, "" if it is the only one: (1 + inputs, 2) float64, mean and deviation of
            each column.
    """

    column: str
    inputs: tuple[str, ...]
    moments: dict[str, np.ndarray]

    def of(self, name: str) -> np.ndarray:
        """The moments of a series.

        Raises:
            UserError: the run was not trained on that series.
        """
        if name not in self.moments:
            known = ", ".join(list(self.moments)[:10]) + ", ..." * (len(self.moments) > 10)
            raise UserError(f"the run knows no series {name!r}: it was trained on {known or 'a single one'}")
        return self.moments[name]

    def as_json(self) -> str:
        """The content of a scale.json."""

        def plain(moments: np.ndarray) -> dict:
            (mean, deviation), *others = moments.tolist()
            more = {"inputs": dict(zip(self.inputs, others, strict=True))} if others else {}
            return {"mean": mean, "deviation": deviation} | more

        alone = self.moments.keys() == {""}
        kept = plain(self.moments[""]) if alone else {"series": {k: plain(v) for k, v in self.moments.items()}}
        return json.dumps({"column": self.column} | kept) + "\n"


def read_scale(path: Path) -> Scale:
    """What a run's scale.json holds.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        series = kept.get("series", {"": kept})
        inputs = tuple(next(iter(series.values())).get("inputs", {}))
        moments = {}
        for name, one in series.items():
            pairs = [[one["mean"], one["deviation"]], *(one["inputs"][other] for other in inputs)]
            for mean, deviation in pairs:
                if not (math.isfinite(mean) and 0 < deviation < math.inf):
                    raise ValueError(f"mean {mean}, deviation {deviation}")
            moments[str(name)] = np.array(pairs, np.float64)
        return Scale(str(kept["column"]), inputs, moments)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        StopIteration,
        OverflowError,
        RecursionError,
    ) as error:
        raise UserError(
            f"{path} is missing or is not the scale of a series ({error}): give the file of a run"
        ) from error


def standardised(numbers: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Numbers for the network: less the mean and divided by the deviation of their column, float32.

    Args:
        numbers: (rows, columns).
        moments: (columns, 2).

    Raises:
        UserError: a number is too far from the mean for float32.
    """
    with np.errstate(over="ignore"):  # checked below
        scaled = np.float32((np.float64(numbers) - moments[:, 0]) / moments[:, 1])
    if not np.isfinite(scaled).all():
        row, column = np.argwhere(~np.isfinite(scaled))[0]
        mean, deviation = moments[column]
        raise UserError(
            f"{numbers[row, column]:g} is too far from the mean, {mean:g}, for the deviation, {deviation:g}, to be "
            "held in float32: correct or remove its row"
        )
    return scaled


def read_radius(path: Path) -> tuple[float, list[float]] | None:
    """The coverage and the half widths in a run's intervals.json; None if it has none.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        radius = [float(number) for number in kept["radius"]]
        if not all(0 <= number < math.inf for number in radius):
            raise ValueError(f"radius {radius}")
        return float(kept["coverage"]), radius
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} does not hold a run's intervals ({error}): delete it, or restore it") from error


def write_radius(path: Path, coverage: float, radius: Sequence[float]) -> None:
    """Writes an intervals.json."""
    part = path.with_name(f".part-{path.name}")
    part.unlink(missing_ok=True)
    part.write_text(json.dumps({"coverage": coverage, "radius": list(radius)}) + "\n", "utf-8")
    part.replace(path)
