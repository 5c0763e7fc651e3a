"""The dates beside a series: which columns of a CSV file hold them, and rows put in their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from zoo.data.keys import telling_apart
from zoo.data.table import Table
from zoo.data.timeline import Date, Timeline, read_dates
from zoo.errors import UserError

SHOWN = 3  # dates that a message lists at most
# Columns that are a date together, in English, German, French and Spanish.
PARTS = {
    "year": "year|jahr|ann\u00e9e|a\u00f1o",
    "quarter": "quarter|quartal|trimestre|qtr",
    "month": "month|monat|mois|mes",
    "day": "day|tag|jour|d\u00eda",
}
TIME = re.compile("time|hour|zeit|uhrzeit|stunde|heure|hora", re.IGNORECASE)


class Dated(NamedTuple):
    """The name of the column of dates, the date of each row, and the form they are written in."""

    where: str
    dates: list[Date]
    form: str


def dates_of(table: Table, date: str | None, order: str | None, taken: Collection[str]) -> Dated | None:
    """The name of the column of dates, which is none of those taken, its dates and the form they are written in.

    None if there is none.

    Raises:
        UserError: the named column holds no dates, or a column of dates has another cell.
    """
    if date is not None:
        where, cells = with_clock(table, table.find(date, "date"), taken)
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
        if name not in taken and table.names.count(name) == 1:
            where, cells = with_clock(table, name, taken)
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


def with_clock(table: Table, date: str, taken: Collection[str]) -> tuple[str, list[str]]:
    """A column, or where one of times stands beside it, both together: what they are called, and their cells."""
    clocks = [name for name in table.names if name not in (date, *taken) and TIME.search(name)]
    days = table.cells(date)
    if not clocks:
        return date, days
    times = [f"{time}:00" if re.fullmatch(r"\d\d?", time) else time for time in table.cells(clocks[0])]
    return f"{date} and {clocks[0]}", [f"{day} {time}" for day, time in zip(days, times, strict=True)]


def in_order(
    table: Table, dated: Dated, rows: Sequence[int], key: str, measured: Collection[str]
) -> tuple[list[int], Counter]:
    """The rows of a series in the order of their dates, rows that stand there twice only once; and what was done.

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
        more = telling_apart(table, dates, {dated.where, *measured})
        mend = f"type --data.by {' '.join(more)}" if more else "name the column that tells them apart with --data.by"
        raise UserError(
            f"{len(again)} dates in the column {dated.where} of {table.path} stand in several rows"
            f"{f' of the series {key}' * bool(key)}, the first, "
            f"{again[0].isoformat(' ').removesuffix(' 00:00:00')}, in the rows {listed} below the names: a series has "
            f"one row for each date, so if these are several series, {mend}, or else keep one of them"
        )
    done = Counter(repeated=len(rows) - len(kept), twice=len(again))
    back = steps.count(-1)
    if back and 1 not in steps:
        return kept[::-1], done + Counter(turned=1)
    if back:
        kept.sort(key=lambda at: dates[at])
        done["sorted"] = 1
    return kept, done


def put_in_order(done: Counter, where: str, several: bool) -> list[str]:
    """What `in_order` did, a sentence each."""
    said = []
    if done["repeated"]:
        said.append(f"{done['repeated']} rows repeat another word for word and are left out")
    if done["twice"]:
        said.append(f"{done['twice']} times stand there twice, as when clocks are set back: both rows are read")
    for what, how, mend in (
        ("turned", "the newest row comes first, by the column", "turned round"),
        ("sorted", "the rows are not in the order of the column", "put in order"),
    ):
        if done[what]:
            of = f" of {done[what]:,} series" * several
            said.append(f"{how} {where}: the rows{of} were {mend}")
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


def in_words(lines: Sequence[Timeline], dated: Dated) -> str:
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
        said += f"; {odd:,} steps are longer or shorter, and are taken to be the same"
    return said
