"""The one reader of a user's CSV and TSV files: series, rows, labelled texts and lists of files are read by it.

A file is read line by line into few bytes a cell; what looks like a mistake in it is refused, or said, with its line.
"""

from __future__ import annotations

import csv
import re
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np

from zoo.data.cells import CellRows, Cells, packed
from zoo.data.files import from_utf8
from zoo.data.layout import are, some
from zoo.data.numbers import read_numbers
from zoo.errors import UserError, nearest

DELIMITERS = ",;\t|"
HEAD, LOOKED_AT = 100_000, 20  # characters and lines by which the delimiter is found
QUOTED = re.compile(r'"(?:[^"]|"")*(?:"|\Z)')
EXCEL = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # how Excel is told the delimiter
YEAR = re.compile("(1[6-9]|20|21)\\d\\d")  # columns are called so, a year each
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?")
MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
CELL = 2**24  # largest number of characters of a cell; the csv module's own limit is too small for long texts
LIMIT = threading.Lock()  # that limit is one for the whole process
TOTAL = re.compile(
    "((grand|sub) ?-?)?totals?|sums?|average|mean|(gesamt)?summe|(ins)?gesamt|mittelwert|durchschnitt|somme|moyenne|"
    "suma|promedio",
    re.IGNORECASE,
)  # what stands in rows that sum up those above, in English, German, French and Spanish
TALL = 10  # lines of a cell from which on it is said
SHOWN, NAMED = 30, 8  # characters of a cell and cells of a row that an error shows


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file as text, without white space around them."""

    path: Path
    names: tuple[str, ...]
    """Names of the columns."""
    columns: tuple[Cells, ...]
    """The columns, each with a cell for every row; "" where a line is too short."""
    delimiter: str = ","
    """What stands between the columns."""
    lines: np.ndarray | None = None
    """(rows,) the line in which each row begins, counted from 1."""
    said: tuple[str, ...] = ()
    """What was left out or added, a sentence each."""

    @property
    def rows(self) -> CellRows:
        """The rows in their order, each with one cell per column."""
        return CellRows(self.columns)

    @cached_property
    def hashes(self) -> np.ndarray:
        """(rows,) int64, the same number for equal rows: where they are compared, it takes less memory than cells."""
        return np.fromiter(map(hash, self.rows), np.int64, len(self.rows))

    def place(self, row: int) -> str:
        """Where a row stands, which is counted from 0, in words."""
        line = row + 2 if self.lines is None else int(self.lines[row])
        return f"row {row + 1} below the names" + f" (line {line})" * (line != row + 2)

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

    def cells(self, name: str) -> Cells:
        """The column as it is written, "" where a line is too short."""
        return self.columns[self.names.index(name)]

    def numbers(
        self, name: str, decimal: str | None = None, thousands: str | None = None
    ) -> tuple[np.ndarray, list[str]]:
        """The column as (rows,) float64, and sentences on how it was read: see `zoo.data.numbers.read_numbers`.

        Raises:
            UserError: a cell is empty or no finite number, the column can be read in two ways, or a row sums up others.
        """
        self.refuse_totals()
        what = f"the column {name} of {self.path}"
        marks = {"delimiter": self.delimiter, "place": self.place}
        return read_numbers(self.cells(name), what, decimal, thousands, **marks)

    def refuse_totals(self) -> None:
        """Raises UserError where one of the last rows is not like the others, but sums them up."""
        for row in range(max(0, len(self.rows) - 3), len(self.rows)):
            for name, column in zip(self.names, self.columns, strict=True):
                if TOTAL.fullmatch(column[row].rstrip(":")) and sum(cell == column[row] for cell in column) == 1:
                    raise UserError(
                        f"{self.place(row)} has {column[row]!r} in the column {name} of {self.path}, as if it summed "
                        "up the rows above: remove it"
                    )


def read_table(path: Path) -> Table:
    """Reads a CSV or TSV file in UTF-8, or in UTF-16 with its mark, with column names in its first line.

    Left out are Excel's line sep=, comments (#) and empty lines above the names, empty lines and rows at the end, rows
    that repeat the names, columns without a name and cells and, in a table of two or more columns, empty lines
    anywhere.

    Raises:
        UserError: the file is missing, empty, in another encoding, or not a table.
    """
    try:
        with path.open("rb") as file:
            mark = file.read(4)
        encoding = next((name for start, name in MARKS.items() if mark.startswith(start)), "utf-8-sig")
        with path.open(encoding=encoding, newline="") as file, long_cells():
            return parsed(file, path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; wanted a CSV file") from error
    except UnicodeError as error:
        if encoding == "utf-8-sig":
            from_utf8(path.read_bytes(), path, "a CSV file in UTF-8")  # whose message says where
        raise UserError(f"{path} is not {encoding} text ({error}): save it as a CSV file in UTF-8") from error


@contextmanager
def long_cells() -> Iterator[None]:
    """Lets the csv module read longer cells than it does otherwise."""
    with LIMIT:
        before = csv.field_size_limit(CELL)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def parsed(file: TextIO, path: Path) -> Table:
    """The table in a file that is opened with newline=""."""
    head = file.read(HEAD)
    file.seek(0)
    feed = lines_of(file, path)
    told, comment, above, first = None, "", 0, None
    for above, line in enumerate(feed):  # noqa: B007 - how many lines stand above the names
        bare = line.strip("\r\n")
        if bare.startswith("#"):
            comment = bare
        elif told is None and (excel := EXCEL.fullmatch(bare)):
            told = excel[1]
        elif bare.strip():
            first = line
            break
    if first is None:
        raise UserError(f"{path} is empty: wanted a CSV file with names in its first line and rows below")
    tabs = path.suffix.lower() in (".tsv", ".tab")
    delimiter = told or ("\t" if tabs else delimiter_of(head[max(0, head.find(first)) :]))
    form = {"delimiter": delimiter, "strict": True, "skipinitialspace": delimiter not in " \t"}
    reader = csv.reader(chain([first], feed), **form)
    rows = numbered(reader, above, path)
    line, names = next(rows)
    named = next(csv.reader([comment], delimiter=delimiter)) if comment else []
    if len(named) == len(names) and any(map(is_number, names)):  # the names stand in the last comment
        rows, names = chain([(line, names)], rows), [named[0].lstrip("# ") or "#", *named[1:]]
    names = tuple(name.strip() for name in names)
    numeric = sum(bool(name) and is_number(name) and not YEAR.fullmatch(name) for name in names)
    if numeric > len(names) / 2 or all(is_number(name) or DATE.fullmatch(name) for name in names):
        raise UserError(f"the first line of {path} holds numbers, {', '.join(names)}: wanted the names of the columns")
    lines, said = array("I"), []
    table = Table(path, names, (), delimiter)
    columns = packed(whole(rows, table, lines, said), len(names))
    if not lines:
        raise UserError(f"{path} has names in its first line, {', '.join(names)}, but no row below")
    return without_blank_columns(
        replace(table, columns=columns, lines=np.frombuffer(lines, np.uintc), said=tuple(said))
    )


def numbered(reader: Iterator[list[str]], above: int, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that the csv module reads, with the line in which each begins, below so many lines.

    Raises:
        UserError: it cannot read one.
    """
    line = above + 1
    try:
        for cells in reader:
            yield line, cells
            line = above + reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path} is not a CSV file: {error}, in the row that begins in line {line}; write a quotation mark within "
            "quotation marks twice"
        ) from error


