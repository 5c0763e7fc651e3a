"""One column of a CSV file as a series: its numbers, put in the order of the dates beside it, and what fits them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from zoo.data.numbers import outsiders
from zoo.data.table import Table, read_table
from zoo.data.timeline import Date, Timeline, read_dates, timeline
from zoo.errors import UserError

SHOWN = 3  # dates that a message lists at most
WINDOW = 11  # rows of a window at least, if there are enough
# Columns that are a date together, in English, German, French and Spanish.
PARTS = {
    "year": "year|jahr|ann\u00e9e|a\u00f1o",
    "quarter": "quarter|quartal|trimestre|qtr",
    "month": "month|monat|mois|mes",
    "day": "day|tag|jour|d\u00eda",
}
TIME = re.compile("time|hour|zeit|uhrzeit|stunde|heure|hora", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A series: (rows,) float64 with the oldest row first, its dates, and what was understood, a sentence each."""

    name: str
    values: np.ndarray
    timeline: Timeline | None = None
    said: tuple[str, ...] = ()


def read_column(
    path: Path,
    column: str | None = None,
    *,
    date: str | None = None,
    date_order: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
) -> Column:
    """A column of a CSV file in the order of its dates.

    Args:
        path: of the file.
        column: its name; a column that is the only one, besides a column of dates, needs none, and any name will do.
        date: name of the column of dates, if not the first that holds dates.
        date_order: day-first or month-first, if the dates do not tell.
        decimal: the decimal mark, if the numbers do not tell.
        thousands: the mark between thousands, if the numbers do not tell.

    Raises:
        UserError: the file or the column cannot be used, or can be read in two ways.
    """
    table = read_table(path)
    if len(table.names) == 1:
        column = None
    elif column is None and len(table.names) == 2:
        dated = dates_of(table, date, date_order, None)
        column = next((name for name in table.names if name != dated[0]), None) if dated else None
    name = table.find(column)
    values, said = table.numbers(name, decimal, thousands)
    dated = dates_of(table, date, date_order, name)
    span = f"{name}: {len(values):,} rows, {values.min():.10g} to {values.max():.10g}"
    far = outsiders(values)
    if far:
        listed = ", ".join(f"{value:.10g} ({count} times)" for value, count in far.items())
        said.append(
            f"{name} has {listed}, far from all other values: if that stands for a missing number, fill or remove "
            "those rows, since it is learned as a number"
        )
    if dated is None:
        order = "no column of dates was found: the first row is taken for the oldest"
        if counter := counting_down(table, name):
            order += f", though {counter} counts down (if the newest row comes first, turn the rows round)"
        return Column(name, values, None, (*table.said, span, *said, order))
    where, dates, form = dated
    kept, told = in_order(table, where, dates)
    line = timeline([dates[at] for at in kept], form)
    sorted_anew = kept != sorted(kept) and kept != sorted(kept, reverse=True)
    if form in ("day first", "month first") and sorted_anew and line.missing[0] > len(kept):
        raise UserError(
            f"the dates in the column {where} of {path}, read with the {form}, are not in order and leave out "
            f"{line.missing[0]} steps: where some rows have the day first and others the month, write all as 2024-12-31"
        )
    return Column(name, values[kept], line, (*table.said, span, *said, *told, in_words(line, where, form)))


def dates_of(
    table: Table, date: str | None, order: str | None, target: str | None
) -> tuple[str, list[Date], str] | None:
    """The name of the column of dates, its dates and the form they are written in; None if there is none.

    Raises:
        UserError: the named column holds no dates, or a column of dates has another cell.
    """
    if date is not None:
        where, cells = with_clock(table, table.find(date, "date"), target)
        found = read_dates(cells, where, order, certain=True)
        if found is None:
            raise UserError(
                f"--data.date came as {date}, but {cells[0]!r} in its first row is no date such as 2024-12-31"
            )
        return where, *found
    for where, cells in together(table, target):
        if found := read_dates(cells, where, order, certain=True):
            return where, *found
    for name in table.names:
        if name != target and table.names.count(name) == 1:
            where, cells = with_clock(table, name, target)
            if found := read_dates(cells, where, order):
                return where, *found
            if where != name and (found := read_dates(table.cells(name), name, order)):
                return name, *found
    return None


def together(table: Table, target: str | None) -> Iterator[tuple[str, list[str]]]:
    """Yields columns such as year and month as one column of dates."""
    named = {}
    for part, words in PARTS.items():
        named[part] = next((n for n in table.names if n != target and re.fullmatch(words, n, re.IGNORECASE)), None)
    for parts, form in (
        (("year", "month", "day"), "{}-{}-{}"),
        (("year", "month"), "{}-{}"),
        (("year", "quarter"), "{}-q{}"),
    ):
        names = [named[part] for part in parts]
        if None not in names:
            columns = [[cell.lower().removeprefix("q").removesuffix(".0") for cell in table.cells(n)] for n in names]
            yield " and ".join(names), [form.format(*cells) for cells in zip(*columns, strict=True)]


