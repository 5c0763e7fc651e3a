"""Numbers as people write them: 1250, 1.250,5 or 1'250.5, with signs for money and percent, or unclear."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zoo.data.cells import Cells
from zoo.errors import UserError

# Ways of writing a missing number; "." is that of FRED, ":" that of Eurostat.
GAPS = {"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "\u2013", "\u2014", ".", "..", ":", "?"}
PLAIN = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
GROUPED = re.compile(r"-?[1-9]\d{0,2}(?:\.\d{3})+", re.ASCII)
MONEY = r"[$\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20ba]|EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|kr\.?|R\$"
SIGN = re.compile(rf"(?:(?P<before>{MONEY})\s*)|(?:\s*(?P<after>{MONEY}|%))")
BLANKS = re.compile("[ \u00a0\u2009\u202f]")  # also those that do not break, and narrow ones
SAME = str.maketrans({"\u2019": "'", "\u2212": "-"})
# Decimal mark and mark between thousands, the plainest first.
WAYS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (",", "'"), (".", " "), (",", " "))
DIGITS = "0123456789.,' +-"
FEW = 5  # different numbers
LONG = 20  # characters that no gap has, with blanks around it
MARKS = {".": "a point", ",": "a comma", "'": "an apostrophe", " ": "a blank"}


def read_numbers(
    cells: Sequence[str],
    what: str,
    decimal: str | None = None,
    thousands: str | None = None,
    *,
    delimiter: str = ",",
    place: Callable[[int], str] = lambda row: f"row {row + 1} below the names",
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
        place: says where the row with an index stands.

    Raises:
        UserError: a cell is empty or no finite number, or the column can be read in two ways.
    """
    for row, cell in enumerate(cells):
        if is_gap(cell):
            raise UserError(f"{place(row)} has no number in {what} (it is {cell.strip()!r}): fill or remove the row")
        if cell.strip().lower().lstrip("+-") in ("inf", "infinity"):
            raise UserError(f"{place(row)} has {cell.strip()!r} in {what}: wanted a finite number")
    found = notation(cells, what, decimal, thousands, delimiter=delimiter)
    if found.strange is not None:
        cell = cells[found.strange].strip()
        like = " as the rows above are written" * (found.strange > 0 and cell.strip(DIGITS) == "")
        raise UserError(f"{place(found.strange)} has {cell!r} in {what}, which is not a number such as 1234.5{like}")
    values = found.read(cells)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise UserError(f"{place(row)} has {cells[row].strip()!r} in {what}: wanted a finite number")
    return values, list(found.said)


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written."""

    decimal: str = "."
    """The decimal mark; more than one character: any of them."""
    thousands: str = ""
    """The mark between thousands."""
    strange: int | None = None
    """Index of the first cell that is neither a number in the likeliest notation nor a gap."""
    said: tuple[str, ...] = ()
    """Sentences on it, if it is not Python's."""
    percent: bool = False
    """Whether they are shares, with the sign %."""

    @cached_property
    def form(self) -> re.Pattern:
        """What a number looks like."""
        whole = r"\d+"
        if self.thousands:  # 1,250,000, or as in India 12,50,000
            mark = re.escape(self.thousands)
            whole = rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|[1-9]\d?(?:{mark}\d\d)+{mark}\d{{3}}|\d+"
        dot = f"[{self.decimal}]"
        return re.compile(rf"[+-]? ?(?:(?:{whole})(?:{dot}\d*)?|{dot}\d+)(?:[eE][+-]?\d+)?", re.ASCII)

    def number(self, bare: str) -> float:
        """The number in a cell without signs (see `stripped`); NaN if there is none."""
        if not self.form.fullmatch(bare):
            return math.nan
        plain = bare.replace(self.thousands, "") if self.thousands else bare
        return float(plain.replace(" ", "").replace(",", "."))

    def read(self, cells: Iterable[str]) -> np.ndarray:
        """The numbers of cells as written, (cells,) float64; NaN where there is none."""
        plain = PLAIN.fullmatch if "." in self.decimal and not self.thousands else lambda cell: False
        return np.fromiter((float(c) if plain(c) else self.number(stripped(c)[0]) for c in cells), np.float64)


