"""Which rows of a CSV file belong to which series: the columns that tell series apart, and signs that one does."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Sequence
from itertools import combinations, pairwise

import numpy as np

from zoo.data.table import Table, is_number
from zoo.data.timeline import Date
from zoo.errors import UserError

# Texts that take turns in a single series: days of the week, months and quarters in English, German, French, Spanish
# and Italian, without accents.
CALENDAR = re.compile(
    "mon(day)?|tue(s(day)?)?|wed(nesday)?|thu(rs?(day)?)?|fri(day)?|sat(urday)?|sun(day)?|mo(ntag)?|di(enstag)?|"
    "mi(ttwoch)?|do(nnerstag)?|fr(eitag)?|sa(mstag)?|sonnabend|so(nntag)?|lun(di|es|edi)?|mar(di|tes|tedi)?|"
    "mer(credi|coledi)?|mie(rcoles)?|jeu(di)?|jue(ves)?|gio(vedi)?|ven(dredi|erdi)?|vie(rnes)?|sam(edi)?|sab(ado|ato)?|"
    "dim(anche)?|dom(ingo|enica)?|"
    "jan(uary?|ner|v|vier)?|feb(ruary?|rero|braio)?|mar(ch|s|zo?)?|apr(ile?)?|may|jun[ei]?|jul[iy]?|aug(ust)?|"
    "sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?|mrz|mai|okt(ober)?|dez(ember)?|fevr?(ier)?|avr(il)?|juin|"
    "juil(let)?|aout?|septembre|octobre|novembre|decembre|ene(ro)?|abr(il)?|mayo|junio|julio|ago(sto)?|sep?tiembre|"
    "octubre|noviembre|dic(iembre|embre)?|gen(naio)?|mag(gio)?|giu(gno)?|lug(lio)?|set(tembre)?|ott(obre)?|"
    r"[qt] ?[1-4]|[1-4]\.? ?[qt]|(quarter|quartal|trimestre)[ -]?[1-4]|[1-4]\. ?quartal"
)


def of_calendar(text: str) -> bool:
    """Whether a text is the name of a day of the week, of a month or of a quarter, whole or as it is abbreviated."""
    plain = unicodedata.normalize("NFKD", text.casefold().removesuffix("."))
    return CALENDAR.fullmatch("".join(letter for letter in plain if not unicodedata.combining(letter))) is not None


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
        groups.setdefault(name_of(cells), []).append(at)
    return groups


def name_of(cells: Sequence[str]) -> str:
    """The name of a series by its cells in the columns that tell series apart, another one for other cells.

    Only of several cells is one quoted, if what stands between them is also within it.
    """
    if len(cells) == 1:
        return cells[0]
    unclear = (" / " in cell or cell.startswith('"') or cell.endswith(" /") for cell in cells)
    return " / ".join(
        json.dumps(cell, ensure_ascii=False) if quoted else cell for cell, quoted in zip(cells, unclear, strict=True)
    )


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
        if all(map(of_calendar, values)):
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
