"""Reads one series or several from the columns of a CSV file, with their rows in the order of the dates beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.dated import dates_in_words, dates_of, in_order, order_in_words
from zoo.data.keys import grouped, hints_of_several
from zoo.data.numbers import outsiders
from zoo.data.table import Table, read_table
from zoo.data.timeline import Timeline, timeline
from zoo.errors import UserError


@dataclass(frozen=True)
class OneSeries:
    """A series.

    Args:
        values: (rows, 1 + inputs) float64 with the oldest row first; the first column is the one to forecast.
        timeline: its dates.
    """

    values: np.ndarray
    timeline: Timeline | None = None


@dataclass(frozen=True)
class SeriesTable:
    """What was read: the name of the column to forecast, the series by name, and what was understood, a sentence each.

    A file that holds one series has it as "".
    """

    name: str
    members: dict[str, OneSeries]
    said: tuple[str, ...] = ()


def read_series(
    path: Path,
    column: str | None = None,
    *,
    by: Sequence[str] = (),
    inputs: Sequence[str] = (),
    date: str | None = None,
    date_order: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
) -> SeriesTable:
    """The series in columns of a CSV file, in the order of its dates.

    Args:
        path: of the file.
        column: the one to forecast; one that is the only one, besides those of dates, needs no name, and if there is
            no other at all, any name will do.
        by: names of the columns that tell several series apart.
        inputs: names of further columns of numbers.
        date: name of the column of dates, if not the first that holds dates.
        date_order: day-first or month-first, if the dates do not tell.
        decimal: the decimal mark, if the numbers do not tell.
        thousands: the mark between thousands, if the numbers do not tell.

    Raises:
        UserError: the file or a column cannot be used, or can be read in two ways.
    """
    table = read_table(path)
    for flag, names in (("by", by), ("inputs", inputs)):
        for given in names:
            table.find(given, flag)
    name = target_of(table, column, by=by, inputs=inputs, date=date, order=date_order)
    twice = next((one for one in (*by, *inputs) if (name, *by, *inputs).count(one) > 1), None)
    if twice is not None:
        raise UserError(
            f"the column {twice} of {path} came twice: --data.column (whose past is seen anyway), --data.by and "
            "--data.inputs must name different ones"
        )
    columns, said = [], [*table.said]
    for one in (name, *inputs):
        values, remarks = table.numbers(one, decimal, thousands)
        columns.append(values)
        said += [f"{one}: {len(values):,} rows, {values.min():.10g} to {values.max():.10g}", *remarks]
        if far := outsiders(values):
            listed = ", ".join(f"{value:.10g} ({count} times)" for value, count in far.items())
            said.append(
                f"{one} has {listed}, far from all other values: if that stands for a missing number, fill or remove "
                "those rows, since it is learned as a number"
            )
    values = np.stack(columns, axis=1)
    dated = dates_of(table, date, date_order, {name, *by}, inputs)
    groups = grouped(table, by)
    if not by:
        said += hints_of_several(table, {name, *inputs}, dated and dated.where)
    if dated is None:
        order = "no column of dates was found: the first row is taken for the oldest"
        if not by and (counter := counting_down(table, name)):
            order += f", though {counter} counts down (if the newest row comes first, turn the rows round)"
        return SeriesTable(name, {key: OneSeries(values[rows]) for key, rows in groups.items()}, (*said, order))
    members, done = {}, []
    for key, rows in groups.items():
        ordered = in_order(table, dated, rows, key, {name, *inputs})
        done.append(ordered)
        line = timeline([dated.dates[at] for at in ordered.rows], dated.form)
        if dated.form in ("day first", "month first") and ordered.sorted and line.missing[0] > len(ordered.rows):
            raise UserError(
                f"the dates in the column {dated.where} of {path}, read with the {dated.form}, are not in order and "
                f"leave out {line.missing[0]} steps: where some rows have the day first and others the month, write "
                "all as 2024-12-31"
            )
        members[key] = OneSeries(values[ordered.rows], line)
    said += order_in_words(done, dated.where, bool(by))
    return SeriesTable(name, members, (*said, dates_in_words([one.timeline for one in members.values()], dated)))


def target_of(
    table: Table,
    column: str | None,
    *,
    by: Collection[str],
    inputs: Collection[str],
    date: str | None,
    order: str | None,
) -> str:
    """The name of the column to forecast.

    Raises:
        UserError: there are several, or it is not there.
    """
    rest = [name for name in table.names if name not in (*by, *inputs)]
    if len(table.names) == 1 or (column is None and len(rest) == 1):
        column = rest[0] if rest else None
    elif column is None and len(rest) == 2:
        dated = dates_of(table, date, order, by, inputs)
        column = next((name for name in rest if name != dated.where), None) if dated else None
    return table.find(column)


def counting_down(table: Table, target: str) -> str | None:
    """The name of a column of whole numbers that go down by one from row to row."""
    for name in table.names:
        cells = table.cells(name)
        whole = name != target and len(cells) > 2 and all(re.fullmatch(r"\d{1,9}", cell, re.ASCII) for cell in cells)
        if whole and set(np.diff([int(cell) for cell in cells])) == {-1}:
            return name
    return None