def notation(
    cells: Sequence[str],
    what: str,
    decimal: str | None = None,
    thousands: str | None = None,
    *,
    delimiter: str = ",",
    ask: str = "type --data.thousands {0} for {1}, or --data.decimal {0} for {2}",
) -> Notation:
    """How the numbers of a column are written, as the whole of it tells; cells that are gaps tell nothing.

    Args:
        cells, what, decimal, thousands, delimiter: see `read_numbers`.
        ask: what to do where the column does not tell: its mark {0} may mean the number {1} or {2}.

    Raises:
        UserError: there are two ways to read all of its cells, and none is likelier; or some have a sign, such as %.
    """
    if decimal is None and thousands is None and clear(cells):
        return Notation()
    signs: Counter[str] = Counter()
    bare, number = Cells(without_signs(cells, signs)), sum(not is_gap(cell) for cell in cells)
    marks = {mark for mark in ".,' " if any(mark in cell for cell in bare)}
    ways = [way for way in WAYS if decimal in (None, way[0]) and thousands in (None, way[1])]
    ways = [way for way in ways if way[1] in marks or (way[0], "") not in ways or not way[1]]
    first = {}  # cell that is no number in each way
    for way in ways:
        form = Notation(*way).form
        first[way] = next((row for row, cell in enumerate(bare) if not (form.fullmatch(cell) or is_gap(cell))), None)
    fit = [way for way in ways if first[way] is None]
    if not fit:
        likely = {way: sum(map(bool, map(Notation(*way).form.fullmatch, bare))) for way in ways}
        way = max(ways, key=likely.get)
        return Notation(*way, strange=first[way])
    readings: dict[tuple[str, str], np.ndarray] = {}
    for way in fit:
        values = np.fromiter(map(Notation(*way).number, bare), np.float64)
        if not any(np.array_equal(values, other, equal_nan=True) for other in readings.values()):
            readings[way] = values
    way = next(iter(readings)) if len(readings) == 1 else chosen(readings, bare, what, delimiter, ask)
    return Notation(*way, said=tuple(remarks(way, signs, bare, number, what)), percent="%" in signs)


def clear(cells: Iterable[str]) -> bool:
    """Whether Python can read the numbers of a column, and no point in them can stand between thousands."""
    pointed = grouped = 0
    for cell in cells:
        if PLAIN.fullmatch(cell):
            pointed += "." in cell
            grouped += GROUPED.fullmatch(cell) is not None
        elif not is_gap(cell):
            return False
    return pointed == 0 or pointed > grouped


def without_signs(cells: Iterable[str], signs: Counter[str]) -> Iterator[str]:
    """Yields the cells without their signs, which are counted."""
    for cell in cells:
        bare, sign = stripped(cell)
        if sign:
            signs[sign] += 1
        yield bare


def is_gap(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell in GAPS or (len(cell) < LONG and cell.strip().lower() in GAPS)


def stripped(cell: str) -> tuple[str, str]:
    """A cell without its sign for money or percent, with one way of writing blanks, apostrophes and minus; the sign."""
    if PLAIN.fullmatch(cell):  # most are, and this is much quicker
        return cell, ""
    cell, sign = BLANKS.sub(" ", cell).strip().translate(SAME), ""
    if (found := SIGN.search(cell)) and (
        cell.startswith((found[0], f"-{found[0]}", f"({found[0]}")) or cell.endswith((found[0], f"{found[0]})"))
    ):
        sign = found["before"] or found["after"]
        cell = (cell[: found.start()] + cell[found.end() :]).strip()
    if re.fullmatch(r"\([\d.,' ]+\)|[\d.,' ]*\d-", cell):  # as accountants write what is less than zero
        cell = f"-{cell.strip('()-')}"
    return cell, sign


def chosen(readings: dict, cells: Sequence[str], what: str, delimiter: str, ask: str) -> tuple[str, str]:
    """The likely one of several ways to read a column.

    Raises:
        UserError: there is none.
    """
    mark = "," if any("," in cell for cell in cells) else "."
    always = all(mark in cell or is_gap(cell) for cell in cells)
    if mark == "," and delimiter == "," and (".", ",") in readings:
        return ".", ","
    if mark == "." and delimiter != ";" and always:  # three decimals in each row, as programs write measurements
        return ".", ""
    row, cell = next((row, cell) for row, cell in enumerate(cells) if mark in cell and not is_gap(cell))
    large, small = (f"{value:.10g}" for value in sorted((values[row] for values in readings.values()), key=abs)[::-1])
    raise UserError(
        f"{cell!r} in {what} can be {large} or {small}: wherever {MARKS[mark]} stands in that column, three digits "
        f"follow it; {ask.format(mark, large, small)}"
    )


def remarks(way: tuple[str, str], signs: Counter[str], cells: Sequence[str], count: int, what: str) -> list[str]:
    """Sentences on how a column with so many numbers was read.

    Raises:
        UserError: its cells have different signs.
    """
    decimal, thousands = way
    said = []
    if thousands and (at := next((cell for cell in cells if thousands in cell), "")):
        said.append(
            f"{MARKS[thousands]} in {what} stands between thousands: {at!r} is {Notation(*way).number(at):.15g}"
        )
    if decimal == "," and any("," in cell for cell in cells):
        said.append(f"a comma in {what} is the decimal mark")
    pointed = Cells(cell for cell in cells if "." in cell and not is_gap(cell))
    if way == (".", "") and pointed and all(re.fullmatch(r"[+-]?\d{1,3}\.\d{3}", cell) for cell in pointed):
        said.append(f"the point in {what} is read as the decimal mark, though three digits always follow it")
    if len(signs) > 1 or signs.get("%", count) != count:
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
