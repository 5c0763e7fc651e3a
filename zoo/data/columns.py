"""The columns of rows: what each is, how its cells are read (decimal commas too) and become numbers for a network."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from zoo.errors import UserError

MOST = 100  # values of a category
GAPS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-", "?")  # ways of writing that there is no value
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?")
COMMA = re.compile(r"[-+]?\d+(,\d+)?")  # a number with a decimal comma


@dataclass(frozen=True)
class Column:
    """A column that the network sees, with what was learned about it from the training split."""

    name: str
    kind: str
    """number or category."""
    gaps: bool
    """Whether cells are missing in the training split; then a further input is 1 where one is."""
    mean: float = 0.0
    deviation: float = 1.0
    """Of a number."""
    values: tuple[str, ...] = ()
    """Of a category: each is an input of its own, 1 or 0."""

    @property
    def width(self) -> int:
        """The number of inputs that it takes."""
        return self.gaps + (1 if self.kind == "number" else len(self.values))

    def encode(self, cells: list[str]) -> np.ndarray:
        """The cells as inputs, (N, width) float32; an unknown value, and a missing one if none was missing in training,
        is the mean of numbers, and no category.
        """
        if self.kind == "number":
            numbers = np.array([number_of(cell) for cell in cells])
            scaled = np.nan_to_num((numbers - self.mean) / self.deviation, nan=0.0)[:, None]
        else:
            scaled = np.array([[cell == value for value in self.values] for cell in cells]).reshape(len(cells), -1)
        missing = np.array([[is_gap(cell)] for cell in cells])
        return np.float32(np.hstack([scaled, missing]) if self.gaps else scaled)

    def problem(self, cell: str) -> str | None:
        """What is wrong with a cell of a new row, or None."""
        if is_gap(cell):
            return None if self.gaps else f"{self.name} is missing, which it never was in training"
        if self.kind == "number":
            return f"{self.name} is {cell!r}, which is no number" if math.isnan(number_of(cell)) else None
        return None if cell in self.values else f"{self.name} is {cell!r}, which did not occur in training"


def learned(name: str, kind: str, cells: list[str]) -> Column:
    """A column as the cells of the training split have it."""
    gaps, there = any(map(is_gap, cells)), [cell for cell in cells if not is_gap(cell)]
    if kind == "category":
        return Column(name, kind, gaps, values=tuple(sorted(set(there))))
    numbers = np.array([number_of(cell) for cell in there])
    mean, deviation = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (0.0, 1.0)
    return Column(name, kind, gaps, mean, deviation or 1.0)


def kind_of(name: str, cells: list[str]) -> str:
    """number, category, or "left out: " and why.

    Raises:
        UserError: most cells are numbers and others are not.
    """
    there = [cell for cell in cells if not is_gap(cell)]
    values, numbers = Counter(there), [number_of(cell) for cell in there]
    if len(values) < 2:
        return "left out: the same in all rows"
    strange = [cell for cell, number in zip(there, numbers, strict=True) if math.isnan(number)]
    if not strange:
        check_marks(name, there)
        steps = set(np.diff(numbers).tolist())
        return "left out: it numbers the rows" if steps in ({1.0}, {-1.0}) and len(there) == len(cells) else "number"
    if sum(bool(DATE.fullmatch(cell)) for cell in there) > 0.8 * len(there):
        return "left out: dates"
    if len(strange) < 0.2 * len(there):
        raise UserError(
            f"the column {name} holds numbers, but also {strange[0]!r}: correct these or leave them empty, or give "
            "--data.category or --data.drop with its name"
        )
    if len(values) > min(MOST, len(there) / 2):
        return f"left out: text, {len(values):,} different values in {len(there):,} rows"
    return "category"


def check_marks(name: str, cells: list[str]) -> None:
    """Raises UserError where a mark in numbers may stand between thousands, or before decimals."""
    for mark in ".,":
        marked = [cell for cell in cells if mark in cell]
        thousands = all(re.fullmatch(r"[-+]?[1-9]\d{0,2}[.,]\d{3}", cell) for cell in marked)
        if marked and thousands and (mark == "," or len(marked) < len(cells)):
            raise UserError(
                f"the column {name} has {marked[0]!r}, which may be a fraction or thousands: write it without "
                "a mark between thousands, or with another number of decimals"
            )


def number_of(cell: str) -> float:
    """The number in a cell, with a decimal point or comma; NaN if there is none."""
    try:
        number = float((cell.replace(",", ".") if COMMA.fullmatch(cell) else cell).replace("_", "?"))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def is_gap(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.lower() in GAPS