def whole(rows: Iterator, table: Table, lines: array, said: list[str]) -> Iterator[list[str]]:
    """Yields rows with a cell for each name of the table, whose lines and sentences are added to `lines` and `said`.

    Raises:
        UserError: a row has more cells than there are names.
    """
    names = table.names
    needed = max((at for at, name in enumerate(names, 1) if name), default=len(names))
    several = sum(map(bool, names)) > 1
    blank, again, short, tall = [], [], [], (0, 0)  # lines; the tallest row and its line
    for line, written in rows:
        if any("\n" in cell for cell in written):
            tall = max(tall, (1 + max(cell.count("\n") for cell in written), line))
        cells = [cell.strip() for cell in written]
        if not any(cells):
            if len(cells) > 1 or not several:
                blank.append(line)
            continue
        while len(cells) > len(names) and not cells[-1]:  # a delimiter at the end of each line
            del cells[-1]
        if len(cells) > len(names):  # a row with decimal commas, for example
            shown = ", ".join(repr(cell[:SHOWN]) for cell in cells[:NAMED]) + ", ..." * (len(cells) > NAMED)
            above = [*lines, *blank]
            place = replace(table, lines=[*above, line]).place(len(above))
            raise UserError(
                f"{place} in {table.path} has {len(cells)} cells, {shown}, but there "
                f"{'is 1 name' if len(names) == 1 else f'are {len(names)} names'} in the first line, separated by "
                f"{table.delimiter!r}: name each column, write decimals with a point, and quote cells in which that "
                "mark stands"
            )
        if tuple(cells) == names:
            again.append(line)
            continue
        if len(cells) < needed:
            short.append(line)
        for one in blank:  # they are not at the end
            lines.append(one)
            yield [""] * len(names)
        blank.clear()
        lines.append(line)
        yield cells + [""] * (len(names) - len(cells))
    if again:
        repeat = "that repeats" if len(again) == 1 else "that repeat"
        said.append(
            f"{some(len(again), 'row')} {repeat} the names of the columns, as where files were joined, "
            f"{are(len(again))} left out (the first in line {again[0]})"
        )
    if tall[0] > TALL:
        said.append(
            f"one cell goes over {tall[0]} lines, from line {tall[1]} on: if that is not meant, a quotation mark is "
            "missing"
        )
    if short:
        said.append(
            f"{some(len(short), 'row')} with fewer cells than there are names: the missing cells are taken as empty "
            f"(the first in line {short[0]})"
        )


def without_blank_columns(table: Table) -> Table:
    """The table without columns that have neither a name nor a cell, as spreadsheets write them.

    Raises:
        UserError: a column other than the first, which may number the rows, has cells and no name.
    """
    kept = []
    for at, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        filled = next((row for row, cell in enumerate(column) if cell), None) if not name else 0
        if not name and at and filled is not None:
            raise UserError(
                f"the column {at + 1} of {table.path} has no name, but {table.place(filled)} has "
                f"{column[filled][:SHOWN]!r} there: name it in the first line, or quote cells in which "
                f"{table.delimiter!r} stands"
            )
        kept += [at] * (filled is not None)
    names, columns = (tuple(each[at] for at in kept) for each in (table.names, table.columns))
    return replace(table, names=names, columns=columns)


def lines_of(file: TextIO, path: Path) -> Iterator[str]:
    r"""The lines of a file that is opened with newline=""; \r\r\n ends one line.

    Raises:
        UserError: it holds zero bytes.
    """
    before = ""
    for line in file:
        if "\0" in line:
            raise UserError(f"{path} is not text: it holds zero bytes; save it as a CSV file in UTF-8")
        if line != "\r\n" or not before.endswith("\r"):
            yield line
        before = line


def delimiter_of(text: str) -> str:
    """What stands between the columns: outside of quotes, as often in the first line as in those that follow."""
    lines = [line for line in re.split(r"[\r\n]+", QUOTED.sub("", text)) if line][:LOOKED_AT] or [""]

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
