"""The dates beside a series: which columns of a CSV file hold them, and rows put in their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from zoo.data.keys import telling_apart
from zoo.data.layout import are, some
from zoo.data.table import Table
from zoo.data.timeline import CLOCK, Date, Timeline, read_dates, words_of
from zoo.errors import UserError

SHOWN = 3  # dates that a message lists at most
# Columns that are a date together, in English, German, French and Spanish.
PARTS = {
    "year": "year|jahr|ann\u00e9e|a\u00f1o",
    "quarter": "quarter|quartal|trimestre|qtr",
    "month": "month|monat|mois|mes",
    "day": "day|tag|jour|d\u00eda",
}
# Words of the names of columns of times of day, which stand beside dates; hours_open has none of them.
TIMES = {"time", "hour", "zeit", "uhrzeit", "stunde", "heure", "hora"}


class Dated(NamedTuple):
    """The name of the column of dates, the date of each row, and the form they are written in."""

    where: str
    dates: list[Date]
    form: str


def dates_of(
    table: Table, date: str | None, order: str | None, taken: Collection[str], inputs: Collection[str] = ()
) -> Dated | None:
    """The name of the column of dates, its dates and the form they are written in; None if there is none.

    Args:
        table: with that column.
        date: its name, if the user gave it.
        order: day-first or month-first, if it is known.
        taken: names of columns that are no dates.
        inputs: names of columns of numbers, which can be parts of dates (the month beside the year), but no more.

    Raises:
        UserError: the named column holds no dates, or a column of dates has another cell.
    """
    used = {*taken, *inputs}
    if date is not None:
        where, cells = with_clock(table, table.find(date, "date"), used)
        found = read_dates(cells, where, order, certain=True)
        if found is None:
            raise UserError(
                f"--data.date came as {date}, but {cells[0]!r} in its first row is no date such as 2024-12-31"
            )
        return Dated(where, *found)
    for where, cells in together(table, taken):
        if found := read_dates(cells, where, order, certain=True):
            return Dated(where, *found)
    for name in table.names:
        if name not in used and table.names.count(name) == 1:
            where, cells = with_clock(table, name, used)
            if found := read_dates(cells, where, order):
                return Dated(where, *found)
            if where != name and (found := read_dates(table.cells(name), name, order)):
                return Dated(name, *found)
    return None


def together(table: Table, taken: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yields columns such as year and month as one column of dates."""
    named = {}
    for part, words in PARTS.items():
        named[part] = next((n for n in table.names if n not in taken and re.fullmatch(words, n, re.IGNORECASE)), None)
    for parts, form in (
        (("year", "month", "day"), "{}-{}-{}"),
        (("year", "month"), "{}-{}"),
        (("year", "quarter"), "{}-q{}"),
    ):
        names = [named[part] for part in parts]
        if None not in names:
            columns = [[cell.lower().removeprefix("q").removesuffix(".0") for cell in table.cells(n)] for n in names]
            yield " and ".join(names), [form.format(*cells) for cells in zip(*columns, strict=True)]


def holds_times(table: Table, name: str) -> bool:
    """Whether a column says by its name that it holds times of day and does, such as 09:30, or hours from 0 to 24."""
    if not TIMES & set(words_of(name)):
        return False
    cells = table.cells(name)
    if all(re.fullmatch(r"\d\d?", cell, re.ASCII) for cell in cells):
        return max(map(int, cells)) <= 24
    times = sum(bool(cell and re.fullmatch(CLOCK, f" {cell}", re.ASCII | re.IGNORECASE)) for cell in cells)
    return times >= 0.9 * len(cells)  # the others are refused as dates


def with_clock(table: Table, date: str, taken: Collection[str]) -> tuple[str, list[str]]:
    """A column, or where one of times stands beside it, both together: what they are called, and their cells."""
    clocks = [name for name in table.names if name not in (date, *taken) and holds_times(table, name)]
    days = table.cells(date)
    if not clocks:
        return date, days
    times = [f"{time}:00" if re.fullmatch(r"\d\d?", time) else time for time in table.cells(clocks[0])]
    return f"{date} and {clocks[0]}", [f"{day} {time}" for day, time in zip(days, times, strict=True)]


