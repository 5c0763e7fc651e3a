"""Which rows of a CSV file belong to which series: the columns that tell series apart, and signs that one does."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import combinations, pairwise

import numpy as np

from zoo.data.table import Table, is_number
from zoo.data.timeline import Date
from zoo.errors import UserError

CALENDAR = re.compile(  # texts that take turns in a single series: days of the week, months and quarters
    r"mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|mi\u00e9|jue|vie|s\u00e1b|dom|jan|feb|apr|may|"
    r"jun|jul|aug|sep|oct|nov|dec|q[1-4]|quarter",
    re.IGNORECASE,
)


def grouped(table: Table, by: Sequence[str]) -> dict[str, list[int]]:
    """The places of the rows of each series, by its name; "" if there is one.

    Raises:
        UserError: a row does not say to which it belongs.
    """
    if not by:
        return {"": list(range(len(table.rows)))}
    groups: dict[str, list[int]] = {}
    for at, cells in enumerate(zip(*map(table.cells, by), strict=True)):
        if "" in cells:
            raise UserError(
                f"{table.place(at)} in {table.path} has nothing in the column {by[cells.index('')]}, by "
                "which series are told apart: fill or remove the row"
            )
        groups.setdefault(" / ".join(cells), []).append(at)
    return groups


def hints_of_several(table: Table, used: Collection[str], where: str | None) -> list[str]:
    """What to say of a file that is read as one series but has a column that may tell several apart.

    Raises:
        UserError: it has no dates, and series stand below each other or take turns.
    """
    hints = []
    for name in dict.fromkeys(table.names):
        cells = list(table.cells(name))
        values = list(dict.fromkeys(cells))
        if name in used or (name == where) or not 1 < len(values) <= len(cells) // 3 or "" in values:
            continue
        if all(CALENDAR.match(value) for value in values):
            continue
        text = not any(map(is_number, values))
        below = sum(first != last for first, last in pairwise(cells)) == len(values) - 1
        turns = cells == (values * len(cells))[: len(cells)]
        if where is None and ((text and (below or turns)) or (below and starts_anew(table, name, used))):
            raise UserError(
                f"{table.path} has no dates, and its rows seem to be of {len(values):,} series, which the column "
                f"{name} tells apart: type --data.by {name}, or take that column out of the file if they are one"
            )
        if text:
            hints.append(
                f"read as one series: if the {len(values):,} different texts in the column {name} tell several apart, "
                f"type --data.by {name}"
            )
    return hints[:1]


def starts_anew(table: Table, name: str, used: Collection[str]) -> bool:
    """Whether a column counts up while another stays the same, and begins anew where that changes."""
    blocks: dict[str, list[int]] = {}
    for at, cell in enumerate(table.cells(name)):
        blocks.setdefault(cell, []).append(at)
    for other in table.names:
        cells = list(table.cells(other))
        if other == name or other in used or not all(re.fullmatch(r"\d{1,9}", cell, re.ASCII) for cell in cells):
            continue
        counts = [[int(cells[at]) for at in rows] for rows in blocks.values()]
        if len({count[0] for count in counts}) == 1 and all(set(np.diff(count)) == {1} for count in counts):
            return True
    return False


def telling_apart(table: Table, dates: Sequence[Date], left_out: Collection[str]) -> list[str]:
    """The columns, one or two, by which rows of the same date differ; none if there are no such."""
    whole, few = len(set(zip(dates, table.hashes.tolist(), strict=True))), {}
    for name in dict.fromkeys(table.names):
        cells = list(table.cells(name))
        values = set(cells)
        if name not in left_out and 1 < len(values) <= len(cells) // 2:
            few[name] = (any(map(is_number, values)), len(values))  # texts first, and what has few
    likely = sorted(few, key=few.get)[:6]
    for names in (*combinations(likely, 1), *combinations(likely, 2)):
        if len(set(zip(dates, *map(table.cells, names), strict=True))) == whole:
            return list(names)
    return []