def with_clock(table: Table, date: str, target: str | None) -> tuple[str, list[str]]:
    """A column, or where one of times stands beside it, both together: what they are called, and their cells."""
    days, clocks = table.cells(date), [name for name in table.names if name not in (date, target) and TIME.search(name)]
    if not clocks:
        return date, days
    times = [f"{time}:00" if re.fullmatch(r"\d\d?", time) else time for time in table.cells(clocks[0])]
    return f"{date} and {clocks[0]}", [f"{day} {time}" for day, time in zip(days, times, strict=True)]


def counting_down(table: Table, target: str) -> str | None:
    """The name of a column of whole numbers that go down by one from row to row."""
    for name in table.names:
        cells = table.cells(name)
        whole = name != target and len(cells) > 2 and all(re.fullmatch(r"\d{1,9}", cell, re.ASCII) for cell in cells)
        if whole and set(np.diff([int(cell) for cell in cells])) == {-1}:
            return name
    return None


def in_order(table: Table, where: str, dates: list[Date]) -> tuple[list[int], list[str]]:
    """The rows in the order of their dates, rows that stand there twice only once; and what was done, a sentence each.

    Raises:
        UserError: different rows have the same date.
    """
    said, kept = [], sorted(np.unique(table.hashes, return_index=True)[1].tolist())
    if len(kept) < len(dates):
        said.append(f"{len(dates) - len(kept)} rows repeat another word for word and are left out")
    steps = [(dates[first] < dates[last]) - (dates[first] > dates[last]) for first, last in pairwise(kept)]
    again = []
    if len(set(steps)) > 1 or 0 in steps:  # otherwise no date can be there twice
        again = [date for date, count in Counter(dates[at] for at in kept).items() if count > 1]
    if again and not clocks_set_back(again, steps.count(0), dates):
        rows = ", ".join(str(at + 1) for at in [at for at in kept if dates[at] == again[0]][:SHOWN])
        raise UserError(
            f"{len(again)} dates in the column {where} of {table.path} stand in several rows, the first, "
            f"{again[0].isoformat(' ').removesuffix(' 00:00:00')}, in the rows {rows} below the names: a series has "
            "one row for each date, so keep one of them, or, if these are several series, give a file for each"
        )
    if again:
        said.append(f"{len(again)} times stand there twice, as when clocks are set back: both rows are read")
    back = steps.count(-1)
    if back and 1 not in steps:
        said.append(f"the newest row comes first, by the column {where}: the rows were turned round")
        kept.reverse()
    elif back:
        said.append(f"the rows are not in the order of the column {where}: they were put in order")
        kept.sort(key=lambda at: dates[at])
    return kept, said


def clocks_set_back(again: list[Date], beside: int, dates: list[Date]) -> bool:
    """Whether dates that come again are those of an hour of a night, once a year, in rows that follow each other."""
    days = {date.date() for date in again}
    years = max(dates).year - min(dates).year + 1
    return (
        beside == len(again)
        and len(days) <= years
        and all(date.hour in (0, 1, 2, 3) for date in again)
        and any(date.hour for date in dates)
    )


def in_words(line: Timeline, where: str, form: str) -> str:
    """What was understood of the dates, in a sentence."""
    first, last = line.write(line.dates[0]), line.write(line.dates[-1])
    said = f"dates in the column {where} ({form}): {first} to {last}, {line.step.name}"
    gone, odd = line.missing
    if gone:
        unit = f"{line.step.unit}{'s are' if gone > 1 else ' is'}"
        said += f"; {gone:,} {unit} missing, whose neighbours are taken to follow each other"
    if odd:
        said += f"; {odd:,} steps are longer or shorter, and are taken to be the same"
    return said


def found_season(values: np.ndarray) -> int:
    """The lag of at least 2 at which a series is most like itself, less its trend; 1 if it never is.

    The correlation must be a peak, above 0.3 and above what noise reaches once in a hundred times.
    """
    count = len(values)
    if count < 12 or np.ptp(values) == 0:
        return 1
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that cannot be used are answered elsewhere
        at = np.arange(count)
        rest = values - np.polyval(np.polyfit(at, values, 1), at) if np.isfinite(np.var(values)) else np.zeros(count)
    power = float(rest @ rest)
    if not 0 < power < np.inf:
        return 1
    lags = np.array([rest[lag:] @ rest[: count - lag] / power * count / (count - lag) for lag in range(count // 3 + 2)])
    peaks = [lag for lag in range(2, count // 3 + 1) if lags[lag] >= max(lags[lag - 1], lags[lag + 1])]
    best = max(peaks, key=lambda lag: lags[lag], default=1)
    if best > 1 and lags[best] > max(0.3, 2.6 / np.sqrt(count)):
        # The first of those that are nearly as good: twice a season is no other season.
        return next(lag for lag in peaks if lags[lag] > 0.9 * lags[best])
    return 1


def fitting_window(season: int, train: int, horizon: int) -> int:
    """The shortest window of whole seasons that has 11 rows, or what the training part has room for."""
    window = -(-WINDOW // season) * season
    room = max(1, (train - horizon) // 2)
    if window > room:
        window = season if 1 < season <= train * 3 // 4 - horizon else room
    return max(1, window)