class Ordered(NamedTuple):
    """The places of the rows of a series in the order of their dates, and what was done to put them there."""

    rows: list[int]
    repeated: int
    """How many rows are left out, since another is the same."""
    twice: int
    """How many dates stand in two rows, both of which are read, as when clocks are set back."""
    turned: bool = False
    """Whether the newest row came first."""
    sorted: bool = False
    """Whether there was no order."""


def in_order(table: Table, dated: Dated, rows: Sequence[int], key: str, measured: Collection[str]) -> Ordered:
    """Puts the rows of a series in the order of their dates; of rows that are the same only the first is kept.

    Args:
        table: of all rows.
        dated: the dates of all rows.
        rows: the places of those of the series.
        key: the name of the series.
        measured: names of columns that do not tell series apart.

    Raises:
        UserError: different rows have the same date.
    """
    dates, places = dated.dates, np.asarray(rows)
    kept = places[np.sort(np.unique(table.hashes[places], return_index=True)[1])].tolist()
    steps = [(dates[first] < dates[last]) - (dates[first] > dates[last]) for first, last in pairwise(kept)]
    again = []
    if len(set(steps)) > 1 or 0 in steps:  # otherwise no date can be there twice
        again = [date for date, count in Counter(dates[at] for at in kept).items() if count > 1]
    if again and not clocks_set_back(again, steps.count(0), [dates[at] for at in rows]):
        listed = ", ".join(str(at + 1) for at in [at for at in kept if dates[at] == again[0]][:SHOWN])
        stand = "stands" if len(again) == 1 else "stand"
        more = telling_apart(table, dates, {dated.where, *measured})
        mend = f"type --data.by {' '.join(more)}" if more else "name the column that tells them apart with --data.by"
        raise UserError(
            f"{some(len(again), 'date')} in the column {dated.where} of {table.path} {stand} in several rows"
            f"{f' of the series {key}' * bool(key)}, the first, "
            f"{again[0].isoformat(' ').removesuffix(' 00:00:00')}, in the rows {listed} below the names: a series has "
            f"one row for each date, so if these are several series, {mend}, or else keep one of them"
        )
    done, back = (len(rows) - len(kept), len(again)), steps.count(-1)
    if back and 1 not in steps:
        return Ordered(kept[::-1], *done, turned=True)
    return Ordered(sorted(kept, key=lambda at: dates[at]) if back else kept, *done, sorted=back > 0)


def order_in_words(found: Sequence[Ordered], where: str, several: bool) -> list[str]:
    """What was done to put one series or several in the order of the column `where`, a sentence each."""
    said = []
    if repeated := sum(one.repeated for one in found):
        verb = "repeats" if repeated == 1 else "repeat"
        said.append(f"{some(repeated, 'row')} {verb} another word for word and {are(repeated)} left out")
    if twice := sum(one.twice for one in found):
        verb = "stands" if twice == 1 else "stand"
        said.append(f"{some(twice, 'time')} {verb} there twice, as when clocks are set back: both rows are read")
    for count, how, mend in (
        (sum(one.turned for one in found), "the newest row comes first, by the column", "turned round"),
        (sum(one.sorted for one in found), "the rows are not in the order of the column", "put in order"),
    ):
        if count:
            said.append(f"{how} {where}: the rows{f' of {count:,} series' * several} were {mend}")
    return said


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


def dates_in_words(lines: Sequence[Timeline], dated: Dated) -> str:
    """What was understood of the dates of one series or several, in a sentence."""
    line = min(lines, key=lambda line: line.dates[0])
    last = max(lines, key=lambda line: line.dates[-1])
    steps = Counter(line.step for line in lines if len(line.dates) > 1)
    step = steps.most_common(1)[0][0] if steps else line.step
    named = Counter(step.name for step in steps.elements())
    also = [f"{count:,} series {name}" for name, count in named.items() if name != step.name]
    span = f"{line.write(line.dates[0])} to {last.write(last.dates[-1])}"
    said = f"dates in the column {dated.where} ({dated.form}): {span}, {step.name}"
    said += f" ({', '.join(also)})" * bool(also)
    gone, odd = map(sum, zip(*(line.missing for line in lines), strict=True))
    if gone:
        unit = f"{step.unit if not also else 'step'}{'s are' if gone > 1 else ' is'}"
        said += f"; {gone:,} {unit} missing, whose neighbours are taken to follow each other"
    if odd:
        said += f"; {some(odd, 'step')} {are(odd)} longer or shorter, and {are(odd)} taken to be the same"
    return said
