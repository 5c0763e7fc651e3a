"""The columns of a table whose rows are classified: what each is, and how its cells become inputs of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zoo.data.cells import Cells
from zoo.data.numbers import Notation, is_gap, notation, stripped
from zoo.data.table import DATE
from zoo.errors import UserError

MOST = 100  # values of a category


@dataclass(frozen=True)
class RowColumn:
    """A column that the network sees, with what was learned about it from the training split."""

    name: str
    kind: Literal["number", "category"]
    gaps: bool
    """Whether cells are missing in the training split; then a further input is 1 where one is."""
    mean: float = 0.0
    deviation: float = 1.0
    """Of a number."""
    values: tuple[str, ...] = ()
    """Of a category: each is an input of its own, 1 or 0."""
    decimal: str = ".,"
    """The decimal mark of a number; runs of former versions read either."""
    thousands: str = ""
    """The mark between thousands of a number."""
    percent: bool = False
    """Whether a number has the sign %."""

    @property
    def width(self) -> int:
        """The number of inputs that it takes."""
        return self.gaps + (1 if self.kind == "number" else len(self.values))

    def encode(self, cells: Sequence[str]) -> np.ndarray:
        """The cells as inputs, (N, width) float32; an unknown value, and a missing one if none was missing in training,
        is the mean of numbers, and no category.
        """
        if self.kind == "number":
            scaled = np.nan_to_num((self.numbers(cells) - self.mean) / self.deviation, nan=0.0)[:, None]
        else:
            places = {value: at for at, value in enumerate(self.values)}
            at = np.fromiter((places.get(cell, -1) for cell in cells), np.int64)
            scaled = np.zeros((len(cells), len(self.values)), np.float32)
            scaled[np.flatnonzero(at >= 0), at[at >= 0]] = 1
        missing = [np.fromiter(map(is_gap, cells), np.float32)[:, None]] if self.gaps else []
        return np.hstack([np.float32(scaled), *missing])

    def numbers(self, cells: Sequence[str]) -> np.ndarray:
        """The numbers in the cells, (N,) float64; NaN where there is none."""
        return Notation(self.decimal, self.thousands).read(cells)

    def problem(self, cell: str) -> str | None:
        """What is wrong with a cell of a new row, or None."""
        if is_gap(cell):
            return None if self.gaps else f"{self.name} is missing, which it never was in training"
        if self.kind != "number":
            return None if cell in self.values else f"{self.name} is {cell!r}, which did not occur in training"
        if np.isnan(self.numbers([cell])[0]):
            return f"{self.name} is {cell!r}, which is no number as those in training are written"
        if (stripped(cell)[1] == "%") != self.percent:
            return f"{self.name} is {cell!r}, but in training it was {'with' if self.percent else 'without'} %"
        return None

    def check(self, cells: Sequence[str], written: Notation, place: Callable[[int], str]) -> None:
        """Checks the column of another table.

        Args:
            cells: all of it.
            written: how its numbers are written.
            place: says where the row with an index stands.

        Raises:
            UserError: its numbers would be read as others, by how those in training are written.
        """
        if self.kind != "number" or all(map(is_gap, cells)):
            return
        if written.percent != self.percent:
            ways = "with %, but in training without", "without %, but in training with"
            raise UserError(
                f"the numbers in the column {self.name} are {ways[self.percent]} it: write them as in training"
            )
        known = self.decimal, self.thousands
        if len(self.decimal) == 1 and (written.decimal, written.thousands) != known:
            own, ours = written.read(cells), self.numbers(cells)
            differ = np.flatnonzero(~np.isnan(own) & (own != ours))
            if len(differ):
                row = int(differ[0])
                said = "no number" if np.isnan(ours[row]) else f"{ours[row]:.10g}"
                raise UserError(
                    f"{place(row)} has {cells[row]!r} in the column {self.name}, which is {own[row]:.10g} by the other "
                    f"rows, but {said} as numbers in training were written: write them as in training"
                )


def learned(name: str, kind: str, cells: Sequence[str], written: Notation) -> RowColumn:
    """A column as the cells of the training split have it, whose numbers are written in this way."""
    gaps = any(map(is_gap, cells))
    if kind == "category":
        return RowColumn(name, kind, gaps, values=tuple(sorted({cell for cell in cells if not is_gap(cell)})))
    numbers = written.read(cell for cell in cells if not is_gap(cell))
    mean, deviation = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (0.0, 1.0)
    form = {"decimal": written.decimal, "thousands": written.thousands, "percent": written.percent}
    return RowColumn(name, kind, gaps, mean, deviation or 1.0, **form)


def written_in(name: str, cells: Sequence[str], delimiter: str = ",") -> Notation:
    """How the numbers of a column are written: see `zoo.data.numbers.notation`.

    Raises:
        UserError: a mark in them may stand between thousands or before decimals.
    """
    ask = "write it without a mark between thousands, or with another number of decimals"
    return notation(cells, f"the column {name}", delimiter=delimiter, ask=ask)


def kind_of(name: str, cells: Sequence[str], written: Notation, place: Callable[[int], str]) -> str:
    """number, category, or "left out: " and why.

    Args:
        name: of the column.
        cells: all of it.
        written: how its numbers are written.
        place: says where the row with an index stands.

    Raises:
        UserError: most cells are numbers and others are not.
    """
    there = Cells(cell for cell in cells if not is_gap(cell))
    different = len(np.unique(np.fromiter(map(hash, there), np.int64)))
    if different == 1 and len(there) < len(cells):
        return "category"  # such as x in some rows and nothing in others
    if different < 2:
        return "left out: the same in all rows"
    numbers = written.read(there)
    if (np.abs(numbers[~np.isnan(numbers)]) > np.finfo(np.float32).max).any():
        raise UserError(
            f"the column {name} holds a number of more than 38 digits: correct it, leave it empty, or give --data.drop"
        )
    if written.strange is None:
        steps = np.unique(np.diff(numbers)).tolist()
        return "left out: it numbers the rows" if steps in ([1.0], [-1.0]) and len(there) == len(cells) else "number"
    if sum(bool(DATE.fullmatch(cell)) for cell in there) > 0.8 * len(there):
        return "left out: dates"
    if np.isnan(numbers).sum() < 0.2 * len(there):
        raise UserError(
            f"the column {name} holds numbers, but also {cells[written.strange]!r} in {place(written.strange)}: "
            "correct these or leave them empty, or give --data.category or --data.drop with its name"
        )
    if different > min(MOST, len(there) / 2):
        return f"left out: text, {different:,} different values in {len(there):,} rows"
    return "category"
