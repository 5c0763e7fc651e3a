"""Dates beside a series: how they are written, whether their rows are in order, and which step lies between them."""

from __future__ import annotations

import calendar
import datetime
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from zoo.errors import UserError

Date = datetime.datetime
CLOCK = (
    r"(?:(?:[T ]|, ?)(?P<H>\d\d?)[:.](?P<M>\d\d)(?:[:.](?P<S>\d\d)(?:[.,]\d+)?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?"
)
YEAR, SHORT, DAY, MONTH = r"(?P<y>\d{4})", r"(?P<y>\d{4}|\d\d)", r"(?P<d>\d\d?)", r"(?P<m>\d\d?)"
WORD = r"(?P<word>[a-z\u00e4\u00e9\u00fb]{3,9})\.?"
FORMS = {
    "year, month, day": rf"{YEAR}[-/.]{MONTH}[-/.]{DAY}{CLOCK}",
    "day first": rf"{DAY}[-/.]{MONTH}[-/.]{SHORT}{CLOCK}",
    "month first": rf"{MONTH}[-/.]{DAY}[-/.]{SHORT}{CLOCK}",
    "day, name of the month, year": rf"{DAY}(?:st|nd|rd|th)?\.?[-/ ]?{WORD}[-/, ]*{SHORT}{CLOCK}",
    "name of the month, day, year": rf"{WORD} {DAY}(?:st|nd|rd|th)?,? {YEAR}{CLOCK}",
    "year and month": rf"{YEAR}(?:[-/ ]|-?m){MONTH}",
    "month and year": rf"{MONTH}[-/.]{YEAR}",
    "name of the month and year": rf"{WORD}[-/ ]*{SHORT}",
    "year and name of the month": rf"{YEAR}[-/ ]?{WORD}",
    "year and quarter": rf"{YEAR}[-/:. ]?q(?P<q>[1-4])",
    "quarter and year": rf"q(?P<q>[1-4])[-/ ]?{YEAR}",
    "year and week": rf"{YEAR}[-/ ]?(?:w|kw)(?P<w>\d\d?)(?:-?(?P<a>[1-7]))?",
}
# Plain numbers, which are dates only in a column whose name says so.
PLAIN = {"yyyymmdd": r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)", "yyyymm": r"(?P<y>\d{4})(?P<m>\d\d)", "year": YEAR}
# What words of such a name are or end with: sale_date and Rechnungsdatum, but not monthly_rent.
CALLED = re.compile(
    r"date.*|.*(date|datum|fecha|stamp|year|jahr|ann[e\u00e9]e|a\u00f1o|anno|month|monat|mois|day|jour|period)s?|yyyy.*|dat|data|time|"
    r"zeit|mes|tag|dia|.*(\u65e5\u671f|\u65f6\u95f4|\u5e74|\u6708).*"
)
# The beginnings of the months' names in English, German, French, Spanish and Italian that tell them apart.
MONTHS = (
    "jan jän ene gen",
    "feb fév fev",
    "mar mär mrz",
    "apr avr abr",
    "may mai mag",
    "jun juin giu",
    "jul juil lug",
    "aug aoû aou ago",
    "sep set",
    "oct okt ott",
    "nov",
    "dec dez déc dic",
)


