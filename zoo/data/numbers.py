"""Numbers of a series as people write them: 1250, 1.250,5 or 1'250.5, with signs for money and percent, or unclear.

The cells of rows (`zoo.data.rows`) are read in `zoo.data.columns`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from zoo.errors import UserError

# Ways of writing a missing number; "." is that of FRED, ":" that of Eurostat.
GAPS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-", "\u2013", "\u2014", ".", "..", ":", "?")
MONEY = r"[$\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20ba]|EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|kr\.?|R\$"
SIGN = re.compile(rf"(?:(?P<before>{MONEY})\s*)|(?:\s*(?P<after>{MONEY}|%))")
BLANKS = re.compile("[ \u00a0\u2009\u202f]")  # also those that do not break, and narrow ones
SAME = str.maketrans({"\u2019": "'", "\u2212": "-"})
# Decimal mark and mark between thousands, the plainest first.
WAYS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (",", "'"), (".", " "), (",", " "))
DIGITS = "0123456789.,' +-"
FEW = 5  # different numbers
MARKS = {".": "a point", ",": "a comma", "'": "an apostrophe", " ": "a blank"}


def read_numbers(
    cells: Sequence[str], what: str, decimal: str | None = None, thousands: str | None = None, delimiter: str = ","
) -> tuple[np.ndarray, list[str]]:
    """The cells of a column as (rows,) float64, and sentences on how they were read, if not as Python reads numbers.

    The whole column decides what points and commas mean: they mean the same in each cell.

    Args:
        cells: as written.
        what: the column and its file, for messages.
        decimal: the decimal mark, if it is known.
        thousands: the mark between thousands, if it is known.
        delimiter: what stands between the columns of the file: where it is a comma, a comma within a number hardly is
            a decimal mark.

    Raises:
        UserError: a cell is empty or no finite number, or the column can be read in two ways.
    """
    signs: dict[str, int] = {}
    bare = [stripped(cell, signs) for cell in cells]
    for row, (cell, given) in enumerate(zip(bare, cells, strict=True), 1):
        if cell.lower() in GAPS:
            raise UserError(
                f"row {row} below the names has no number in {what} (it is {given.strip()!r}): fill or remove the row"
            )
        if cell.lower().lstrip("+-") in ("inf", "infinity"):
            raise UserError(f"row {row} below the names has {given.strip()!r} in {what}: wanted a finite number")
    ways = [way for way in WAYS if decimal in (None, way[0]) and thousands in (None, way[1])]
    readings: dict[tuple, tuple] = {}
    furthest = -1
    for way in ways:
        values, bad = parsed(bare, *way)
        furthest = max(furthest, bad)
        if bad == len(bare):
            readings.setdefault(tuple(values), way)
    if not readings:
        raise UserError(
            f"row {furthest + 1} below the names has {cells[furthest].strip()!r} in {what}, which is not a number such "
            f"as 1234.5{' as the rows above are written' * (furthest > 0 and cells[furthest].strip(DIGITS) == '')}"
        )
    values, way = chosen(readings, bare, what, delimiter)
    for row, value in enumerate(values, 1):
        if not math.isfinite(value):
            raise UserError(
                f"row {row} below the names has {cells[row - 1].strip()!r} in {what}: wanted a finite number"
            )
    return np.array(values), remarks(way, signs, bare, what)


def stripped(cell: str, signs: dict[str, int]) -> str:
    """A cell without its signs, which are counted, and with one way of writing blanks, apostrophes and minus."""
    cell = BLANKS.sub(" ", cell).strip().translate(SAME)
    if found := SIGN.search(cell):
        sign = found["before"] or found["after"]
        if cell.startswith((found[0], f"-{found[0]}", f"({found[0]}")) or cell.endswith((found[0], f"{found[0]})")):
            cell = (cell[: found.start()] + cell[found.end() :]).strip()
            signs[sign] = signs.get(sign, 0) + 1
    if re.fullmatch(r"\([\d.,' ]+\)|[\d.,' ]*\d-", cell):  # as accountants write what is less than zero
        cell = f"-{cell.strip('()-')}"
    return cell


def parsed(cells: Sequence[str], decimal: str, thousands: str) -> tuple[list[float], int]:
    """The numbers up to the first cell that is not written in this way, and how many they are."""
    whole = r"\d+"
    if thousands:  # 1,250,000, or as in India 12,50,000
        mark = re.escape(thousands)
        whole = rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|[1-9]\d?(?:{mark}\d\d)+{mark}\d{{3}}|\d+"
    dot = re.escape(decimal)
    number = re.compile(rf"[+-]? ?(?:(?:{whole})(?:{dot}\d*)?|{dot}\d+)(?:[eE][+-]?\d+)?", re.ASCII)
    values = []
    for cell in cells:
        if not number.fullmatch(cell):
            break
        plain = cell.replace(thousands, "") if thousands else cell
        values.append(float(plain.replace(" ", "").replace(decimal, ".")))
    return values, len(values)


def chosen(readings: dict[tuple, tuple], cells: Sequence[str], what: str, delimiter: str) -> tuple[tuple, tuple]:
    """The one reading of a column, or the likely one of two.

    Raises:
        UserError: there are two, and none is likelier.
    """
    if len(readings) == 1:
        return next(iter(readings.items()))
    by_way = {way: values for values, way in readings.items()}
    mark = "," if any("," in cell for cell in cells) else "."
    always = all(mark in cell for cell in cells)
    if mark == "," and delimiter == "," and (".", ",") in by_way:
        return by_way[".", ","], (".", ",")
    if mark == "." and delimiter != ";" and always:  # three decimals in each row, as programs write measurements
        return by_way[".", ""], (".", "")
    row, cell = next((row, cell) for row, cell in enumerate(cells, 1) if mark in cell)
    large, small = (f"{values[row - 1]:.10g}" for values in sorted(readings, key=lambda v: -abs(v[row - 1])))
    raise UserError(
        f"{cell!r} in {what} can be {large} or {small}: wherever {MARKS[mark]} stands in that column, three digits "
        f"follow it; type --data.thousands {mark} for {large}, or --data.decimal {mark} for {small}"
    )


def remarks(way: tuple[str, str], signs: dict[str, int], cells: Sequence[str], what: str) -> list[str]:
    """Sentences on how a column was read.

    Raises:
        UserError: its cells have different signs.
    """
    decimal, thousands = way
    said = []
    if thousands and any(thousands in cell for cell in cells):
        at = next(cell for cell in cells if thousands in cell)
        number = f"{parsed([at], *way)[0][0]:.15g}"
        said.append(f"{MARKS[thousands]} in {what} stands between thousands: {at!r} is {number}")
    if decimal == "," and any("," in cell for cell in cells):
        said.append(f"a comma in {what} is the decimal mark")
    pointed = [cell for cell in cells if "." in cell]
    if way == (".", "") and pointed and all(re.fullmatch(r"[+-]?\d{1,3}\.\d{3}", cell) for cell in pointed):
        said.append(f"the point in {what} is read as the decimal mark, though three digits always follow it")
    if len(signs) > 1 or signs.get("%", len(cells)) != len(cells):
        raise UserError(
            f"some rows of {what} have {' or '.join(map(repr, signs))} and others not: write all in the same unit"
        )
    return said + [f"the sign {sign} in {what} is left out" for sign in signs]


def outsiders(values: np.ndarray) -> dict[float, int]:
    """Values that come at least three times and lie further from all others than these from each other.

    Of few different numbers none is told apart. Such are -9999, -99 and 999 where they stand for a missing number.
    """
    found: dict[float, int] = {}
    rest = values
    while len(rest):
        for value in (rest.min(), rest.max()):
            others = rest[rest != value]
            if 3 <= len(rest) - len(others) <= len(rest) // 3 and len(np.unique(others)) >= FEW:
                reach = max(np.ptp(others), 1e-9 * np.abs(others).max())
                if value < others.min() - reach or value > others.max() + reach:
                    found[float(value)] = len(rest) - len(others)
                    rest = others
                    break
        else:
            break
    return found
