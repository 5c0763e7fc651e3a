"""A user's CSV files, read strictly: a number for every row, or an error that names the row."""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.files import from_utf8
from zoo.errors import UserError, nearest

DELIMITERS = ",;\t"  # the most frequent of these in the first line is taken as the delimiter
GAPS = ("", "na", "n/a", "nan", "null", "none", "-")  # ways of writing a missing number


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file as text."""

    path: Path
    names: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[str, ...], ...]
    """The rows in their order, each with one cell per column, or fewer if its line is short."""

    def find(self, name: str | None) -> str:
        """Checks the name of a column and returns it; for None, the name of the only column.

        Raises:
            UserError: there is no such column, or more than one.
        """
        listed = ", ".join(name or "''" for name in self.names)
        if name is None and len(self.names) > 1:
            raise UserError(f"{self.path} has the columns {listed}: name one of them with --data.column NAME")
        if name is None:
            return self.names[0]
        if name not in self.names:
            like = nearest(name, list(self.names))
            like = like if "nearest" in like else ""  # all of them are listed anyway
            raise UserError(f"{self.path} has no column {name!r}: it has {listed}{like}")
        if self.names.count(name) > 1:
            raise UserError(f"{self.path} has {self.names.count(name)} columns that are called {name!r}: rename them")
        return name

    def numbers(self, name: str) -> np.ndarray:
        """The column as (rows,) float64.

        Raises:
            UserError: a cell is empty, or not a finite number.
        """
        at, values = self.names.index(name), []
        for number, row in enumerate(self.rows, 1):
            cell = row[at].strip() if at < len(row) else ""
            where = f"row {number} below the names in {self.path}"
            if cell.lower() in GAPS:
                raise UserError(f"{where} has no number in the column {name} (it is {cell!r}): fill or remove the row")
            try:
                value = float(cell.replace("_", "?"))  # Python would accept underscores in numbers
            except ValueError:
                raise UserError(
                    f"{where} has {cell!r} in the column {name}, which is not a number such as 1234.5"
                ) from None
            if not math.isfinite(value):
                raise UserError(f"{where} has {cell!r} in the column {name}: wanted a finite number")
            values.append(value)
        return np.array(values)


def read_table(path: Path) -> Table:
    """Reads a UTF-8 CSV file with column names in its first line; empty lines at its ends are ignored.

    Raises:
        UserError: the file is missing, empty, not UTF-8, or not a table.
    """
    try:
        written = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; wanted a CSV file") from error
    text = from_utf8(written, path, "a CSV file in UTF-8")
    if not text.strip():
        raise UserError(f"{path} is empty: wanted a CSV file with names in its first line and numbers below")
    text = text.strip("\r\n")
    delimiter = max(DELIMITERS, key=text.splitlines()[0].count)
    try:
        names, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file: {error}") from error
    names = tuple(name.strip() for name in names)
    if all(is_number(name) for name in names):
        raise UserError(f"the first line of {path} holds numbers, {', '.join(names)}: wanted the names of the columns")
    if not rows:
        raise UserError(f"{path} has names in its first line, {', '.join(names)}, but no row below")
    for number, row in enumerate(rows, 1):
        if len(row) > len(names):  # a row with decimal commas, for example
            raise UserError(
                f"row {number} below the names in {path} has {len(row)} cells, {', '.join(map(repr, row))}, but there "
                f"{'is 1 name' if len(names) == 1 else f'are {len(names)} names'} in the first line, separated by "
                f"{delimiter!r}: name each column, and write decimals with a point"
            )
    return Table(path, names, tuple(map(tuple, rows)))


def is_number(cell: str) -> bool:
    """Whether Python can read the cell as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