@dataclass(frozen=True)
class Step:
    """What lies between two rows: a number of months, or else of seconds; `working`: only Monday to Friday."""

    months: int = 0
    seconds: float = 0
    working: bool = False
    ends: bool = False  # the dates are the last days of their months

    @property
    def name(self) -> str:
        """Such as daily."""
        days, rest = divmod(self.seconds, 86400)
        if self.months:
            named = {1: "monthly", 3: "quarterly", 12: "yearly"}
            return named.get(self.months, f"every {self.months} months")
        if self.working:
            return "daily, Monday to Friday"
        if not rest:
            return {1: "daily", 7: "weekly"}.get(int(days), f"every {int(days)} days")
        if self.seconds % 3600 == 0:
            return "hourly" if self.seconds == 3600 else f"every {self.seconds / 3600:g} hours"
        return f"every {self.seconds / 60:g} minutes" if self.seconds >= 60 else f"every {self.seconds:g} seconds"

    @property
    def unit(self) -> str:
        """What one step is called."""
        if self.months:
            return {1: "month", 3: "quarter", 12: "year"}.get(self.months, "step")
        return {86400: "day", 604800: "week", 3600: "hour"}.get(self.seconds, "step")

    @property
    def season(self) -> int:
        """After how many steps a pattern of the year, the week or the day comes again; 1: none is likely."""
        if self.months:
            return 12 // self.months if 12 % self.months == 0 else 1
        if self.working:
            return 5
        if self.seconds == 604800:
            return 52
        if self.seconds == 86400:
            return 7
        return int(86400 // self.seconds) if 300 <= self.seconds < 86400 and 86400 % self.seconds == 0 else 1

    def after(self, date: Date, count: int = 1) -> Date:
        """The date that many steps later."""
        if self.working:
            for _ in range(count):
                date += datetime.timedelta(days=3 if date.weekday() == 4 else 1)
            return date
        if not self.months:
            return date + datetime.timedelta(seconds=self.seconds * count)
        year, month = divmod(date.year * 12 + date.month - 1 + self.months * count, 12)
        last = calendar.monthrange(year, month + 1)[1]
        return date.replace(year=year, month=month + 1, day=last if self.ends else min(date.day, last))

    def between(self, first: Date, last: Date) -> float:
        """How many steps it is from one date to another."""
        if self.months:
            return months_between(first, last) / self.months
        if self.working:
            days = (last.date() - first.date()).days
            weeks, rest = divmod(days, 7)
            return weeks * 5 + sum((first.weekday() + at) % 7 < 5 for at in range(1, rest + 1))
        return (last - first).total_seconds() / self.seconds


@dataclass(frozen=True)
class Timeline:
    """The dates of a series in order, and their typical step; `shown`: how a date is written."""

    dates: tuple[Date, ...]
    step: Step
    shown: str

    def write(self, date: Date) -> str:
        """A date as it is shown."""
        if self.shown == "quarter":
            return f"{date.year}-Q{(date.month + 2) // 3}"
        return date.strftime(self.shown)

    def following(self, count: int) -> list[str]:
        """The dates of the steps after the last row."""
        return [self.write(self.step.after(self.dates[-1], ahead)) for ahead in range(1, count + 1)]

    @property
    def missing(self) -> tuple[int, int]:
        """How many steps are missing, and how many gaps are no whole number of steps."""
        gone = odd = 0
        for first, last in pairwise(self.dates):
            steps = self.step.between(first, last)
            if abs(steps - round(steps)) > 0.05:
                odd += 1
            else:
                gone += max(0, round(steps) - 1)
        return gone, odd


def timeline(dates: Sequence[Date], form: str) -> Timeline:
    """The dates of a series that are in order, with the step that most of them have."""
    gaps = list(pairwise(dates))
    ends = all(date.day == calendar.monthrange(date.year, date.month)[1] for date in dates)
    clock = any(date.hour or date.minute or date.second for date in dates)
    whole = ends or (len({date.day for date in dates}) == 1 and not clock)
    months = Counter(months_between(first, last) for first, last in gaps) if whole and len(dates) > 1 else Counter()
    if months and min(months) > 0:
        step = Step(months=most(months), ends=ends and any(date.day == 31 for date in dates))
    else:
        seconds = Counter((last - first).total_seconds() for first, last in gaps)
        step = Step(seconds=most(seconds) or 86400)
        if step.seconds == 86400 and len(dates) > 9 and all(date.weekday() < 5 for date in dates):
            step = Step(seconds=86400, working=True)
    if "quarter" in form:
        shown = "quarter"
    elif clock:
        shown = "%Y-%m-%d %H:%M:%S" if any(date.second for date in dates) else "%Y-%m-%d %H:%M"
    elif form == "year":
        shown = "%Y"
    elif "day" not in form and "week" not in form and form != "yyyymmdd" and "first" not in form:
        shown = "%Y-%m"
    else:
        shown = "%G-W%V" if "week" in form else "%Y-%m-%d"
    return Timeline(tuple(dates), step, shown)


def most(counted: Counter) -> float:
    """The most frequent of positive values, the smaller of two."""
    return max((value for value in counted if value > 0), key=lambda value: (counted[value], -value), default=0)


def months_between(first: Date, last: Date) -> int:
    """Months from one date to another, days apart."""
    return (last.year - first.year) * 12 + last.month - first.month


def made(found: re.Match) -> Date | None:
    """The date that was found, or None if there is no such day."""
    part = {name: value for name, value in found.groupdict().items() if value is not None}
    year = int(part["y"])
    if len(part["y"]) == 2:
        year += 1900 if year > 68 else 2000  # as POSIX has it
    try:
        if "w" in part:
            day = datetime.date.fromisocalendar(year, int(part["w"]), int(part.get("a", 1)))
            return Date(day.year, day.month, day.day)
        month = int(part.get("m", 1))
        if "q" in part:
            month = int(part["q"]) * 3 - 2
        if "word" in part:
            month = next((at for at, words in enumerate(MONTHS, 1) if part["word"].startswith(tuple(words.split()))), 0)
        hour = int(part.get("H", 0))
        if "half" in part:
            hour = hour % 12 + 12 * (part["half"] == "p")
        late = hour == 24  # the end of a day
        if not 1000 <= year < 2300:  # rather a number
            return None
        date = Date(
            year, month, int(part.get("d", 1)), 0 if late else hour, int(part.get("M", 0)), int(part.get("S", 0))
        )
        return date + datetime.timedelta(days=late)
    except ValueError:
        return None


def read_dates(cells: Sequence[str], name: str, order: str | None = None, certain: bool = False):
    """The dates of a column and the form they are written in, or None if it holds none.

    Args:
        cells: as written.
        name: of the column; plain numbers are dates only if it says so.
        order: day-first or month-first, if it is known.
        certain: whether the user said that these are dates.

    Raises:
        UserError: most cells are dates and one is not, or day and month can be exchanged.
    """
    written, cells = cells, [cell.strip().lower() for cell in cells]
    forms = FORMS | (PLAIN if certain or any(map(CALLED.fullmatch, words_of(name))) else {})
    if all(re.fullmatch(r"\d{4}\.0", cell) for cell in cells):
        cells = [cell[:-2] for cell in cells]
    there = [cell for cell in cells if cell] or [""]
    tried = {there[0], there[-1], there[len(there) // 2]}
    found: dict[str, list[Date | None]] = {}
    for form, pattern in forms.items():
        wanted = re.compile(pattern, re.ASCII | re.IGNORECASE)
        if not any(wanted.fullmatch(cell) for cell in tried):
            continue
        matches = (wanted.fullmatch(cell) for cell in cells)  # one at a time: many take much memory
        found[form] = [made(match) if match else None for match in matches]
        if form in PLAIN and None in found[form]:
            del found[form]
    if order:
        other = found.pop({"day-first": "month first", "month-first": "day first"}[order], [None])
        if None not in other and all(None in dates for dates in found.values()):
            raise UserError(f"--data.date-order came as {order}, but some dates in the column {name} are none that way")
    whole = {form: dates for form, dates in found.items() if None not in dates}
    if {"day first", "month first"} <= whole.keys() and whole["day first"] != whole["month first"]:
        form = likelier(whole, cells, name)
        return whole[form], form
    if whole:
        return next((dates, form) for form, dates in whole.items())
    for form, dates in found.items():
        none = [row for row, date in enumerate(dates) if date is None]
        if len(none) <= len(dates) // 10 or (len(none) < len(dates) / 2 and not any(cells[row] for row in none)):
            row = none[0]
            raise UserError(
                f"row {row + 1} below the names has {written[row]!r} in the column {name}, whose other rows are dates "
                f"({form}): correct or remove the row"
            )
    if {"day first", "month first"} <= found.keys() and not order:
        rows = [found[form].index(None) for form in ("day first", "month first")]
        raise UserError(
            f"the column {name} has {cells[rows[1]]!r}, where the day comes first, and {cells[rows[0]]!r}, where it "
            "does not (or there is no such day): write all dates in the same way, best as 2024-12-31"
        )
    return None


def words_of(name: str) -> list[str]:
    """The words in the name of a column, in small letters: those of saleDate and sale_date are sale and date."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def likelier(found: dict[str, list[Date]], cells: Sequence[str], name: str) -> str:
    """Of day first and month first the one by which the steps are alike.

    Raises:
        UserError: none is likelier.
    """
    if "." in cells[0]:
        return "day first"  # nobody writes months first with points
    alike = {}  # shares of the steps
    for form in ("day first", "month first"):
        dates = sorted(set(found[form]))  # each comes several times where there are several series
        step = timeline(dates, form).step
        one = [abs(step.between(*pair) - 1) < 0.01 for pair in pairwise(dates)]
        alike[form] = sum(one) / len(one) if one else 0
    first, second = sorted(alike, key=alike.get, reverse=True)
    whole = alike[first] == 1 > alike[second]
    if not whole and (alike[first] < 0.8 or alike[second] > 0.8 * alike[first]):
        raise UserError(
            f"the dates in the column {name}, such as {cells[0]!r}, can be read with the day or the month first: type "
            "--data.date-order day-first or --data.date-order month-first"
        )
    return first
