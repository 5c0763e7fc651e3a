"""A user's CSV files, read strictly: a number for every row, or an error that names the row."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.files import from_utf8
from zoo.data.numbers import read_numbers
from zoo.errors import UserError, nearest

DELIMITERS = ",;\t|"
LOOKED_AT = 20  # lines by which the delimiter is found
QUOTED = re.compile(r'"(?:[^"]|"")*"')
EXCEL = re.compile(r'"?sep=(.)"?\r*\n', re.IGNORECASE)  # how Excel is told the delimiter


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file as text."""

    path: Path
    names: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[str, ...], ...]
    """The rows in their order, each with one cell per column, or fewer if its line is short."""
    delimiter: str = ","
    """What stands between the columns."""

    def find(self, name: str | None, flag: str = "column") -> str:
        """Checks the name of a column and returns it; for None, the name of the only column.

        Raises:
            UserError: there is no such column, or more than one.
        """
        listed = ", ".join(name or "''" for name in self.names)
        if name is None and len(self.names) > 1:
            raise UserError(f"{self.path} has the columns {listed}: name one of them with --data.{flag} NAME")
        if name is None:
            return self.names[0]
        if name not in self.names:
            like = nearest(name, list(self.names))
            like = like if "nearest" in like else ""  # all of them are listed anyway
            raise UserError(f"{self.path} has no column {name!r}: it has {listed}{like}")
        if self.names.count(name) > 1:
            raise UserError(f"{self.path} has {self.names.count(name)} columns that are called {name!r}: rename them")
        return name

    def cells(self, name: str) -> list[str]:
        """The column as it is written, "" where a line is too short."""
        at = self.names.index(name)
        return [row[at].strip() if at < len(row) else "" for row in self.rows]

    def numbers(
        self, name: str, decimal: str | None = None, thousands: str | None = None
    ) -> tuple[np.ndarray, list[str]]:
        """The column as (rows,) float64, and sentences on how it was read: see `zoo.data.numbers.read_numbers`.

        Raises:
            UserError: a cell is empty or no finite number, or the column can be read in two ways.
        """
        what = f"the column {name} of {self.path}"
        return read_numbers(self.cells(name), what, decimal, thousands, self.delimiter)


def read_table(path: Path) -> Table:
    """Reads a UTF-8 CSV file with column names in its first line.

    Left out are comments (#) and empty lines above the names, empty lines and rows at the end and, in a table of two or
    more columns, empty lines anywhere.

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
    names, rows, delimiter = split(text, path)
    names = tuple(name.strip() for name in names)
    if all(is_number(name) for name in names):
        raise UserError(f"the first line of {path} holds numbers, {', '.join(names)}: wanted the names of the columns")
    while rows and not any(cell.strip() for cell in rows[-1]):
        del rows[-1]
    if len(names) > 1:
        rows = [row for row in rows if row and row != [""]]
    if not rows:
        raise UserError(f"{path} has names in its first line, {', '.join(names)}, but no row below")
    for number, row in enumerate(rows, 1):
        while len(row) > len(names) and not row[-1].strip():  # a delimiter at the end of each line
            del row[-1]
        if len(row) > len(names):  # a row with decimal commas, for example
            raise UserError(
                f"row {number} below the names in {path} has {len(row)} cells, {', '.join(map(repr, row))}, but there "
                f"{'is 1 name' if len(names) == 1 else f'are {len(names)} names'} in the first line, separated by "
                f"{delimiter!r}: name each column, and write decimals with a point"
            )
    return Table(path, names, tuple(map(tuple, rows)), delimiter)


def split(text: str, path: Path) -> tuple[list[str], list[list[str]], str]:
    """The cells of the first line and of the others, without what stands above them, and the delimiter."""
    text, told = text.strip("\r\n"), None
    if excel := EXCEL.match(text):
        told, text = excel[1], text[excel.end() :].strip("\r\n")
    comment = ""
    while text.startswith("#") and "\n" in text.replace("\r", "\n"):
        comment, text = re.split(r"[\r\n]+", text, maxsplit=1)
    delimiter = told or delimiter_of(text)
    try:
        names, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file: {error}") from error
    above = comment.lstrip("# ").split(delimiter)
    if comment and len(above) == len(names) and all(map(is_number, names)):  # the names stand in the last comment
        names, rows = above, [names, *rows]
    return names, rows, delimiter


def delimiter_of(text: str) -> str:
    """What stands between the columns: outside of quotes, as often in the first line as in those that follow."""
    lines = [line for line in re.split(r"[\r\n]+", QUOTED.sub("", text[:100_000])) if line][:LOOKED_AT]

    def fit(delimiter: str) -> tuple[int, int]:
        first = lines[0].count(delimiter)
        alike = sum(line.count(delimiter) == first for line in lines) if first else 0
        return alike, first

    return max(DELIMITERS, key=fit)


def is_number(cell: str) -> bool:
    """Whether Python can read the cell as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
